/* The decision in words: why this row, why not the others, what would change the answer, and the plain
 * sentence when nothing fits. Every figure in a sentence comes from a row. */
#include <math.h>
#include <string.h>
#include "base/sbuf.h"
#include "bench/measure.h"
#include "matrix/judge.h"

static const char *take(struct judge *j, struct sbuf *b)
{
    j->failed = j->failed || b->failed;
    const char *s = keep(j, sbuf_str(b));
    sbuf_free(b);
    return s;
}

const char *row_name(struct judge *j, const struct row *r)
{
    const struct decision *d = j->d;
    for (int i = 0; i < d->n_rows; i++)
        if (!d->row[i].own && strcmp(d->row[i].framework, r->framework) != 0)
            return say(j, "%s on %s%s", r->format, r->framework, r->kv_note);
    return *r->kv_note ? say(j, "%s%s", r->format, r->kv_note) : r->format;
}

static bool apart(double a_lo, double a_hi, double b_lo, double b_hi)
{
    return isfinite(a_lo + a_hi + b_lo + b_hi) && (a_hi < b_lo || b_hi < a_lo);
}

static void add_item(struct sbuf *b, const char *text)
{
    sbuf_printf(b, "%s%s", b->n ? ", " : "", text);
}

/* How a differs from b where the intervals say so: "13 % slower, KLD 0.005 against 0.075, 37 MiB more
 * memory". */
static const char *difference(struct judge *j, const struct row *a, const struct row *b)
{
    struct sbuf s = {0};
    bool timed = !a->cache_resident && !b->cache_resident;
    if (timed && apart(a->decode_tok_s_lo, a->decode_tok_s_hi, b->decode_tok_s_lo, b->decode_tok_s_hi)) {
        double k = a->decode_tok_s / b->decode_tok_s;
        add_item(&s, k >= 1 ? say(j, "%.0f %% faster", 100 * (k - 1)) : say(j, "%.0f %% slower", 100 * (1 - k)));
    }
    if (apart(a->kld_lo, a->kld_hi, b->kld_lo, b->kld_hi))
        add_item(&s, say(j, "KLD %s against %s", figure_kld(a->kld).s, figure_kld(b->kld).s));
    if (a->peak_bytes >= 0 && b->peak_bytes >= 0 && a->peak_bytes != b->peak_bytes) {
        int64_t more = a->peak_bytes - b->peak_bytes;
        add_item(&s, say(j, "%s %s memory", figure_bytes(more < 0 ? -more : more).s, more < 0 ? "less" : "more"));
    }
    return take(j, &s);
}

/* --- rows --- */
static void explain_row(struct judge *j, struct row *r, const struct row *best)
{
    if (*r->reason || !r->ran)
        return;
    if (strcmp(r->verdict, "dominated") == 0) {
        for (int i = 0; i < j->d->n_rows; i++) {
            const struct row *by = &j->d->row[i];
            if (by->on_front && by->group == r->group && row_beaten(r, by)) {
                r->reason = say(j, "beaten by %s: %s", row_name(j, by), difference(j, r, by));
                return;
            }
        }
    }
    if (!best || best->group != r->group)
        return;
    const char *tie = r->rank == best->rank ? "tied with the pick, more bytes; " : "";
    r->reason = say(j, "%s%s", tie, difference(j, r, best));
}

/* --- the pick --- */
static const char *limit_phrase(struct judge *j)
{
    const struct decision *d = j->d;
    if (!isfinite(d->kld_limit))
        return "";
    return say(j, " with KLD under %.3g%s", d->kld_limit, d->kld_limit_asked ? "" : " (default)");
}

static const char *tied_with(struct judge *j, int pick)
{
    const struct decision *d = j->d;
    struct sbuf b = {0};
    int n = 0;
    for (int i = 0; i < d->n_rows; i++) {
        const struct row *r = &d->row[i];
        if (i == pick || r->rank != d->row[pick].rank)
            continue;
        if (n++ < 4)
            add_item(&b, row_name(j, r));
    }
    if (n > 4)
        sbuf_printf(&b, " and %d more", n - 4);
    return take(j, &b);
}

