/* Inside bench/target*.c only: the steps that all three descriptions share. Order: target_unknown -> fill the figures
 * -> target_complete. */
#ifndef BENCH_TARGET_STATE_H
#define BENCH_TARGET_STATE_H
#include "bench/target.h"

struct target_class {
    const char *name, *article, *os;
    double gib_lo, gib_hi, gb_s_lo, gb_s_hi, fp16_hi, tops_hi, watt_hi, reads_s_hi;
};
void target_unknown(struct target *t);
const struct target_class *target_class_find(const char *name); /* NULL when unknown */
/* "armv8.2-a dotprod; gfx1151" or "neon,dotprod": unknown words are an error where strict, else left out. */
int target_set_isa(struct target *t, const char *text, bool strict, const char *where, struct err *e);
int target_set_backends(struct target *t, const char *text, const char *where, struct err *e);
int target_set_class(struct target *t, const char *name, const char *where, struct err *e);
int target_set_os(struct target *t, const char *name, const char *where, struct err *e);
/* Figures in a wrong unit, contradictions. */
int target_check(const struct target *t, const char *where, struct err *e);
/* Checks, then what follows from the figures: usable memory, the struct that decisions take. */
int target_complete(struct target *t, const char *where, struct err *e);
#endif
