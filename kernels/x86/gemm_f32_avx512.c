/* f32 GEMM, AVX-512: Y[m][n] = X[m][k] W[n][k]^T.
 * 32 rows of W are transposed 256 columns at a time into a panel P[256][32] (32 KiB); against it go 12 rows
 * of X at once: 24 accumulators, 2 panel loads and 12 broadcasts per column. Fewer than 4 rows of X are not
 * worth the transposition and take plain dot products instead. */
#include <immintrin.h>
#include "kernels/kernel_rows.h"

enum { NR = 32, KC = 256 };

/* Rows [0, 16) by columns [0, 16) of w, transposed to p[column][NR]; lanes of rows without their bit become
 * 0. */
static inline void transpose_16x16(float *p, const float *w, int64_t ldw, int n_rows, int n_cols)
{
    __mmask16 cols = (__mmask16)((1u << n_cols) - 1);
    __m512 r[16], t[16];
#pragma GCC unroll 16
    for (int i = 0; i < 16; i++)
        r[i] = i < n_rows ? _mm512_maskz_loadu_ps(cols, w + i * ldw) : _mm512_setzero_ps();
#pragma GCC unroll 8
    for (int i = 0; i < 16; i += 2) {
        t[i] = _mm512_unpacklo_ps(r[i], r[i + 1]);
        t[i + 1] = _mm512_unpackhi_ps(r[i], r[i + 1]);
    }
#pragma GCC unroll 4
    for (int i = 0; i < 16; i += 4) { /* r[i + c]: in 128-bit lane l, column 4l + c of rows i..i+3 */
        r[i] = _mm512_shuffle_ps(t[i], t[i + 2], 0x44);
        r[i + 1] = _mm512_shuffle_ps(t[i], t[i + 2], 0xee);
        r[i + 2] = _mm512_shuffle_ps(t[i + 1], t[i + 3], 0x44);
        r[i + 3] = _mm512_shuffle_ps(t[i + 1], t[i + 3], 0xee);
    }
#pragma GCC unroll 4
    for (int c = 0; c < 4; c++) {
        __m512 a = _mm512_shuffle_f32x4(r[c], r[4 + c], 0x44), b = _mm512_shuffle_f32x4(r[c], r[4 + c], 0xee);
        __m512 d = _mm512_shuffle_f32x4(r[8 + c], r[12 + c], 0x44), e = _mm512_shuffle_f32x4(r[8 + c], r[12 + c], 0xee);
        _mm512_store_ps(p + c * NR, _mm512_shuffle_f32x4(a, d, 0x88));
        _mm512_store_ps(p + (4 + c) * NR, _mm512_shuffle_f32x4(a, d, 0xdd));
        _mm512_store_ps(p + (8 + c) * NR, _mm512_shuffle_f32x4(b, e, 0x88));
        _mm512_store_ps(p + (12 + c) * NR, _mm512_shuffle_f32x4(b, e, 0xdd));
    }
}

static void pack_panel(float *panel, const float *w, int64_t ldw, int n_rows, int n_cols)
{
    for (int r = 0; r < NR; r += 16)
        for (int c = 0; c < n_cols; c += 16)
            transpose_16x16(panel + c * NR + r, w + r * ldw + c, ldw, n_rows - r, n_cols - c < 16 ? n_cols - c : 16);
}

/* mr rows of X (mr is a constant at every call) against the panel; added to Y unless this is the first column
 * block. */
static inline __attribute__((always_inline)) void tile(const int mr, float *y, int64_t ldy, const float *x, int64_t ldx,
                                                       const float *panel, int n_cols, bool first, __mmask16 m0,
                                                       __mmask16 m1)
{
    __m512 acc[12][2];
    const float *a[4];
    for (int i = 0; i < 4; i++)
        a[i] = x + 3 * i * ldx;
#pragma GCC unroll 12
    for (int i = 0; i < mr; i++)
        acc[i][0] = acc[i][1] = _mm512_setzero_ps();
    for (int c = 0; c < n_cols; c++, panel += NR) {
        __m512 w0 = _mm512_load_ps(panel), w1 = _mm512_load_ps(panel + 16);
#pragma GCC unroll 12
        for (int i = 0; i < mr; i++) {
            __m512 v = _mm512_set1_ps(a[i / 3][i % 3 * ldx + c]);
            acc[i][0] = _mm512_fmadd_ps(v, w0, acc[i][0]);
            acc[i][1] = _mm512_fmadd_ps(v, w1, acc[i][1]);
        }
    }
#pragma GCC unroll 12
    for (int i = 0; i < mr; i++, y += ldy) {
        if (!first) {
            acc[i][0] = _mm512_add_ps(acc[i][0], _mm512_maskz_loadu_ps(m0, y));
            acc[i][1] = _mm512_add_ps(acc[i][1], _mm512_maskz_loadu_ps(m1, y + 16));
        }
        _mm512_mask_storeu_ps(y, m0, acc[i][0]);
        _mm512_mask_storeu_ps(y + 16, m1, acc[i][1]);
    }
}

