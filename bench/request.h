/* What the user asked for, after parsing: the first struct of the chain request -> device -> plan -> records ->
 * decision. */
#ifndef BENCH_REQUEST_H
#define BENCH_REQUEST_H
#include <stdbool.h>
#include <stdint.h>

enum objective {
    OBJECTIVE_BALANCED,
    OBJECTIVE_QUALITY,
    OBJECTIVE_SPEED,
    OBJECTIVE_MEMORY,
    OBJECTIVE_ENERGY,
    N_OBJECTIVES
};
const char *objective_name(enum objective o);
int objective_find(const char *name); /* -1 when unknown */

/* What the model is for: an input of the choice between models. n names; unknown: -1. */
int task_names(const char *const **out);
int task_find(const char *name);

/* Of the balanced objective, where nobody names one: nats. */
#define DEFAULT_MAX_KLD 0.1

/* NaN or -1 = no such limit. Each limit is a row of rules.def. */
struct constraints {
    int64_t ram_bytes, vram_bytes, disk_bytes;
    int ctx, n_prompt, n_gen; /* defaults 4096, 512, -1: 128 in `bench`, 64 a repetition in a sweep */
    double min_decode_tok_s, max_ttft_s, max_kld, min_quality, max_watts, battery_hours;
    double battery_wh; /* of the device, where it does not say; no limit by itself */
    enum objective objective;
    const char *only_framework, *license; /* NULL = any */
    const char *task, *language;          /* a name of task_names; a code such as "de" or "pt-BR"; NULL = any */
    bool offline;                         /* no network where it will run: no cloud as a way out */
};
struct request {
    const char *const *models; /* paths */
    int n_models;
    const char *const *formats; /* recipe names; n_formats 0 = all that apply */
    int n_formats;
    const char *also[16]; /* with n_formats 0: further ones, of frameworks that are there */
    int n_also;
    const char *const *frameworks; /* n_frameworks 0 = all found */
    int n_frameworks;
    const char *backend;           /* where they compute; NULL = their own choice */
    const char *const *gpu_layers; /* layers there, "0" "12" "all": a row each; n_gpu_layers 0 = their own choice */
    int n_gpu_layers;
    const char *const *settings; /* "KEY=VALUE" of theirs */
    int n_settings;
    const char *const *kv; /* KV cache formats, the second axis; n_kv 0 = the framework's own */
    int n_kv;
    int kv_ctx[4], n_kv_ctx;           /* chunk lengths of their KLD; none: 2048, or what the model was trained for */
    const char *const *tasks;          /* files of multiple-choice items; n_tasks 0 = none */
    int n_tasks, n_items;              /* n_items: of each file; 0 = all */
    const char *text_path;             /* evaluation text; NULL = the one shipped */
    const char *out_dir, *store_path;  /* NULL = none / the default store */
    const char *imatrix, *calibration; /* an importance matrix, or a text to compute statistics from; NULL = none */
    const char *numerics;              /* NULL: each recipe's own framework; or one of them, or "weights-only" */
    int n_ctx_eval, n_chunks;          /* 512; 0 = all that the budget allows */
    int threads;                       /* 0 = the machine's usable CPUs */
    bool find_threads;                 /* nobody said how many: speed is measured with as many as are fastest */
    uint64_t isa, seed;
    double budget_s;        /* NaN = none */
    int64_t memory_bytes;   /* what measuring itself may take; 0 = half of what is usable */
    bool budget_is_default; /* nobody asked for it: chunks that were asked for are all done, whatever they take */
    bool no_speed;          /* quality only */
    bool no_quality;        /* speed only */
    bool keep_workload;     /* a small budget costs repetitions, never the length of prompt and answer */
    bool demo, resume, dither, estimate, strict, verbose, quiet;
    struct constraints want;
};
void request_defaults(struct request *r);
#endif
