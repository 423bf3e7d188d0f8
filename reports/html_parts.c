/* The table of report.html and the evidence behind its rows. */
#include "reports/html_parts.h"

#include <math.h>
#include <string.h>
#include "matrix/figures.h"
#include "reports/escape.h"
#include "reports/writers.h"

/* --- cells --- */
/* Where a figure comes from, unless it was measured here. */
static void badge(struct sbuf *out, const char *from)
{
    const char *label = provenance_label(from);
    if (*label && strcmp(from, "measured") != 0)
        sbuf_printf(out, " <span class=\"from %s\">%s</span>", from, label);
}

/* A number: its value for sorting, the figure, and smaller below it the range and the provenance. */
static void number(struct sbuf *out, double v, const char *shown, const char *below, const char *from)
{
    if (isfinite(v))
        sbuf_printf(out, "<td data-v=\"%.10g\">", v);
    else
        sbuf_puts(out, "<td data-v=\"\">");
    escape_html(out, shown);
    if (*below || (*from && strcmp(from, "measured") != 0)) {
        sbuf_puts(out, "<span class=\"of\">");
        escape_html(out, below);
        badge(out, from);
        sbuf_puts(out, "</span>");
    }
    sbuf_puts(out, "</td>");
}

static void text_cell(struct sbuf *out, const char *open, const char *s, const char *close)
{
    sbuf_puts(out, open);
    escape_html(out, s);
    sbuf_puts(out, close);
}

/* "104-111" with the dash that ranges have in print. */
static void add_range(struct sbuf *b, double lo, double hi)
{
    struct figure f = figure_range(lo, hi);
    for (const char *c = f.s; *c; c++)
        if (*c == '-' && c > f.s)
            sbuf_puts(b, "\xe2\x80\x93");
        else
            sbuf_putc(b, *c);
}

static const char *half_width(struct sbuf *b, const struct row *r)
{
    double spread = fmax(r->kld_hi - r->kld, r->kld - r->kld_lo);
    if (spread > 0.5 * r->kld && !r->reference) {
        sbuf_printf(b, "%s to %s", figure_kld(r->kld_lo).s, figure_kld(r->kld_hi).s);
        return sbuf_str(b);
    }
    struct figure half = figure_half(r->kld, spread);
    if (*half.s && !r->reference)
        sbuf_printf(b, "\xc2\xb1%s", half.s);
    return sbuf_str(b);
}

static double bytes_value(int64_t n)
{
    return n >= 0 ? (double)n : NAN;
}

/* The accuracy kept, its interval below. */
static void task_cell(struct sbuf *out, const struct row *r)
{
    struct sbuf range = {0};
    add_range(&range, 100 * r->task_share_lo, 100 * r->task_share_hi);
    number(out, r->task_share, figure_percent(r->task_share).s, sbuf_str(&range), "");
    sbuf_free(&range);
}

static void figures_of(struct sbuf *out, const struct row *r, bool tasks)
{
    struct sbuf half = {0}, range = {0};
    bool timed = !r->cache_resident;
    add_range(&range, r->decode_tok_s_lo, r->decode_tok_s_hi);
    number(out, timed ? r->decode_tok_s : NAN, timed ? figure_rate(r->decode_tok_s).s : "in cache",
           timed ? sbuf_str(&range) : "", r->speed_from);
    number(out, r->kld, r->reference ? "reference" : figure_kld(r->kld).s, half_width(&half, r),
           r->reference ? "" : r->quality_from);
    number(out, r->top1_agreement, figure_percent(r->top1_agreement).s, "", "");
    if (tasks)
        task_cell(out, r);
    number(out, bytes_value(r->weights_bytes), figure_bytes(r->weights_bytes).s, "", "");
    number(out, bytes_value(r->peak_bytes), figure_bytes(r->peak_bytes).s, "", "");
    number(out, timed ? r->prefill_tok_s : NAN, timed ? figure_rate(r->prefill_tok_s).s : "-", "", "");
    number(out, timed ? r->ttft_ms : NAN, timed ? figure_ms(r->ttft_ms).s : "-", "", "");
    sbuf_free(&half);
    sbuf_free(&range);
}

