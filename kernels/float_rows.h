/* Stored floats (F16, BF16, F32) times activations in the same form: both are widened to f32 and multiplied by the f32
 * GEMM, 264 rows of X and 32 of W at a time. Before it stand, of an instruction set, struct float_codec and
 * widen_some, which widens WIDENED of them. */
#ifndef KERNELS_FLOAT_ROWS_H
#define KERNELS_FLOAT_ROWS_H
#include "kernels/inline.h"

/* PAD keeps rows whose length is a power of two from evicting each other from the first-level cache. */
enum { FLOAT_TOKENS = 264, FLOAT_ROWS = 32, PAD = 16 };

INLINE size_t float_rows_scratch(int64_t k)
{
    return (size_t)(FLOAT_TOKENS + FLOAT_ROWS) * (size_t)(k + PAD) * sizeof(float);
}

INLINE void widen_row(float *dst, const uint8_t *src, int64_t k, struct float_codec codec)
{
    int64_t c = 0;
    for (; c + WIDENED <= k; c += WIDENED)
        widen_some(dst + c, src + codec.bytes * c, codec);
    for (; c < k; c++)
        dst[c] = codec.one(src + codec.bytes * c);
}

INLINE void matmul_float_rows(float *y, int64_t ldy, const struct qmat *w, int64_t r0, int64_t r1, const void *x,
                              size_t x_stride, int64_t m, void *scratch, struct float_codec codec,
                              kernel_gemm_f32 *gemm)
{
    int64_t k = w->k, stride = k + PAD;
    float *xf = scratch, *wf = xf + FLOAT_TOKENS * stride;
    for (int64_t j = 0; j < m; j += FLOAT_TOKENS) {
        int64_t tokens = min_i64(m - j, FLOAT_TOKENS);
        for (int64_t i = 0; i < tokens; i++)
            widen_row(xf + i * stride, (const uint8_t *)x + (size_t)(j + i) * x_stride, k, codec);
        for (int64_t r = r0; r < r1; r += FLOAT_ROWS) {
            int64_t rows = min_i64(r1 - r, FLOAT_ROWS);
            for (int64_t i = 0; i < rows; i++)
                widen_row(wf + i * stride, qmat_row(w, r + i), k, codec);
            gemm(y + j * ldy + r - r0, ldy, xf, stride, wf, stride, tokens, rows, k);
        }
    }
}
#endif
