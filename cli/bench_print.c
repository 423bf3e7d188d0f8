/* What bench shows: rows of a table, or the JSON that llama-bench's readers know. */
#include <math.h>
#include <string.h>
#include "cli/bench.h"

static json_t *test_json(const struct bench_job *j, int i_cell, bool decode)
{
    struct rates_guess g;
    bench_predict(j, i_cell, &g);
    const struct interval v = decode ? g.decode_tok_s : g.prefill_tok_s;
    json_t *o = record_to_llama_bench(&j->rec[i_cell], decode);
    json_put(o, "predicted_ts", json_num(v.v));
    json_put(o, "predicted_ts_lo", json_num(v.lo));
    json_put(o, "predicted_ts_hi", json_num(v.hi));
    return o;
}

int bench_print_json(const struct bench_job *j)
{
    json_t *a = json_array();
    for (int i = 0; i < j->n_cells; i++) {
        const struct record *r = &j->rec[i];
        if (r->workload.n_prompt > 0)
            json_array_append_new(a, test_json(j, i, false));
        if (r->workload.n_gen > 0)
            json_array_append_new(a, test_json(j, i, true));
    }
    return cli_print_json(a);
}

static void print_interval(struct interval v)
{
    char text[64] = "-";
    if (isfinite(v.lo))
        snprintf(text, sizeof text, "%.1f (%.1f-%.1f)", v.v, v.lo, v.hi);
    else if (isfinite(v.v))
        snprintf(text, sizeof text, "%.1f", v.v);
    printf("  %24s", text);
}

static void print_number(const char *format, int width, double v)
{
    char text[32] = "-";
    if (isfinite(v))
        snprintf(text, sizeof text, format, v);
    printf("  %*s", width, text);
}

static void print_row(const struct record *r)
{
    char name[160], many[24] = "", where[64] = "";
    if (r->workload.streams > 1)
        snprintf(many, sizeof many, ", %d at once", r->workload.streams);
    bool usual = !r->workload.kv_type[0] || !strcmp(r->workload.kv_type, "f16");
    if (r->framework.gpu_layers > 0)
        snprintf(where, sizeof where, ", %d layers on %.24s", r->framework.gpu_layers,
                 *r->framework.backend ? r->framework.backend : "a device");
    else if (*r->framework.backend && strcmp(r->framework.backend, "cpu") != 0)
        snprintf(where, sizeof where, ", %.24s", r->framework.backend);
    snprintf(name, sizeof name, "%s%s%s%s%s", r->format.name, usual ? "" : ", KV ", usual ? "" : r->workload.kv_type,
             many, where);
    printf("%-14s  %-9s", name, r->framework.name);
    if (r->status != STATUS_OK) {
        printf("  %s: %s\n", record_status_name(r->status), r->reason);
        return;
    }
    const struct speed *s = &r->speed;
    print_interval(s->prefill_tok_s);
    print_interval(s->decode_tok_s);
    print_number("%.0f", 8, s->ttft_ms.v);
    print_number("%.1f", 8, s->tpot_p50_ms);
    print_number("%.1f", 8, s->tpot_p95_ms);
    print_number("%.0f%%", 5, 100 * s->bandwidth_share);
    print_number("%.0f", 8, r->memory.peak_rss_bytes < 0 ? NAN : (double)r->memory.peak_rss_bytes / 0x1p20);
    print_number("%.3f", 7, r->energy_j_per_tok);
    snprintf(name, sizeof name, "%d/%d", r->workload.threads_prefill, r->workload.threads_decode);
    printf("  %7s", r->workload.threads ? name : "-");
    printf("%s%s%s\n", s->dirty ? "  disturbed" : "", s->low_confidence ? "  few-repetitions" : "",
           s->cache_resident ? "  cache-resident" : "");
}

/* Which kernels ran, by format. */
static void print_kernels(const struct bench_job *j)
{
    for (int i = 0; i < j->n_cells; i++)
        if (j->rec[i].status == STATUS_OK && j->rec[i].kernels[0])
            printf("%s: %s\n", j->rec[i].format.name, j->rec[i].kernels);
}