static void table_row(struct sbuf *out, const struct row *r, bool with_framework, bool tasks)
{
    const char *look = verdict_look(r);
    sbuf_printf(out, "<tr class=\"%s\"><th scope=\"row\">", look);
    escape_html(out, r->format);
    escape_html(out, r->kv_note);
    sbuf_printf(out, "<span class=\"of\"><span class=\"tag %s\">%s</span>", look, verdict_label(r));
    if (!with_framework)
        text_cell(out, " ", row_place(r).s, "");
    sbuf_printf(out, "</span></th><td data-v=\"%lld\">%lld</td>", (long long)r->rank, (long long)r->rank);
    if (with_framework)
        text_cell(out, "<td class=\"text\">", row_place(r).s, "</td>");
    figures_of(out, r, tasks);
    text_cell(out, "<td class=\"text why-cell\">", r->reason, "</td></tr>\n");
}

static bool several_frameworks(const struct decision *d, int group)
{
    const struct row *first = NULL;
    for (int i = 0; i < d->n_rows; i++) {
        const struct row *r = &d->row[i];
        if (r->own || r->group != group)
            continue;
        if (first && strcmp(row_place(r).s, row_place(first).s) != 0)
            return true;
        first = r;
    }
    return false;
}

static void group_table(struct sbuf *out, const struct decision *d, int group)
{
    bool frameworks = several_frameworks(d, group), tasks = decision_has_tasks(d);
    sbuf_puts(out, "<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"Candidates\">\n<table "
                   "class=\"sortable\">\n<thead><tr>"
                   "<th scope=\"col\" class=\"text\">format</th><th scope=\"col\">#</th>");
    sbuf_puts(out, frameworks ? "<th scope=\"col\" class=\"text\">runtime</th>" : "");
    sbuf_puts(out, "<th scope=\"col\" data-high>decode tok/s</th><th scope=\"col\">KLD</th><th scope=\"col\" "
                   "data-high>same top</th>");
    sbuf_puts(out, tasks ? "<th scope=\"col\" data-high>accuracy kept</th>" : "");
    sbuf_puts(out,
              "<th scope=\"col\">size</th><th scope=\"col\">memory</th><th scope=\"col\" data-high>prefill tok/s</th>"
              "<th scope=\"col\">first token</th><th scope=\"col\" class=\"text\">why</th></tr></thead>\n<tbody>\n");
    for (int i = 0; i < d->n_rows; i++)
        if (!d->row[i].own && d->row[i].group == group)
            table_row(out, &d->row[i], frameworks, tasks);
    sbuf_puts(out, "</tbody>\n</table>\n</div>\n");
}

void html_table(struct sbuf *out, const struct report_input *in)
{
    const struct decision *d = in->decision;
    int n_groups = 0, first = d->recommended >= 0 ? d->row[d->recommended].group : 0;
    if (!d->n_rows)
        return;
    for (int i = 0; i < d->n_rows; i++)
        n_groups = d->row[i].group >= n_groups ? d->row[i].group + 1 : n_groups;
    sbuf_puts(out, "<section>\n<h2>All candidates</h2>\n");
    text_cell(out, "<p class=\"lead\">", d->coverage, ". Click a heading to sort.</p>\n");
    for (int k = 0; k < n_groups; k++) {
        int group = k == 0 ? first : k <= first ? k - 1 : k, i = 0;
        while (i < d->n_rows && (d->row[i].group != group || d->row[i].own))
            i++;
        if (i == d->n_rows)
            continue;
        if (n_groups > 1)
            text_cell(out, "<h3 class=\"model\">", d->row[i].model, "</h3>\n");
        group_table(out, d, group);
    }
    sbuf_puts(out, "<p class=\"legend\"><span>No mark: measured on this machine</span>"
                   "<span><span class=\"from shape-measured\">shape</span> measured on synthesized weights of a real "
                   "architecture</span>"
                   "<span><span class=\"from equivalent\">equiv.</span> own kernels, same arithmetic, times the "
                   "runtime's ratio</span>"
                   "<span><span class=\"from predicted\">est.</span> predicted</span>"
                   "<span><span class=\"from published\">publ.</span> published</span></p>\n</section>\n");
}

