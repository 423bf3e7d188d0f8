/* What stands beside the answer: where the figures come from, the state of the machine and of the weights,
 * what was left open. */
#include <math.h>
#include <stdio.h>
#include <string.h>
#include "base/sbuf.h"
#include "matrix/judge.h"
#include "matrix/quality.h"

static void add_note(struct judge *j, const char *text)
{
    struct decision *d = j->d;
    if (*text && d->n_notes < (int)(sizeof d->note / sizeof d->note[0]))
        d->note[d->n_notes++] = text;
}

static bool is(const char *a, const char *b)
{
    return strcmp(a, b) == 0;
}

/* "7 rows measured, 2 predicted, 1 failed": own rows are evidence and do not count. */
static void explain_coverage(struct judge *j)
{
    struct decision *d = j->d;
    static const char *const kind[] = {"measured", "equivalent", "shape-measured", "predicted", "published"};
    static const char *const words[] = {"measured", "by equivalent kernels", "measured on a shape", "predicted",
                                        "published"};
    int count[5] = {0}, failed = 0, without = 0;
    const int ctx = j->want->ctx; /* what the choice's speeds are behind: slower than an empty context's */
    for (int i = 0; i < d->n_rows; i++) {
        const struct row *r = &d->row[i];
        int k = 0;
        for (; k < 5 && !is(r->speed_from, kind[k]);)
            k++;
        if (r->own)
            continue;
        if (!r->ran)
            failed++;
        else if (k < 5)
            count[k]++;
        else
            without++;
    }
    char text[320] = "";
    size_t n = 0;
    for (int k = 0; k < 5; k++)
        if (count[k])
            n += (size_t)snprintf(text + n, sizeof text - n, "%s%d %s", n ? ", " : "", count[k], words[k]);
    if (d->across && count[3])
        n += (size_t)snprintf(text + n, sizeof text - n, " behind %d tokens", ctx);
    if (without)
        n += (size_t)snprintf(text + n, sizeof text - n, "%s%d without a speed", n ? ", " : "", without);
    if (failed)
        snprintf(text + n, sizeof text - n, "%s%d could not run", n ? ", " : "", failed);
    d->coverage = keep(j, text);
}

static bool joined(const struct row *r)
{
    return *r->quality_of != 0;
}

/* The best of each other model or shape, in the order asked for. */
static void note_groups(struct judge *j)
{
    const struct decision *d = j->d;
    for (int i = 0; i < d->n_rows; i++) {
        const struct row *r = &d->row[i];
        if (r->own || !joined(r))
            continue;
        const char *what = is(r->memory_from, "shape-measured") ? "speed and memory" : "speed";
        add_note(j, say(j, "quality is that of %s, %s that of the %s with synthesized weights", r->quality_of, what,
                        *r->speed_note ? r->speed_note : "shape"));
        break;
    }
    int n_groups = 0;
    for (int i = 0; i < d->n_rows; i++)
        n_groups = d->row[i].group >= n_groups ? d->row[i].group + 1 : n_groups;
    for (int g = 0; d->recommended >= 0 && g < n_groups; g++) {
        int i = g == d->row[d->recommended].group ? -1 : judge_best(j, 0, d->kld_limit, g, NULL);
        if (i < 0)
            continue;
        const struct row *r = &d->row[i];
        bool speed = isfinite(r->decode_tok_s) && !r->cache_resident;
        add_note(j, say(j, "%s: %s on %s%s%s%s", r->model, r->format, r->framework, speed ? ", " : "",
                        speed ? figure_rate(r->decode_tok_s).s : "", speed ? " tok/s" : ""));
    }
}

/* How far the file itself is from the model it was made of is only known from others of its width. */
static void note_quantized(struct judge *j, const struct record *source)
{
    const char *own = "";
    for (int i = 0; i < j->d->n_rows; i++) {
        const struct row *r = &j->d->row[i];
        struct quality_guess q;
        if (!row_is_as_is(r) || r->own)
            continue;
        quality_predict(&q, r->model, (double)source->model.n_params / 1e9, "gguf/as-is", r->effective_bpw);
        if (isfinite(q.kld.v))
            own = say(j, ", from which files of %.1f bits per weight are usually %s (%s to %s) away", r->effective_bpw,
                      figure_kld(q.kld.v).s, figure_kld(q.kld.lo).s, figure_kld(q.kld.hi).s);
    }
    add_note(
        j,
        say(j, "the source file is itself quantized: losses are measured against it, not against the original%s", own));
}

