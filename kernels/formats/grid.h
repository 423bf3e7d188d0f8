/* Vector codebooks of the 1- to 3-bit types: a block of weights is a scale times kept points of a coarse lattice.
 *
 * A type of this family is a struct grid_rule: which grid, how many weights share a scale, where signs go. Its codec
 * file says where the bits lie. A super-block of 256: x ~ d*unit*(2*sc + 1) * sign * (level + shift). */
#ifndef KERNELS_FORMATS_GRID_H
#define KERNELS_FORMATS_GRID_H
#include <stdbool.h>
#include <stdint.h>
#include "kernels/formats/blocks.h"

enum grid_id { GRID_IQ2XXS, GRID_IQ2XS, GRID_IQ2S, GRID_IQ1S, GRID_IQ3XXS, GRID_IQ3S, N_GRIDS };
enum { GRID_SUPER = 256, GRID_MAX_VECTORS = 64, GRID_MAX_SUBS = 16, GRID_NEAR = 16 };

struct grid_points {
    int dim, n_levels, n_points, n_nodes; /* nodes: all points of the lattice, n_levels^dim */
    const float *level;                   /* [n_levels] */
    const float *point;                   /* [n_points][dim] */
    /* [n_nodes][GRID_NEAR] kept points near each node, nearest first. A node that is kept has itself there, with
     * GRID_KEPT added. Made on the first call that asks for it. */
    const uint16_t *near;
    /* [n_nodes][GRID_NEAR] numbers of their levels, 16 / dim bits each, lowest first; a node that is kept has itself
     * everywhere: SIMD searches need not ask. */
    const uint16_t *near_code;
    const uint16_t *index; /* [n_nodes] of a node that is kept */
};
enum { GRID_KEPT = 0x8000 };
#define GRID_SHIFT 0.125f
/* Never fails: its memory is static, what is in it is made once. */
const struct grid_points *grid_get(enum grid_id id, bool for_search);

enum grid_signs {
    GRID_SIGNED_LEVELS, /* the levels have signs themselves */
    GRID_FREE_SIGNS,
    GRID_EVEN_SIGNS, /* the number of minus signs of each 8 weights is even, so 7 bits say all */
};
struct grid_block {
    uint16_t d;                /* f16 */
    uint8_t sc[GRID_MAX_SUBS]; /* per len weights */
    uint16_t index[GRID_MAX_VECTORS];
    uint8_t sign[GRID_SUPER / 8];  /* bit i: weight i of the 8 is negative */
    uint8_t minus[GRID_SUPER / 8]; /* per 8 weights: the shift is -1/8 */
};
struct grid_rule {
    enum grid_id grid;
    enum grid_signs signs;
    int block_bytes;
    int len;       /* weights that share a scale: 16 or 32 */
    int shift_len; /* weights that share a shift of +-1/8; 0: none */
    int sc_max;
    float unit;
    int n_near; /* kept points tried where a node is not kept; at most GRID_NEAR */
    int n_starts;
    float start[6]; /* value that the extreme weight of a scale is first mapped to */
    void (*pack)(uint8_t *dst, const struct grid_block *b);
    void (*unpack)(struct grid_block *b, const uint8_t *src);
};
/* 7 signs and the eighth that makes the number of minuses even. */
static inline uint8_t grid_even_signs(uint32_t signs)
{
    signs &= 127;
    return (uint8_t)(signs | (uint32_t)__builtin_parity(signs) << 7);
}
void grid_encode_row(const struct grid_rule *r, uint8_t *dst, const float *x, int64_t k, const float *importance);
extern const struct grid_rule iq3_s_rule, iq3_xxs_rule, iq2_s_rule, iq2_xs_rule, iq2_xxs_rule, iq1_m_rule, iq1_s_rule;
void grid_decode_row(const struct grid_rule *r, float *y, const uint8_t *src, int64_t k);

/* The codec of id##_rule. */
#define GRID_CODEC(id, n_bytes, ...)                                                                                   \
    static void encode_row(uint8_t *dst, const float *x, int64_t k, const float *importance)                           \
    {                                                                                                                  \
        grid_encode_row(&id##_rule, dst, x, k, importance);                                                            \
    }                                                                                                                  \
    static void decode_row(float *y, const uint8_t *src, int64_t k)                                                    \
    {                                                                                                                  \
        grid_decode_row(&id##_rule, y, src, k);                                                                        \
    }                                                                                                                  \
    BLOCK_CODEC(id, GRID_SUPER, n_bytes, .act = "q8_k", __VA_ARGS__)
#endif
