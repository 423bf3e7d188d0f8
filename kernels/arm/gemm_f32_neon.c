/* Y = X * W^T in f32 with NEON: 4 tokens by 4 rows at a time, 4 columns to a vector. */
#include "kernels/arm/neon.h"

enum { MR = 4, NR = 4 };

/* mr tokens, nr rows; both constants at every call. */
INLINE void tile(const int mr, const int nr, float *y, int64_t ldy, const float *x, int64_t ldx, const float *w,
                 int64_t ldw, int64_t k)
{
    float32x4_t acc[MR][NR];
#pragma GCC unroll 16
    for (int i = 0; i < mr * nr; i++)
        acc[i / nr][i % nr] = vdupq_n_f32(0);
    int64_t c = 0;
    for (; c + 4 <= k; c += 4) {
        float32x4_t v[NR];
#pragma GCC unroll 4
        for (int r = 0; r < nr; r++)
            v[r] = vld1q_f32(w + r * ldw + c);
#pragma GCC unroll 4
        for (int j = 0; j < mr; j++) {
            float32x4_t xv = vld1q_f32(x + j * ldx + c);
#pragma GCC unroll 4
            for (int r = 0; r < nr; r++)
                acc[j][r] = vfmaq_f32(acc[j][r], xv, v[r]);
        }
    }
#pragma GCC unroll 4
    for (int j = 0; j < mr; j++)
#pragma GCC unroll 4
        for (int r = 0; r < nr; r++) {
            float sum = vaddvq_f32(acc[j][r]);
            for (int64_t i = c; i < k; i++)
                sum += x[j * ldx + i] * w[r * ldw + i];
            y[j * ldy + r] = sum;
        }
}

void gemm_f32_neon(float *y, int64_t ldy, const float *x, int64_t ldx, const float *w, int64_t ldw, int64_t m,
                   int64_t n_rows, int64_t k)
{
    for (int64_t r = 0; r < n_rows; r += NR)
        for (int64_t j = 0; j < m; j += MR) {
            float *out = y + j * ldy + r;
            const float *xj = x + j * ldx, *wr = w + r * ldw;
            if (m - j >= MR && n_rows - r >= NR)
                tile(MR, NR, out, ldy, xj, ldx, wr, ldw, k);
            else
                for (int64_t i = 0; i < min_i64(MR, m - j) * min_i64(NR, n_rows - r); i++) {
                    int64_t a = i / min_i64(NR, n_rows - r), b = i % min_i64(NR, n_rows - r);
                    tile(1, 1, out + a * ldy + b, ldy, xj + a * ldx, ldx, wr + b * ldw, ldw, k);
                }
        }
}
