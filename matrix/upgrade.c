/* Memory: of the rows that memory alone forbids, the smallest that is better than the pick; then the choice anew on the
 * next size. Bandwidth: of the rows that only the speed limit forbids, the one that needs least; where it starts is
 * found by bisection of the prediction itself. */
#include "matrix/upgrade.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include "matrix/choose.h"
#include "matrix/judge.h"

static const double nearly_all = 0.99, gib = 1073741824.0;

/* Would a, if nothing forbade it, take the place of the pick? As the choice ranks: published scores before others, a
 * clearly better one, or as good and faster. */
static bool is_better(const struct row *a, const struct row *pick, enum objective o)
{
    const double x = a->task_score, y = pick ? pick->task_score : NAN;
    if (!pick)
        return true;
    if (o == OBJECTIVE_SPEED)
        return a->decode_tok_s > pick->decode_tok_s;
    if (o != OBJECTIVE_BALANCED && o != OBJECTIVE_QUALITY)
        return false; /* more memory or bandwidth saves neither memory nor energy */
    if (a->scored != pick->scored)
        return a->scored;
    if (nearly_all * x > y)
        return true;
    if (o == OBJECTIVE_QUALITY)
        return strcmp(a->model, pick->model) == 0 && a->kld < pick->kld;
    return x >= nearly_all * y && a->decode_tok_s > pick->decode_tok_s;
}

static const struct row *pick_of(const struct decision *d)
{
    return d->recommended >= 0 ? &d->row[d->recommended] : NULL;
}

/* Forbidden by that rule and by no other. */
static bool only_for(const struct row *r, uint64_t rule)
{
    return r->ran && !r->own && r->vetoes == rule;
}

static struct upgrade_choice choice_of(const struct row *r)
{
    struct upgrade_choice c = {.decode_tok_s = {r->decode_tok_s, r->decode_tok_s_lo, r->decode_tok_s_hi}};
    snprintf(c.name, sizeof c.name, "%.60s %.50s on %.40s", r->model, r->format, r->framework);
    return c;
}

/* ---- memory ---- */

static const struct row *first_with_memory(const struct decision *d, enum objective o)
{
    const struct row *best = NULL;
    for (int i = 0; i < d->n_rows; i++) {
        const struct row *r = &d->row[i];
        if (only_for(r, RULE_BIT(memory)) && r->peak_bytes > 0 && is_better(r, pick_of(d), o) &&
            (!best || r->peak_bytes < best->peak_bytes))
            best = r;
    }
    return best;
}

/* The next size on sale above the machine's of which so much is usable; false: none is. */
static bool next_memory(struct target *out, const struct target *t, int64_t usable)
{
    static const int sizes[] = {1,  2,  3,  4,  6,  8,   10,  12,  16,  18,  20,  24,  32,  36,
                                40, 48, 64, 80, 96, 128, 141, 192, 256, 384, 512, 768, 1024};
    *out = *t;
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        out->memory_bytes = (int64_t)(sizes[i] * gib);
        if (out->memory_bytes <= t->memory_bytes)
            continue;
        target_set_usable(out);
        if (out->usable_bytes >= usable)
            return true;
    }
    return false;
}

static int find_memory(struct upgrade *u, const struct choose_input *in, const struct decision *d, struct err *e)
{
    struct target larger;
    struct request req = *in->req;
    struct choose_input more = *in;
    struct decision *then = NULL;
    const struct row *first = first_with_memory(d, in->req->want.objective);
    if (!first)
        return 0;
    u->usable_bytes = first->peak_bytes;
    if (req.want.ram_bytes >= 0 || !next_memory(&larger, in->target, first->peak_bytes))
        return 0; /* --ram is a limit of its own: the machine may have the memory already */
    more.target = &larger;
    int rc = matrix_choose(&then, &more, e);
    if (rc == 0 && then->recommended >= 0) {
        u->memory_gib = (double)larger.memory_bytes / gib;
        u->memory = choice_of(pick_of(then));
    }
    decision_free(then);
    return rc;
}

/* ---- bandwidth ---- */

static const struct row *first_with_bandwidth(const struct decision *d, enum objective o)
{
    const struct row *best = NULL;
    for (int i = 0; i < d->n_rows; i++) {
        const struct row *r = &d->row[i];
        if (only_for(r, RULE_BIT(min_decode)) && is_better(r, pick_of(d), o) &&
            (!best || r->decode_tok_s > best->decode_tok_s))
            best = r;
    }
    return best;
}

