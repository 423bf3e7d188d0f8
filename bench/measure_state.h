/* What measure_cells keeps while it runs, shared by measure.c (order and budget), measure_visit.c (one repetition) and
 * measure_result.c (samples into records). */
#ifndef BENCH_MEASURE_STATE_H
#define BENCH_MEASURE_STATE_H
#include "bench/calibrate.h"

struct times { /* grows */
    double *x;
    size_t n, cap;
};
struct live { /* a cell while it is measured */
    const struct measure_cell *cell;
    struct record *r;
    struct session *session; /* NULL: not open */
    bool failed, done, cut; /* cut: the end came during a further repetition, and the session is lost */
    int prefill_threads, decode_threads; /* 0: all */
    double prompt_ns, token_ns, extra_ns; /* estimates: per prompt token, per generated token, rest of a repetition */
    int n_reps, n_attempts;
    struct samples ttft_ns, drift;
    struct times gaps, ttfts; /* of all generated tokens; to the first token of each stream */
    double energy_j, energy_tokens;               /* spent on decoding, over so many tokens */
    uint64_t steal_ticks, total_ticks, throttled; /* during its repetitions */
    double hottest_c, slowest_ghz;
    int64_t held_bytes;    /* KV and scratch of its session in this process */
    int64_t outside_bytes; /* what its session holds in a process of its own that stays */
};
struct visit { /* one repetition with what was seen around it */
    struct sample sample;
    struct probe_state before, after;
    double drift, wall_ns;
    double gb_s; /* read bandwidth around it, or NaN */
};
struct measure_run {
    const struct measure_opts *o;
    struct workload w; /* as run: may be shorter than what was asked for */
    struct live *live;
    int n;
    uint64_t deadline_ns; /* of the whole set; 0 = none */
    uint64_t spin_rounds; /* work of the calibration spin */
    struct visit *visit, *again;
    struct bandwidth_probe bandwidth;
    bool own_bandwidth; /* measured around every repetition */
};
static const double most_drift = 0.05;

/* measure_visit.c */
bool past_end(const struct measure_run *m);
uint64_t spin_rounds_of(struct pool *pool, double seconds);
double spin_ns(struct pool *pool, uint64_t rounds);
/* One repetition, once more when the machine was disturbed and there is time; the cleaner one is added to the cell. */
int visit_cell(struct measure_run *m, struct live *c, struct err *e);
int run_once(struct measure_run *m, struct live *c, const struct workload *w, struct visit *v, struct err *e);
double visit_cost_ns(const struct live *c, const struct workload *w);

/* measure_threads.c: sets the numbers of threads with which each cell from i0 on is fastest. */
int choose_threads(struct measure_run *m, int i0, int i1);

/* measure_result.c */
bool narrow_enough(const struct measure_run *m, const struct live *c);
void fail_cell(struct live *c, int code, const char *reason);
void finish_cell(const struct measure_run *m, struct live *c, const struct workload *asked);
#endif
