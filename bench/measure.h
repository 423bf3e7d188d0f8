/* Speed by method.md 2: steady-state warm-up, repetitions until the bootstrap interval of the median is narrow or the
 * cap is reached, a calibration spin before and after, load and steal sampled, dirty cells run again, candidates
 * interleaved A B C A B C. A runner measures one repetition; loops and statistics belong here. */
#ifndef BENCH_MEASURE_H
#define BENCH_MEASURE_H
#include "base/pool.h"
#include "bench/record.h"
#include "bench/engine/weights.h"

/* As in llama-bench both phases start behind n_depth tokens: the prompt's n_prompt, and, on an emptied context, the
 * n_gen generated ones. Either may be 0. */
struct workload {
    int n_prompt, n_gen, n_depth;
    const int32_t *tokens;            /* n_depth + n_prompt of them, NULL = any; what is generated is not looked at */
    uint64_t deadline_ns;             /* clock_ns() after which a repetition gives up; 0 = none */
};
enum { MAX_TOKEN_TIMES = 4096 };
struct sample {                       /* one repetition */
    double prefill_ns, decode_ns, ttft_ns;   /* NaN where there is no such phase */
    int n_token_ns;                   /* 0 where only the sum is known */
    double token_ns[MAX_TOKEN_TIMES]; /* time of each generated token */
};
struct session;
struct runner_info {
    char name[48], version[64], library_path[256], library_sha256[65], note[160];
    bool found;
};
struct measure_cell {                 /* what to run: filled by plan, owned by the caller */
    const struct runner *runner;
    const struct weights *weights;    /* own runner */
    const char *model_path;           /* external runners: the artifact */
    int threads, n_ctx, n_batch;
    uint64_t isa;
    struct pool *pool;
};
struct runner {                       /* one row of runners.def */
    const char *name, *doc;
    bool real;                        /* a framework that people serve from; false for own */
    bool own_process;                 /* each repetition loads and warms up in a process of its own */
    int (*detect)(struct runner_info *info, struct err *e);
    int (*open)(struct session **out, const struct measure_cell *cell, struct err *e);
    int (*measure)(struct session *s, const struct workload *w, struct sample *out, struct err *e);
    void (*describe)(const struct session *s, struct record *r);   /* kernels, memory, version into the record */
    void (*close)(struct session *s);
};
extern const struct runner *const runners[];   /* NULL-terminated */
const struct runner *runner_find(const char *name);

/* A small budget first lowers the repetitions to 3, then shortens prompt and answer of all cells alike (the record holds
 * the workload that was run and says so); every cell gets at least one repetition. */
struct measure_opts {
    int min_reps, max_reps;           /* 5, 25 */
    double warmup_cap_s, target_half_width;   /* 3.0, 0.02 */
    double budget_s;                  /* for the whole set; NaN = none */
    uint64_t seed;
    double bandwidth_gb_s;            /* NaN: measured interleaved */
    void (*on_progress)(void *arg, int i_cell, int rep);
    void *arg;
};
void measure_defaults(struct measure_opts *o);
/* Measures n cells interleaved; r[i] gets speed, memory, energy, environment and status. A cell that fails gets its
 * status and reason and the others go on; negative only for ERR_CANCELLED (cells done so far are kept) or no memory. */
int measure_cells(const struct measure_cell *cell, struct record *r, int n, const struct workload *w,
                  const struct measure_opts *o, struct err *e);

/* bench --sustain: runs decode for `seconds`, one point per window; burst, sustained, and time to throttle. */
struct sustain_result {
    int n;
    double t_s[512], tok_s[512], temp_c[512];
    double burst_tok_s, sustained_tok_s, throttle_after_s;   /* NaN: never throttled */
};
void sustain_judge(struct sustain_result *s);   /* burst, sustained and time to throttle from the points */
int measure_sustained(const struct measure_cell *cell, double seconds, struct sustain_result *out, struct err *e);

/* Read bandwidth with its spread on a working set of at least 4x the last-level cache really available. */
struct bandwidth {
    struct interval gb_s;
    int64_t working_set_bytes, cache_bytes;   /* cache_bytes: found by doing, not by what is reported */
};
int calibrate_bandwidth(struct pool *pool, uint64_t isa, double budget_s, struct bandwidth *out, struct err *e);

/* Shapes: architectures of real models with no file needed. */
struct shape {
    const char *id;
    struct model_desc d;              /* numbers only; tensor list is made by model_from_shape */
};
extern const struct shape shapes[];
extern const int n_shapes;
const struct shape *shape_find(const char *id);
#endif
