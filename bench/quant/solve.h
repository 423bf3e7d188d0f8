/* The column-by-column solve of GPTQ, for every grid (gptq.c, exl2.c). */
#ifndef BENCH_QUANT_SOLVE_H
#define BENCH_QUANT_SOLVE_H
#include <stdbool.h>
#include <stdint.h>
#include "base/err.h"
#include "base/mem.h"

struct solve {
    int64_t k;
    uint32_t *column; /* [k] the column at each position */
    bool *dead;       /* [k] position never carried anything: its weights become 0 */
    float *u, *l;     /* [k][k] upper factor of the inverse, in the order of positions; transposed */
};
struct kernel;
struct algo_group;
enum { SOLVE_BLOCK = 128, SOLVE_ROWS = 96 /* that are solved side by side */ };
struct solve_grid {
    /* Positions [b0, b1) come next; w[b0...] are as the earlier blocks left them. Groups that start there are fitted
     * now, not when their first position comes up: that is how the packages do it. */
    void (*begin)(void *arg, const float *w, int64_t b0, int64_t b1);
    /* Rounds w[i], position i of a row whose earlier positions are done; returns what the code stands for. */
    float (*round)(void *arg, const float *w, int64_t i);
};
/* For the inputs of g. damp: share of the mean diagonal added to their gram matrix. Memory from g->arena. */
int solve_prepare(struct solve *s, const struct algo_group *g, double damp, bool by_activation, struct err *e);
/* The upper factor of gram[k][k], in the order of the solve, rows from the diagonal on. */
int solve_factor(float *upper, const float *gram, int64_t k, double damp, bool by_activation, struct err *e);
/* The column at each position: as they are, or those with the largest inputs first. */
int solve_order(uint32_t *column, const float *gram, int64_t k, bool by_activation, struct arena *a);
void solve_gather(const struct solve *s, float *dst, const float *w);
/* Positions [b0, b1) of a row w[k], at most SOLVE_BLOCK; error[SOLVE_BLOCK] is what they leave to those behind them. */
void solve_block(const struct solve *s, float *w, float *error, const struct solve_grid *grid, void *arg, int64_t b0,
                 int64_t b1);
/* Those behind them, w[n_rows][k] with error[n_rows][SOLVE_BLOCK]; y[n_rows][k] is scratch. */
void solve_behind(const struct solve *s, const struct kernel *gemm, float *w, const float *error, float *y,
                  int64_t n_rows, int64_t b0, int64_t b1);
#endif
