/* Which result of a cell on a machine counts, and which machines there are. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/mem.h"
#include "base/os.h"
#include "bench/fleet/collect.h"
#include "bench/fleet/parts.h"

bool fleet_time(const char *text, int64_t *out)
{
    *out = 0;
    return strlen(text) == 20 && text[10] == 'T' && text[19] == 'Z' && clock_parse(text, out);
}

/* The one that counts comes first: an answer before an attempt, a right clock before a wrong one, then the newest. */
static int compare_taken(const void *pa, const void *pb)
{
    const struct fleet_taken *a = pa, *b = pb;
    if (a->plan != b->plan)
        return a->plan - b->plan;
    if (a->cell != b->cell)
        return a->cell - b->cell;
    int rc = strcmp(a->result.machine.id, b->result.machine.id);
    if (rc)
        return rc;
    bool final_a = fleet_status_is_final(a->result.status), final_b = fleet_status_is_final(b->result.status);
    if (final_a != final_b)
        return final_b - final_a;
    if ((a->clock == CLOCK_RIGHT) != (b->clock == CLOCK_RIGHT))
        return (b->clock == CLOCK_RIGHT) - (a->clock == CLOCK_RIGHT);
    if (a->at != b->at)
        return a->at < b->at ? 1 : -1;
    return strcmp(a->result.sha256, b->result.sha256);
}

static bool same_place(const struct fleet_taken *a, const struct fleet_taken *b)
{
    return a->plan == b->plan && a->cell == b->cell && !strcmp(a->result.machine.id, b->result.machine.id);
}

/* An attempt that was repeated contradicts nothing; two answers do. */
static void settle_uses(struct fleet_collection *c)
{
    for (int i = 0, first = 0; i < c->n_taken; i++) {
        struct fleet_taken *t = &c->taken[i], *used = &c->taken[first];
        if (i == 0 || !same_place(t, used)) {
            first = i;
            t->use = USE_TAKEN;
            continue;
        }
        t->use = fleet_status_is_final(t->result.status) ? USE_CONTRADICTS : USE_SUPERSEDED;
        if (t->use == USE_CONTRADICTS)
            collect_say(c, "cell %s was measured more than once on %s: %s counts, %s is kept beside it", t->result.cell,
                        t->result.machine.label, used->path, t->path);
    }
}

static int find_node(const struct fleet_collection *c, const char *id)
{
    int i = 0;
    while (i < c->n_nodes && strcmp(c->node[i].id, id) != 0)
        i++;
    return i;
}

/* The label of its newest result. */
static int settle_nodes(struct fleet_collection *c, struct err *e)
{
    c->node = mem_alloc_n((size_t)c->n_taken + 1, sizeof *c->node);
    int64_t *newest = mem_alloc_n((size_t)c->n_taken + 1, sizeof *newest);
    if (!c->node || !newest) {
        mem_free(newest);
        return err_nomem(e, (size_t)c->n_taken * sizeof *c->node, "the machines");
    }
    for (int i = 0; i < c->n_taken; i++) {
        struct fleet_taken *t = &c->taken[i];
        const int k = t->machine = find_node(c, t->result.machine.id);
        struct fleet_node *node = &c->node[k];
        if (k == c->n_nodes) {
            c->n_nodes++;
            snprintf(node->id, sizeof node->id, "%s", t->result.machine.id);
        }
        if (t->at >= newest[k] || !*node->own_label) {
            newest[k] = t->at;
            snprintf(node->own_label, sizeof node->own_label, "%s", t->result.machine.label);
        }
        if (t->clock != CLOCK_RIGHT)
            node->clock = t->clock;
    }
    mem_free(newest);
    return 0;
}

static void settle_labels(struct fleet_collection *c)
{
    for (int i = 0; i < c->n_nodes; i++) {
        struct fleet_node *a = &c->node[i];
        int n_same = 0, first = -1;
        for (int k = 0; k < c->n_nodes; k++)
            if (strcmp(a->own_label, c->node[k].own_label) == 0) {
                first = first < 0 ? k : first;
                n_same++;
            }
        if (n_same == 1)
            snprintf(a->label, sizeof a->label, "%s", a->own_label);
        else
            snprintf(a->label, sizeof a->label, "%s#%.6s", a->own_label, a->id);
        if (n_same > 1 && first == i)
            collect_say(c, "%d machines call themselves %s: they are told apart as %s and so on", n_same, a->own_label,
                        a->label);
        if (a->clock != CLOCK_RIGHT)
            collect_say(c, "the clock of %s is wrong: it measured %s; its results are kept and marked", a->label,
                        a->clock == CLOCK_AHEAD ? "in the future" : "before the plan was made");
    }
}

static int compare_keys(const void *pa, const void *pb)
{
    const struct fleet_taken *a = pa, *b = pb;
    return a->plan != b->plan ? a->plan - b->plan : a->cell - b->cell;
}

const struct fleet_taken *collect_results(const struct fleet_collection *c, int plan, int cell, int *n)
{
    const struct fleet_taken key = {.plan = plan, .cell = cell};
    const struct fleet_taken *t =
        c->n_taken ? bsearch(&key, c->taken, (size_t)c->n_taken, sizeof key, compare_keys) : NULL;
    *n = 0;
    while (t && t > c->taken && compare_keys(t - 1, &key) == 0)
        t--;
    while (t && t + *n < c->taken + c->n_taken && compare_keys(t + *n, &key) == 0)
        ++*n;
    return t;
}

enum fleet_state collect_state(const struct fleet_taken *t, int n)
{
    for (int i = 0; i < n; i++)
        if (fleet_status_is_final(t[i].result.status))
            return FLEET_DONE;
    return n ? FLEET_FAILED : FLEET_MISSING;
}

int collect_settle(struct fleet_collection *c, struct err *e)
{
    if (c->n_taken)
        qsort(c->taken, (size_t)c->n_taken, sizeof *c->taken, compare_taken);
    settle_uses(c);
    int rc = settle_nodes(c, e);
    if (rc < 0)
        return rc;
    settle_labels(c);
    int count[N_FLEET_STATES] = {0}, n;
    for (int p = 0; p < c->n_plans; p++)
        for (int i = 0; i < c->plan[p].n_cells; i++) {
            const struct fleet_taken *t = collect_results(c, p, i, &n);
            count[collect_state(t, n)]++;
            c->n_cells++;
        }
    c->n_done = count[FLEET_DONE];
    c->n_failed = count[FLEET_FAILED];
    c->n_missing = count[FLEET_MISSING];
    return 0;
}
