/* One option for each item, within so many bytes and at least cost: which codec each tensor of a model gets. Knows
 * nothing of models. Costs add up; the options of an item may stand in any order and need not be useful. */
#ifndef BENCH_QUANT_MIX_SOLVE_H
#define BENCH_QUANT_MIX_SOLVE_H
#include <stdbool.h>
#include <stdint.h>
#include "base/err.h"

struct mix_option {
    int64_t bytes;
    double cost; /* finite */
};
struct mix_item {
    const struct mix_option *option;
    int n; /* at least 1 */
};
struct mix_solution {
    int64_t bytes;
    double cost, bound; /* bound: nothing within the budget costs less */
    bool exact;         /* the search was not cut short: cost is the least */
};
/* choice[n]: the option of each item. ERR_LIMIT when not even the smallest options fit, out->bytes then being what they
 * take. The same input gives the same choice. */
int mix_solve(int choice[], struct mix_solution *out, const struct mix_item *item, int n, int64_t budget,
              struct err *e);
#endif