static void note_sources(struct judge *j)
{
    const struct decision *d = j->d;
    bool equivalent = false, here = false, cached = false;
    const struct record *quantized = NULL;
    for (int i = 0; i < d->n_rows; i++) {
        bool stands_in = !d->row[i].own && d->row[i].stands_in;
        here = here || (stands_in && strstr(d->row[i].source, "measured here"));
        equivalent = equivalent || stands_in;
        cached = cached || (!d->row[i].own && d->row[i].cache_resident);
    }
    for (int i = 0; i < j->n_recs; i++)
        if (j->recs[i].model.source_quantized && !j->recs[i].model.synthesized)
            quantized = &j->recs[i];
    if (equivalent)
        add_note(j, here ? "rows marked ~: equivalent kernels x the ratio of the framework and the own engine on the "
                           "formats measured in both; the interval covers the ratios' spread"
                         : "rows marked ~: equivalent kernels x published factor: the framework was not run here; the "
                           "interval covers the factor's spread");
    if (cached)
        add_note(j, "the model fits the caches: its speeds are cache-resident, neither ranked nor in the headline");
    if (quantized)
        note_quantized(j, quantized);
    if (j->want->ram_bytes >= 0)
        add_note(j, say(j, "memory is simulated: %s by --ram", figure_bytes(j->want->ram_bytes).s));
}

/* Of the first rows whose framework was asked for logits. */
static void note_logits(struct judge *j)
{
    enum { MOST = 4 };
    const struct decision *d = j->d;
    for (int i = 0, n = 0; i < d->n_rows && n < MOST; i++) {
        const struct row *r = &d->row[i];
        if (!isfinite(r->kld_framework))
            continue;
        add_note(j, say(j, "%s: KLD %s measured in %s, %s predicted by the equivalent kernels, over %lld chunk%s",
                        r->format, figure_kld(r->kld_framework).s, r->framework, figure_kld(r->kld_predicted).s,
                        (long long)r->kld_chunks, r->kld_chunks == 1 ? "" : "s"));
        n++;
    }
}

/* "load 1.1, steal 0 %, 0 of 45 cells run again" */
static void note_state(struct judge *j)
{
    double load = NAN, steal = NAN;
    int reruns = 0, timed = 0;
    for (int i = 0; i < j->n_recs; i++) {
        const struct record *r = &j->recs[i];
        load = fmax(load, r->before.load1);
        steal = fmax(steal, r->after.steal_share);
        timed += isfinite(r->speed.decode_tok_s.v);
        reruns += r->speed.n_reruns;
    }
    if (!timed)
        return;
    struct sbuf b = {0};
    if (isfinite(load))
        sbuf_printf(&b, "load up to %.1f, ", load);
    if (isfinite(steal))
        sbuf_printf(&b, "steal up to %.0f %%, ", 100 * steal);
    sbuf_printf(&b, "%d of %d timed cells run again", reruns, timed);
    j->failed = j->failed || b.failed;
    add_note(j, keep(j, sbuf_str(&b)));
    sbuf_free(&b);
}

static void add_undecided(struct judge *j, const char *text)
{
    struct decision *d = j->d;
    if (d->n_undecided < (int)(sizeof d->undecided / sizeof d->undecided[0]))
        d->undecided[d->n_undecided++] = text;
}

static void explain_left_open(struct judge *j)
{
    const struct decision *d = j->d;
    int group = d->recommended >= 0 ? d->row[d->recommended].group : 0;
    for (int i = 0; i < d->n_rows; i++) {
        const struct row *r = &d->row[i];
        bool low, spans = r->kld_lo < d->kld_limit && r->kld_hi > d->kld_limit;
        if (r->own || !r->ran || r->group != group)
            continue;
        if (r->vetoes && rule_kind(__builtin_ctzll(r->vetoes)) == RULE_UNKNOWN)
            add_undecided(j, say(j, "%s: %s", row_name(j, r), r->reason));
        else if (!(r->vetoes & ~RULE_BIT(max_kld)) && spans)
            add_undecided(j, say(j, "%s: KLD %s (%s to %s) is within error of the limit", row_name(j, r),
                                 figure_kld(r->kld).s, figure_kld(r->kld_lo).s, figure_kld(r->kld_hi).s));
        else if (!r->vetoes && !isfinite(row_metric(j, r, &low).v))
            add_undecided(j, say(j, "%s: the figure that ranks it was not measured", row_name(j, r)));
        else if (d->recommended >= 0 && i != d->recommended && r->rank == d->row[d->recommended].rank)
            add_undecided(j, say(j, "%s: tied with the pick", row_name(j, r)));
    }
}

void explain_notes(struct judge *j)
{
    explain_coverage(j);
    explain_left_open(j);
    if (!j->across)
        note_groups(j);
    note_sources(j);
    note_logits(j);
    note_state(j);
    explain_risks(j);
}
