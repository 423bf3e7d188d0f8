/* Hand-made records for the tests of matrix/ and reports/: a quality record and a speed record of one format.
 */
#ifndef TESTS_DECIDE_RECORDS_H
#define TESTS_DECIDE_RECORDS_H
#include <math.h>
#include <stdio.h>
#include <string.h>
#include "bench/record.h"
#include "bench/request.h"

static inline struct record *record_of(struct record *r, const char *model, const char *format, const char *framework)
{
    record_init(r);
    snprintf(r->model.name, sizeof r->model.name, "%s", model);
    snprintf(r->model.source_format, sizeof r->model.source_format, "f16");
    r->model.n_params = 600 << 20;
    snprintf(r->format.name, sizeof r->format.name, "%s", format);
    snprintf(r->framework.name, sizeof r->framework.name, "%s", framework);
    snprintf(r->framework.backend, sizeof r->framework.backend, "cpu");
    snprintf(r->framework.numerics, sizeof r->framework.numerics, "llama.cpp");
    snprintf(r->device, sizeof r->device, "Test CPU");
    snprintf(r->date, sizeof r->date, "2026-11-21T09:15:00Z");
    snprintf(r->run_id, sizeof r->run_id, "run-1");
    r->workload.threads = 2;
    r->workload.n_prompt = 512;
    r->workload.n_gen = 128;
    r->workload.n_ctx = 640;
    return r;
}

static inline void give_quality(struct record *r, double kld, double half, double top1)
{
    r->quality_from = FROM_MEASURED;
    r->quality.n_chunks = 20;
    r->quality.kld = kld;
    r->quality.kld_lo = kld - half;
    r->quality.kld_hi = kld + half;
    r->quality.ppl = 10 * exp(kld);
    r->quality.ppl_ratio = exp(kld);
    r->quality.top1_agreement = top1;
}

static inline void give_speed(struct record *r, double tok_s, double half)
{
    r->speed_from = FROM_MEASURED;
    r->speed.decode_tok_s = (struct interval){tok_s, tok_s - half, tok_s + half};
    r->speed.prefill_tok_s = (struct interval){6 * tok_s, 6 * (tok_s - half), 6 * (tok_s + half)};
    double ttft = 512e3 / (6 * tok_s), spread = half / tok_s;
    r->speed.ttft_ms = (struct interval){ttft, ttft * (1 - spread), ttft * (1 + spread)};
    r->speed.tpot_p50_ms = 1000 / tok_s;
    r->speed.tpot_p95_ms = 1100 / tok_s;
    r->speed.bandwidth_share = 0.9;
}

static inline void give_memory(struct record *r, int64_t weights)
{
    r->format.bytes = r->memory.weights_bytes = weights;
    r->format.bits_per_weight = 8.0 * (double)weights / (double)r->model.n_params;
    r->memory.kv_bytes = 640 * 1024;
    r->memory.scratch_bytes = 4 << 20;
}

/* One format measured with llama.cpp in full: quality, speed, memory. */
static inline void full_record(struct record *r, const char *format, int64_t weights, double tok_s, double half,
                               double kld, double kld_half, double top1)
{
    record_of(r, "testmodel", format, "llama.cpp");
    give_quality(r, kld, kld_half, top1);
    give_speed(r, tok_s, half);
    give_memory(r, weights);
}

/* Six rows of one 2-core machine (SmolLM2-135M). */
static inline int sample_records(struct record r[6])
{
    full_record(&r[0], "base/f16", 257 << 20, 63.5, 0.7, 0.000006, 0.000001, 0.999);
    full_record(&r[1], "gguf/q8_0", 136 << 20, 94.9, 1.5, 0.005, 0.0003, 0.961);
    full_record(&r[2], "gguf/q4_k_m", 99 << 20, 107.7, 3.5, 0.075, 0.003, 0.862);
    full_record(&r[3], "gguf/q5_k_m", 105 << 20, 98.7, 1.5, 0.098, 0.001, 0.849);
    full_record(&r[4], "gguf/q4_0", 86 << 20, 167.3, 8.7, 0.317, 0.008, 0.705);
    full_record(&r[5], "gguf/q2_k", 82 << 20, 147.0, 5.4, 0.455, 0.010, 0.652);
    return 6;
}
#endif
