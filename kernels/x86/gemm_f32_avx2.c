/* f32 GEMM, AVX2 with FMA: Y[m][n] = X[m][k] W[n][k]^T.
 * The plan of gemm_f32_avx512.c with 16 registers: 16 rows of W transposed 256 columns at a time into a panel
 * P[256][16] (16 KiB), 6 rows of X against it: 12 accumulators, 2 panel loads and 6 broadcasts per column. */
#include <immintrin.h>
#include "kernels/kernel_rows.h"

enum { NR = 16, KC = 256 };

static const int32_t mask_words[16] = {-1, -1, -1, -1, -1, -1, -1, -1};

/* The first n of 8 lanes. */
static inline __m256i lanes(int n)
{
    return _mm256_loadu_si256((const __m256i *)(mask_words + 8 - (n < 0 ? 0 : n > 8 ? 8 : n)));
}

/* Rows [0, 8) by columns [0, 8) of w, transposed to p[column][NR]; rows that do not exist become 0. */
static inline void transpose_8x8(float *p, const float *w, int64_t ldw, int n_rows, int n_cols)
{
    __m256i cols = lanes(n_cols);
    __m256 r[8], t[8];
#pragma GCC unroll 8
    for (int i = 0; i < 8; i++)
        r[i] = i < n_rows ? _mm256_maskload_ps(w + i * ldw, cols) : _mm256_setzero_ps();
#pragma GCC unroll 4
    for (int i = 0; i < 8; i += 2) {
        t[i] = _mm256_unpacklo_ps(r[i], r[i + 1]);
        t[i + 1] = _mm256_unpackhi_ps(r[i], r[i + 1]);
    }
#pragma GCC unroll 2
    for (int i = 0; i < 8; i += 4) { /* r[i + c]: columns c and 4 + c of rows i..i+3 */
        r[i] = _mm256_shuffle_ps(t[i], t[i + 2], 0x44);
        r[i + 1] = _mm256_shuffle_ps(t[i], t[i + 2], 0xee);
        r[i + 2] = _mm256_shuffle_ps(t[i + 1], t[i + 3], 0x44);
        r[i + 3] = _mm256_shuffle_ps(t[i + 1], t[i + 3], 0xee);
    }
#pragma GCC unroll 4
    for (int c = 0; c < 4; c++) {
        _mm256_store_ps(p + c * NR, _mm256_permute2f128_ps(r[c], r[4 + c], 0x20));
        _mm256_store_ps(p + (4 + c) * NR, _mm256_permute2f128_ps(r[c], r[4 + c], 0x31));
    }
}

static void pack_panel(float *panel, const float *w, int64_t ldw, int n_rows, int n_cols)
{
    for (int r = 0; r < NR; r += 8)
        for (int c = 0; c < n_cols; c += 8)
            transpose_8x8(panel + c * NR + r, w + r * ldw + c, ldw, n_rows - r, n_cols - c);
}

/* mr rows of X (mr is a constant at every call) against the panel; added to Y unless this is the first column
 * block. */
static inline __attribute__((always_inline)) void tile(const int mr, float *y, int64_t ldy, const float *x, int64_t ldx,
                                                       const float *panel, int n_rows, int n_cols, bool first)
{
    __m256 acc[6][2];
    const float *a[2] = {x, x + 3 * ldx};
#pragma GCC unroll 6
    for (int i = 0; i < mr; i++)
        acc[i][0] = acc[i][1] = _mm256_setzero_ps();
    for (int c = 0; c < n_cols; c++, panel += NR) {
        __m256 w0 = _mm256_load_ps(panel), w1 = _mm256_load_ps(panel + 8);
#pragma GCC unroll 6
        for (int i = 0; i < mr; i++) {
            __m256 v = _mm256_broadcast_ss(a[i / 3] + i % 3 * ldx + c);
            acc[i][0] = _mm256_fmadd_ps(v, w0, acc[i][0]);
            acc[i][1] = _mm256_fmadd_ps(v, w1, acc[i][1]);
        }
    }
    __m256i m0 = lanes(n_rows), m1 = lanes(n_rows - 8);
#pragma GCC unroll 6
    for (int i = 0; i < mr; i++, y += ldy) {
        if (!first) {
            acc[i][0] = _mm256_add_ps(acc[i][0], _mm256_maskload_ps(y, m0));
            acc[i][1] = _mm256_add_ps(acc[i][1], _mm256_maskload_ps(y + 8, m1));
        }
        _mm256_maskstore_ps(y, m0, acc[i][0]);
        _mm256_maskstore_ps(y + 8, m1, acc[i][1]);
    }
}

