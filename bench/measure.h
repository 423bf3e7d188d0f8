/* Speed by method.md 2: steady-state warm-up, repetitions until the bootstrap interval of the median is narrow or the
 * cap is reached, a calibration spin before and after, load and steal sampled, dirty cells run again, candidates
 * interleaved A B C A B C. A runner measures one repetition; loops and statistics belong here. */
#ifndef BENCH_MEASURE_H
#define BENCH_MEASURE_H
#include "bench/runners/runner.h"

/* A small budget first lowers the repetitions to 3, then shortens prompt and answer of all cells alike (the record
 * holds the workload that was run and says so); every cell gets at least one repetition. */
struct measure_opts {
    int min_reps, max_reps;           /* 5, 25 */
    double warmup_cap_s, target_half_width;   /* 3.0, 0.02 */
    double budget_s;                  /* for the whole set; NaN = none */
    bool keep_workload;               /* a small budget costs repetitions only */
    uint64_t end_ns;                  /* clock_ns() at which even a first repetition is cut off; 0 = none */
    uint64_t seed;
    double bandwidth_gb_s;            /* NaN: measured interleaved */
    void (*on_progress)(void *arg, int i_cell, int rep);
    /* A cell that was measured, its session still open: what else is to be asked of it. An error fails the cell. */
    int (*before_close)(void *arg, int i_cell, struct session *s, struct err *e);
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

/* Read bandwidth on a working set beyond the last-level cache really available. */
struct bandwidth {
    struct interval gb_s;                     /* the 90th percentile of short windows; lo: the 10th, hi: the best */
    int64_t working_set_bytes, cache_bytes;   /* cache_bytes: found by doing, not by what is reported */
};
int calibrate_bandwidth(struct pool *pool, uint64_t isa, double budget_s, struct bandwidth *out, struct err *e);

/* Shapes: architectures of real models with no file needed, those of the catalogue that the engine runs. */
struct shape {
    const char *id;
    struct model_desc d;              /* numbers only; tensor list is made by model_from_shape */
};
int shapes(const struct shape **out);   /* how many; they live as long as the program */
const struct shape *shape_find(const char *id);
#endif
