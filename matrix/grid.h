/* A decision over several models as a grid of model x format, and how many of its rows run. The own engine's rows are
 * evidence and stand aside. Order: grid_make -> read -> grid_free. The names belong to the decision. */
#ifndef MATRIX_GRID_H
#define MATRIX_GRID_H
#include "matrix/matrix.h"

enum outcome { OUTCOME_RUNS, OUTCOME_OVER, OUTCOME_CANNOT, OUTCOME_FAILED, N_OUTCOMES };
enum outcome row_outcome(const struct row *r);

struct verdict_count {
    const char *verdict, *words;
    enum outcome outcome;
    int n;
    double share; /* of all counted rows; NaN without any */
};
struct grid_line { /* a model, or a format */
    const char *name;
    int n_cells, n_run; /* cells with a row; those of them that run within the limits */
    double bits;        /* per weight, of a format: the first known */
};
enum { N_VERDICTS = 7 };
struct grid {
    struct grid_line *model, *format; /* models as the decision ranks them, formats with the most bits first */
    int n_models, n_formats;
    int *cell; /* [n_models][n_formats]: index of the best row that runs, else of the first one; -1 none */
    struct verdict_count count[N_VERDICTS];
    int n_rows;            /* counted */
    int largest, smallest; /* rows: most weights that run, fewest that memory forbids; -1 none */
    struct arena *arena;
};
int grid_make(struct grid *g, const struct decision *d, struct err *e);
void grid_free(struct grid *g);
static inline int grid_cell(const struct grid *g, int model, int format)
{
    return g->cell[model * g->n_formats + format];
}
#endif
