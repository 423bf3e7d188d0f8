/* Samples of a cell into the figures of its record. */
#include <math.h>
#include <stdio.h>
#include <string.h>
#include "base/mem.h"
#include "base/os.h"
#include "bench/measure_state.h"

enum { CONFIDENT_REPS = 5 };
static const double resident_factor = 2; /* less than this many caches of weights are partly read from them */
static const double most_steal = 0.05;

void fail_cell(struct live *c, int code, const char *reason)
{
    c->failed = c->done = true;
    c->r->status = record_status_of(code);
    snprintf(c->r->reason, sizeof c->r->reason, "%s", reason);
}

static struct interval rate_interval(const struct samples *ns, int n_tokens, uint64_t seed)
{
    double rate[RECORD_MAX_SAMPLES];
    for (int i = 0; i < ns->n; i++)
        rate[i] = 1e9 * n_tokens / ns->x[i];
    return stats_bootstrap_median(rate, ns->n, seed);
}

static bool is_narrow(const struct samples *ns, const struct measure_opts *o)
{
    struct interval i = stats_bootstrap_median(ns->x, ns->n, o->seed);
    return ns->n == 0 || fmax(i.hi - i.v, i.v - i.lo) <= o->target_half_width * i.v;
}

bool narrow_enough(const struct measure_run *m, const struct live *c)
{
    return is_narrow(&c->r->speed.decode_ns, m->o) && is_narrow(&c->r->speed.prefill_ns, m->o);
}

static void token_percentiles(struct live *c, int n_gen)
{
    struct speed *s = &c->r->speed;
    if (c->gaps.n > 0) {
        int n = (int)c->gaps.n;
        s->tpot_p50_ms = stats_percentile(c->gaps.x, n, 0.50) * 1e-6;
        s->tpot_p90_ms = stats_percentile(c->gaps.x, n, 0.90) * 1e-6;
        s->tpot_p95_ms = stats_percentile(c->gaps.x, n, 0.95) * 1e-6;
        s->tpot_p99_ms = stats_percentile(c->gaps.x, n, 0.99) * 1e-6;
    } else if (n_gen > 0) {
        s->tpot_p50_ms = stats_median(s->decode_ns.x, s->decode_ns.n) / n_gen * 1e-6;
    }
}

/* The median of the shares of the repetitions, each of the bandwidth around it: a host may move its guest to where
 * memory is half as fast, and then both change. */
static double share_of_bandwidth(const struct speed *s, int n_gen)
{
    double share[RECORD_MAX_SAMPLES];
    int n = s->decode_ns.n < s->read_gb_s.n ? s->decode_ns.n : s->read_gb_s.n;
    for (int i = 0; i < n; i++)
        share[i] = s->bytes_per_token * n_gen / s->decode_ns.x[i] / s->read_gb_s.x[i];
    return stats_median(share, n);
}

static void compare_with_memory(const struct measure_run *m, struct speed *s)
{
    s->bandwidth_gb_s = m->own_bandwidth ? stats_median(s->read_gb_s.x, s->read_gb_s.n) : m->o->bandwidth_gb_s;
    s->bandwidth_share = m->own_bandwidth ? share_of_bandwidth(s, m->w.n_gen)
                                          : s->bytes_per_token * s->decode_tok_s.v / (s->bandwidth_gb_s * 1e9);
    s->cache_resident =
        s->bandwidth_share > 1 || s->bytes_per_token < resident_factor * (double)m->bandwidth.cache_bytes;
}

static void judge_machine(struct live *c)
{
    struct speed *s = &c->r->speed;
    double steal = c->total_ticks ? (double)c->steal_ticks / (double)c->total_ticks : NAN;
    s->calibration_drift = stats_median(c->drift.x, c->drift.n);
    s->dirty = s->calibration_drift > most_drift || steal > most_steal || c->throttled > 0;
    s->low_confidence = c->n_reps < CONFIDENT_REPS;
    c->r->after.steal_share = steal;
    c->r->after.max_c = c->hottest_c;
    c->r->after.ghz = c->slowest_ghz;
}

static void remark(struct record *r, const struct workload *asked)
{
    if (r->workload.n_prompt != asked->n_prompt || r->workload.n_gen != asked->n_gen)
        snprintf(r->reason, sizeof r->reason,
                 "shortened from %d prompt and %d generated tokens to %d and %d to keep within the time given",
                 asked->n_prompt, asked->n_gen, r->workload.n_prompt, r->workload.n_gen);
}

void finish_cell(const struct measure_run *m, struct live *c, const struct workload *asked)
{
    struct record *r = c->r;
    struct speed *s = &r->speed;
    r->workload.n_prompt = m->w.n_prompt;
    r->workload.n_gen = m->w.n_gen;
    r->workload.threads_prefill = c->prefill_threads > 0 ? c->prefill_threads : r->workload.threads;
    r->workload.threads_decode = c->decode_threads > 0 ? c->decode_threads : r->workload.threads;
    if (!c->failed && c->n_reps == 0 && m->o->end_ns && !interrupt_seen())
        fail_cell(c, ERR_NOT_REACHED, "not measured: the budget ended before its first repetition");
    if (!c->failed && c->n_reps == 0)
        fail_cell(c, ERR_CANCELLED, "interrupted before it was measured");
    if (c->failed) {
        r->speed_from = FROM_NOWHERE;
        return;
    }
    if (r->speed_from == FROM_NOWHERE)
        r->speed_from = r->model.synthesized ? FROM_SHAPE_MEASURED : FROM_MEASURED;
    if (r->memory.peak_rss_bytes >= 0)
        r->memory_from = FROM_MEASURED;
    const int streams = r->workload.streams > 1 ? r->workload.streams : 1;
    s->prefill_tok_s = rate_interval(&s->prefill_ns, m->w.n_prompt * streams, m->o->seed);
    s->decode_tok_s = rate_interval(&s->decode_ns, m->w.n_gen * streams, m->o->seed);
    struct interval ttft = stats_bootstrap_median(c->ttft_ns.x, c->ttft_ns.n, m->o->seed);
    s->ttft_ms = (struct interval){ttft.v * 1e-6, ttft.lo * 1e-6, ttft.hi * 1e-6};
    if (c->ttfts.n > 0) {
        s->ttft_p95_ms = stats_percentile(c->ttfts.x, (int)c->ttfts.n, 0.95) * 1e-6;
        s->ttft_p99_ms = stats_percentile(c->ttfts.x, (int)c->ttfts.n, 0.99) * 1e-6;
    }
    token_percentiles(c, m->w.n_gen);
    compare_with_memory(m, s);
    judge_machine(c);
    if (c->energy_tokens > 0) {
        r->energy_j_per_tok = c->energy_j / c->energy_tokens;
        snprintf(r->energy_from, sizeof r->energy_from, "rapl");
    }
    remark(r, asked);
}