static int count_tied(const struct judge *j)
{
    int n = 0;
    for (int i = 0; i < j->d->n_rows; i++)
        n += i != j->d->recommended && j->d->row[i].rank == j->d->row[j->d->recommended].rank;
    return n;
}

static void explain_reason(struct judge *j)
{
    static const char *const what[N_OBJECTIVES] = {"fastest", "lowest KLD of what fits", "fastest of what fits",
                                                   "least memory of what fits", "fewest joules per token of what fits"};
    struct decision *d = j->d;
    const struct row *r = &d->row[d->recommended];
    const char *first = j->by_size ? "smallest" : what[j->want->objective];
    if (j->limit_moved)
        d->reason = say(j, "lowest KLD of what fits: nothing stays under the default limit of 0.1");
    else if (strcmp(d->verdict, "tie") == 0)
        d->reason = say(j, "%s%s, one of %d that tie", first, limit_phrase(j), 1 + count_tied(j));
    else
        d->reason = say(j, "%s%s", first, limit_phrase(j));
    d->headline = say(j, "USE %s%s on %s", r->format, r->kv_note, r->framework);
    d->command = r->command;
    ((struct row *)r)->reason = d->reason;
}

static void explain_confidence(struct judge *j)
{
    struct decision *d = j->d;
    const struct row *a = &d->row[d->recommended];
    bool low;
    if (strcmp(d->verdict, "tie") == 0) {
        d->confidence = say(j, "cannot be separated from %s", tied_with(j, d->recommended));
        return;
    }
    if (d->runner_up < 0)
        return;
    const struct row *b = &d->row[d->runner_up];
    struct interval ma = row_metric(j, a, &low), mb = row_metric(j, b, &low);
    if (!isfinite(ma.v) || !isfinite(mb.v))
        return;
    if (low && j->want->objective == OBJECTIVE_QUALITY) {
        d->confidence = say(j, "KLD %s, %s for %s: apart beyond their intervals", figure_kld(ma.v).s,
                            figure_kld(mb.v).s, row_name(j, b));
    } else if (low && j->want->objective != OBJECTIVE_ENERGY) {
        d->confidence = say(j, "%s less than %s", figure_bytes((int64_t)(mb.v - ma.v)).s, row_name(j, b));
    } else {
        struct interval k = low ? stats_ratio(mb, ma) : stats_ratio(ma, mb);
        d->confidence =
            say(j, "%.0f %% %s than %s (95 %%: %.0f to %.0f %%)", 100 * (k.v - 1),
                low ? "more tokens per joule" : "faster", row_name(j, b), 100 * (k.lo - 1), 100 * (k.hi - 1));
    }
}

static const char *plain_quality(struct judge *j, const struct row *r)
{
    if (r->reference)
        return "the reference itself: no word changes";
    if (!isfinite(r->top1_agreement))
        return "";
    double changed = 100 * (1 - r->top1_agreement);
    if (changed < 0.95)
        return "fewer than 1 of 100 top words change";
    return say(j, "%.0f of 100 top words change", changed);
}

/* "gguf/q8_0, 95 tok/s, 4 of 100 top words change" */
static const char *short_answer(struct judge *j, const struct row *r)
{
    struct sbuf b = {0};
    sbuf_puts(&b, row_name(j, r));
    if (isfinite(r->decode_tok_s) && !r->cache_resident)
        sbuf_printf(&b, ", %s tok/s", figure_rate(r->decode_tok_s).s);
    else if (r->weights_bytes >= 0)
        sbuf_printf(&b, ", %s", figure_bytes(r->weights_bytes).s);
    const char *words = plain_quality(j, r);
    if (*words)
        sbuf_printf(&b, ", %s", words);
    return take(j, &b);
}

