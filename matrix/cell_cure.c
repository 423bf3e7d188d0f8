/* The smallest changes under which a cell would pass or be the pick. Each is tried: the rows are judged again under the
 * limits that it needs, and what the cell is then is said beside it. */
#include <math.h>
#include <stddef.h>
#include <string.h>
#include "matrix/cell_parts.h"

/* What to do about rules that no limit relaxes. */
static const char *const remedy[N_RULES] = {
    [RULE_own] = "take the format in a framework: the own engine only stands for it",
    [RULE_not_comparable] = "start from the F16 or BF16 file, or measure with --dither",
    [RULE_substitution] = "take a format whose blocks divide the rows of this model",
    [RULE_unverified] = "take a verified format (`list formats`)",
    [RULE_ternary] = "take a model that was trained for three values per weight, or another format",
    [RULE_unknown_quality] = "measure its quality: run `whichquant MODEL` with this --format",
    [RULE_undecided_quality] = "give more tasks (--tasks), or easier ones",
    [RULE_unknown_speed] = "measure its speed: run `whichquant MODEL` with this --format",
};

/* Two digits, never on the wrong side of v. */
static double rounded(double v, bool up)
{
    if (!(v > 0))
        return 0;
    double step = pow(10, floor(log10(v)) - 1);
    return (up ? ceil(v / step - 1e-9) : floor(v / step + 1e-9)) * step;
}

static const char *option_value(struct judge *j, const struct rule_margin *m)
{
    double v = rounded(m->here, !m->at_least);
    switch (m->unit) {
    case UNIT_BYTES:
        return say(j, "%s %.0fM", m->option, ceil(m->here / 1048576));
    case UNIT_MS:
        return say(j, "%s %.3gs", m->option, v / 1000);
    default:
        return say(j, "%s %g", m->option, v);
    }
}

static double relaxed(double now, const struct rule_margin *m)
{
    if (isnan(now) || isnan(m->here))
        return now;
    return m->at_least ? fmin(now, rounded(m->here, false)) : fmax(now, rounded(m->here, true));
}

/* The limits as they must be for the row to pass: no wider than that. */
static void relax(const struct judge *j, const struct row *r, struct constraints *w, int64_t *usable)
{
    struct rule_margin m;
    double *at[N_RULES] = {[RULE_max_kld] = &w->max_kld,
                           [RULE_min_quality] = &w->min_quality,
                           [RULE_min_decode] = &w->min_decode_tok_s,
                           [RULE_max_watts] = &w->max_watts,
                           [RULE_battery] = &w->battery_hours};
    for (int k = 0; k < N_RULES; k++)
        if (at[k] && r->vetoes & UINT64_C(1) << k && rule_margin(j, k, r, &m))
            *at[k] = k == RULE_max_kld ? rounded(m.here, true) : relaxed(*at[k], &m);
    if (r->vetoes & RULE_BIT(max_ttft))
        w->max_ttft_s = rounded(r->ttft_ms, true) / 1000;
    if (r->vetoes & RULE_BIT(memory))
        *usable = r->peak_bytes;
    if (r->vetoes & RULE_BIT(vram))
        w->vram_bytes = r->peak_bytes;
    if (r->vetoes & RULE_BIT(disk))
        w->disk_bytes = r->weights_bytes;
    if (r->vetoes & RULE_BIT(framework))
        w->only_framework = NULL;
    if (r->vetoes & RULE_BIT(licence))
        w->license = NULL;
}

static void change_context(struct row *r, int64_t ctx)
{
    if (r->kv_bytes <= 0 || r->ctx <= 0 || r->peak_bytes < 0)
        return;
    int64_t kv = (int64_t)((double)r->kv_bytes / (double)r->ctx * (double)ctx);
    r->peak_bytes += kv - r->kv_bytes;
    r->kv_bytes = kv;
    r->ctx = ctx;
}

/* The best row when those are the limits; rows keep their order, so that an index stays one. */
static int best_under(struct judge *j, const struct constraints *w, int64_t usable, int group)
{
    struct judge again = *j;
    struct decision d = *j->d;
    d.row = arena_alloc_n(j->arena, (size_t)d.n_rows + 1, sizeof *d.row);
    if (!d.row) {
        j->failed = true;
        return -1;
    }
    memcpy(d.row, j->d->row, (size_t)d.n_rows * sizeof *d.row);
    for (int i = 0; i < d.n_rows && w->ctx != j->want->ctx; i++)
        change_context(&d.row[i], w->ctx);
    again.d = &d;
    again.want = w;
    again.min_decode_tok_s = w->min_decode_tok_s;
    again.usable_bytes = usable;
    int best = judge_again(&again, group);
    j->failed |= again.failed;
    return best;
}

static const char *becomes(struct judge *j, const struct cell *c, int best)
{
    if (best == c->index)
        return "it is the pick then";
    if (best < 0)
        return "it passes then, and has no figure to rank it by";
    return say(j, "it passes then, and %s stays ahead", row_short(j, &j->d->row[best]));
}

static void add_cure(struct cell *c, const char *text, const char *then)
{
    if (*text && c->n_cures < (int)(sizeof c->cure / sizeof *c->cure))
        c->cure[c->n_cures++] = (struct cell_cure){text, then};
}

/* What each broken rule asks for, all of them together: one way out. ctx: the context that memory is cured by; 0: by
 * more memory. */
