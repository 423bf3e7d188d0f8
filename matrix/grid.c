/* The grid of model x format, and the counts of verdicts. */
#include "matrix/grid.h"

#include <math.h>
#include <string.h>
#include "base/mem.h"

static const struct verdict_count verdicts[] = {
#define V(verdict, outcome, words) {verdict, words, OUTCOME_##outcome, 0, 0},
#include "matrix/verdicts.def"
#undef V
};
_Static_assert(sizeof verdicts / sizeof verdicts[0] == N_VERDICTS, "verdicts.def and N_VERDICTS");

static int verdict_index(const struct row *r)
{
    int i = 0;
    while (i < N_VERDICTS - 1 && strcmp(verdicts[i].verdict, r->verdict) != 0)
        i++;
    return i;
}

enum outcome row_outcome(const struct row *r)
{
    return verdicts[verdict_index(r)].outcome;
}

/* Place of the name among the lines; a new one is appended. */
static int place_of(struct grid_line *line, int *n, const char *name, double bits)
{
    int i = 0;
    while (i < *n && strcmp(line[i].name, name) != 0)
        i++;
    if (i == *n)
        line[(*n)++] = (struct grid_line){.name = name, .bits = NAN};
    if (!isfinite(line[i].bits))
        line[i].bits = bits;
    return i;
}

/* Stable: formats of as many bits stay in the decision's order; those of unknown size come last. */
static void sort_by_bits(struct grid_line *line, int n)
{
    for (int i = 1; i < n; i++)
        for (int k = i; k > 0; k--) {
            struct grid_line keep = line[k];
            bool before = isfinite(keep.bits) && !(keep.bits <= line[k - 1].bits);
            if (!before)
                break;
            line[k] = line[k - 1];
            line[k - 1] = keep;
        }
}

static void count_row(struct grid *g, const struct decision *d, int i)
{
    const struct row *r = &d->row[i];
    g->count[verdict_index(r)].n++;
    g->n_rows++;
    enum outcome o = row_outcome(r);
    if (o == OUTCOME_RUNS && r->weights_bytes >= 0 &&
        (g->largest < 0 || r->weights_bytes > d->row[g->largest].weights_bytes))
        g->largest = i;
    if (strcmp(r->veto, "memory") == 0 && r->weights_bytes >= 0 &&
        (g->smallest < 0 || r->weights_bytes < d->row[g->smallest].weights_bytes))
        g->smallest = i;
}

static void fill_cells(struct grid *g, const struct decision *d)
{
    for (int i = 0; i < g->n_models * g->n_formats; i++)
        g->cell[i] = -1;
    for (int i = 0; i < d->n_rows; i++) {
        const struct row *r = &d->row[i];
        if (r->own)
            continue;
        int m = place_of(g->model, &g->n_models, r->model, NAN), f = place_of(g->format, &g->n_formats, r->format, NAN);
        int *at = &g->cell[m * g->n_formats + f];
        if (*at < 0 || (row_outcome(r) == OUTCOME_RUNS && row_outcome(&d->row[*at]) != OUTCOME_RUNS))
            *at = i;
    }
    for (int m = 0; m < g->n_models; m++)
        for (int f = 0; f < g->n_formats; f++) {
            int at = grid_cell(g, m, f), run = at >= 0 && row_outcome(&d->row[at]) == OUTCOME_RUNS;
            g->model[m].n_cells += at >= 0, g->format[f].n_cells += at >= 0;
            g->model[m].n_run += run, g->format[f].n_run += run;
        }
}

int grid_make(struct grid *g, const struct decision *d, struct err *e)
{
    *g = (struct grid){.largest = -1, .smallest = -1, .arena = arena_new()};
    memcpy(g->count, verdicts, sizeof verdicts);
    size_t most = (size_t)d->n_rows + 1;
    if (g->arena) {
        g->model = arena_alloc_n(g->arena, most, sizeof *g->model);
        g->format = arena_alloc_n(g->arena, most, sizeof *g->format);
    }
    if (!g->model || !g->format)
        return err_nomem(e, 2 * most * sizeof *g->model, "the models and formats of the report");
    for (int i = 0; i < d->n_rows; i++) {
        const struct row *r = &d->row[i];
        if (r->own)
            continue;
        place_of(g->model, &g->n_models, r->model, NAN);
        place_of(g->format, &g->n_formats, r->format, r->effective_bpw);
        count_row(g, d, i);
    }
    for (int i = 0; i < N_VERDICTS; i++)
        g->count[i].share = g->n_rows ? (double)g->count[i].n / g->n_rows : NAN;
    sort_by_bits(g->format, g->n_formats);
    size_t cells;
    if (!mem_mul((size_t)g->n_models, (size_t)g->n_formats, &cells) ||
        !(g->cell = arena_alloc_n(g->arena, cells + 1, sizeof *g->cell)))
        return err_nomem(e, (size_t)g->n_models * (size_t)g->n_formats * sizeof *g->cell, "the grid of the report");
    fill_cells(g, d);
    return 0;
}

void grid_free(struct grid *g)
{
    arena_free(g->arena);
    *g = (struct grid){0};
}
