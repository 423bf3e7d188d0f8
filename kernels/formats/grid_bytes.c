/* Made from the grids of grid.h, which know the points as numbers. */
#include "kernels/formats/grid_bytes.h"
#include <pthread.h>
#include "kernels/formats/grid.h"

struct grid_bytes grid_bytes;

static uint64_t point_bytes(enum grid_id id, int i, float times, float plus)
{
    const struct grid_points *g = grid_get(id, false);
    uint64_t bytes = 0;
    for (int j = 0; j < g->dim; j++)
        bytes |= (uint64_t)(g->point[i * g->dim + j] * times + plus) << 8 * j;
    return bytes;
}

static uint16_t point_levels(enum grid_id id, int i)
{
    const struct grid_points *g = grid_get(id, false);
    int levels = 0, bits = 16 / g->dim == 2 ? 2 : 3;
    for (int j = 0; j < g->dim; j++)
        for (int n = 0; n < g->n_levels; n++)
            levels |= g->point[i * g->dim + j] == g->level[n] ? n << bits * j : 0;
    return (uint16_t)levels;
}

static void make(void)
{
    for (int i = 0; i < 256; i++) {
        grid_bytes.iq2xxs[i] = point_bytes(GRID_IQ2XXS, i, 1, 0);
        grid_bytes.iq3xxs[i] = (uint32_t)point_bytes(GRID_IQ3XXS, i, 1, 0);
        grid_bytes.iq2xxs_levels[i] = point_levels(GRID_IQ2XXS, i);
        grid_bytes.iq3xxs_levels[i] = point_levels(GRID_IQ3XXS, i);
    }
    for (int i = 0; i < 512; i++) {
        grid_bytes.iq2xs[i] = point_bytes(GRID_IQ2XS, i, 1, 0);
        grid_bytes.iq3s[i] = (uint32_t)point_bytes(GRID_IQ3S, i, 1, 0);
        grid_bytes.iq3s_levels[i] = point_levels(GRID_IQ3S, i);
    }
    for (int i = 0; i < 1024; i++)
        grid_bytes.iq2s[i] = point_bytes(GRID_IQ2S, i, 1, 0);
    for (int i = 0; i < 2048; i++)
        grid_bytes.iq1s[i] = point_bytes(GRID_IQ1S, i, 8, 8);
}

void grid_bytes_make(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, make);
}
