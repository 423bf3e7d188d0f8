/* Rows of datasets/models.csv as structs: which columns there are, what they must hold (catalogue.h). */
#include "bench/catalogue.h"

#include <ctype.h>
#include <math.h>
#include <pthread.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include "base/near.h"
#include "base/words.h"
#include "datasets/catalogue.h"

enum kind { TEXT, MUST_TEXT, NUMBER, MUST_NUMBER, COUNT, FLAG };
static const struct column {
    const char *name;
    enum kind kind;
    size_t at;
    double least, most;
} columns[] = {
#define C(column, kind, field, ...) {column, kind, offsetof(struct catalogue_model, field), __VA_ARGS__},
#include "bench/catalogue_columns.def"
#undef C
};

enum { N_COLUMNS = sizeof columns / sizeof *columns, MOST_MODELS = 512 };

static int refuse(const struct csv *c, const struct column *column, const char *wanted, struct err *e)
{
    return err_set(e, ERR_DATA, "catalogue of models, row \"%.60s\", column %s: \"%.60s\" is not %s", csv_text(c, "id"),
                   column->name, csv_text(c, column->name), wanted);
}

static int read_number(const struct csv *c, const struct column *column, void *to, struct err *e)
{
    double v = csv_number(c, column->name);
    bool blank = !*csv_text(c, column->name), whole = column->kind == COUNT || column->kind == FLAG;
    char wanted[96];
    if (blank && column->kind == NUMBER) {
        *(double *)to = NAN;
        return 0;
    }
    if (!(v >= column->least && v <= column->most) || (whole && v != floor(v))) {
        snprintf(wanted, sizeof wanted, "a %s from %g to %g", whole ? "whole number" : "number", column->least,
                 column->most);
        return refuse(c, column, wanted, e);
    }
    if (column->kind == COUNT)
        *(int *)to = (int)v;
    else if (column->kind == FLAG)
        *(bool *)to = v != 0;
    else
        *(double *)to = v;
    return 0;
}

static int read_column(const struct csv *c, const struct column *column, struct arena *a, struct catalogue_model *m,
                       struct err *e)
{
    void *to = (char *)m + column->at;
    if (column->kind != TEXT && column->kind != MUST_TEXT)
        return read_number(c, column, to, e);
    const char *text = csv_text(c, column->name);
    if (!*text && column->kind == MUST_TEXT)
        return refuse(c, column, "a text", e);
    for (const char *p = text; *p; p++)
        if (iscntrl((unsigned char)*p))
            return refuse(c, column, "free of control characters", e);
    const char *copy = arena_strdup(a, text);
    memcpy(to, &copy, sizeof copy);
    return copy ? 0 : err_nomem(e, strlen(text), "the catalogue of models");
}

static int check_row(const struct csv *c, const struct catalogue_model *m, struct err *e)
{
    bool experts = m->n_expert > 0;
    if (c->row.n != c->head.n)
        return err_set(e, ERR_DATA,
                       "catalogue of models, row \"%.60s\": %d fields under a head of %d: mend its commas "
                       "and quotes",
                       csv_text(c, "id"), c->row.n, c->head.n);
    if (m->n_head % m->n_head_kv)
        return err_set(e, ERR_DATA, "catalogue of models, row \"%.60s\": %d heads do not share %d KV heads", m->id,
                       m->n_head, m->n_head_kv);
    if (m->n_expert_used > m->n_expert || (experts && !(m->n_expert_used && m->d_ff_expert)) || (!experts && !m->d_ff))
        return err_set(e, ERR_DATA,
                       "catalogue of models, row \"%.60s\": %d of %d experts of width %d beside a "
                       "feed-forward of %d is no model",
                       m->id, m->n_expert_used, m->n_expert, m->d_ff_expert, m->d_ff);
    if (m->active_params_b > m->params_b)
        return err_set(e, ERR_DATA, "catalogue of models, row \"%.60s\": %g billion weights are active of %g", m->id,
                       m->active_params_b, m->params_b);
    return 0;
}

static int read_row(const struct csv *c, struct arena *a, struct catalogue_model *m, struct err *e)
{
    for (int i = 0; i < N_COLUMNS; i++) {
        int rc = c->row.n == c->head.n ? read_column(c, &columns[i], a, m, e) : 0;
        if (rc)
            return rc;
    }
    return check_row(c, m, e);
}

