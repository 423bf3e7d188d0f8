/* The data of the dashboard: every cell and metric on one machine as a line over its nights, with intervals, outliers,
 * changes and noise. It computes; reports/dashboard.h draws. Order: dashboard_load -> read -> dashboard_free; or, from
 * series that are no store's, dashboard_add... -> dashboard_finish. */
#ifndef MATRIX_DASHBOARD_H
#define MATRIX_DASHBOARD_H
#include "bench/series.h"

struct dashboard_options {
    int64_t since;             /* seconds since 1970; 0: from the first run on. Changes are sought in all of it. */
    const char *release;       /* "2026-11-01" or the beginning of a commit; NULL or "": none */
};
struct dashboard_point {
    int64_t run, time;
    double value, lo, hi;      /* lo, hi: interval of the median of its repetitions; NaN: one repetition */
    int night;                 /* days since 1970, UTC */
    int build, env;            /* of the dashboard */
    int n_samples;
    uint64_t artifact, config;
    bool outlier;
};
struct dashboard_change {
    struct change c;
    int index;                 /* first point of the new level */
    bool worse;
    bool open;                 /* new or acknowledged, and the newest level has not come back half-way */
};
enum release_outcome { RELEASE_NONE, RELEASE_COMPARED, RELEASE_NO_RUN_BEFORE, RELEASE_NO_RUN_SINCE,
                       RELEASE_OTHER_ENVIRONMENT };
struct dashboard_line {
    char key[17];              /* of cell_key, metric, hw_sha256 and device: the same on every day */
    struct series id;          /* of its newest environment; without points */
    int n, n_changes, n_late;  /* n_late: nights with runs of others since its last point */
    struct dashboard_point *p; /* in order of time */
    struct dashboard_change *change; /* in order of index */
    int64_t failed;            /* when a run after the newest point did not end well; 0: none */
    double latest;             /* the newest value */
    double noise;              /* robust sigma around the levels / median; NaN: fewer than 5 points */
    double worst;              /* largest open change for the worse, as a share > 0; else 0 */
    int worst_change;          /* its place in change[], or -1 */
    struct {
        enum release_outcome outcome;
        double before, after, effect; /* medians of at most 10 runs on each side; effect = after / before - 1 */
        int n_before, n_after, n_changes;
        double p;              /* Mann-Whitney, two-sided */
    } release;
};
struct dashboard {
    struct dashboard_line *line; /* those that got worse first, then as the series come */
    int n;
    int *night, n_nights;      /* days with a run */
    int *missing, n_missing;   /* days without one, where every `cadence` days had one */
    int cadence;               /* median of the days between nights; 0: fewer than 3 nights */
    char (*build)[24];         /* commits; "build 1a2b3c4d" where the engine's hash is all that is known; "" unknown */
    int n_builds;
    char (*env)[65];           /* fingerprints */
    int n_envs;
    int64_t first, last, n_points;
    char generated_at[32], release[64];
    int64_t release_time;
    int n_worse, n_better;     /* lines with open changes for the worse, for the better */
    int n_late, n_failed;      /* lines without a point last night; whose newest run failed */
};

/* ERR_USAGE: a release that no run has. Changes that are found are put into the store, so that people can answer
 * them. */
int dashboard_load(struct dashboard *d, struct store *s, const struct dashboard_options *o, struct err *e);
void dashboard_free(struct dashboard *d);

/* Below dashboard_load, and for series from elsewhere. lo, hi, outlier: n each, or NULL. */
struct dashboard_extra {
    const double *lo, *hi;
    const bool *outlier;
};
int dashboard_add(struct dashboard *d, const struct series *s, const struct dashboard_extra *x, struct err *e);
int dashboard_add_change(struct dashboard *d, const char *line, const struct change *c, struct err *e);
int dashboard_finish(struct dashboard *d, const struct dashboard_options *o, struct err *e);
void dashboard_line_key(char key[17], const struct series *s);
/* The interval that the median lies in with at least 95 %, from order statistics; the whole range where five or fewer
 * cannot give that. NaN, NaN for fewer than two. Sorts x. */
void dashboard_interval(double *x, int n, double *lo, double *hi);
/* dashboard_line.c, of dashboard_finish: points in order, from `since` on; all else. room: 2 n. */
void dashboard_line_trim(struct dashboard_line *l, int64_t since);
void dashboard_line_finish(struct dashboard_line *l, int64_t release_time, double *room);
#endif
