/* f32 GEMM in plain C: 4 rows of W at a time, 8 partial sums each, which any compiler turns into vectors. */
#include "kernels/kernel_rows.h"

enum { NR = 4, LANES = 8 };

static void dot_rows(float *y, const float *x, const float *w, int64_t ldw, int n_rows, int64_t k)
{
    float sum[NR][LANES] = {0};
    const float *row[NR];
    for (int r = 0; r < NR; r++)
        row[r] = w + (r < n_rows ? r : 0) * ldw;
    int64_t c = 0;
    for (; c + LANES <= k; c += LANES)
        for (int r = 0; r < NR; r++)
            for (int i = 0; i < LANES; i++)
                sum[r][i] += x[c + i] * row[r][c + i];
    for (int i = 0; c < k; c++, i++)
        for (int r = 0; r < NR; r++)
            sum[r][i] += x[c] * row[r][c];
    for (int r = 0; r < n_rows; r++) {
        const float *s = sum[r];
        y[r] = ((s[0] + s[1]) + (s[2] + s[3])) + ((s[4] + s[5]) + (s[6] + s[7]));
    }
}

void gemm_f32_c(float *y, int64_t ldy, const float *x, int64_t ldx, const float *w, int64_t ldw, int64_t m,
                int64_t n_rows, int64_t k)
{
    for (int64_t r = 0; r < n_rows; r += NR)
        for (int64_t i = 0; i < m; i++)
            dot_rows(y + i * ldy + r, x + i * ldx, w + r * ldw, ldw, n_rows - r < NR ? (int)(n_rows - r) : NR,
                     k);
}
