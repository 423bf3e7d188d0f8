/* The end of report.html: what is claimed beside what was measured, and where the figures of each row come from. */
#include <math.h>
#include <string.h>
#include "matrix/figures.h"
#include "reports/escape.h"
#include "reports/html_parts.h"
#include "reports/writers.h"

/* --- claims --- */
void html_claims(struct sbuf *out, const struct report_input *in)
{
    const struct decision *d = in->decision;
    if (!d->n_claims || !d->n_rows)
        return;
    sbuf_puts(out, "<section>\n<h2>Claimed beside measured</h2>\n");
    html_table_begin(out, "Claims", "claims");
    sbuf_puts(out, "<thead><tr><th scope=\"col\" class=\"text\">of</th><th "
                   "scope=\"col\" class=\"text\">what</th><th scope=\"col\">claimed</th><th scope=\"col\" "
                   "class=\"text\">here</th><th scope=\"col\" class=\"text\">verdict</th></tr></thead>\n<tbody>\n");
    for (int i = 0; i < d->n_claims; i++) {
        const struct claim *c = &d->claim[i];
        html_text(out, "<tr><th scope=\"row\">", c->subject, "</th>");
        html_text(out, "<td class=\"text\">", c->what, "</td>");
        html_text(out, "<td>", c->claimed, "</td>");
        html_text(out, "<td class=\"text\">", c->here, "</td>");
        html_text(out, "<td class=\"text\">", c->verdict, "</td></tr>\n");
    }
    html_table_end(out);
    sbuf_puts(out, "<p class=\"legend\"><span>Claims as course material has them; sizes of "
                   "named models follow from their architecture.</span></p>\n</section>\n");
}

/* --- evidence --- */
static void quality_entries(struct sbuf *out, const struct row *r)
{
    struct sbuf b = {0};
    if (isfinite(r->kld))
        sbuf_printf(&b, "%.6f nats (%.6f to %.6f), %s", r->kld, r->kld_lo, r->kld_hi, r->quality_from);
    html_entry_and_free(out, "KL divergence", &b);
    if (isfinite(r->kld_framework))
        sbuf_printf(&b, "%.6f by its own logits, %.6f by the equivalent kernels, over the same %lld chunks",
                    r->kld_framework, r->kld_predicted, (long long)r->kld_chunks);
    html_entry_and_free(out, "In the framework", &b);
    if (isfinite(r->ppl))
        sbuf_printf(&b, "%.4f, %.4f times the reference's", r->ppl, r->ppl_ratio);
    html_entry_and_free(out, "Perplexity", &b);
}

static void task_entries(struct sbuf *out, const struct row *r)
{
    struct sbuf b = {0};
    if (!isfinite(r->task_score))
        return;
    if (r->task_items <= 0) { /* nobody asked items here: a score of tables, or of a curve */
        sbuf_printf(&b, "%s %% (%s), %s, %s", figure_score(r->task_score).s,
                    figure_score_range(r->task_score_lo, r->task_score_hi).s, r->task, r->task_from);
        html_entry_and_free(out, "Task score", &b);
        return;
    }
    sbuf_printf(&b, "%s right (%s) of %lld, %s by guessing: %s", figure_percent(r->task_score).s,
                figure_range(100 * r->task_score_lo, 100 * r->task_score_hi).s, (long long)r->task_items,
                figure_percent(r->task_chance).s, r->task);
    html_entry_and_free(out, "Tasks", &b);
    sbuf_printf(&b, "%s (%s); %d answers lost, %d gained, exact McNemar p %.2g", figure_percent(r->task_share).s,
                figure_range(100 * r->task_share_lo, 100 * r->task_share_hi).s, r->task_lost, r->task_gained,
                r->task_p);
    html_entry_and_free(out, "Accuracy kept", &b);
}

static void speed_entries(struct sbuf *out, const struct row *r)
{
    struct sbuf b = {0};
    if (isfinite(r->decode_tok_s))
        sbuf_printf(&b, "%s tok/s (%s), %s%s%s", figure_rate(r->decode_tok_s).s,
                    figure_range(r->decode_tok_s_lo, r->decode_tok_s_hi).s, r->speed_from, *r->speed_note ? ", " : "",
                    r->speed_note);
    html_entry_and_free(out, "Generation", &b);
    if (isfinite(r->tpot_p50_ms))
        sbuf_printf(&b, "%.2f ms median, %.2f ms at the 95th percentile", r->tpot_p50_ms, r->tpot_p95_ms);
    html_entry_and_free(out, "Time per token", &b);
    if (isfinite(r->bandwidth_share))
        sbuf_printf(&b, "%s of the read bandwidth", figure_percent(r->bandwidth_share).s);
    html_entry_and_free(out, "Decode uses", &b);
    if (r->n_prompt > 0)
        sbuf_printf(&b, "prompt %lld", (long long)r->n_prompt);
    if (r->n_prompt > 0 && r->n_gen > 0)
        sbuf_printf(&b, ", generated %lld", (long long)r->n_gen);
    if (r->n_prompt > 0 && r->threads > 0)
        sbuf_printf(&b, ", %lld threads", (long long)r->threads);
    html_entry_and_free(out, "Workload", &b);
    if (isfinite(r->energy_j_per_tok))
        sbuf_printf(&b, "%.3g J per token, %s", r->energy_j_per_tok, r->energy_from);
    html_entry_and_free(out, "Energy", &b);
    html_entry(out, "Kernels", r->kernels);
}

static void memory_entries(struct sbuf *out, const struct row *r)
{
    struct sbuf b = {0};
    if (r->peak_bytes >= 0)
        sbuf_printf(&b, "%s peak = %s weights + %s KV at %lld tokens + %s working + %s runtime",
                    figure_bytes(r->peak_bytes).s, figure_bytes(r->weights_bytes).s, figure_bytes(r->kv_bytes).s,
                    (long long)r->ctx, figure_bytes(r->scratch_bytes).s, figure_bytes(r->runtime_bytes).s);
    html_entry_and_free(out, "Memory", &b);
    if (isfinite(r->effective_bpw))
        sbuf_printf(&b, "%.3f", r->effective_bpw);
    html_entry_and_free(out, "Bits per weight", &b);
    html_entry(out, "Tensors", r->histogram);
    html_entry(out, "Substituted", r->substitutions);
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
    const size_t most = PAGE_BYTES - AFTER_EVIDENCE_BYTES;
    int i = 0;
    for (; i < d->n_rows && out->n < most; i++) {
        const struct row *r = &d->row[i];
        sbuf_puts(out, "<details><summary>");
        escape_html(out, r->format);
        escape_html(out, r->kv_note);
        sbuf_puts(out, " <span class=\"muted\">on ");
        escape_html(out, r->framework);
        html_text(out, ", ", r->model, "</span></summary>\n<dl>\n");
        html_entry(out, "Verdict", r->verdict);
        html_entry(out, "Why", r->reason);
        quality_entries(out, r);
        task_entries(out, r);
        speed_entries(out, r);
        memory_entries(out, r);
        html_entry(out, "Source", r->source);
        html_entry(out, "Version", r->framework_version);
        html_entry(out, "Measured", r->date);
        html_entry(out, "Run", r->run_id);
        html_entry(out, "Command", r->command);
        sbuf_puts(out, "</dl></details>\n");
    }
    if (i < d->n_rows)
        sbuf_printf(out, "<p class=\"lead\">%d further rows, ranked below these, stand in matrix.csv.</p>\n",
                    d->n_rows - i);
    sbuf_puts(out, "</details>\n</section>\n");
}
