/* What the store holds, as series over time: one number a run that ended well (the median of its repetitions)
 * for each cell and metric on each environment. The gate, the change points and the dashboard read these.
 * A series' key names what is measured, not what measured it: framework version, engine and artifact hashes and the
 * program's commit belong to the points. Figures of other programs (import --csv) are series too. */
#ifndef BENCH_SERIES_H
#define BENCH_SERIES_H
#include "bench/store.h"

struct point {
    int64_t run, time;                 /* row of the store; seconds since 1970 UTC */
    double value;
    uint64_t artifact, engine, config; /* first 64 bits of their SHA-256; 0 unknown */
    char commit[16];                   /* of what was measured, else of this program; "" unknown */
    int n_samples;                     /* repetitions behind it: series_samples */
};
/* One artifact, engine and configuration, all known. */
bool point_same_build(const struct point *a, const struct point *b);
struct series {
    char key[65];                      /* SHA-256 of env_sha256, cell_key and metric */
    char cell_key[65];                 /* record_cell_key */
    char env_sha256[65], hw_sha256[65], device[96];
    char model[128], format[64], framework[48], workload[96]; /* for people: "pp512 tg64 d0 t2" */
    char metric[64], unit[24];
    int better;                        /* 1 higher, -1 lower */
    int n;                             /* at least 1 */
    struct point *p;                   /* in order of time, then of run */
    int64_t failed_run, failed_time;   /* the cell's newest run there that did not end well (why: its record), or 0 */
};
struct series_filter {                 /* NULL and 0: any */
    const char *env_sha256, *model, *format, *framework, *metric, *cell_key, *key;
    int64_t since, until;              /* seconds since 1970, both included */
    int newest;                        /* only so many points, the newest ones, of each */
    bool all_metrics;                  /* every metric that has a direction; else those that metrics.def has as WATCHED,
                                        * those of other programs, or the one named */
};
/* In order of model, format, framework, workload, metric. The series stands during the call only. fn returns non-zero
 * to stop (and that is returned); it may read and write the store. f NULL: all that is watched. */
int series_each(struct store *s, const struct series_filter *f, int (*fn)(void *arg, const struct series *x), void *arg,
                struct err *e);
/* Repetitions of a run (rates for decode_tok_s and prefill_tok_s), or its chunks for "chunk_kld" and "chunk_nll", in
 * order: how many there are; at most `most` are copied. */
int series_samples(struct store *s, int64_t run, const char *metric, double *out, int most, struct err *e);
/* The same of all runs of a series from `since` on (0: all), in the order of its points; runs without are left out. fn
 * may change v; it returns a negative code to stop, and must not use the store. */
int series_samples_each(struct store *s, const struct series *x, int64_t since,
                        int (*fn)(void *arg, int64_t run, double *v, int n), void *arg, struct err *e);
/* The whole record of a point. */
int series_record(struct store *s, int64_t run, struct record *out, struct err *e);

/* ---- changes that were found, and what people said of them ---- */

enum change_state { CHANGE_NEW, CHANGE_ACKNOWLEDGED, CHANGE_ACCEPTED, CHANGE_NOISE, CHANGE_FIXED, N_CHANGE_STATES };
const char *change_state_name(enum change_state s);  /* "new" "acknowledged" "accepted" "noise" "fixed" */
int change_state_find(const char *name);
struct change {
    char id[17];                        /* change_id */
    char series[65], metric[64];
    int64_t run_before, run_after;      /* last of the old level, first of the new one */
    int64_t time;                       /* of run_after */
    double before, after, effect, p;    /* medians; effect = after/before - 1 */
    enum change_state state;
    char found_by[16];                  /* "gate" "history" */
    char note[256], link[256];          /* of a person */
};
/* The same change found again keeps its name, in other stores too: first 16 digits of the SHA-256 of series key and
 * time, which are set before. */
void change_id(struct change *c);
int store_put_change(struct store *s, const struct change *c, struct err *e); /* a known id keeps its state and note */
int store_each_change(struct store *s, const char *series, int (*fn)(void *arg, const struct change *c), void *arg,
                      struct err *e);                /* series NULL: all; in order of time */
/* note and link NULL: kept. ERR_MISSING where there is no such change. id: at least 4 digits that name one. */
int store_set_change(struct store *s, const char *id, enum change_state state, const char *note, const char *link,
                     struct err *e);
/* Figures that are no record of ours: a night's values of somebody else's program, in one transaction. */
struct foreign {
    char metric[64], unit[24];
    int better;                         /* 1 higher, -1 lower */
    int n;
    double value[RECORD_MAX_SAMPLES];   /* repetitions */
};
struct foreign_run {
    char source[128], date[32], commit[48], device[96], env_sha256[65], hw_sha256[65];
    const struct foreign *metric;
    int n;
};
int store_put_foreign(struct store *s, const struct foreign_run *r, struct err *e);   /* idempotent by content */
#endif
