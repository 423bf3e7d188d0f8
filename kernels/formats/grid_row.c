/* Rows of vector-codebook super-blocks (grid.h): decoding, and the search of grid_search.h for any machine. */
#include "kernels/formats/grid_search.h"

static inline int nearest_of(const struct search *f, int node, const v4 *t, const v4 *w, float s)
{
    const struct grid_points *g = f->g;
    const uint16_t *near = g->near + (ptrdiff_t)node * GRID_NEAR;
    v4 vs = v4_of(s);
    float best = INFINITY;
    int index = near[0];
    for (int c = 0; c < f->rule->n_near; c++) {
        const float *p = g->point + near[c] * g->dim;
        v4 d = vs * v4_load(p) - t[0], err = w[0] * d * d;
        if (f->n_v4 == 2) {
            d = vs * v4_load(p + 4) - t[1];
            err += w[1] * d * d;
        }
        float e = v4_sum(err);
        index = e < best ? near[c] : index;
        best = e < best ? e : best;
    }
    return index;
}

void grid_encode_row(const struct grid_rule *r, uint8_t *dst, const float *x, int64_t k, const float *importance)
{
    encode_grid_row(r, dst, x, k, importance);
}

static void decode_block(const struct grid_rule *r, const struct grid_points *g, float *y, const struct grid_block *b)
{
    int half = g->dim == 8 ? 0 : 1; /* where the second four weights have a point of their own */
    float d = f16_to_f32(b->d) * r->unit;
    for (int i = 0; i < GRID_SUPER / 8; i++, y += 8) {
        v4 s = v4_of(d * (float)(2 * b->sc[8 * i / r->len] + 1));
        v4 shift = v4_of(r->shift_len == 0 ? 0 : b->minus[i] ? -shift_size : shift_size);
        const float *p = g->point + b->index[i << half] * g->dim;
        const float *p2 = half ? g->point + b->index[2 * i + 1] * g->dim : p + 4;
        v4_store(y, v4_flip(s * (v4_load(p) + shift), b->sign[i]));
        v4_store(y + 4, v4_flip(s * (v4_load(p2) + shift), b->sign[i] >> 4));
    }
}

void grid_decode_row(const struct grid_rule *r, float *y, const uint8_t *src, int64_t k)
{
    const struct grid_points *g = grid_get(r->grid, false);
    struct grid_block b = {0};
    for (int64_t i = 0; i < k; i += GRID_SUPER, src += r->block_bytes, y += GRID_SUPER) {
        r->unpack(&b, src);
        decode_block(r, g, y, &b);
    }
}