static void add_neighbour(struct judge *j, const char *label, int row)
{
    struct decision *d = j->d;
    if (d->n_neighbours >= (int)(sizeof d->neighbours / sizeof d->neighbours[0]))
        return;
    if (row == d->recommended)
        d->neighbours[d->n_neighbours++] = say(j, "%s: the same", label);
    else
        d->neighbours[d->n_neighbours++] =
            say(j, "%s: %s", label, row < 0 ? "nothing fits" : short_answer(j, &d->row[row]));
}

/* The answers at the quality limits beside the one in force, and without any. */
static void explain_neighbours(struct judge *j)
{
    static const double ladder[] = {0.01, 0.03, 0.1, 0.3};
    struct decision *d = j->d;
    int group = d->row[d->recommended].group, below = -1, above = -1;
    if (j->want->objective == OBJECTIVE_QUALITY)
        return;
    for (int i = 0; i < 4; i++) {
        if (!isfinite(d->kld_limit) || ladder[i] < d->kld_limit * 0.999)
            below = i;
        else if (above < 0 && ladder[i] > d->kld_limit * 1.001)
            above = i;
    }
    if (below > 0) /* a clear step down, not the next shade */
        below--;
    if (below >= 0)
        add_neighbour(j, say(j, "KLD under %g", ladder[below]), judge_best(j, 0, ladder[below], group, NULL));
    if (above >= 0)
        add_neighbour(j, say(j, "KLD under %g", ladder[above]), judge_best(j, 0, ladder[above], group, NULL));
    if (isfinite(d->kld_limit))
        add_neighbour(j, "any quality", judge_best(j, 0, NAN, group, NULL));
}

static void add_change(struct judge *j, const char *text)
{
    struct decision *d = j->d;
    if (*text && d->n_changes < (int)(sizeof d->changes / sizeof d->changes[0]))
        d->changes[d->n_changes++] = text;
}

/* Each limit given up by itself: does another row win then? */
static void explain_changes(struct judge *j)
{
    struct decision *d = j->d;
    int group = d->recommended >= 0 ? d->row[d->recommended].group : ANY_GROUP;
    for (int k = 0; k < N_RULES; k++) {
        if (rule_kind(k) != RULE_LIMIT && rule_kind(k) != RULE_QUALITY)
            continue;
        if (k == RULE_max_kld && d->recommended >= 0)
            continue; /* the neighbours say this */
        int i = judge_best(j, UINT64_C(1) << k, k == RULE_max_kld ? NAN : d->kld_limit, group, NULL);
        if (i < 0 || i == d->recommended)
            continue;
        const char *how = rule_relaxed(j, k, &d->row[i]);
        if (*how)
            add_change(j, say(j, "%s: %s", how, short_answer(j, &d->row[i])));
    }
}

/* The context at which the pick no longer fits. */
static void explain_context_room(struct judge *j)
{
    const struct row *r = &j->d->row[j->d->recommended];
    if (r->kv_bytes <= 0 || r->ctx <= 0 || r->peak_bytes < 0 || j->usable_bytes < r->peak_bytes)
        return;
    double per_token = (double)r->kv_bytes / (double)r->ctx;
    double most = (double)r->ctx + (double)(j->usable_bytes - r->peak_bytes) / per_token;
    if (most < 131072)
        add_change(j, say(j, "with a context over %.0f tokens it no longer fits", floor(most / 256) * 256));
}

static void explain_pick(struct judge *j)
{
    struct decision *d = j->d;
    const struct row *r = &d->row[d->recommended];
    explain_reason(j);
    d->subject = r->model;
    d->plain_quality = plain_quality(j, r);
    if (d->runner_up >= 0) {
        const struct row *u = &d->row[d->runner_up];
        d->runner_up_reason = say(j, "%s: %s", row_name(j, u), difference(j, u, r));
    }
    explain_confidence(j);
    explain_neighbours(j);
    explain_changes(j);
    explain_context_room(j);
}

