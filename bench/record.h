/* One measured cell: model x format x framework on one device, with everything needed to read, check or repeat it.
 * Records are appended to the store one transaction each, and are what decide reads. JSON is their file form
 * (records.jsonl), a superset of llama-bench's fields. Order: record_init -> fill -> record_to_json;
 * record_from_json. */
#ifndef BENCH_RECORD_H
#define BENCH_RECORD_H
#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include "base/err.h"
#include "base/json.h"
#include "bench/engine/eval.h"
#include "bench/stats.h"
#include "probe/probe.h"

enum { RECORD_SCHEMA = 1, RECORD_MAX_SAMPLES = 256 };

enum provenance {
    FROM_NOWHERE,
    FROM_MEASURED,
    FROM_EQUIVALENT,
    FROM_PREDICTED,
    FROM_PUBLISHED,
    FROM_SHAPE_MEASURED,
    N_PROVENANCES
};
const char *provenance_name(enum provenance p);     /* "" "measured" "equivalent" ... "shape-measured" */
int provenance_find(const char *name);

enum record_status {
    STATUS_OK,
    STATUS_CANNOT_RUN,
    STATUS_UNSUPPORTED,
    STATUS_FAILED,
    STATUS_TIMED_OUT,
    STATUS_CRASHED,
    STATUS_NOT_REACHED, /* the budget ended first: nothing is said of it, and nothing kept */
    N_STATUSES
};
const char *record_status_name(enum record_status s);    /* "ok" "cannot-run" ... */
int record_status_find(const char *name);
enum record_status record_status_of(int code);          /* of an error */

struct samples {
    int n;
    double x[RECORD_MAX_SAMPLES];
};
struct speed {                                      /* all NaN until measured */
    struct interval prefill_tok_s, decode_tok_s, ttft_ms, load_ms;
    double ttft_p95_ms, ttft_p99_ms;                /* over all prompts of all repetitions */
    double tpot_p50_ms, tpot_p90_ms, tpot_p95_ms, tpot_p99_ms;
    double bytes_per_token;                         /* weights and KV that one decoded token reads */
    double bandwidth_gb_s, bandwidth_share;         /* median read bandwidth; decode's share of that around it */
    double calibration_drift;                       /* spin before against after: > 0.05 = dirty */
    struct samples prefill_ns, decode_ns;           /* one per repetition: nanoseconds of the whole phase */
    struct samples read_gb_s;                       /* the read bandwidth around each */
    bool low_confidence, cache_resident, dirty;
    int n_reruns;
};
struct task_result {                                /* multiple choice, in pairs with the reference on the same items */
    char name[64];
    int n_items, n_correct, n_ref_correct, n_lost, n_gained, n_changed;   /* lost: right in the reference only */
    double chance;                                  /* share right by guessing */
    struct interval score, share;                   /* share right; of the reference's right answers, kept */
    double p;                                       /* exact McNemar test of lost against gained */
};
struct memory_use {                                 /* -1 = not measured */
    int64_t weights_bytes, kv_bytes, scratch_bytes, peak_rss_bytes, peak_anon_bytes, peak_file_bytes;
};
struct record {
    int schema;
    char tool_version[32], tool_commit[48], date[32], run_id[48];
    char cell_id[65];                               /* hash of what is measured: --resume */
    char hw_sha256[65], env_sha256[65], device[96];
    struct {
        char name[128], arch[32], sha256[65], source_format[32], license[64];
        int64_t n_params, n_vocab;                  /* 0 unknown */
        bool source_quantized, dithered, synthesized;
    } model;
    struct {
        char name[64], histogram[256], substitutions[512], calibration[65] /* sha256 of the importances, or "" */;
        double bits_per_weight;
        int64_t bytes;
        int n_substituted;
        double share_substituted;                   /* of the weights */
    } format;
    struct {
        char name[48], version[64], backend[32], library_sha256[65], numerics[32];
        char settings[128];                         /* that it was given: "KEY=VALUE ..." */
        int gpu_layers;                             /* layers on the backend's device; -1: it did not say; 0: CPU */
    } framework;
    char kernels[512];
    uint64_t isa;                                   /* the mask they were chosen from; written as flag names */
    struct {
        char text_sha256[65], kv_type[48];
        int64_t n_tokens;
        int n_ctx, n_prompt, n_gen, n_depth, n_batch, threads;
        int threads_prefill, threads_decode; /* of those, used for each; 0: unknown */
        int streams;                         /* prompts answered at once; 0: one */
        uint64_t seed;
    } workload;
    enum provenance quality_from, task_from, speed_from, memory_from;
    struct eval_quality quality;
    struct samples chunk_kld, chunk_nll;            /* means of the first chunks, in order: compared in pairs */
    double kld_predicted;                           /* of a framework: what the equivalent kernels give there */
    struct task_result task;
    struct speed speed;
    struct memory_use memory;
    double energy_j_per_tok;
    char energy_from[24];                           /* "rapl" "battery" "" */
    struct probe_state before, after;
    enum record_status status;
    char reason[256];                               /* for every status but ok; else a remark or "" */
    char command[512];                              /* the line that repeats or runs it */
};
void record_init(struct record *r);                 /* everything unknown: NaN, -1, "" */
/* What every record of ours says first: this program and its commit, now, the run and the machine. */
void record_begin(struct record *r, const char *run_id, const struct probe_device *d);
const char *program_commit(void);                   /* "8ee8ec6c1a2b", of changed sources "8ee8ec6c1a2b+"; "" unknown */
json_t *record_to_json(const struct record *r);     /* NULL only when out of memory; bad UTF-8 is replaced */
int record_from_json(struct record *r, const json_t *j, struct err *e);
/* One row of llama-bench's table, all its fields and ours: its pp test (decode false) or its tg test (decode true). */
json_t *record_to_llama_bench(const struct record *r, bool decode);
/* sha256 of model hash, format, framework and version, numerics, workload, threads, isa: what --resume looks up.
 * Call it before measuring: a small budget may shorten the workload, the cell stays the one that was asked for. */
void record_cell_id(struct record *r);
/* What is measured without what measures it: as the cell's id, less framework version, seed and instruction sets. */
void record_cell_key(const struct record *r, char out[65]);
/* What ran it: the key, instruction sets, kernels and seed. Model and format as they were loaded. */
void record_config_sha256(const struct record *r, char out[65]);
void record_artifact_sha256(const struct record *r, char out[65]);
void record_workload_name(const struct record *r, char out[96]);   /* "pp512 tg64 t2", "text 3fa1b2c4 c512" */
const char *record_commit(const struct record *r);                 /* the framework's, else this program's */
void quality_none(struct eval_quality *q);
void speed_none(struct speed *s);
#endif
