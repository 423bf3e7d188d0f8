/* The command line: options parsed into one struct, one function per command. Only cli/ prints and chooses exit codes.
 * Results go to stdout, progress and warnings to stderr. */
#ifndef CLI_CLI_H
#define CLI_CLI_H
#include <stdbool.h>
#include <stdio.h>
#include "base/err.h"
#include "base/json.h"
#include "base/pool.h"
#include "bench/engine/kv_peaks.h"
#include "bench/engine/model.h"
#include "bench/quant/calib.h"
#include "bench/request.h"
#include "bench/target.h"
#include "probe/probe.h"

enum exit_code {
    EXIT_DONE = 0,
    EXIT_FAILED = 1,
    EXIT_USAGE = 2,
    EXIT_GATE = 3,
    EXIT_NOTHING_FITS = 4,
    EXIT_UNDECIDED = 5,
    EXIT_NOT_COMPARABLE = 6,
    EXIT_SOME_FAILED = 7,
    EXIT_INTERRUPTED = 130
};

struct text_list {
    const char **v;
    int n;
};
struct gate_options {
    struct text_list fail_on;
    const char *metric;
    double max_ln_ppl;                       /* NaN: not asked for */
    int window, min_runs, n_reruns, n_pairs; /* 0: not asked for */
    bool ab;
};
struct cli {
    const struct command *command;
    const char **arg; /* positional arguments */
    int n_args;
    struct request req;
    struct text_list formats, frameworks, kv, kv_ctx, tasks, concurrency, settings, gpu_layers;
    bool help, version, json, csv, md, brief, no_color, base_stdout, check, bench, dry_run, packed, no_report,
        process_output,
        prove, prove_cell, recalibrate;
    const char *text, *prompt, *base_model, *base_logits, *save_logits, *shape, *isa, *from, *kernel, *device_name,
        *objective, *emit, *endpoint, *served_model, *api_key_env, *python,
        *artifact, *producer, *records, *measurements;
    struct {
        struct text_list metrics;
        const char *since, *keep, *note, *link;
        int keep_runs;
        bool all_metrics, changes;
    } history;
    int n_predict, depth, reps, n_batch, rows, cols;
    double sustain_s, silence_s, cell_timeout_s; /* 0: not asked for */
    int64_t target_bytes;                        /* of a mix; -1: not asked for */
    double target_bpw;                           /* NaN: not asked for */
    double min_effect, p_change;                 /* NaN: not asked for */
    bool explain, lower_better, higher_better;
    struct gate_options gate;
    struct text_list targets, record_files;
    struct {
        const char *nodes, *engine, *plan, *plan_sha256, *results, *label, *sign_key, *allowed_signers;
        bool once, again;
    } fleet;
    struct text_list needs;         /* of fleet report: "NAME: --ctx 8192 ..." */
    const char *prices, *needs_file;
    const char *source, *date; /* of imported figures */
    const char *release;             /* of a dashboard: a commit or a date */
    const char *night;
    int n_processes, n_baseline, keep; /* of nights; 0: not asked for */
    const char *target;             /* --device: a machine that is not here */
    struct target_flags described;  /* or its figures */
    struct text_list catalogue;     /* --model: ids of the catalogue */
    /* made on first use, released by cli_done */
    struct probe_device *device;
    struct pool *pool;
};

/* Option groups: which commands take which options. */
enum {
    G_ALL = 1,
    G_LIMITS = 2,
    G_SWEEP = 4,
    G_EVAL = 8,
    G_BENCH = 16,
    G_QUANT = 32,
    G_TEXT = 64,
    G_KERNELS = 128,
    G_PROBE = 256,
    G_IMPORT = 512,
    G_IMATRIX = 1024,
    G_CODEC = 2048,
    G_TASK = 4096,
    G_DOCTOR = 8192,
    G_RATES = 16384,
    G_HISTORY = 32768,
    G_CHANGES = 65536,
    G_GATE = 131072,
    G_NIGHTLY = 262144,
    G_DASHBOARD = 524288,
    G_FLEET = 1048576
};