/* --- claims --- */
void html_claims(struct sbuf *out, const struct report_input *in)
{
    const struct decision *d = in->decision;
    if (!d->n_claims || !d->n_rows)
        return;
    sbuf_puts(out, "<section>\n<h2>Claimed beside measured</h2>\n<div class=\"scroll\" tabindex=\"0\" role=\"region\" "
                   "aria-label=\"Claims\">\n<table>\n<thead><tr><th scope=\"col\" class=\"text\">of</th><th "
                   "scope=\"col\" class=\"text\">what</th><th scope=\"col\">claimed</th><th scope=\"col\" "
                   "class=\"text\">here</th><th scope=\"col\" class=\"text\">verdict</th></tr></thead>\n<tbody>\n");
    for (int i = 0; i < d->n_claims; i++) {
        const struct claim *c = &d->claim[i];
        text_cell(out, "<tr><th scope=\"row\">", c->subject, "</th>");
        text_cell(out, "<td class=\"text\">", c->what, "</td>");
        text_cell(out, "<td>", c->claimed, "</td>");
        text_cell(out, "<td class=\"text\">", c->here, "</td>");
        text_cell(out, "<td class=\"text\">", c->verdict, "</td></tr>\n");
    }
    sbuf_puts(out, "</tbody>\n</table>\n</div>\n<p class=\"legend\"><span>Claims as course material has them; sizes of "
                   "named models follow from their architecture.</span></p>\n</section>\n");
}

/* --- evidence --- */
static void entry(struct sbuf *out, const char *name, const char *value)
{
    if (!*value || strcmp(value, "-") == 0)
        return;
    sbuf_printf(out, "<dt>%s</dt><dd>", name);
    escape_html(out, value);
    sbuf_puts(out, "</dd>\n");
}

static void entry_and_free(struct sbuf *out, const char *name, struct sbuf *b)
{
    entry(out, name, sbuf_str(b));
    sbuf_free(b);
}

static void quality_entries(struct sbuf *out, const struct row *r)
{
    struct sbuf b = {0};
    if (isfinite(r->kld))
        sbuf_printf(&b, "%.6f nats (%.6f to %.6f), %s", r->kld, r->kld_lo, r->kld_hi, r->quality_from);
    entry_and_free(out, "KL divergence", &b);
    if (isfinite(r->kld_framework))
        sbuf_printf(&b, "%.6f by its own logits, %.6f by the equivalent kernels, over the same %lld chunks",
                    r->kld_framework, r->kld_predicted, (long long)r->kld_chunks);
    entry_and_free(out, "In the framework", &b);
    if (isfinite(r->ppl))
        sbuf_printf(&b, "%.4f, %.4f times the reference's", r->ppl, r->ppl_ratio);
    entry_and_free(out, "Perplexity", &b);
}

static void task_entries(struct sbuf *out, const struct row *r)
{
    struct sbuf b = {0};
    if (!isfinite(r->task_score))
        return;
    sbuf_printf(&b, "%s right (%s) of %lld, %s by guessing: %s", figure_percent(r->task_score).s,
                figure_range(100 * r->task_score_lo, 100 * r->task_score_hi).s, (long long)r->task_items,
                figure_percent(r->task_chance).s, r->task);
    entry_and_free(out, "Tasks", &b);
    sbuf_printf(&b, "%s (%s); %d answers lost, %d gained, exact McNemar p %.2g", figure_percent(r->task_share).s,
                figure_range(100 * r->task_share_lo, 100 * r->task_share_hi).s, r->task_lost, r->task_gained,
                r->task_p);
    entry_and_free(out, "Accuracy kept", &b);
}

