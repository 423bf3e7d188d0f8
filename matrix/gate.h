/* The regression gate: the newest runs of every series against those before them (docs/GATE.md has the rules).
 * Order: gate_run -> read, print -> gate_free. It computes and decides; it prints nothing. */
#ifndef MATRIX_GATE_H
#define MATRIX_GATE_H
#include "bench/series.h"

enum gate_verdict {
    GATE_NONE, /* no change that matters */
    GATE_REGRESSION,
    GATE_IMPROVEMENT,
    GATE_INSUFFICIENT,        /* too few runs before it, or a suspicion that was not run again */
    GATE_ENVIRONMENT_CHANGED, /* another fingerprint: a new series, nothing tested */
    GATE_ENVIRONMENT_DRIFT,   /* a significant move with the same artifact, engine and configuration */
    GATE_NOISY,               /* suspicious, run again, not confirmed because the runs disagree */
    GATE_FAILED,              /* the newest run of that cell failed, or it is missing tonight */
    N_GATE_VERDICTS
};
const char *gate_verdict_name(enum gate_verdict v); /* "none" "regression" ... */
enum { GATE_SPEED = 1, GATE_QUALITY = 2, GATE_MEMORY = 4, GATE_MISSING = 8, GATE_ALL = 15 };
struct gate_policy {
    double min_effect;                           /* 0.02 */
    double q;                                    /* false discovery rate of a night, 0.05 */
    double screen_floor, screen_sigmas;          /* 0.015, 2.5 */
    double ci_level;                             /* 0.99 */
    double max_ln_ppl;                           /* 0.005: limit of d ln(PPL), and of mean KL divergence, in nats */
    int window, min_runs, n_reruns, n_resamples; /* 30, 8, 3, 2000 */
    unsigned fail_on;                            /* GATE_SPEED | GATE_QUALITY | GATE_MEMORY */
    uint64_t seed;
    int64_t since; /* runs from there on are tonight's; 0: the newest run of each series */
};
extern const struct gate_policy gate_defaults;

enum gate_method {             /* how a cell is decided: gate_methods.def */
                   GATE_RANKS, /* exact Mann-Whitney of fresh runs against the baseline, and the false discovery rate */
                   GATE_THRESHOLD, /* a limit, for what is nearly deterministic */
                   GATE_CHUNKS,    /* the same chunks of text in two runs, in pairs */
                   GATE_ANSWERS,   /* the same questions in two runs, in pairs */
                   GATE_FIGURES,   /* two figures of which nothing more is known */
                   N_GATE_METHODS
};
const char *gate_method_name(enum gate_method m);
struct gate_cell {
    struct series id; /* without points */
    enum gate_verdict verdict;
    enum change_state state;   /* of its change, where it has one */
    char change[17];           /* its id, or "" */
    char note[256], link[256]; /* what a person said of it */
    unsigned kind;             /* GATE_SPEED, GATE_QUALITY or GATE_MEMORY */
    enum gate_method method;
    double baseline, current;            /* medians */
    struct interval ratio;               /* current / baseline; > 1 is worse for better = -1 */
    struct interval delta;               /* GATE_CHUNKS: mean difference of a chunk, nats; else none */
    double effect, p, p_adjusted, noise; /* effect: > 0 is worse; noise: robust sigma / median of the baseline */
    int n_base, n_new, n_reruns;
    int suspect;                                 /* 1 worse than the screen lets pass, -1 better, 0 neither */
    bool tested;                                 /* counts among the tests of the night */
    bool same_build;                             /* artifact, engine and configuration are those of the runs before */
    struct point first_bad, last_good;           /* since when; run 0: unknown */
    char artifact_sha256[65], engine_sha256[65]; /* their first 16 digits; "" unknown */
    char reason[200];
    struct point *history; /* its newest runs of the store, in order of time: a window and tonight's */
    int n_history;
};
struct gate_report {
    struct gate_cell *cell; /* regressions first, then improvements, the rest in the order of the series */
    int n;
    int count[N_GATE_VERDICTS];
    int n_tested;
    struct gate_policy policy;
    char generated_at[32];
    const char *kind;    /* "history" or "ab" */
    char a[256], b[256]; /* of "ab": the two commands */
    int64_t from, to;    /* times of the baseline's runs; 0 none */
    int n_runs;          /* most runs of a baseline */
    bool failed;         /* something of fail_on is confirmed and no person has set it aside */
};
/* One more fresh run of each of those series: value[i], NaN where it could not be had. Called n_reruns times, the cells
 * in random order. NULL: suspicions stay unconfirmed. */
struct gate_hooks {
    int (*rerun)(void *arg, const struct series *const *s, int n, double *value, struct err *e);
    void *arg;
};
/* Writes the changes that it finds into the store, and those that ended as fixed. h may be NULL. */
int gate_run(struct gate_report *out, struct store *s, const struct gate_policy *p, const struct gate_hooks *h,
             struct err *e);
void gate_free(struct gate_report *r);
#endif