struct command {
    const char *name, *args, *doc;
    int groups, min_args, max_args;
    int (*run)(struct cli *c); /* returns an exit code */
};
extern const struct command commands[];
extern const int n_commands;

int cli_parse(struct cli *c, int argc, char **argv, struct err *e);
/* Limits (options of G_LIMITS) as words, on top of those that c has. c->req points into the words. */
int cli_parse_limits(struct cli *c, const char *const *word, int n, struct err *e);
void cli_free_options(struct cli *c); /* what parsing allocated: the lists */
void cli_done(struct cli *c);
/* options_repeat.c: the options of those groups that are not as usual, but for `except` (ends in NULL), as arguments of
 * another start of the program. */
int cli_repeat_options(const struct cli *c, int groups, const char *const *except, struct text_list *out,
                       struct err *e);
void cli_free_list(struct text_list *l); /* with its texts */
void cli_help(FILE *f, const struct command *cmd);
/* Nearest of the names, for "did you mean"; NULL when none is near. */
const char *cli_nearest(const char *word, const char *const *names, int n);

int cli_fail(const struct err *e); /* prints the sentence; returns the exit code */
void cli_warn(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
int cli_n_warned(void); /* how often so far */
int cli_print_json(json_t *v); /* one document on stdout; steals v */
int cli_flush(void);           /* stdout; EXIT_FAILED when it cannot be written */
/* Probes once, sets --isa and -t defaults. */
int cli_device(struct cli *c, struct err *e);
/* A folder with a recorded /proc and /sys, a file with our JSON or a few lines of it. */
int cli_read_device(struct probe_device *d, const char *from, struct err *e);
int cli_pool(struct cli *c, struct err *e);
/* Opens a path, or a name looked up where tools keep models; "default" is the embedded model. */
int cli_model(struct model **out, const char *name, struct err *e);
bool cli_model_here(const char *name); /* a file, a folder, or found in one of those places */
int cli_model_header(struct model **out, const char *name, struct err *e); /* for estimates: data may be missing */
/* The statistics that --imatrix or --calibration give (want: bits of enum calib_stat); NULL when neither is there. */
int cli_calibration(struct cli *c, struct calibration **out, const struct model *m, unsigned want, struct err *e);
/* The magnitudes of K and V over --calibration's text, where one of --kv needs them; else NULL. */
int cli_kv_peaks(struct cli *c, struct kv_peaks **out, const struct model *m, struct err *e);
/* A progress line on stderr: in place on a terminal, a plain line per step elsewhere; nothing with -q. */
void cli_progress(const struct cli *c, int done, int total, const char *what);
void cli_progress_end(const struct cli *c);

/* cmd_choose.c: was a machine that is not here, or no model file, asked about? Then the catalogue is ranked. */
bool cli_wants_choice(const struct cli *c);
int cli_choose(struct cli *c);
/* A few milliseconds of reading, where the device's bandwidth is not known: for an answer before the calibration. */
void cli_glance_at_bandwidth(struct cli *c);
/* fleet/report.c: several machines, or prices of them. */
bool cli_wants_comparison(const struct cli *c);
int cli_compare(struct cli *c);
/* This machine's calibration: of the store, or measured now (a few seconds) and kept there. */
struct machine_rates;
int cli_rates(struct cli *c, struct machine_rates *out, struct err *e);
int cli_quantize_mix(struct cli *c); /* quantize with a target in the place of a format */

/* The embedded default: its GGUF and its evaluation text, linked into the program. */
extern const unsigned char default_model[], default_model_end[], default_text[], default_text_end[];

#define COMMAND(name, fn, args, doc, groups, lo, hi) int fn(struct cli *c);
#include "cli/commands.def"
#undef COMMAND
#endif
