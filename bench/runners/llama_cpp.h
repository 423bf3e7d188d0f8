/* What the runners of llama.cpp's programs share, and those of forks that kept these programs: where a build is, which
 * devices it drives, and what a cell asks of its command line. */
#ifndef BENCH_RUNNERS_LLAMA_CPP_H
#define BENCH_RUNNERS_LLAMA_CPP_H
#include "base/os.h"
#include "bench/runners/runner.h"

struct llama_build { /* what such a runner's `of` points to */
    const char *name, *variable; /* in sentences; names the build: a program of it or a folder */
    bool on_path;                /* else on PATH; false where a program of that name is llama.cpp's */
};
extern const struct llama_build llama_cpp_build, bitnet_cpp_build;

/* Where `program` is, which version, its hash. */
int llama_build_detect(const struct llama_build *b, const char *program, struct runner_info *info, struct err *e);
/* The same where it is needed: ERR_MISSING, with what to do. */
int llama_build_need(const struct llama_build *b, const char *program, struct runner_info *info, struct err *e);
/* Whether the file is there and fits; *ms: how long loading it may take, on the slowest of disks. */
int llama_check_model(const struct llama_build *b, const char *path, unsigned *ms, struct err *e);

enum { MOST_LLAMA_ARGS = 64, MOST_LLAMA_SETTINGS = 12 };
struct llama_args { /* a command line as it grows; v[n] stays NULL */
    const char *v[MOST_LLAMA_ARGS];
    int n;
};
void llama_args_add(struct llama_args *a, const char *option, const char *value);   /* value NULL: none */
/* As it can be typed: the program without its folder. */
void llama_args_print(const struct llama_args *a, char *out, size_t size);

struct llama_options { /* what a cell asks for beside lengths and threads */
    char devices[128], layers[12];                        /* of --device and -ngl; "": as the program likes */
    char backend[32];                                     /* for the record; "": its rows tell */
    int gpu_layers;                                       /* for the record: at most those of the model */
    bool must_offload;                                    /* a device was asked for, and it lists none to check */
    char key[MOST_LLAMA_SETTINGS][64];                    /* "--n-cpu-moe" */
    const char *value[MOST_LLAMA_SETTINGS];
    int n_settings;
};
/* separator: between devices on the program's command line. A device that it does not drive is ERR_UNSUPPORTED. */
int llama_options_take(struct llama_options *o, const struct llama_build *b, const char *program, char separator,
                       const struct measure_cell *cell, struct err *e);
/* Where the program tells no backend itself: that of the first device it lists, else the CPU. */
void llama_options_guess(struct llama_options *o, const char *program);
void llama_args_options(struct llama_args *a, const struct llama_options *o, const struct measure_cell *cell);
/* What became of a program that was to end well. */
int llama_judge(const char *program, const struct child_cmd *cmd, const struct child_result *r, struct err *e);
/* The runners' text_logits, by llama-perplexity. */
int llama_text_logits(const struct measure_cell *cell, const char *text, int n_ctx, const char *out, struct err *e);
#endif
