/* The decision in words: why this row, why not the others, what would change the answer. Every figure in a sentence
 * comes from a row. explain_nothing.c: where there is no pick. */
#include <math.h>
#include <string.h>
#include "base/sbuf.h"
#include "matrix/choose_int.h"
#include "matrix/judge.h"

const char *say_taken(struct judge *j, struct sbuf *b)
{
    j->failed = j->failed || b->failed;
    const char *s = keep(j, sbuf_str(b));
    sbuf_free(b);
    return s;
}

const char *row_name(struct judge *j, const struct row *r)
{
    const struct decision *d = j->d;
    if (j->across)
        return say(j, "%s %s on %s", r->model, r->format, r->framework);
    for (int i = 0; i < d->n_rows; i++)
        if (!d->row[i].own && strcmp(row_place(&d->row[i]).s, row_place(r).s) != 0)
            return say(j, "%s on %s%s", r->format, row_place(r).s, r->kv_note);
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
    if (a->group != b->group && apart(a->task_score_lo, a->task_score_hi, b->task_score_lo, b->task_score_hi))
        add_item(&s, say(j, "score %.0f against %.0f", 100 * a->task_score, 100 * b->task_score));
    if (a->group == b->group && apart(a->kld_lo, a->kld_hi, b->kld_lo, b->kld_hi))
        add_item(&s, say(j, "KLD %s against %s", figure_kld(a->kld).s, figure_kld(b->kld).s));
    if (a->peak_bytes >= 0 && b->peak_bytes >= 0 && a->peak_bytes != b->peak_bytes) {
        int64_t more = a->peak_bytes - b->peak_bytes;
        add_item(&s, say(j, "%s %s memory", figure_bytes(more < 0 ? -more : more).s, more < 0 ? "less" : "more"));
    }
    return say_taken(j, &s);
}

/* --- rows --- */
static void explain_row(struct judge *j, struct row *r, const struct row *best)
{
    if (*r->reason || !r->ran)
        return;
    if (strcmp(r->verdict, "dominated") == 0) {
        for (int i = 0; i < j->d->n_rows; i++) {
            const struct row *by = &j->d->row[i];
            if (by->on_front && (j->across ? choose_beats(j, by, r) : by->group == r->group && row_beaten(r, by))) {
                r->reason = say(j, "beaten by %s: %s", row_name(j, by), difference(j, r, by));
                return;
            }
        }
    }
    if (!best || (best->group != r->group && !j->across))
        return;
    const char *tie = r->rank != best->rank ? ""
                      : j->across           ? "tied with the pick; "
                                            : "tied with the pick, more bytes; ";
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
    return say_taken(j, &b);
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
    d->headline = say(j, "USE %s%s on %s", row_format_said(r), r->kv_note, row_place(r).s);
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

const char *row_plain_quality(struct judge *j, const struct row *r)
{
    if (row_is_as_is(r))
        return "nothing is lost to a conversion";
    if (r->reference)
        return "the reference itself: no word changes";
    if (!isfinite(r->top1_agreement))
        return "";
    double changed = 100 * (1 - r->top1_agreement);
    if (changed < 0.95)
        return "fewer than 1 of 100 top words change";
    return say(j, "%.0f of 100 top words change", changed);
}

const char *row_short(struct judge *j, const struct row *r)
{
    struct sbuf b = {0};
    sbuf_puts(&b, row_name(j, r));
    if (isfinite(r->decode_tok_s) && !r->cache_resident)
        sbuf_printf(&b, ", %s tok/s", figure_rate(r->decode_tok_s).s);
    else if (r->weights_bytes >= 0)
        sbuf_printf(&b, ", %s", figure_bytes(r->weights_bytes).s);
    const char *words = row_plain_quality(j, r);
    if (*words)
        sbuf_printf(&b, ", %s", words);
    return say_taken(j, &b);
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
            say(j, "%s: %s", label, row < 0 ? "nothing fits" : row_short(j, &d->row[row]));
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
    const int beside[2] = {below, above};
    for (int i = 0; i < 2; i++) {
        if (beside[i] < 0)
            continue;
        d->neighbour_row[i] = judge_best(j, 0, ladder[beside[i]], group, NULL);
        add_neighbour(j, say(j, "KLD under %g", ladder[beside[i]]), d->neighbour_row[i]);
    }
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
void explain_changes(struct judge *j)
{
    struct decision *d = j->d;
    int group = d->recommended >= 0 && !j->across ? d->row[d->recommended].group : ANY_GROUP;
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
            add_change(j, say(j, "%s: %s", how, row_short(j, &d->row[i])));
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
    d->plain_quality = row_plain_quality(j, r);
    if (d->runner_up >= 0) {
        const struct row *u = &d->row[d->runner_up];
        d->runner_up_reason = say(j, "%s: %s", row_name(j, u), difference(j, u, r));
    }
    explain_confidence(j);
    explain_neighbours(j);
    explain_changes(j);
    explain_context_room(j);
}

void explain_decision(struct judge *j)
{
    struct decision *d = j->d;
    d->subject = d->n_rows ? d->row[0].model : "";
    if (d->recommended >= 0 && j->across)
        choose_explain(j);
    else if (d->recommended >= 0)
        explain_pick(j);
    else if (strcmp(d->verdict, "nothing-fits") == 0)
        explain_nothing_fits(j);
    else
        explain_undecided(j);
    if ((d->recommended < 0 || j->across) && d->n_rows)
        explain_changes(j);
    const struct row *best = d->recommended >= 0 ? &d->row[d->recommended] : NULL;
    for (int i = 0; i < d->n_rows; i++)
        explain_row(j, &d->row[i], best);
    explain_notes(j);
}