static void multiply_panel(float *y, int64_t ldy, const float *x, int64_t ldx, const float *panel, int64_t m,
                           int n_rows, int n_cols, bool first)
{
    __mmask16 m0 = (__mmask16)(n_rows >= 16 ? 0xffff : (1 << n_rows) - 1);
    __mmask16 m1 = (__mmask16)(n_rows >= 32 ? 0xffff : n_rows > 16 ? (1 << (n_rows - 16)) - 1 : 0);
    int64_t i = 0;
    for (; i + 12 <= m; i += 12)
        tile(12, y + i * ldy, ldy, x + i * ldx, ldx, panel, n_cols, first, m0, m1);
    if (m - i >= 8) {
        tile(8, y + i * ldy, ldy, x + i * ldx, ldx, panel, n_cols, first, m0, m1);
        i += 8;
    }
    if (m - i >= 4) {
        tile(4, y + i * ldy, ldy, x + i * ldx, ldx, panel, n_cols, first, m0, m1);
        i += 4;
    }
    if (m - i >= 2) {
        tile(2, y + i * ldy, ldy, x + i * ldx, ldx, panel, n_cols, first, m0, m1);
        i += 2;
    }
    if (i < m)
        tile(1, y + i * ldy, ldy, x + i * ldx, ldx, panel, n_cols, first, m0, m1);
}

/* One row of X with 4 rows of W; two accumulators each hide the latency of the FMA. */
static void dot_rows(float *y, const float *x, const float *w, int64_t ldw, int n_rows, int64_t k)
{
    const float *row[4];
    __m512 acc[4][2];
    for (int r = 0; r < 4; r++) {
        row[r] = w + (r < n_rows ? r : 0) * ldw;
        acc[r][0] = acc[r][1] = _mm512_setzero_ps();
    }
    int64_t c = 0;
    for (; c + 32 <= k; c += 32) {
        __m512 v0 = _mm512_loadu_ps(x + c), v1 = _mm512_loadu_ps(x + c + 16);
        for (int r = 0; r < 4; r++) {
            acc[r][0] = _mm512_fmadd_ps(v0, _mm512_loadu_ps(row[r] + c), acc[r][0]);
            acc[r][1] = _mm512_fmadd_ps(v1, _mm512_loadu_ps(row[r] + c + 16), acc[r][1]);
        }
    }
    for (; c < k; c += 16) {
        __mmask16 in = (__mmask16)(k - c >= 16 ? 0xffff : (1 << (k - c)) - 1);
        __m512 v = _mm512_maskz_loadu_ps(in, x + c);
        for (int r = 0; r < 4; r++)
            acc[r][0] = _mm512_fmadd_ps(v, _mm512_maskz_loadu_ps(in, row[r] + c), acc[r][0]);
    }
    for (int r = 0; r < n_rows; r++)
        y[r] = _mm512_reduce_add_ps(_mm512_add_ps(acc[r][0], acc[r][1]));
}

void gemm_f32_avx512(float *y, int64_t ldy, const float *x, int64_t ldx, const float *w, int64_t ldw, int64_t m,
                     int64_t n_rows, int64_t k)
{
    if (m < 4) {
        for (int64_t r = 0; r < n_rows; r += 4)
            for (int64_t i = 0; i < m; i++)
                dot_rows(y + i * ldy + r, x + i * ldx, w + r * ldw, ldw, n_rows - r < 4 ? (int)(n_rows - r) : 4, k);
        return;
    }
    _Alignas(64) float panel[KC * NR];
    for (int64_t r = 0; r < n_rows; r += NR) {
        int rows = n_rows - r < NR ? (int)(n_rows - r) : NR;
        for (int64_t c = 0; c < k; c += KC) {
            int cols = k - c < KC ? (int)(k - c) : KC;
            pack_panel(panel, w + r * ldw + c, ldw, rows, cols);
            multiply_panel(y + r, ldy, x + c, ldx, panel, m, rows, cols, c == 0);
        }
    }
}
