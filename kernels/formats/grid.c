/* The kept points of each lattice and, for encoders, the ones near any node; made once, when first asked for. */
#include "kernels/formats/grid.h"
#include <pthread.h>
#include <stdatomic.h>

enum { MAX_WORDS = 103, MAX_LEVELS = 8 };
enum { POINT_FLOATS = (256 + 512 + 1024 + 2048) * 8 + (256 + 512) * 4, NODES = 4 * 6561 + 2 * 4096 };
enum { NODE_COORDINATES = 4 * 6561 * 8 + 2 * 4096 * 4 };

#define LEVELS_IQ2                                                                                                     \
    {                                                                                                                  \
        8, 25, 43                                                                                                      \
    }
#define LEVELS_IQ1                                                                                                     \
    {                                                                                                                  \
        -1, 0, 1                                                                                                       \
    }
#define LEVELS_IQ3XXS                                                                                                  \
    {                                                                                                                  \
        4, 12, 20, 28, 36, 44, 52, 62                                                                                  \
    }
#define LEVELS_IQ3S                                                                                                    \
    {                                                                                                                  \
        1, 3, 5, 7, 9, 11, 13, 15                                                                                      \
    }
static const struct source {
    int dim, n_levels, n_points;
    float level[MAX_LEVELS];
    uint64_t kept[MAX_WORDS];
} sources[N_GRIDS] = {
#define GRID(dim, n_levels, n_points, levels, ...) {dim, n_levels, n_points, levels, {__VA_ARGS__}},
#include "kernels/formats/grids.def"
#undef GRID
};

static struct grid_points grids[N_GRIDS];
static float points[POINT_FLOATS];
static uint16_t near_points[NODES][GRID_NEAR];
static int8_t near_levels[NODE_COORDINATES][GRID_NEAR];
static atomic_int stage[N_GRIDS]; /* 1: points, 2: neighbours as well */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static int n_nodes(const struct source *s)
{
    int n = 1;
    for (int i = 0; i < s->dim; i++)
        n *= s->n_levels;
    return n;
}

static void make_points(enum grid_id id)
{
    const struct source *s = &sources[id];
    struct grid_points *g = &grids[id];
    float *p = points;
    for (int i = 0; i < (int)id; i++)
        p += sources[i].n_points * sources[i].dim;
    *g = (struct grid_points){s->dim, s->n_levels, s->n_points, n_nodes(s), s->level, p, NULL, NULL};
    for (int node = 0; node < g->n_nodes; node++) {
        if (!(s->kept[node / 64] >> (node % 64) & 1))
            continue;
        for (int i = 0, rest = node; i < s->dim; i++, rest /= s->n_levels)
            *p++ = s->level[rest % s->n_levels];
    }
}

/* The nearest kept points of one node, by insertion. */
static void find_near(const struct grid_points *g, const float *at, uint16_t *near)
{
    float dist[GRID_NEAR] = {0};
    int n = 0;
    for (int i = 0; i < g->n_points; i++) {
        const float *p = g->point + i * g->dim;
        float d = 0;
        for (int j = 0; j < g->dim; j++)
            d += (p[j] - at[j]) * (p[j] - at[j]);
        if (n == GRID_NEAR && d >= dist[n - 1])
            continue;
        int k = n < GRID_NEAR ? n++ : n - 1;
        for (; k > 0 && dist[k - 1] > d; k--) {
            dist[k] = dist[k - 1];
            near[k] = near[k - 1];
        }
        dist[k] = d;
        near[k] = (uint16_t)i;
    }
    if (dist[0] == 0)
        near[0] |= GRID_KEPT;
}

static void make_near(enum grid_id id)
{
    struct grid_points *g = &grids[id];
    uint16_t(*near)[GRID_NEAR] = near_points;
    int8_t(*level)[GRID_NEAR] = near_levels;
    for (int i = 0; i < (int)id; i++) {
        near += n_nodes(&sources[i]);
        level += n_nodes(&sources[i]) * sources[i].dim;
    }
    g->near_level = level[0];
    for (int node = 0; node < g->n_nodes; node++) {
        float at[8];
        for (int i = 0, rest = node; i < g->dim; i++, rest /= g->n_levels)
            at[i] = g->level[rest % g->n_levels];
        find_near(g, at, near[node]);
        for (int i = 0; i < g->dim; i++, level++)
            for (int c = 0; c < GRID_NEAR; c++)
                (*level)[c] = (int8_t)g->point[(near[node][c] & ~GRID_KEPT) * g->dim + i];
    }
    g->near = near[0];
}

const struct grid_points *grid_get(enum grid_id id, bool for_search)
{
    int want = for_search ? 2 : 1;
    if (atomic_load_explicit(&stage[id], memory_order_acquire) >= want)
        return &grids[id];
    pthread_mutex_lock(&lock);
    int have = atomic_load(&stage[id]);
    if (have < 1)
        make_points(id);
    if (have < want && want == 2)
        make_near(id);
    atomic_store_explicit(&stage[id], have < want ? want : have, memory_order_release);
    pthread_mutex_unlock(&lock);
    return &grids[id];
}