static void multiply_panel(float *y, int64_t ldy, const float *x, int64_t ldx, const float *panel, int64_t m,
                           int n_rows, int n_cols, bool first)
{
    int64_t i = 0;
    for (; i + 6 <= m; i += 6)
        tile(6, y + i * ldy, ldy, x + i * ldx, ldx, panel, n_rows, n_cols, first);
    if (m - i >= 3) {
        tile(3, y + i * ldy, ldy, x + i * ldx, ldx, panel, n_rows, n_cols, first);
        i += 3;
    }
    for (; i < m; i++)
        tile(1, y + i * ldy, ldy, x + i * ldx, ldx, panel, n_rows, n_cols, first);
}

static float sum8(__m256 v)
{
    __m128 s = _mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
    s = _mm_add_ps(s, _mm_movehl_ps(s, s));
    return _mm_cvtss_f32(_mm_add_ss(s, _mm_movehdup_ps(s)));
}

/* One row of X with 4 rows of W; two accumulators each hide the latency of the FMA. */
static void dot_rows(float *y, const float *x, const float *w, int64_t ldw, int n_rows, int64_t k)
{
    const float *row[4];
    __m256 acc[4][2];
    for (int r = 0; r < 4; r++) {
        row[r] = w + (r < n_rows ? r : 0) * ldw;
        acc[r][0] = acc[r][1] = _mm256_setzero_ps();
    }
    int64_t c = 0;
    for (; c + 16 <= k; c += 16) {
        __m256 v0 = _mm256_loadu_ps(x + c), v1 = _mm256_loadu_ps(x + c + 8);
#pragma GCC unroll 4
        for (int r = 0; r < 4; r++) {
            acc[r][0] = _mm256_fmadd_ps(v0, _mm256_loadu_ps(row[r] + c), acc[r][0]);
            acc[r][1] = _mm256_fmadd_ps(v1, _mm256_loadu_ps(row[r] + c + 8), acc[r][1]);
        }
    }
    for (; c < k; c += 8) {
        __m256i in = lanes(k - c > 8 ? 8 : (int)(k - c));
        __m256 v = _mm256_maskload_ps(x + c, in);
#pragma GCC unroll 4
        for (int r = 0; r < 4; r++)
            acc[r][0] = _mm256_fmadd_ps(v, _mm256_maskload_ps(row[r] + c, in), acc[r][0]);
    }
    for (int r = 0; r < n_rows; r++)
        y[r] = sum8(_mm256_add_ps(acc[r][0], acc[r][1]));
}

void gemm_f32_avx2(float *y, int64_t ldy, const float *x, int64_t ldx, const float *w, int64_t ldw, int64_t m,
                   int64_t n_rows, int64_t k)
{
    if (m < 3) {
        for (int64_t r = 0; r < n_rows; r += 4)
            for (int64_t i = 0; i < m; i++)
                dot_rows(y + i * ldy + r, x + i * ldx, w + r * ldw, ldw, n_rows - r < 4 ? (int)(n_rows - r) : 4, k);
        return;
    }
    _Alignas(32) float panel[KC * NR];
    for (int64_t r = 0; r < n_rows; r += NR) {
        int rows = n_rows - r < NR ? (int)(n_rows - r) : NR;
        for (int64_t c = 0; c < k; c += KC) {
            int cols = k - c < KC ? (int)(k - c) : KC;
            pack_panel(panel, w + r * ldw + c, ldw, rows, cols);
            multiply_panel(y + r, ldy, x + c, ldx, panel, m, rows, cols, c == 0);
        }
    }
}
