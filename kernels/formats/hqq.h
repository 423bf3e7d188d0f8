/* What hqq's two codecs share: of weights, whose 4-bit codes start from whole zero points, and of transformers' KV
 * cache, where none do. */
#ifndef KERNELS_FORMATS_HQQ_H
#define KERNELS_FORMATS_HQQ_H
#include "kernels/formats/group.h"
#include "kernels/formats/half_quadratic.h"

/* f16(f16(code - zero) * scale) */
void hqq_values(const struct qpar *par, float *y, const uint8_t *code, int n, struct grid g);
/* Rows [r0, r0 + n) as a matrix of their own. */
int hqq_encode_rows(const struct group_rule *r, bool round_zero, struct qmat *q, int64_t r0, int64_t n, const float *w,
                    struct pool *pool, struct arena *a);
#endif
