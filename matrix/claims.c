/* Claimed beside measured: each row of datasets/claims.csv against the rows of the decision whose format it names ("*"
 * ends a prefix, "pick" is the recommended one), or against the size of a known architecture in that format. */
#include <math.h>
#include <stdio.h>
#include <string.h>
#include "bench/measure.h"
#include "bench/plan.h"
#include "datasets/catalogue.h"
#include "matrix/judge.h"

struct span {
    double lo, hi;
    int n;
};

static void widen(struct span *s, double v)
{
    if (!isfinite(v))
        return;
    s->lo = s->n ? fmin(s->lo, v) : v;
    s->hi = s->n ? fmax(s->hi, v) : v;
    s->n++;
}

/* ---- metrics of a row; base: the unquantized row of its group, or NULL ---- */

static double f16_bytes(const struct row *r)
{
    return r->weights_bytes > 0 ? (double)r->weights_bytes * 16 / r->effective_bpw : NAN;
}

static double size_reduction(const struct row *r, const struct row *base)
{
    (void)base;
    return 100 * (1 - (double)r->weights_bytes / f16_bytes(r));
}

static double size_mb(const struct row *r, const struct row *base)
{
    (void)base;
    return r->weights_bytes > 0 ? (double)r->weights_bytes * 1e-6 : NAN;
}

static double memory_factor(const struct row *r, const struct row *base)
{
    (void)base;
    return r->weights_bytes > 0 && r->peak_bytes > 0 ? (double)r->peak_bytes / (double)r->weights_bytes : NAN;
}

static double memory_reduction(const struct row *r, const struct row *base)
{
    (void)base;
    if (r->weights_bytes <= 0 || r->peak_bytes <= 0)
        return NAN;
    return 100 * (1 - (double)r->peak_bytes / ((double)(r->peak_bytes - r->weights_bytes) + f16_bytes(r)));
}

static double speedup(const struct row *r, const struct row *base)
{
    bool timed = base && !r->cache_resident && !base->cache_resident;
    return timed ? r->decode_tok_s / base->decode_tok_s : NAN;
}

/* The interval's ends: a few tasks prove nothing, nor do those at which the reference only guesses. */
static double accuracy_lo(const struct row *r, const struct row *base)
{
    (void)base;
    return row_beats_chance(r) ? 100 * r->task_share_lo : NAN;
}

static double accuracy_hi(const struct row *r, const struct row *base)
{
    (void)base;
    return row_beats_chance(r) ? 100 * r->task_share_hi : NAN;
}

/* more: 1 where more is better, 0 where the figure itself is claimed. near: what "approximately" may hide, relative for
 * ratios and sizes, in points for percentages. */
static const struct metric {
    const char *name, *what, *missing;
    double (*of)(const struct row *r, const struct row *base);
    int more;
    double (*upper)(const struct row *r,
                    const struct row *base); /* of an interval that begins at `of`; NULL: a point */
} metrics[] = {
    {"size_reduction", "file size less than f16", "this format was not in the sweep", size_reduction, 0},
    {"size_mb", "file size", "this format was not in the sweep", size_mb, 0},
    {"size_gb", "file size", "no architecture of that name is known", NULL, 0},
    {"memory_factor", "peak memory over file size", "this format was not in the sweep", memory_factor, 0},
    {"memory_reduction", "peak memory less than f16", "these formats were not in the sweep", memory_reduction, 1},
    {"speedup", "tokens per second over f16", "no speed of both was measured here", speedup, 1},
    {"accuracy_kept", "accuracy kept on tasks", "no tasks (--tasks FILE), or the reference guesses", accuracy_lo, 1,
     accuracy_hi},
};

static const struct metric *metric_find(const char *name)
{
    for (size_t i = 0; i < sizeof metrics / sizeof *metrics; i++)
        if (strcmp(metrics[i].name, name) == 0)
            return &metrics[i];
    return NULL;
}

/* ---- which rows ---- */

static bool matches(const char *pattern, const char *format)
{
    size_t n = strlen(pattern);
    return n && pattern[n - 1] == '*' ? strncmp(pattern, format, n - 1) == 0 : strcmp(pattern, format) == 0;
}

static const struct row *base_of(const struct decision *d, const struct row *r)
{
    for (int i = 0; i < d->n_rows; i++) {
        const struct row *b = &d->row[i];
        if (!b->own && b->group == r->group && isfinite(b->decode_tok_s) && strcmp(b->format, "base/f16") == 0)
            return b;
    }
    return NULL;
}