static void speed_entries(struct sbuf *out, const struct row *r)
{
    struct sbuf b = {0};
    if (isfinite(r->decode_tok_s))
        sbuf_printf(&b, "%s tok/s (%s), %s%s%s", figure_rate(r->decode_tok_s).s,
                    figure_range(r->decode_tok_s_lo, r->decode_tok_s_hi).s, r->speed_from, *r->speed_note ? ", " : "",
                    r->speed_note);
    entry_and_free(out, "Generation", &b);
    if (isfinite(r->tpot_p50_ms))
        sbuf_printf(&b, "%.2f ms median, %.2f ms at the 95th percentile", r->tpot_p50_ms, r->tpot_p95_ms);
    entry_and_free(out, "Time per token", &b);
    if (isfinite(r->bandwidth_share))
        sbuf_printf(&b, "%s of the read bandwidth", figure_percent(r->bandwidth_share).s);
    entry_and_free(out, "Decode uses", &b);
    if (r->n_prompt > 0)
        sbuf_printf(&b, "prompt %lld, generated %lld, %lld threads", (long long)r->n_prompt, (long long)r->n_gen,
                    (long long)r->threads);
    entry_and_free(out, "Workload", &b);
    if (isfinite(r->energy_j_per_tok))
        sbuf_printf(&b, "%.3g J per token, %s", r->energy_j_per_tok, r->energy_from);
    entry_and_free(out, "Energy", &b);
    entry(out, "Kernels", r->kernels);
}

static void memory_entries(struct sbuf *out, const struct row *r)
{
    struct sbuf b = {0};
    if (r->peak_bytes >= 0)
        sbuf_printf(&b, "%s peak = %s weights + %s KV at %lld tokens + %s working + %s runtime",
                    figure_bytes(r->peak_bytes).s, figure_bytes(r->weights_bytes).s, figure_bytes(r->kv_bytes).s,
                    (long long)r->ctx, figure_bytes(r->scratch_bytes).s, figure_bytes(r->runtime_bytes).s);
    entry_and_free(out, "Memory", &b);
    if (isfinite(r->effective_bpw))
        sbuf_printf(&b, "%.3f", r->effective_bpw);
    entry_and_free(out, "Bits per weight", &b);
    entry(out, "Tensors", r->histogram);
    entry(out, "Substituted", r->substitutions);
}

void html_evidence(struct sbuf *out, const struct report_input *in)
{
    const struct decision *d = in->decision;
    if (!d->n_rows)
        return;
    sbuf_printf(out,
                "<section class=\"evidence\">\n<details class=\"all\"><summary>Where each figure comes from <span "
                "class=\"muted\">"
                "%d rows, the own engine's among them as evidence</span></summary>\n",
                d->n_rows);
    for (int i = 0; i < d->n_rows; i++) {
        const struct row *r = &d->row[i];
        sbuf_puts(out, "<details><summary>");
        escape_html(out, r->format);
        escape_html(out, r->kv_note);
        sbuf_puts(out, " <span class=\"muted\">on ");
        escape_html(out, r->framework);
        text_cell(out, ", ", r->model, "</span></summary>\n<dl>\n");
        entry(out, "Verdict", r->verdict);
        entry(out, "Why", r->reason);
        quality_entries(out, r);
        task_entries(out, r);
        speed_entries(out, r);
        memory_entries(out, r);
        entry(out, "Source", r->source);
        entry(out, "Version", r->framework_version);
        entry(out, "Measured", r->date);
        entry(out, "Run", r->run_id);
        entry(out, "Command", r->command);
        sbuf_puts(out, "</dl></details>\n");
    }
    sbuf_puts(out, "</details>\n</section>\n");
}
