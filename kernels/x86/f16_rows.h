/* Rows of 16-bit floats widened to f32 for the f32 GEMM. */
#ifndef KERNELS_X86_F16_ROWS_H
#define KERNELS_X86_F16_ROWS_H
#include "kernels/x86/x86.h"

/* PAD keeps rows whose length is a power of two from evicting each other from the first-level cache. */
enum { F16_TOKENS = 264, F16_ROWS = 32, PAD = 16 };

static size_t f16_rows_scratch(int64_t k)
{
    return (size_t)(F16_TOKENS + F16_ROWS) * (size_t)(k + PAD) * sizeof(float);
}

static void widen_row(float *dst, const uint8_t *src, int64_t k)
{
    int64_t c = 0;
    for (; c + 8 <= k; c += 8)
        _mm256_storeu_ps(dst + c, _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)(src + 2 * c))));
    for (; c < k; c++)
        dst[c] = half_at(src + 2 * c);
}

INLINE void matmul_f16_rows(float *y, int64_t ldy, const struct qmat *w, int64_t r0, int64_t r1, const void *x,
                            size_t x_stride, int64_t m, void *scratch, kernel_gemm_f32 *gemm)
{
    int64_t k = w->k, stride = k + PAD;
    float *xf = scratch, *wf = xf + F16_TOKENS * stride;
    for (int64_t j = 0; j < m; j += F16_TOKENS) {
        int64_t tokens = min_i64(m - j, F16_TOKENS);
        for (int64_t i = 0; i < tokens; i++)
            widen_row(xf + i * stride, (const uint8_t *)x + (size_t)(j + i) * x_stride, k);
        for (int64_t r = r0; r < r1; r += F16_ROWS) {
            int64_t rows = min_i64(r1 - r, F16_ROWS);
            for (int64_t i = 0; i < rows; i++)
                widen_row(wf + i * stride, qmat_row(w, r + i), k);
            gemm(y + j * ldy + r - r0, ldy, xf, stride, wf, stride, tokens, rows, k);
        }
    }
}
#endif