/* --- nothing fits --- */
/* The rule that alone stands in the way, or else the one that most rows break first. */
static int binding_rule(struct judge *j, int *nearest)
{
    int count[N_RULES] = {0}, most = 0;
    for (int k = 0; k < N_RULES; k++) {
        if (rule_kind(k) != RULE_LIMIT && rule_kind(k) != RULE_QUALITY)
            continue;
        *nearest = judge_best(j, UINT64_C(1) << k, k == RULE_max_kld ? NAN : j->d->kld_limit, ANY_GROUP, NULL);
        if (*nearest >= 0)
            return k;
    }
    *nearest = -1;
    for (int i = 0; i < j->d->n_rows; i++)
        if (j->d->row[i].vetoes && !j->d->row[i].own)
            count[__builtin_ctzll(j->d->row[i].vetoes)]++;
    for (int k = 1; k < N_RULES; k++)
        if (count[k] > count[most])
            most = k;
    return count[most] ? most : -1;
}

static double rule_cost(int rule, const struct row *r)
{
    switch (rule) {
    case RULE_max_kld:
        return r->kld;
    case RULE_min_quality:
        return -r->top1_agreement;
    case RULE_min_decode:
        return -r->decode_tok_s;
    case RULE_max_ttft:
        return r->ttft_ms;
    case RULE_disk:
        return (double)r->weights_bytes;
    default:
        return (double)r->peak_bytes;
    }
}

/* Of the first model: the row that breaks the rule by the least. For memory that is the smallest of all; for other
 * limits a row that breaks nothing else comes first. */
static int closest(const struct judge *j, int rule)
{
    const struct decision *d = j->d;
    int best = -1;
    for (int i = 0; i < d->n_rows; i++) {
        const struct row *r = &d->row[i], *b = &d->row[best < 0 ? i : best];
        if (r->own || !(r->vetoes & UINT64_C(1) << rule))
            continue;
        bool alone = rule != RULE_memory && r->vetoes == UINT64_C(1) << rule;
        bool best_alone = rule != RULE_memory && b->vetoes == UINT64_C(1) << rule;
        bool better = r->group != b->group  ? r->group < b->group
                      : alone != best_alone ? alone
                                            : rule_cost(rule, r) < rule_cost(rule, b);
        if (best < 0 || better)
            best = i;
    }
    return best;
}

/* The largest context, halving from the one asked for, at which the row fits. */
static int context_that_fits(const struct judge *j, const struct row *r)
{
    for (int64_t ctx = r->ctx / 2; ctx >= 512 && r->kv_bytes > 0; ctx /= 2)
        if (r->peak_bytes - r->kv_bytes + r->kv_bytes / r->ctx * ctx <= j->usable_bytes)
            return (int)ctx;
    return 0;
}

static double shape_params(const struct model_desc *m)
{
    double heads = m->n_head + m->n_head_kv;
    double layer = 2.0 * m->d_model * heads * m->head_dim + 3.0 * m->d_model * m->d_ff;
    return m->n_layer * layer + (m->tied ? 1.0 : 2.0) * m->n_vocab * m->d_model;
}

/* The largest known shape whose q4_k_m (4.85 bits a weight) with its KV fits. */
static const struct shape *shape_that_fits(const struct judge *j, int64_t *bytes)
{
    const struct shape *best = NULL;
    double most = 0;
    for (int i = 0; i < n_shapes; i++) {
        const struct model_desc *m = &shapes[i].d;
        double kv = 2.0 * m->n_layer * m->n_head_kv * m->head_dim * 2 * j->want->ctx;
        double need = shape_params(m) * 4.85 / 8 + kv + (64 << 20);
        if (need <= (double)j->usable_bytes && shape_params(m) > most) {
            best = &shapes[i];
            most = shape_params(m);
            *bytes = (int64_t)need;
        }
    }
    return best;
}

