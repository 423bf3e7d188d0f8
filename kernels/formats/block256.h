/* What the k-types share: super-blocks of 256 weights, x ~ (d*sc)*q - dmin*m, with small integer sub-scales.
 * A codec file gives the grid and says where the bits of struct fit_super lie in the file's block. */
#ifndef KERNELS_FORMATS_BLOCK256_H
#define KERNELS_FORMATS_BLOCK256_H
#include <stdint.h>
#include "base/half.h"
#include "base/inline.h"
#include "kernels/formats/blocks.h"
#include "kernels/formats/fit.h"

struct block256_rule {
    int block_bytes;
    bool gain;         /* rows are multiplied by fit_gain in the end */
    int d_at, dmin_at; /* where the f16 are, for that */
    struct fit_grid grid;
    void (*pack)(uint8_t *dst, const struct fit_super *f);
    void (*unpack)(struct fit_super *f, const uint8_t *src);
};
typedef void block256_fit(struct fit_super *f, float *decoded, const struct fit_grid *g, const float *x,
                          const float *importance);
void block256_decode_row(const struct block256_rule *r, float *y, const uint8_t *src, int64_t k);

static inline void block256_multiply_f16(uint8_t *p, float gain)
{
    wr_u16le(p, block_scale_f16(f16_to_f32(rd_u16le(p)) * gain));
}

/* fit: fit_super, or the same compiled for another machine; a function of the file that includes this, so that all of
 * it is compiled so. */
INLINE void block256_encode_row(const struct block256_rule *r, block256_fit *fit, uint8_t *dst, const float *x,
                                int64_t k, const float *importance)
{
    struct fit_super f;
    struct fit_sums sums = {0};
    float y[FIT_SUPER];
    for (int64_t i = 0; i < k; i += FIT_SUPER) {
        fit(&f, r->gain ? y : NULL, &r->grid, x + i, importance ? importance + i : NULL);
        r->pack(dst + i / FIT_SUPER * r->block_bytes, &f);
        if (r->gain)
            fit_sums_add(&sums, x + i, y, importance ? importance + i : NULL, FIT_SUPER);
    }
    float gain = fit_gain(&sums);
    for (int64_t i = 0; i < k && r->gain; i += FIT_SUPER, dst += r->block_bytes) {
        block256_multiply_f16(dst + r->d_at, gain);
        if (r->grid.m_hi)
            block256_multiply_f16(dst + r->dmin_at, gain);
    }
}

/* Eight 6-bit sub-scales and eight 6-bit sub-offsets in 12 bytes, as Q4_K and Q5_K store them. */
void block256_pack_6bit(uint8_t dst[12], const struct fit_super *f);
void block256_unpack_6bit(struct fit_super *f, const uint8_t src[12]);

extern const struct block256_rule q2_k_rule, q3_k_rule, q4_k_rule, q5_k_rule, q6_k_rule;

/* The codec of id##_rule. */
#define BLOCK256_CODEC(id, n_bytes, ...)                                                                               \
    static void encode_row(uint8_t *dst, const float *x, int64_t k, const float *importance)                           \
    {                                                                                                                  \
        block256_encode_row(&id##_rule, fit_super, dst, x, k, importance);                                             \
    }                                                                                                                  \
    static void decode_row(float *y, const uint8_t *src, int64_t k)                                                    \
    {                                                                                                                  \
        block256_decode_row(&id##_rule, y, src, k);                                                                    \
    }                                                                                                                  \
    BLOCK_CODEC(id, FIT_SUPER, n_bytes, .act = "q8_k", __VA_ARGS__)
#endif
