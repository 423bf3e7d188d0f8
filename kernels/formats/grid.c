/* The kept points of each lattice and, for encoders, the ones near any node; made once, when first asked for. */
#include "kernels/formats/grid.h"
#include <pthread.h>
#include <stdatomic.h>

enum { MAX_WORDS = 103, MAX_LEVELS = 8, MAX_DIM = 8, MAX_POINTS = 2048, MAX_STEPS = 4 * 8 };
enum { POINT_FLOATS = (256 + 512 + 1024 + 2048) * 8 + (256 + 512) * 4, NODES = 4 * 6561 + 2 * 4096 };

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
static uint16_t near_codes[NODES][GRID_NEAR];
static uint16_t indices[NODES];
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
    *g = (struct grid_points){s->dim, s->n_levels, s->n_points, n_nodes(s), s->level, p, NULL, NULL, NULL};
    for (int node = 0; node < g->n_nodes; node++) {
        if (!(s->kept[node / 64] >> (node % 64) & 1))
            continue;
        for (int i = 0, rest = node; i < s->dim; i++, rest /= s->n_levels)
            *p++ = s->level[rest % s->n_levels];
    }
}

/* For make_near, which runs with the lock. Squared distances are whole numbers below 2^14. */
static struct walk {
    const struct grid_points *g;
    int16_t step[MAX_STEPS][MAX_POINTS]; /* coordinate i at level l, number i * n_levels + l, to each point's */
    int16_t dist[MAX_DIM + 1][MAX_POINTS];
    uint16_t code[MAX_POINTS];
    const uint16_t *last; /* near of the node before */
    uint16_t *near, *near_code, *index;
} walk;

/* A bound of the distances of the nearest kept points: that of the last node's. */
static int16_t find_limit(const struct walk *w, const int16_t *dist)
{
    int16_t limit = 0;
    for (int c = 0; c < GRID_NEAR && w->last; c++) {
        int16_t d = dist[w->last[c] & ~GRID_KEPT];
        limit = d > limit ? d : limit;
    }
    return w->last ? (int16_t)(limit + 1) : INT16_MAX;
}

/* The nearest kept points of one node, by insertion; of points as near, the one with the lower number. */
static void find_near(const struct walk *w, const int16_t *dist, uint16_t *near)
{
    enum { AT_ONCE = 32 };
    int16_t found[GRID_NEAR] = {0}, limit = find_limit(w, dist);
    int n = 0;
    for (int i = 0; i < w->g->n_points; i += AT_ONCE) {
        int16_t any = 0;
        for (int j = i; j < i + AT_ONCE; j++)
            any |= dist[j] < limit;
        for (int j = i; j < i + AT_ONCE && any; j++) {
            if (dist[j] >= limit)
                continue;
            int k = n < GRID_NEAR ? n++ : n - 1;
            for (; k > 0 && found[k - 1] > dist[j]; k--) {
                found[k] = found[k - 1];
                near[k] = near[k - 1];
            }
            found[k] = dist[j];
            near[k] = (uint16_t)j;
            limit = n == GRID_NEAR && found[n - 1] < limit ? found[n - 1] : limit;
        }
    }
    if (found[0] == 0)
        near[0] |= GRID_KEPT;
}

/* Nodes in the order of their numbers, coordinates i and above given: dist[i + 1] is what these make. */
static void walk_nodes(struct walk *w, int i)
{
    const struct grid_points *g = w->g;
    if (i < 0) {
        find_near(w, w->dist[0], w->near);
        for (int c = 0; c < GRID_NEAR; c++)
            w->near_code[c] = w->code[w->near[w->near[0] & GRID_KEPT ? 0 : c] & ~GRID_KEPT];
        w->last = w->near;
        w->near += GRID_NEAR;
        w->near_code += GRID_NEAR;
        *w->index++ = (uint16_t)(w->last[0] & ~GRID_KEPT);
        return;
    }
    for (int l = 0; l < g->n_levels; l++) {
        for (int p = 0; p < g->n_points; p++)
            w->dist[i][p] = (int16_t)(w->dist[i + 1][p] + w->step[i * g->n_levels + l][p]);
        walk_nodes(w, i - 1);
    }
}

static void make_near(enum grid_id id)
{
    struct grid_points *g = &grids[id];
    struct walk *w = &walk;
    int first = 0;
    for (int i = 0; i < (int)id; i++)
        first += n_nodes(&sources[i]);
    *w = (struct walk){.g = g, .near = near_points[first], .near_code = near_codes[first], .index = &indices[first]};
    g->near = near_points[first];
    g->near_code = near_codes[first];
    g->index = &indices[first];
    for (int p = 0; p < g->n_points; p++)
        for (int i = 0; i < g->dim; i++) {
            float x = g->point[p * g->dim + i];
            for (int l = 0; l < g->n_levels; l++) {
                w->step[i * g->n_levels + l][p] = (int16_t)((g->level[l] - x) * (g->level[l] - x));
                w->code[p] |= (uint16_t)(x == g->level[l] ? l << 16 / g->dim * i : 0);
            }
        }
    walk_nodes(w, g->dim - 1);
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
