/* What the runners of llama.cpp's programs share. */
#ifndef BENCH_RUNNERS_LLAMA_CPP_H
#define BENCH_RUNNERS_LLAMA_CPP_H
#include "bench/runners/runner.h"

/* LLAMA_CPP_PATH (a program of the build or a folder of it), else PATH: where `program` is, which version, its hash. */
int llama_cpp_detect(struct runner_info *info, const char *program, struct err *e);
/* Whether the file is there and fits; *ms: how long loading it may take, on the slowest of disks. */
int llama_cpp_check_model(const char *path, unsigned *ms, struct err *e);
#endif