static struct span span_of_rows(const struct decision *d, const char *format, const struct metric *m)
{
    struct span s = {NAN, NAN, 0};
    int group = d->recommended >= 0 ? d->row[d->recommended].group : 0;
    bool pick = strcmp(format, "pick") == 0;
    for (int i = 0; i < d->n_rows; i++) {
        const struct row *r = &d->row[i];
        if (r->own || r->kv_variant || r->group != group || (pick ? i != d->recommended : !matches(format, r->format)))
            continue;
        widen(&s, m->of(r, base_of(d, r)));
        if (m->upper)
            widen(&s, m->upper(r, base_of(d, r)));
    }
    return s;
}

static struct span span_of_shape(const char *id, const char *format)
{
    struct span s = {NAN, NAN, 0};
    const struct shape *shape = shape_find(id);
    struct request req;
    struct model *m = NULL;
    struct plan *p = NULL;
    struct err e;
    request_defaults(&req);
    req.formats = &format;
    req.n_formats = 1;
    if (shape && model_from_shape(&m, &shape->d, &e) == 0 && plan_formats(&p, m, &req, NULL, &e) == 0 &&
        p->n_cells == 1)
        widen(&s, (double)p->cell[0].summary.bytes * 1e-9);
    plan_free(p);
    model_close(m);
    return s;
}

/* ---- the verdict ---- */

static const char *judge_claim(const struct metric *m, double low, double high, const char *unit, struct span s)
{
    static const double points = 2, part = 0.1;
    bool percent = strcmp(unit, "percent") == 0;
    double top = isfinite(high) && !m->more ? high : INFINITY; /* better than claimed is not against it */
    double lo = percent ? low - points : low * (1 - part), hi = percent ? top + points : top * (1 + part);
    if (!s.n)
        return "not measured";
    bool worst = s.lo >= lo && s.lo <= hi, best = s.hi >= lo && s.hi <= hi;
    if (worst && best)
        return "holds";
    return s.hi < lo || s.lo > hi ? "does not hold" : m->upper ? "undecided" : "holds in part";
}

static const char *figure(struct judge *j, double lo, double hi, const char *unit)
{
    static const struct {
        const char *unit, *suffix;
    } units[] = {{"percent", " %"}, {"ratio", " x"}, {"GB", " GB"}, {"MB", " MB"}};
    const char *suffix = "";
    for (size_t i = 0; i < sizeof units / sizeof *units; i++)
        if (strcmp(units[i].unit, unit) == 0)
            suffix = units[i].suffix;
    if (!isfinite(lo))
        return "-";
    if (!isfinite(hi))
        return say(j, "at least %.3g%s", lo, suffix);
    return lo == hi || fabs(hi - lo) < 5e-3 * fabs(hi) ? say(j, "%.3g%s", hi, suffix)
                                                       : say(j, "%.3g to %.3g%s", lo, hi, suffix);
}

static void add_claim(struct judge *j, struct csv *c)
{
    struct decision *d = j->d;
    const struct metric *m = metric_find(csv_text(c, "metric"));
    if (!m || d->n_claims == (int)(sizeof d->claim / sizeof *d->claim))
        return;
    const char *format = csv_text(c, "format"), *shape = csv_text(c, "shape"), *unit = csv_text(c, "unit");
    double low = csv_number(c, "low"), high = csv_number(c, "high");
    struct span s = m->of ? span_of_rows(d, format, m) : span_of_shape(shape, format);
    d->claim[d->n_claims++] = (struct claim){
        .id = keep(j, csv_text(c, "id")),
        .subject = *shape ? say(j, "%s as %s", shape, format) : keep(j, format),
        .what = m->what,
        .claimed = low == 0 ? say(j, "at most %s", figure(j, high, high, unit)) : figure(j, low, high, unit),
        .here = s.n ? figure(j, s.lo, s.hi, unit) : m->missing,
        .verdict = judge_claim(m, low, high, unit, s),
        .source = keep(j, csv_text(c, "source")),
        .lo = s.lo,
        .hi = s.hi,
    };
}

void explain_claims(struct judge *j)
{
    struct csv c;
    for (bool more = csv_open(&c, dataset_claims) && csv_next(&c); more; more = csv_next(&c))
        add_claim(j, &c);
}