static const char *join_ways(struct judge *j, const struct row *r, int ctx, bool *limits_only)
{
    struct sbuf b = {0};
    *limits_only = true;
    for (int k = 0; k < N_RULES; k++) {
        struct rule_margin m;
        if (!(r->vetoes & UINT64_C(1) << k))
            continue;
        const char *way = remedy[k] ? remedy[k] : rule_relaxed(j, k, r);
        *limits_only &= !remedy[k] && *way;
        if (!*way)
            way = say(j, "without the limit on %s", rule_info(k)->limit);
        bool shorter = ctx && k == RULE_memory;
        if (shorter)
            way = say(j, "with a context of %d instead of %lld (--ctx %d)", ctx, (long long)r->ctx, ctx);
        sbuf_printf(&b, "%s%s", b.n ? " and " : "", way);
        if (!remedy[k] && !shorter && rule_margin(j, k, r, &m) && *m.option && isfinite(m.here))
            sbuf_printf(&b, " (%s)", option_value(j, &m));
    }
    return say_taken(j, &b);
}

/* The longest context at which the row fits, in steps; 0: none. */
static int context_that_fits(const struct judge *j, const struct row *r)
{
    if (!(r->vetoes & RULE_BIT(memory)) || r->kv_bytes <= 0 || r->ctx <= 0)
        return 0;
    double rest = (double)j->usable_bytes - (double)(r->peak_bytes - r->kv_bytes);
    double ctx = floor(rest / ((double)r->kv_bytes / (double)r->ctx) / 256) * 256;
    return ctx >= 512 ? (int)ctx : 0;
}

static void cure_limits(struct judge *j, struct cell *c, int ctx)
{
    const struct row *r = c->row;
    struct constraints w = *j->want;
    int64_t usable = j->usable_bytes, least = usable;
    bool limits_only;
    const char *way = join_ways(j, r, ctx, &limits_only);
    relax(j, r, &w, &usable);
    if (ctx)
        w.ctx = ctx;
    add_cure(c, way, limits_only ? becomes(j, c, best_under(j, &w, ctx ? least : usable, cell_group(j, r))) : "");
}

static void cure_cache(struct judge *j, struct cell *c)
{
    const struct row *r = c->row;
    for (int i = 0; i < j->d->n_rows && r->vetoes == RULE_BIT(memory); i++) {
        const struct row *v = &j->d->row[i];
        if (v->kv_variant && row_eligible(v, 0) && strcmp(v->format, r->format) == 0 &&
            strcmp(v->framework, r->framework) == 0 && strcmp(v->model, r->model) == 0) {
            add_cure(c, say(j, "with a KV cache of %s (--kv %s)", v->kv_type, v->kv_type), "it passes then");
            return;
        }
    }
}

static void add_pick(struct cell *c, const char *text)
{
    add_cure(c, text, "it is the pick then");
}

/* A row that passes: the one limit or objective that would make it the pick. */
static void cure_behind(struct judge *j, struct cell *c)
{
    const struct row *r = c->row;
    for (int o = 0; o < N_OBJECTIVES; o++) {
        struct constraints w = *j->want;
        w.objective = (enum objective)o;
        if (w.objective != j->want->objective && best_under(j, &w, j->usable_bytes, cell_group(j, r)) == c->index)
            add_pick(c, say(j, "with another objective (--objective %s)", objective_name(w.objective)));
    }
    const struct {
        size_t at;
        double here;
        bool up;
        const char *what, *option;
    } tighter[] = {
        {offsetof(struct constraints, max_kld), r->kld, true, "KLD up to", "--max-kld"},
        {offsetof(struct constraints, min_decode_tok_s), r->cache_resident ? NAN : r->decode_tok_s, false,
         "tok/s of at least", "--min-decode"},
        {offsetof(struct constraints, max_ttft_s), r->cache_resident ? NAN : r->ttft_ms / 1000, true,
         "seconds to the first token up to", "--max-ttft"},
    };
    for (size_t i = 0; i < sizeof tighter / sizeof *tighter; i++) {
        struct constraints w = *j->want;
        double v = rounded(tighter[i].here, tighter[i].up);
        if (!(v > 0))
            continue;
        *(double *)((char *)&w + tighter[i].at) = v;
        if (best_under(j, &w, j->usable_bytes, cell_group(j, r)) == c->index)
            add_pick(c, say(j, "asked for %s %g (%s %g)", tighter[i].what, v, tighter[i].option, v));
    }
    if (r->peak_bytes > 0 && best_under(j, j->want, r->peak_bytes, cell_group(j, r)) == c->index)
        add_pick(c, say(j, "with no more than %s of memory (--ram %.0fM)", figure_bytes(r->peak_bytes).s,
                        ceil((double)r->peak_bytes / 1048576)));
}

void cell_cure(struct judge *j, struct cell *c, int pick)
{
    const struct row *r = c->row;
    if (c->index == pick)
        return;
    if (!r->ran) {
        add_cure(c, "see what runs here: `whichquant doctor --prove`", "");
    } else if (!r->vetoes) {
        cure_behind(j, c);
    } else {
        int ctx = context_that_fits(j, r);
        if (ctx)
            cure_limits(j, c, ctx);
        cure_cache(j, c);
        cure_limits(j, c, 0);
    }
}
