/* The max-min over a fleet. Every row that keeps the limits is an entry; entries sorted by model and format are the
 * keys, and of each machine the fastest entry of a key counts. */
#include "matrix/standard.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "base/mem.h"
#include "bench/catalogue.h"
#include "matrix/judge.h"

static const double nearly_all = 0.99; /* of the best score, as in the choice between models */

struct entry {
    const char *model, *format;
    int machine;
    const struct row *row;
};
struct entries {
    struct entry *at;
    int n;
};

const char *model_known_as(const char *name)
{
    const struct catalogue_model *m = catalogue_model_find(name);
    return m ? m->id : name;
}

static bool within(const struct row *r, double max_kld)
{
    return row_eligible(r, 0) && !r->own && !r->kv_variant && (!(r->kld > max_kld) || r->reference);
}

static int compare_entries(const void *pa, const void *pb)
{
    const struct entry *a = pa, *b = pb;
    int by = strcmp(a->model, b->model);
    if (by == 0)
        by = strcmp(a->format, b->format);
    return by ? by : a->machine - b->machine;
}

/* Of a format the machine takes the model of the first row in it, as its decision ranks them. */
static const char *first_model(const struct decision *d, int i, double max_kld)
{
    for (int k = 0; k < i; k++)
        if (within(&d->row[k], max_kld) && strcmp(d->row[k].format, d->row[i].format) == 0)
            return d->row[k].model;
    return d->row[i].model;
}

static int list_entries(struct entries *l, const struct standard *s, const struct decision *const *d, double max_kld,
                        struct err *e)
{
    size_t most = 1;
    for (int m = 0; m < s->n_machines; m++)
        most += (size_t)d[m]->n_rows;
    if (!(l->at = mem_alloc_n(most, sizeof *l->at)))
        return err_nomem(e, most * sizeof *l->at, "the rows of the fleet");
    for (int m = 0; m < s->n_machines; m++)
        for (int i = 0; i < d[m]->n_rows; i++) {
            const struct row *r = &d[m]->row[i];
            const bool by_format = s->kind == STANDARD_FORMAT;
            if (!within(r, max_kld) || (by_format && strcmp(first_model(d[m], i, max_kld), r->model) != 0))
                continue;
            l->at[l->n++] = (struct entry){by_format ? "" : model_known_as(r->model), r->format, m, r};
        }
    qsort(l->at, (size_t)l->n, sizeof *l->at, compare_entries);
    return 0;
}

static bool timed(const struct row *r)
{
    return r && !r->cache_resident && isfinite(r->decode_tok_s);
}

static struct interval speed_of(const struct row *r)
{
    const bool bounds = isfinite(r->decode_tok_s_lo + r->decode_tok_s_hi);
    return bounds ? (struct interval){r->decode_tok_s, r->decode_tok_s_lo, r->decode_tok_s_hi}
                  : stats_exact(r->decode_tok_s);
}

/* The figures of a key over all machines but `skip` (-1: over all). */
static void measure(struct standard_key *k, int n_machines, int skip)
{
    const double none = INFINITY;
    k->decode = (struct interval){none, none, none};
    k->score = none;
    k->published = true;
    k->n_run = k->n_timed = 0;
    k->binding = -1;
    for (int m = 0; m < n_machines; m++) {
        const struct row *r = m == skip ? NULL : k->row[m];
        k->n_run += r != NULL;
        if (r && *r->model_class) { /* of the catalogue: a score measured on tasks is another matter */
            k->score = fmin(r->task_score, k->score);
            k->published = k->published && r->scored;
        }
        if (!timed(r))
            continue;
        struct interval v = speed_of(r);
        k->n_timed++;
        if (v.v < k->decode.v)
            k->binding = m;
        k->decode = (struct interval){fmin(v.v, k->decode.v), fmin(v.lo, k->decode.lo), fmin(v.hi, k->decode.hi)};
    }
    if (!isfinite(k->score))
        k->score = NAN, k->published = false;
    if (k->n_timed == 0)
        k->decode = INTERVAL_NONE;
    k->complete = k->n_timed > 0 && k->n_timed == n_machines - (skip >= 0);
}

/* Is the score of a clearly better? One that is published comes before any that is not, and those before none. */
static bool scores_more(const struct standard_key *a, const struct standard_key *b)
{
    if (a->published != b->published)
        return a->published;
    return isfinite(a->score) && (!isfinite(b->score) || nearly_all * a->score > b->score);
}

/* Measures all keys, keeps those of nearly the best score; the one of the highest speed, -1 none. */
static int judge_keys(struct standard *s, int skip, bool by_score)
{
    const struct standard_key *top = NULL;
    int best = -1;
    for (int i = 0; i < s->n_keys; i++) {
        struct standard_key *k = &s->key[i];
        measure(k, s->n_machines, skip);
        const bool higher = !top || k->published > top->published ||
                            (k->published == top->published && (k->score > top->score || !isfinite(top->score)));
        if (k->complete && higher)
            top = k;
    }
    for (int i = 0; i < s->n_keys; i++) {
        struct standard_key *k = &s->key[i];
        k->kept = k->complete && !(by_score && scores_more(top, k));
        if (k->kept && (best < 0 || k->decode.v > s->key[best].decode.v))
            best = i;
    }
    return best;
}