static const char *nearest_for_memory(struct judge *j, const struct row *smallest)
{
    int ctx = context_that_fits(j, smallest);
    if (ctx)
        return say(j, "%s with a context of %d instead of %lld", row_name(j, smallest), ctx, (long long)smallest->ctx);
    int64_t bytes = 0;
    const struct shape *s = shape_that_fits(j, &bytes);
    if (s)
        return say(j, "a smaller model: %s at gguf/q4_k_m needs about %s", s->id, figure_bytes(bytes).s);
    return say(j, "a machine with %s of free memory, or the cloud", figure_bytes(smallest->peak_bytes).s);
}

static void explain_nothing_fits(struct judge *j)
{
    struct decision *d = j->d;
    int nearest, rule = binding_rule(j, &nearest);
    if (rule < 0) {
        d->headline = say(j, "Nothing can be recommended for %s: no cell could be run", d->subject);
        d->reason = d->n_rows ? d->row[0].reason : "";
        return;
    }
    int near = closest(j, rule);
    const struct row *c = &d->row[near >= 0 ? near : nearest];
    d->binding_limit = rule_info(rule)->limit;
    d->subject = c->model;
    if (rule == RULE_memory) {
        d->headline =
            say(j, "This device cannot run %s even at the smallest format: %s needs %s, %s is usable (%s short)",
                c->model, c->format, figure_bytes(c->peak_bytes).s, figure_bytes(j->usable_bytes).s,
                figure_bytes(c->peak_bytes - j->usable_bytes).s);
        d->reason = "every format needs more memory than a program can use here";
        d->nearest = nearest_for_memory(j, c);
        return;
    }
    if (rule_kind(rule) == RULE_TRUST) {
        d->headline = say(j, "Nothing can be recommended for %s: %s", c->model, c->reason);
        return;
    }
    d->headline = say(j, "Nothing that runs here meets the limit on %s; the closest is %s: %s", d->binding_limit,
                      row_name(j, c), c->reason);
    d->nearest = short_answer(j, c);
}

static void explain_undecided(struct judge *j)
{
    static const char *const figure[N_OBJECTIVES] = {"quality", "quality", "speed", "memory", "energy per token"};
    struct decision *d = j->d;
    const struct row *gate = NULL; /* the first that a gate asked for cannot judge */
    bool tried = false;
    for (int i = 0; i < d->n_rows; i++) {
        const struct row *r = &d->row[i];
        tried = tried || (r->ran && !r->own);
        if (!gate && !r->own && r->vetoes && __builtin_ctzll(r->vetoes) == RULE_undecided_quality)
            gate = r;
    }
    if (!d->n_rows)
        d->headline = "Nothing was measured, so nothing is recommended";
    else if (!tried)
        d->headline = say(j, "No cell could be run, so nothing is recommended: %s", d->row[0].reason);
    else if (gate)
        d->headline = say(j, "Undecided: of %s, %s", row_name(j, gate), gate->reason);
    else
        d->headline =
            say(j, "Undecided: no row has a measured %s, which the answer depends on", figure[j->want->objective]);
    d->binding_limit = "";
}

void explain_decision(struct judge *j)
{
    struct decision *d = j->d;
    d->subject = d->n_rows ? d->row[0].model : "";
    if (d->recommended >= 0)
        explain_pick(j);
    else if (strcmp(d->verdict, "nothing-fits") == 0)
        explain_nothing_fits(j);
    else
        explain_undecided(j);
    if (d->recommended < 0 && d->n_rows)
        explain_changes(j);
    const struct row *best = d->recommended >= 0 ? &d->row[d->recommended] : NULL;
    for (int i = 0; i < d->n_rows; i++)
        explain_row(j, &d->row[i], best);
    explain_notes(j);
}
