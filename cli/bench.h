/* The command `bench` in its parts: cmd_bench.c (what is measured of a model file or shape), bench_endpoint.c (of a
 * server), bench_artifact.c (of a folder that only frameworks read), bench_print.c (what is shown). */
#ifndef CLI_BENCH_H
#define CLI_BENCH_H
#include "bench/place.h"
#include "bench/rates.h"
#include "bench/sweep.h"
#include "cli/cli.h"

enum { MOST_COUNTS = 8 };

struct bench_format { /* one format of the model: what it is, its weights, its file where one is needed */
    struct plan_cell plan;
    struct recipe as_given; /* plan.recipe points here for the file as it is */
    char as_given_name[48];
    struct weights *weights;
    char path[300];
    bool temporary;
};
struct bench_job {
    struct cli *cli;
    struct model *model;
    struct plan *plan;
    struct calibration *calib;
    struct sweep_input in;
    struct bench_format *format;
    int n_formats;
    struct measure_cell *cell; /* [n_cells], with rec[] beside it */
    struct record *rec;
    int n_cells, cap;
    struct endpoint endpoint;
    struct machine_rates *rates; /* this machine's calibration, where the store has one; else NULL */
};

/* A record of what the program did not encode itself: this machine, the runner, the workload asked for. */
void bench_begin_record(const struct bench_job *j, struct record *r, const struct runner *runner);

/* --concurrency: each number of streams is a cell of its own. */
int bench_streams(const struct cli *c, int streams[MOST_COUNTS], int *n, struct err *e);
/* The cells of an artifact that only frameworks read: a folder in OpenVINO's or ONNX's form. */
bool bench_wants_artifact(const struct cli *c);
int bench_take_artifact(struct bench_job *j, struct err *e);
/* The cells of a server that is running: no model, no formats of ours. */
bool bench_wants_server(const struct cli *c);
int bench_take_server(struct bench_job *j, struct err *e);

/* What the calibration says of a cell of the own engine; no figures (NaN) of others, or without one. */
void bench_load_rates(struct bench_job *j);
void bench_predict(const struct bench_job *j, int i_cell, struct rates_guess *g);

int bench_print_json(const struct bench_job *j);
void bench_print_table(const struct bench_job *j);
#endif
