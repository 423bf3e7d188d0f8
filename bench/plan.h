/* The plan: which formats of a model are worth a cell, what each would hold, and which are the same thing twice.
 * Order: plan_formats -> read cell[] -> plan_free. */
#ifndef BENCH_PLAN_H
#define BENCH_PLAN_H
#include "bench/quant/recipe.h"
#include "bench/request.h"

struct plan_cell {
    const struct recipe *recipe;
    struct use_assign *assign; /* [n_tensors] */
    struct recipe_summary summary;
    int same_as; /* an earlier cell with the very same tensors, or -1 */
    bool packed; /* every linear has a packed kernel under the mask: a speed can be reported */
    bool settled;  /* set by the sweep: it has its record, or its refusal */
    bool resident; /* set by the sweep: the caches hold the model in this format, so its speed is not memory's */
    char why_not[256]; /* of a refused cell: the reason */
};
struct plan {
    const struct model *model;
    const struct calibration *cal;
    struct plan_cell *cell;
    int n_cells;
    struct plan_cell *refused; /* formats that cannot be made of this model: recipe and why_not only */
    int n_refused;
    struct arena *arena;
};
/* The formats asked for (names, variants, families, "all"), or the usual ones; unknown names are ERR_USAGE.
 * cal: where activations decide what a tensor gets; may be NULL. */
int plan_formats(struct plan **out, const struct model *m, const struct request *req, const struct calibration *cal,
                 struct err *e);
/* Cells in the order in which a budget should be spent: those named in first[], then packed kernels, then what is
 * verified and of a usual width, the families taking turns; what was never verified comes last. */
int plan_order(struct plan *p, const char *const *first, int n_first, struct err *e);
/* Notes that a planned format turned out impossible; at most one a format. */
void plan_refuse(struct plan *p, const struct recipe *r, const char *why);
void plan_free(struct plan *p);
struct kernel;
/* What a matrix is multiplied with under the mask: alone (decode) and with many rows (prefill); NULL: nothing fits.
 * False: its codec cannot hold it. */
bool plan_kernels(const struct kernel *k[2], const struct model_tensor *t, const struct use_assign *a, uint64_t isa);
#endif
