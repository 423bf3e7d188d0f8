/* Nodes of a fleet: a CSV into groups of nodes with the same features. Names end up in scripts, so they are held to
 * what host names and Slurm features may be. */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "base/mem.h"
#include "base/os.h"
#include "bench/fleet/parts.h"

enum { MOST_NODES = 100000, MOST_BYTES = 1 << 24 };

static bool is_word(const char *s, const char *also)
{
    size_t n = strlen(s);
    const char *p = s;
    while (*p && (strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789", *p) || strchr(also, *p)))
        p++;
    return n > 0 && n < FLEET_NAME && !*p && *s != '-' && *s != '.';
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(a, b);
}

int fleet_features_add(struct fleet_features *f, const char *name, struct err *e)
{
    if (!is_word(name, "._-"))
        return err_set(e, ERR_FORMAT, "feature %.80s: give letters, digits, '.', '_' and '-'", name);
    for (int i = 0; i < f->n; i++)
        if (strcmp(f->name[i], name) == 0)
            return 0;
    if (f->n == FLEET_MOST_FEATURES)
        return err_set(e, ERR_LIMIT, "more than %d features of one node", FLEET_MOST_FEATURES);
    strcpy(f->name[f->n++], name);
    qsort(f->name, (size_t)f->n, sizeof f->name[0], compare_names);
    return 0;
}

static bool same_features(const struct fleet_features *a, const struct fleet_features *b)
{
    bool same = a->n == b->n;
    for (int i = 0; i < a->n && same; i++)
        same = strcmp(a->name[i], b->name[i]) == 0;
    return same;
}

static int add_node(struct fleet_nodes *all, const char *name, const struct fleet_features *f, double ram_gib,
                    struct err *e)
{
    struct fleet_group *g = NULL;
    for (int i = 0; i < all->n; i++) {
        for (int k = 0; k < all->group[i].n_nodes; k++)
            if (strcmp(all->group[i].node[k], name) == 0)
                return err_set(e, ERR_FORMAT, "node %s stands there twice", name);
        if (same_features(&all->group[i].features, f))
            g = &all->group[i];
    }
    if (!g) {
        struct fleet_group *more = mem_resize(all->group, (size_t)(all->n + 1) * sizeof *more);
        if (!more)
            return err_nomem(e, (size_t)(all->n + 1) * sizeof *more, "the nodes");
        all->group = more;
        g = &all->group[all->n++];
        *g = (struct fleet_group){.features = *f, .ram_gib = ram_gib};
    }
    char **node = mem_resize(g->node, (size_t)(g->n_nodes + 1) * sizeof *node);
    if (!node)
        return err_nomem(e, (size_t)(g->n_nodes + 1) * sizeof *node, "the nodes");
    g->node = node;
    if (!(node[g->n_nodes] = mem_strdup(name)))
        return err_nomem(e, strlen(name), "the nodes");
    g->n_nodes++;
    g->ram_gib = isnan(g->ram_gib) || ram_gib < g->ram_gib ? ram_gib : g->ram_gib;
    return 0;
}

static char *trim(char *s)
{
    s += strspn(s, " \t");
    for (size_t n = strlen(s); n > 0 && strchr(" \t\r", s[n - 1]);)
        s[--n] = 0;
    return s;
}

/* Cuts the line at its commas. */
static int cut(char *line, char *cell[], int most)
{
    int n = 0;
    for (char *at = line; at && n < most; n++) {
        char *comma = strchr(at, ',');
        if (comma)
            *comma++ = 0;
        cell[n] = trim(at);
        at = comma;
    }
    return n;
}

enum { NODE, FEATURES, RAM, N_COLUMNS, MOST_CELLS = 16 };
static const char *const columns[] = {"node", "features", "ram_gib"};

static int take_line(struct fleet_nodes *all, char *line, const int at[N_COLUMNS], struct err *e)
{
    char *cell[MOST_CELLS], *part[N_COLUMNS];
    int n = cut(line, cell, MOST_CELLS), rc = 0;
    for (int c = 0; c < N_COLUMNS; c++)
        part[c] = at[c] >= 0 && at[c] < n ? cell[at[c]] : NULL;
    if (!part[NODE] || !is_word(part[NODE], "._-@:"))
        return err_set(e, ERR_FORMAT, "node %.80s: give a host's name or user@host", part[NODE] ? part[NODE] : "");
    struct fleet_features f = {0};
    for (char *rest = part[FEATURES], *word; rest && rc == 0 && (word = strtok_r(rest, " ", &rest));)
        rc = fleet_features_add(&f, word, e);
    double ram = NAN;
    if (rc == 0 && part[RAM] && *part[RAM]) {
        char *end;
        ram = strtod(part[RAM], &end);
        if (*end || !(ram > 0 && ram < 1e6))
            return err_set(e, ERR_FORMAT, "ram_gib %.40s: give GiB, such as 8", part[RAM]);
    }
    return rc < 0 ? rc : add_node(all, part[NODE], &f, ram, e);
}

static int take_header(char *line, int at[N_COLUMNS], struct err *e)
{
    char *cell[MOST_CELLS];
    int n = cut(line, cell, MOST_CELLS);
    for (int c = 0; c < N_COLUMNS; c++) {
        at[c] = -1;
        for (int i = 0; i < n; i++)
            if (strcmp(cell[i], columns[c]) == 0)
                at[c] = i;
    }
    return at[NODE] >= 0 ? 0 : err_set(e, ERR_FORMAT, "the first line must be: node,features,ram_gib");
}

static int take_lines(struct fleet_nodes *all, char *text, const char *path, struct err *e)
{
    int at[N_COLUMNS] = {-1, -1, -1}, number = 0, rc = 0, n = 0;
    bool header = false;
    for (char *line = text, *next; line && rc == 0; line = next) {
        next = strchr(line, '\n');
        if (next)
            *next++ = 0;
        number++;
        line = trim(line);
        if (!*line || *line == '#')
            continue;
        rc = !header          ? take_header(line, at, e)
             : n < MOST_NODES ? take_line(all, line, at, e)
                              : err_set(e, ERR_LIMIT, "more than %d nodes", n);
        n += header;
        header = true;
    }
    if (rc < 0)
        return err_context(e, "%s, line %d", path, number);
    return n ? 0 : err_set(e, ERR_FORMAT, "%s names no nodes: give lines of node,features,ram_gib", path);
}

int fleet_nodes_read(struct fleet_nodes *out, const char *path, struct err *e)
{
    char *text = NULL;
    *out = (struct fleet_nodes){0};
    int rc = path ? file_read(path, MOST_BYTES, &text, NULL, e) : 0;
    if (rc == 0 && path)
        rc = take_lines(out, strncmp(text, "\xef\xbb\xbf", 3) ? text : text + 3, path, e);
    mem_free(text);
    if (rc < 0)
        fleet_nodes_free(out);
    return rc;
}

void fleet_nodes_free(struct fleet_nodes *n)
{
    for (int i = 0; i < n->n; i++) {
        for (int k = 0; k < n->group[i].n_nodes; k++)
            mem_free(n->group[i].node[k]);
        mem_free(n->group[i].node);
    }
    mem_free(n->group);
    *n = (struct fleet_nodes){0};
}