/* That row's speed on the machine with k times its bandwidth; NaN: it is not predicted. */
static int speed_with(struct interval *out, const struct choose_input *one, double k, struct err *e)
{
    struct target faster = *one->target;
    struct choose_input in = *one;
    struct decision *d = NULL;
    faster.bandwidth_gb_s *= k;
    faster.device.memory.bandwidth_gb_s *= k;
    faster.device.memory.peak_gb_s *= k;
    in.target = &faster;
    *out = INTERVAL_NONE;
    int rc = matrix_choose(&d, &in, e);
    if (rc == 0 && d->n_rows)
        *out = (struct interval){d->row[0].decode_tok_s, d->row[0].decode_tok_s_lo, d->row[0].decode_tok_s_hi};
    decision_free(d);
    return rc;
}

static bool reaches(const struct interval *v, size_t end, double limit)
{
    return *(const double *)((const char *)v + end) >= limit; /* not where nothing is predicted */
}

/* A factor at which that end of the interval reaches the limit, in steps: far from the devices that were measured
 * nothing is predicted. NaN: none. */
static int grow(double *k, const struct choose_input *one, size_t end, double limit, struct err *e)
{
    static const double step = 1.15, most = 64;
    struct interval v = {0, 0, 0};
    int rc = 0;
    for (*k = 1; *k <= most && rc == 0; *k *= step) {
        rc = speed_with(&v, one, *k, e);
        if (isnan(v.v) || reaches(&v, end, limit))
            break;
    }
    if (!reaches(&v, end, limit))
        *k = NAN;
    return rc;
}

/* The least such factor. */
static int bisect(double *k, const struct choose_input *one, size_t end, double limit, struct err *e)
{
    enum { STEPS = 24 };
    struct interval v;
    int rc = grow(k, one, end, limit, e);
    double lo = *k / 64, hi = *k;
    for (int i = 0; i < STEPS && rc == 0 && isfinite(hi); i++) {
        double middle = sqrt(lo * hi);
        rc = speed_with(&v, one, middle, e);
        if (reaches(&v, end, limit))
            hi = middle;
        else
            lo = middle;
    }
    *k = hi;
    return rc;
}

static int find_bandwidth(struct upgrade *u, const struct choose_input *in, const struct decision *d, struct err *e)
{
    static const size_t ends[] = {offsetof(struct interval, v), offsetof(struct interval, hi),
                                  offsetof(struct interval, lo)};
    const struct row *first = first_with_bandwidth(d, in->req->want.objective);
    struct request req = *in->req;
    if (!first || !(in->target->bandwidth_gb_s > 0))
        return 0;
    struct choose_input one = *in;
    one.models = &first->model;
    one.n_models = 1;
    one.req = &req;
    req.formats = &first->format, req.n_formats = 1;
    req.frameworks = &first->framework, req.n_frameworks = 1;
    req.want.min_decode_tok_s = NAN;
    double k[3];
    int rc = 0;
    for (int i = 0; i < 3 && rc == 0; i++)
        rc = bisect(&k[i], &one, ends[i], d->min_decode_tok_s, e);
    if (rc < 0 || !isfinite(k[0]))
        return rc;
    const double now = in->target->bandwidth_gb_s;
    u->bandwidth_gb_s = (struct interval){now * k[0], now * k[1], now * k[2]};
    u->bandwidth = choice_of(first);
    return speed_with(&u->bandwidth.decode_tok_s, &one, k[0], e);
}

int upgrade_find(struct upgrade *u, const struct target *t, const struct decision *d, const struct request *req,
                 const char *const *models, int n_models, struct err *e)
{
    const struct choose_input in = {.target = t, .req = req, .models = models, .n_models = n_models};
    *u = UPGRADE_NONE;
    int rc = find_memory(u, &in, d, e);
    if (rc == 0)
        rc = find_bandwidth(u, &in, d, e);
    if (rc == 0 && d->recommended < 0 && u->usable_bytes < 0 && !isfinite(u->bandwidth_gb_s.v))
        snprintf(u->note, sizeof u->note,
                 "neither more memory nor more bandwidth alone would let anything run within the limits");
    return rc;
}
