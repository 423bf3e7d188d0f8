/* Two commands in turn, A,B,A,B: whatever drifts on the machine meanwhile drifts for both. Figures are read from what
 * they print: llama-bench (json, jsonl, csv), `whichquant bench --json`, a metric,value CSV; or they are the time and
 * the memory of the command. Order: ab_run -> ab_free. */
#ifndef BENCH_AB_H
#define BENCH_AB_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/err.h"

enum { AB_NAME = 64, AB_MOST_RUNS = 1000 };
struct ab_options {
    const char *command[2]; /* given to /bin/sh -c */
    int n_pairs;
    unsigned timeout_ms; /* of one run; 0: none */
    uint64_t seed;       /* of the order within each pair */
    bool wall;           /* time and memory in place of what is printed */
    void (*on_run)(void *arg, int done, int total);
    void *arg;
};
struct ab_run {   /* one number of one run */
    int64_t time; /* its start, seconds since 1970 */
    double value;
};
struct ab_metric {
    char name[AB_NAME], unit[24];
    int better;            /* 1 higher, -1 lower */
    struct ab_run *run[2]; /* of A, of B; AB_MOST_RUNS are never exceeded */
    int n[2];
};
struct ab_result {
    struct ab_metric *metric;
    int n;
    bool interrupted; /* what was measured until then stands */
};
/* A command that fails, prints no figures or takes too long is an error whose sentence names it and what it said. */
int ab_run(struct ab_result *out, const struct ab_options *o, struct err *e);
void ab_free(struct ab_result *r);

/* ---- the figures of an output ---- */
struct ab_figure {
    char name[AB_NAME], unit[24];
    int better;
    double value; /* the median of its repetitions */
};
/* *out[*n], mem_free. An output without any figure is ERR_FORMAT. */
int ab_read_figures(struct ab_figure **out, int *n, const char *text, size_t size, struct err *e);
#endif
