/* Writes encoded weights as the GGUF file that llama.cpp loads: every key of the source kept, file type replaced. */
#ifndef BENCH_QUANT_EXPORT_GGUF_H
#define BENCH_QUANT_EXPORT_GGUF_H
#include "bench/quant/recipe.h"

/* m must come from a GGUF file. Atomic: nothing half-written carries the name. */
int export_gguf(const char *path, const struct model *m, const struct weights *w, const struct recipe *r,
                struct err *e);
#endif