int catalogue_read(const char *csv, struct arena *a, struct catalogue_model **out, int *n, struct err *e)
{
    struct csv c;
    *n = 0;
    *out = arena_alloc_n(a, MOST_MODELS, sizeof **out);
    if (!*out)
        return err_nomem(e, MOST_MODELS * sizeof **out, "the catalogue of models");
    if (!csv_open(&c, csv))
        return err_set(e, ERR_DATA, "the catalogue of models has no row of column names");
    while (csv_next(&c)) {
        if (*n == MOST_MODELS)
            return err_set(e, ERR_LIMIT, "the catalogue of models has more than %d rows", MOST_MODELS);
        int rc = read_row(&c, a, &(*out)[*n], e);
        if (rc)
            return rc;
        for (int i = 0; i < *n; i++)
            if (!strcasecmp((*out)[i].id, (*out)[*n].id))
                return err_set(e, ERR_DATA, "the catalogue of models has two rows \"%s\"", (*out)[i].id);
        ++*n;
    }
    c.at += strspn(c.at, "\r\n");
    if (*c.at)
        return err_set(e, ERR_DATA,
                       "catalogue of models: row %d after the names (\"%.40s...\") has more than %d fields "
                       "or %d bytes",
                       *n + 1, c.at, CSV_FIELDS, CSV_ROW);
    return 0;
}

static struct { /* of the linked text, which tests read; written once */
    struct arena *arena; /* kept in sight of those who look for leaks */
    struct catalogue_model *row;
    int n;
} linked;

static void read_linked(void)
{
    linked.arena = arena_new();
    if (linked.arena && catalogue_read(dataset_models, linked.arena, &linked.row, &linked.n, NULL) < 0)
        linked.n = 0;
}

int catalogue_models(const struct catalogue_model **out)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, read_linked);
    *out = linked.row;
    return linked.n;
}

const struct catalogue_model *catalogue_model_find(const char *id)
{
    const struct catalogue_model *m;
    for (int i = 0, n = catalogue_models(&m); i < n; i++)
        if (!strcasecmp(m[i].id, id) || (*id && (!strcasecmp(m[i].hf_repo, id) || !strcasecmp(m[i].ollama_tag, id))))
            return &m[i];
    return NULL;
}

int catalogue_model_near(const char *id, struct err *e)
{
    const struct catalogue_model *m;
    const char *names[MOST_MODELS], *near[3];
    int n = catalogue_models(&m);
    for (int i = 0; i < n; i++)
        names[i] = m[i].id;
    int found = near_names(near, 3, id, names, n);
    return err_set(e, ERR_USAGE,
                   "no model \"%.64s\" in the catalogue%s%s%s%s%s%s: `whichquant list models` names all %d", id,
                   found ? "; did you mean " : "", found ? near[0] : "", found > 1 ? ", " : "",
                   found > 1 ? near[1] : "", found > 2 ? " or " : "", found > 2 ? near[2] : "", n);
}

/* Formats that a publisher of GGUF files makes of every model, as words: as seen of their repositories. */
static const struct publisher {
    const char *name, *formats;
} publishers[] = {
#define P(publisher, words) {publisher, words},
#include "bench/catalogue_publishers.def"
#undef P
};

static bool is_published(const char *repo, const char *scheme)
{
    size_t n = strcspn(repo, "/");
    for (size_t i = 0; i < sizeof publishers / sizeof *publishers; i++)
        if (strlen(publishers[i].name) == n && !strncmp(publishers[i].name, repo, n))
            return words_have(publishers[i].formats, scheme, strlen(scheme));
    return false;
}

/* gpt-oss has been trained in mxfp4: its makers' format is the one that repositories hold without a tag. */
static bool is_own_format(const struct catalogue_model *m, const struct recipe *r)
{
    return !strcmp(m->arch, "gpt-oss") && r && !strcmp(r->scheme, "mxfp4_moe");
}

bool catalogue_download_line(const struct catalogue_model *m, const struct recipe *r, char *out, size_t room)
{
    size_t n = 0;
    bool gguf = !r || !strcmp(r->family->name, "gguf"), usual = !r || !strcmp(r->scheme, "q4_k_m");
    out[0] = 0;
    if (*m->gguf_repo && (!r || is_own_format(m, r))) {
        n = (size_t)snprintf(out, room, "llama-server -hf %s", m->gguf_repo);
    } else if (*m->gguf_repo && gguf && is_published(m->gguf_repo, r->scheme)) {
        n = (size_t)snprintf(out, room, "llama-server -hf %s:", m->gguf_repo);
        for (const char *p = r->scheme; *p && n + 1 < room; p++)
            out[n++] = (char)toupper((unsigned char)*p), out[n] = 0;
    } else if (*m->ollama_tag && usual) {
        n = (size_t)snprintf(out, room, "ollama run %s", m->ollama_tag);
    }
    return n > 0 && n < room;
}

const char *catalogue_size_class(const struct catalogue_model *m)
{
    return m->params_b < 1.45 ? "micro" : m->params_b < 13.95 ? "small" : m->params_b <= 30.99 ? "medium" : "large";
}
