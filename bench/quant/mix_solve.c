/* First the choice that a price per byte makes: along the lower hull of every item the steps that save most per byte,
 * until the budget is spent. The price of the step that did not fit bounds what any choice can reach. Then the exact
 * search among what the bound leaves: an option that costs more, its bytes priced, than bound and best choice lie apart
 * is part of no better choice, so few are left, and the sums of those few are gone through item by item, sums that
 * others beat in bytes and cost dropped. */
#include "bench/quant/mix_solve.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "base/mem.h"

enum { MOST_SUMS = 8192 }; /* kept from item to item; the search is no longer exact beyond */

struct step { /* along an item's hull */
    int item, from, to;
    int64_t bytes;
    double saves, worth; /* worth: saved per byte */
};
struct sum { /* of the items so far */
    int64_t bytes;
    double excess; /* over the cheapest at the price */
    int before, option;
};
struct solver {
    const struct mix_item *item;
    int n;
    int64_t budget;
    int *choice;
    double price; /* of a byte */
    struct arena *arena;
    struct step *step;
    int n_steps;
};

static int by_bytes(const void *a, const void *b)
{
    const struct mix_option *const *x = a, *const *y = b;
    if ((*x)->bytes != (*y)->bytes)
        return (*x)->bytes < (*y)->bytes ? -1 : 1;
    return (*x)->cost < (*y)->cost ? -1 : (*x)->cost > (*y)->cost ? 1 : *x < *y ? -1 : *x > *y;
}

/* The options on the lower hull, fewest bytes first; returns how many. */
static int find_hull(const struct mix_option **hull, const struct mix_item *it)
{
    int n = 0;
    for (int i = 0; i < it->n; i++)
        hull[i] = &it->option[i];
    qsort(hull, (size_t)it->n, sizeof *hull, by_bytes);
    for (int i = 0; i < it->n; i++) {
        const struct mix_option *o = hull[i];
        if (n > 0 && o->cost >= hull[n - 1]->cost)
            continue;
        while (n > 1 && (hull[n - 2]->cost - o->cost) * (double)(hull[n - 1]->bytes - hull[n - 2]->bytes) >=
                            (hull[n - 2]->cost - hull[n - 1]->cost) * (double)(o->bytes - hull[n - 2]->bytes))
            n--;
        hull[n++] = o;
    }
    return n;
}

static int by_worth(const void *a, const void *b)
{
    const struct step *x = a, *y = b;
    if (x->worth != y->worth)
        return x->worth > y->worth ? -1 : 1;
    return x->item != y->item ? x->item - y->item : x->bytes < y->bytes ? -1 : x->bytes > y->bytes;
}

/* Every item at its smallest, and the steps from there, the best first; returns the bytes. */
static int64_t list_steps(struct solver *s, const struct mix_option **hull)
{
    int64_t bytes = 0;
    for (int i = 0; i < s->n; i++) {
        const struct mix_item *it = &s->item[i];
        int n = find_hull(hull, it);
        s->choice[i] = (int)(hull[0] - it->option);
        bytes += hull[0]->bytes;
        for (int k = 1; k < n; k++) {
            double saves = hull[k - 1]->cost - hull[k]->cost;
            int64_t more = hull[k]->bytes - hull[k - 1]->bytes;
            s->step[s->n_steps++] = (struct step){
                i, (int)(hull[k - 1] - it->option), (int)(hull[k] - it->option), more, saves, saves / (double)more};
        }
    }
    qsort(s->step, (size_t)s->n_steps, sizeof *s->step, by_worth);
    return bytes;
}

/* Steps while they fit; the first that does not sets the price, and the bound with what is left at that price. Later
 * ones that still fit fill up the rest. */
static void spend(struct solver *s, struct mix_solution *out)
{
    int64_t left = s->budget - out->bytes;
    out->cost = 0;
    for (int i = 0; i < s->n; i++)
        out->cost += s->item[i].option[s->choice[i]].cost;
    out->bound = NAN;
    for (int k = 0; k < s->n_steps; k++) {
        const struct step *t = &s->step[k];
        if (s->choice[t->item] != t->from)
            continue;
        if (t->bytes > left) {
            if (isnan(out->bound)) {
                s->price = t->worth;
                out->bound = out->cost - t->worth * (double)left;
            }
            continue;
        }
        s->choice[t->item] = t->to;
        left -= t->bytes;
        out->bytes += t->bytes;
        out->cost -= t->saves;
    }
    out->bound = isnan(out->bound) ? out->cost : out->bound;
}

static double priced(const struct solver *s, const struct mix_option *o)
{
    return o->cost + s->price * (double)o->bytes;
}

static double cheapest(const struct solver *s, const struct mix_item *it)
{
    double least = INFINITY;
    for (int o = 0; o < it->n; o++)
        least = fmin(least, priced(s, &it->option[o]));
    return least;
}

static int by_sum(const void *a, const void *b)
{
    const struct sum *x = a, *y = b;
    if (x->bytes != y->bytes)
        return x->bytes < y->bytes ? -1 : 1;
    return x->excess < y->excess ? -1 : x->excess > y->excess ? 1 : x->before - y->before;
}

static int by_excess(const void *a, const void *b)
{
    const struct sum *x = a, *y = b;
    return x->excess < y->excess ? -1 : x->excess > y->excess ? 1 : by_sum(a, b);
}