/* A clearly better score counts first, then speed. */
static bool gains(const struct standard_key *a, const struct standard_key *b, bool by_score)
{
    if (by_score && scores_more(a, b))
        return true;
    return !(by_score && scores_more(b, a)) && a->decode.v > b->decode.v;
}

/* Without which one machine is the answer best? */
static void try_without(struct standard *s, bool by_score)
{
    struct standard_key now = {0};
    int best = judge_keys(s, -1, by_score);
    if (best >= 0)
        now = s->key[best];
    s->dropped = -1;
    for (int m = 0; m < s->n_machines && s->n_machines > 1; m++) {
        int i = judge_keys(s, m, by_score);
        if (i < 0 || (now.format && !gains(&s->key[i], &now, by_score)))
            continue;
        now = s->gained = s->key[i];
        s->dropped = m;
    }
}

/* Those that are kept by speed; behind them by the number of machines, then by score and speed on those. */
static int compare_keys(const void *pa, const void *pb)
{
    const struct standard_key *a = pa, *b = pb;
    const double order[][2] = {{a->kept, b->kept},
                               {a->n_run, b->n_run},
                               {a->n_timed, b->n_timed},
                               {a->kept ? 0 : a->published, b->kept ? 0 : b->published},
                               {a->kept || isnan(a->score) ? 0 : a->score, b->kept || isnan(b->score) ? 0 : b->score},
                               {isnan(a->decode.v) ? 0 : a->decode.v, isnan(b->decode.v) ? 0 : b->decode.v}};
    for (size_t i = 0; i < sizeof order / sizeof *order; i++)
        if (order[i][0] != order[i][1])
            return order[i][0] > order[i][1] ? -1 : 1;
    int by = strcmp(a->model, b->model);
    return by ? by : strcmp(a->format, b->format);
}

static void mark_ties(struct standard *s)
{
    s->best = s->surest = -1;
    for (int i = 0; i < s->n_keys && s->key[i].kept; i++) {
        struct standard_key *k = &s->key[i];
        s->best = 0;
        k->tied = k->decode.hi >= s->key[0].decode.lo;
        s->n_tied += k->tied;
        if (s->surest < 0 || k->decode.lo > s->key[s->surest].decode.lo)
            s->surest = i;
    }
}

/* Of equals the surer. */
static bool is_faster(const struct row *a, const struct row *b)
{
    if (!timed(a) || !timed(b))
        return timed(a) && !timed(b);
    const struct interval x = speed_of(a), y = speed_of(b);
    return x.v > y.v || (x.v == y.v && x.lo > y.lo);
}

static int make_keys(struct standard *s, const struct entries *l, struct err *e)
{
    size_t n = 0;
    for (int i = 0; i < l->n; i++)
        n += i == 0 || strcmp(l->at[i].model, l->at[i - 1].model) || strcmp(l->at[i].format, l->at[i - 1].format);
    s->key = mem_alloc_n(n + 1, sizeof *s->key);
    s->rows = mem_alloc_n((n + 1) * (size_t)(s->n_machines + 1), sizeof *s->rows);
    if (!s->key || !s->rows)
        return err_nomem(e, (n + 1) * (size_t)(s->n_machines + 1) * sizeof *s->rows, "the formats of the fleet");
    for (int i = 0; i < l->n; i++) {
        const struct entry *at = &l->at[i];
        struct standard_key *k = s->n_keys ? &s->key[s->n_keys - 1] : NULL;
        if (!k || strcmp(k->model, at->model) || strcmp(k->format, at->format)) {
            k = &s->key[s->n_keys];
            *k = (struct standard_key){.model = at->model, .format = at->format};
            k->row = &s->rows[(size_t)s->n_keys++ * (size_t)s->n_machines];
        }
        const struct row **best = &k->row[at->machine];
        if (!*best || is_faster(at->row, *best))
            *best = at->row;
    }
    return 0;
}

int standard_make(struct standard *s, enum standard_kind kind, const struct decision *const *decision, int n,
                  const struct standard_want *want, struct err *e)
{
    struct entries l = {0};
    *s = (struct standard){.kind = kind, .n_machines = n, .best = -1, .surest = -1, .dropped = -1};
    int rc = list_entries(&l, s, decision, want->max_kld, e);
    if (rc == 0)
        rc = make_keys(s, &l, e);
    mem_free(l.at);
    if (rc < 0) {
        standard_free(s);
        return rc;
    }
    try_without(s, want->by_score);
    judge_keys(s, -1, want->by_score);
    qsort(s->key, (size_t)s->n_keys, sizeof *s->key, compare_keys);
    mark_ties(s);
    return 0;
}

const char *standard_why_not(const struct standard_key *k, int machine, const struct decision *d)
{
    const char *why = "not measured there";
    if (k->row[machine])
        return timed(k->row[machine]) ? "" : "its speed there is not known";
    for (int i = 0; i < d->n_rows; i++) {
        const struct row *r = &d->row[i];
        if (r->own || strcmp(r->format, k->format) != 0 ||
            (*k->model && strcmp(model_known_as(r->model), k->model) != 0))
            continue;
        if (*r->reason)
            return r->reason;
    }
    return why;
}

void standard_free(struct standard *s)
{
    mem_free(s->key);
    mem_free(s->rows);
    *s = (struct standard){.best = -1, .surest = -1, .dropped = -1};
}
