/* Inside the choice between models only: what its files share. */
#ifndef MATRIX_CHOOSE_INT_H
#define MATRIX_CHOOSE_INT_H
#include "bench/catalogue.h"
#include "bench/target.h"
#include "matrix/judge.h"

/* choose_rank.c, where j->across is set. The pick under those limits, in that group or in ANY_GROUP; -1 none.
 * n_tied (may be NULL): models that the scores cannot tell from it, itself included. */
int choose_best(const struct judge *j, uint64_t ignored, double kld_limit, int group, int *n_tied);
bool choose_beats(const struct judge *j, const struct row *a, const struct row *b);
void choose_mark(struct judge *j); /* on_front and lead of every row */
void choose_sort(struct judge *j); /* the best of each model first */
void choose_set_floor(struct judge *j);

/* choose_explain.c */
void choose_explain(struct judge *j);
void choose_explain_nothing(struct judge *j, const struct target *t, int n_models);
void choose_explain_alternative(struct judge *j, const struct decision *all);
/* The line that fetches the model and runs it. */
const char *choose_command(struct judge *j, const struct row *r, const struct catalogue_model *m,
                           const struct recipe *recipe);
#endif