/* Speeds are of all requests together; the last in line waits longest. */
static void print_streams(const struct bench_job *j)
{
    for (int i = 0; i < j->n_cells; i++) {
        const struct record *r = &j->rec[i];
        if (r->status == STATUS_OK && r->workload.streams > 1)
            printf("%s, %d at once: tok/s of all together; TTFT p50 %.0f ms, p95 %.0f ms, p99 %.0f ms\n",
                   r->framework.name, r->workload.streams, r->speed.ttft_ms.v, r->speed.ttft_p95_ms,
                   r->speed.ttft_p99_ms);
    }
}

/* What the calibration would have said, beside what was measured. */
static void print_predictions(const struct bench_job *j)
{
    for (int i = 0; i < j->n_cells; i++) {
        struct rates_guess g;
        const struct speed *s = &j->rec[i].speed;
        bench_predict(j, i, &g);
        if (j->rec[i].status != STATUS_OK || !isfinite(g.decode_tok_s.v) || !isfinite(s->decode_tok_s.v))
            continue;
        printf("%s: from this machine's calibration decode %.1f tok/s (%.1f-%.1f), measured %+.0f %%",
               j->rec[i].format.name, g.decode_tok_s.v, g.decode_tok_s.lo, g.decode_tok_s.hi,
               100 * (s->decode_tok_s.v / g.decode_tok_s.v - 1));
        if (isfinite(g.prefill_tok_s.v) && isfinite(s->prefill_tok_s.v))
            printf("; prefill %.0f (%.0f-%.0f), measured %+.0f %%", g.prefill_tok_s.v, g.prefill_tok_s.lo,
                   g.prefill_tok_s.hi, 100 * (s->prefill_tok_s.v / g.prefill_tok_s.v - 1));
        putchar('\n');
    }
}

void bench_print_table(const struct bench_job *j)
{
    const struct record *first = &j->rec[0];
    char pp[24], tg[24];
    if (j->model)
        printf("%s%s, %d threads, %s\n", j->model->d.name,
               first->model.synthesized ? " (synthesized weights of that shape)" : "", first->workload.threads,
               first->device);
    else
        printf(first->kernels[0] ? "%s at %s\n" : "%s\n", first->model.name, first->kernels);
    snprintf(pp, sizeof pp, "pp%d tok/s", first->workload.n_prompt);
    snprintf(tg, sizeof tg, "tg%d tok/s", first->workload.n_gen);
    printf("%-14s  %-9s  %24s  %24s  %8s  %8s  %8s  %5s  %8s  %7s  %7s\n", "format", "framework", pp, tg, "TTFT ms",
           "p50 ms", "p95 ms", "bw", "peak MiB", "J/token", "threads");
    for (int i = 0; i < j->n_cells; i++)
        print_row(&j->rec[i]);
    const struct samples *read = &first->speed.read_gb_s;
    print_streams(j);
    if (isfinite(first->speed.bandwidth_gb_s))
        printf("bw: share of the read bandwidth around each repetition, %.1f GB/s (%.1f-%.1f)",
               first->speed.bandwidth_gb_s, stats_percentile(read->x, read->n, 0),
               stats_percentile(read->x, read->n, 1));
    printf("%sthreads: of prefill and of decode%s; ", isfinite(first->speed.bandwidth_gb_s) ? "; " : "",
           j->cli->req.find_threads ? ", the fastest of those tried" : "");
    printf("medians with 95 %% intervals%s\n", first->workload.n_depth ? ", behind the depth asked for" : "");
    print_predictions(j);
    if (j->model)
        print_kernels(j);
    for (int i = 0; i < j->n_cells; i++)
        if (j->rec[i].status == STATUS_OK && j->rec[i].reason[0]) {
            printf("%s\n", j->rec[i].reason);
            break; /* the workload is shortened for all alike */
        }
}
