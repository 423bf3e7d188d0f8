/* Factors of gram matrices, made for a whole model at once (factors.h). Factoring is what GPTQ spends most on, LAPACK
 * does it in one thread so that sums keep their order, and matrices do not depend on each other. */
#include "bench/quant/factors.h"
#include "base/mem.h"
#include "base/os.h"
#include "bench/quant/algorithm.h"
#include "bench/quant/calib.h"
#include "bench/quant/recipe.h"
#include "bench/quant/solve.h"

static const int64_t most_bytes = 512 << 20; /* more are not kept */

static int64_t packed_floats(int64_t k)
{
    return k * (k + 1) / 2;
}

static bool is_meant(const struct algo_group *g, int input)
{
    const struct algorithm *mine = g->assign[g->target[0].t - g->d->tensor].algorithm;
    for (int i = 0; i < g->d->n_tensors; i++)
        if (g->all->input_of[i] == input && g->assign[i].algorithm == mine)
            return true;
    return false;
}

static void make_factors(void *arg, int64_t i0, int64_t i1, int i_thread)
{
    const struct algo_group *g = arg;
    struct kept *kept = g->all->kept;
    (void)i_thread;
    for (int64_t i = i0; i < i1; i++) {
        const struct calib_input *in = &g->all->input[i];
        if (kept->factor.made[i] || !kept->factor.upper[i] || !in->stat.gram || interrupt_seen())
            continue;
        /* what fails here fails again, and is told, when its turn comes */
        kept->factor.made[i] = solve_factor(kept->factor.upper[i], in->stat.gram, in->k, kept->factor.damp,
                                            kept->factor.by_activation, NULL) == 0;
    }
}

/* Room for the factors of all inputs that are meant; false where there is not enough. */
static bool make_room(const struct algo_group *g)
{
    struct kept *kept = g->all->kept;
    size_t n = (size_t)g->all->n_inputs;
    int64_t bytes = 0;
    for (int i = 0; i < g->all->n_inputs; i++)
        bytes += 4 * packed_floats(g->all->input[i].k);
    if (bytes > most_bytes)
        return false;
    if (!kept->factor.upper)
        kept->factor.upper = arena_alloc_n(g->all->arena, n, sizeof *kept->factor.upper);
    if (!kept->factor.made)
        kept->factor.made = arena_alloc_n(g->all->arena, n, sizeof *kept->factor.made);
    if (!kept->factor.upper || !kept->factor.made)
        return false;
    for (int i = 0; i < g->all->n_inputs; i++)
        if (!kept->factor.upper[i] && is_meant(g, i))
            kept->factor.upper[i] =
                arena_alloc_n(g->all->arena, (size_t)packed_floats(g->all->input[i].k), sizeof(float));
    return true;
}

const float *factors_find(const struct algo_group *g, double damp, bool by_activation)
{
    if (!g->all || !g->all->kept || !g->assign || !make_room(g))
        return NULL;
    struct kept *kept = g->all->kept;
    int i = g->all->input_of[g->target[0].t - g->d->tensor];
    bool same = kept->factor.damp == damp && kept->factor.by_activation == by_activation;
    for (int j = 0; j < g->all->n_inputs && !same; j++)
        kept->factor.made[j] = false;
    kept->factor.damp = damp;
    kept->factor.by_activation = by_activation;
    if (!kept->factor.made[i])
        pool_for(g->pool, g->all->n_inputs, 1, make_factors, (void *)(uintptr_t)g);
    return kept->factor.made[i] ? kept->factor.upper[i] : NULL;
}
