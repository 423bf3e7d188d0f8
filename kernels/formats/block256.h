/* What the k-types share: super-blocks of 256 weights, x ~ (d*sc)*q - dmin*m, with small integer sub-scales.
 * A codec file gives the grid and says where the bits of struct fit_super lie in the file's block. */
#ifndef KERNELS_FORMATS_BLOCK256_H
#define KERNELS_FORMATS_BLOCK256_H
#include <stdint.h>
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
typedef void block256_fit(struct fit_super *f, const struct fit_grid *g, const float *x, const float *importance);
/* fit: fit_super, or the same compiled for another machine. */
void block256_encode_row(const struct block256_rule *r, block256_fit *fit, uint8_t *dst, const float *x, int64_t k,
                         const float *importance);
void block256_decode_row(const struct block256_rule *r, float *y, const uint8_t *src, int64_t k);

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