/* Drops sums that another beats in bytes and in cost (excess less priced bytes); returns how many are left. */
static int drop_beaten(const struct solver *s, struct sum *v, int n, bool *exact)
{
    int kept = 0;
    double least = INFINITY;
    qsort(v, (size_t)n, sizeof *v, by_sum);
    for (int i = 0; i < n; i++) {
        double cost = v[i].excess - s->price * (double)v[i].bytes;
        if (cost >= least)
            continue;
        least = cost;
        v[kept++] = v[i];
    }
    if (kept > MOST_SUMS) {
        qsort(v, (size_t)kept, sizeof *v, by_excess);
        kept = MOST_SUMS;
        *exact = false;
    }
    return kept;
}

/* All sums of one more item that the gap leaves possible. NULL when out of memory. */
static struct sum *extend(struct solver *s, const struct mix_item *it, const struct sum *from, int n_from, double gap,
                          int64_t room, int *n)
{
    struct sum *v = mem_alloc_n((size_t)n_from * (size_t)it->n, sizeof *v);
    const double least = cheapest(s, it);
    *n = 0;
    for (int k = 0; v && k < n_from; k++)
        for (int o = 0; o < it->n; o++) {
            struct sum t = {from[k].bytes + it->option[o].bytes, from[k].excess + (priced(s, &it->option[o]) - least),
                            k, o};
            if (t.excess <= gap && t.bytes <= room)
                v[(*n)++] = t;
        }
    return v;
}

/* The fewest bytes that the items from i on take: rest[n + 1]. */
static void find_rest(const struct solver *s, int64_t *rest)
{
    rest[s->n] = 0;
    for (int i = s->n - 1; i >= 0; i--) {
        int64_t least = INT64_MAX;
        for (int o = 0; o < s->item[i].n; o++)
            least = s->item[i].option[o].bytes < least ? s->item[i].option[o].bytes : least;
        rest[i] = rest[i + 1] + least;
    }
}

/* Of the sums of all items the least in cost, where it beats the choice there is. */
static void take_best(struct solver *s, struct sum *const *level, int n, struct mix_solution *out)
{
    const struct sum *last = level[s->n];
    double cost = 0;
    int best = 0;
    for (int k = 1; k < n; k++)
        if (last[k].excess - s->price * (double)last[k].bytes < last[best].excess - s->price * (double)last[best].bytes)
            best = k;
    for (int i = s->n - 1, at = best; i >= 0; at = level[i + 1][at].before, i--)
        cost += s->item[i].option[level[i + 1][at].option].cost;
    if (cost >= out->cost)
        return;
    out->cost = cost;
    out->bytes = last[best].bytes;
    for (int i = s->n - 1, at = best; i >= 0; at = level[i + 1][at].before, i--)
        s->choice[i] = level[i + 1][at].option;
}

static int search(struct solver *s, struct mix_solution *out, struct err *e)
{
    const double gap = (out->cost - out->bound) * (1 + 1e-9);
    struct sum **level = arena_alloc_n(s->arena, (size_t)s->n + 1, sizeof *level);
    int64_t *rest = arena_alloc_n(s->arena, (size_t)s->n + 1, sizeof *rest);
    struct sum none = {0};
    int n = 1, rc = 0;
    if (!level || !rest)
        return err_nomem(e, (size_t)s->n * sizeof *level, "the choice of codecs");
    find_rest(s, rest);
    level[0] = &none;
    for (int i = 0; i < s->n && n > 0 && rc == 0; i++) {
        level[i + 1] = extend(s, &s->item[i], level[i], n, gap, s->budget - rest[i + 1], &n);
        rc = level[i + 1] ? 0 : err_nomem(e, (size_t)n * sizeof none, "the choice of codecs");
        n = rc ? 0 : drop_beaten(s, level[i + 1], n, &out->exact);
        struct sum *fit = n ? mem_resize(level[i + 1], (size_t)n * sizeof none) : NULL;
        level[i + 1] = fit ? fit : level[i + 1];
    }
    if (n > 0 && rc == 0)
        take_best(s, level, n, out);
    for (int i = 1; i <= s->n; i++)
        mem_free(level[i]);
    return rc;
}

int mix_solve(int choice[], struct mix_solution *out, const struct mix_item *item, int n, int64_t budget, struct err *e)
{
    struct solver s = {.item = item, .n = n, .budget = budget, .choice = choice, .arena = arena_new()};
    int most = 0;
    size_t n_options = 0;
    *out = (struct mix_solution){.exact = true};
    for (int i = 0; i < n; i++) {
        most = item[i].n > most ? item[i].n : most;
        n_options += (size_t)item[i].n;
    }
    const struct mix_option **hull = s.arena ? arena_alloc_n(s.arena, (size_t)most, sizeof(void *)) : NULL;
    s.step = hull ? arena_alloc_n(s.arena, n_options, sizeof *s.step) : NULL;
    int rc = s.step ? 0 : err_nomem(e, n_options * sizeof *s.step, "the choice of codecs");
    if (rc == 0) {
        out->bytes = list_steps(&s, hull);
        if (out->bytes > budget)
            rc = err_set(e, ERR_LIMIT, "%lld bytes are not enough: the smallest choice takes %lld", (long long)budget,
                         (long long)out->bytes);
    }
    if (rc == 0) {
        spend(&s, out);
        if (out->cost > out->bound)
            rc = search(&s, out, e);
    }
    if (rc == 0 && out->exact)
        out->bound = out->cost;
    arena_free(s.arena);
    return rc;
}
