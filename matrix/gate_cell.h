/* The gate's decision itself, without a store: runs in, verdicts out. Order: gate_cell_begin -> gate_screen ->
 * gate_test_* of every cell -> gate_decide over all of them. */
#ifndef MATRIX_GATE_CELL_H
#define MATRIX_GATE_CELL_H
#include "matrix/gate.h"

/* A cell of that series without its points, of which nothing is known yet. */
void gate_cell_begin(struct gate_cell *c, const struct series *id, int n_base, int n_new);
/* kind and method of c->id's metric. */
void gate_cell_kind(struct gate_cell *c);
uint64_t gate_cell_seed(const struct gate_cell *c, const struct gate_policy *p);
/* The smallest p that so many runs can have: one over the number of ways to choose them. */
double gate_smallest_p(int n_base, int n_new);
int gate_runs_needed(enum gate_method m, const struct gate_policy *p); /* before the newest one */
/* 1 worse than the baseline's scatter explains, -1 better, 0 neither; fills baseline, current, effect, noise. */
int gate_screen(struct gate_cell *c, const struct gate_policy *p, const double *base, int n_base, double value);
/* fresh[0] is what was screened, the others were run again. Unscreened cells have p = 1. */
void gate_test_ranks(struct gate_cell *c, const struct gate_policy *p, const double *base, int n_base,
                     const double *fresh, int n_fresh);
void gate_test_threshold(struct gate_cell *c, const struct gate_policy *p, int n_base, const double *fresh,
                         int n_fresh);
/* d[n]: how much the same chunks of text differ, now less before; overwritten. c->baseline and c->current are the
 * figures. */
void gate_test_chunks(struct gate_cell *c, const struct gate_policy *p, double *d, int n);
void gate_test_answers(struct gate_cell *c, const struct gate_policy *p, const struct task_result *base,
                       const struct task_result *now);
void gate_test_figures(struct gate_cell *c, const struct gate_policy *p);
/* p_adjusted over all tested cells, each direction by itself; the verdict of those tested. */
int gate_decide(struct gate_cell *cell, int n, const struct gate_policy *p, struct err *e);
/* A cell of fail_on that is confirmed and that no person has set aside. */
bool gate_cell_fails(const struct gate_cell *c, const struct gate_policy *p);
/* Counts, order of the cells, `failed`. */
void gate_finish(struct gate_report *r);
int gate_verdict_order(enum gate_verdict v);
const char *gate_verdict_title(enum gate_verdict v);
const char *gate_verdict_counted(enum gate_verdict v); /* the summary's name that it counts under */
#endif
