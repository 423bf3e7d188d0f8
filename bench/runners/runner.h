/* A runner: one framework that can be measured. It measures one repetition; loops, interleaving and statistics belong
 * to bench/measure. Order: detect -> open -> measure... -> describe -> close. */
#ifndef BENCH_RUNNERS_RUNNER_H
#define BENCH_RUNNERS_RUNNER_H
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
enum { MAX_TOKEN_TIMES = 4096, MAX_STREAMS = 64 };
struct sample {                       /* one repetition */
    double prefill_ns, decode_ns, ttft_ns;   /* NaN where there is no such phase */
    int n_token_ns;                   /* 0 where only the sum is known */
    double token_ns[MAX_TOKEN_TIMES]; /* time of each generated token */
    int n_streams;                    /* prompts answered at once, each with its time to the first token; 0: one */
    double stream_ttft_ns[MAX_STREAMS];
};
struct endpoint {                     /* a server that somebody else started */
    const char *url, *model, *key;    /* key: sent, never stored or shown; NULL: none */
    const char *key_name;             /* the environment variable that holds it */
    double silence_s;                 /* longest wait for anything to come; 0: a minute */
};
struct session;
struct runner_info {
    char name[48], version[64], library_path[256], library_sha256[65], note[160];
    char containers[96];              /* that it says it loads: "gguf onnx"; "": it does not say */
    bool found;
};
struct measure_cell {                 /* what to run: filled by plan, owned by the caller */
    const struct runner *runner;
    const struct weights *weights;    /* own runner */
    const char *model_path;           /* external runners: the artifact */
    const struct endpoint *endpoint;  /* servers that are there already */
    int streams;                      /* requests at once, where the framework serves several; 0: one */
    const char *why_not;              /* there is nothing to open: unsupported, for this reason */
    const char *device;               /* "cpu" "gpu" "cuda" "AUTO:GPU,CPU" ...; NULL: the framework's own choice */
    const char *gpu_layers;           /* "0" "12" "all" on that device, the rest on the CPU; NULL: its own choice */
    const char *const *settings;      /* n_settings of the framework's own, "KEY=VALUE" each */
    int n_settings;
    int threads, n_ctx, n_batch;
    uint64_t deadline_ns;             /* clock_ns() after which opening and logits give up; 0: their usual patience */
    bool find_threads;                /* fewer than `threads` may be used where that is faster: found by trying */
    struct kv_pair kv;                /* none: f16 */
    uint64_t isa;
    struct pool *pool;
};
struct runner {                       /* one row of runners.def */
    const char *name, *doc;
    bool real;                        /* a framework that people serve from; false for own */
    bool served;                      /* a server that is there already: takes no model file of ours */
    bool several;                     /* answers several prompts at once */
    bool offloads;                    /* shares a model out by layers, between a device and the CPU */
    const char *numerics;             /* the framework whose formats and caches it takes; NULL: its name */
    bool own_process;                 /* each repetition loads and warms up in a process of its own */
    bool own_files;                   /* its model files are read by nothing else: measured as they are, unopened */
    const char *containers;            /* exporters whose artifacts it loads: "gguf onnx"; NULL: none */
    const void *of;                    /* what its transport needs to know about it, or NULL */
    int (*detect)(const struct runner *self, struct runner_info *info, struct err *e);
    int (*open)(struct session **out, const struct measure_cell *cell, struct err *e);
    int (*measure)(struct session *s, const struct workload *w, struct sample *out, struct err *e);
    /* [n][*n_vocab] of an emptied context, until the next call; NULL: the framework shows none. */
    int (*logits)(struct session *s, const int32_t *tokens, int n, const float **out, int *n_vocab, struct err *e);
    /* The likeliest token behind these, in an emptied context; NULL or ERR_UNSUPPORTED: it does not tell. */
    int (*next)(struct session *s, const int32_t *tokens, int n, int32_t *token, struct err *e);
    /* Of a framework whose programs read texts only: the first n_ctx tokens of one, scored into a `_logits_` file
     * (bench/engine/logits_file.h); NULL: no such program. */
    int (*text_logits)(const struct measure_cell *cell, const char *text, int n_ctx, const char *out, struct err *e);
    void (*use_threads)(struct session *s, int prefill, int decode);   /* 0: all; NULL: the framework cannot */
    void (*describe)(const struct session *s, struct record *r);   /* kernels, memory, version into the record */
    void (*close)(struct session *s);
};
extern const struct runner *const runners[];   /* NULL-terminated */
/* Is this container ("gguf") one of those that it loads? */
bool runner_loads(const struct runner *r, const char *container);
/* Of the table, else the executable whichquant-runner-NAME on PATH, which speaks the worker protocol. */
const struct runner *runner_find(const char *name);
/* The next such executable after *state (0 at first); NULL when there is no more. */
const struct runner *runner_on_path(int *state);
int runner_named(const struct runner **out, const char *name, struct err *e); /* ERR_USAGE: there is none */
#endif
