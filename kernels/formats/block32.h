/* What Q4_0, Q4_1, Q5_0 and Q5_1 share: blocks of 32 with an f16 scale, and an f16 offset or a code that
 * means zero. Without importances the bytes are fixed by llama.cpp's rounding; with them the scale is
 * searched (fit.h). */
#ifndef KERNELS_FORMATS_BLOCK32_H
#define KERNELS_FORMATS_BLOCK32_H
#include <stdbool.h>
#include <stdint.h>
#include "kernels/formats/fit.h"

struct block32 {
    uint16_t d, m; /* f16; m 0 without an offset */
    uint8_t q[32];
};
struct block32_rule {
    int block_bytes, q_max, zero; /* zero: the code that stands for 0; -1 where an offset does that */
    struct fit_grid grid;
    void (*pack)(uint8_t *dst, const struct block32 *b);
};
void block32_encode_row(const struct block32_rule *r, uint8_t *dst, const float *x, int64_t k,
                        const float *importance);
#endif
