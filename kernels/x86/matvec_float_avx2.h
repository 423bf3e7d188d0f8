/* Decode with stored floats times activations in the same form, multiplied in f32. The activations are widened once per
 * call, 2048 columns at a time; rows in pairs as in matvec_blocks.h. */
#ifndef KERNELS_X86_MATVEC_FLOAT_AVX2_H
#define KERNELS_X86_MATVEC_FLOAT_AVX2_H
#include "kernels/x86/streams.h"
#include "kernels/x86/widen_avx2.h"

enum { TILE = 2048 };

/* The last columns of a row, fewer than 16. */
INLINE float dot_tail(const uint8_t *p, const float *x, int64_t n, struct float_codec codec)
{
    float sum = 0;
    for (int64_t c = 0; c < n; c++)
        sum += codec.one(p + codec.bytes * c) * x[c];
    return sum;
}

INLINE void matvec_float(float *y, const struct qmat *w, int64_t r0, int64_t r1, const void *x,
                         struct float_codec codec)
{
    _Alignas(32) float tile[TILE];
    int64_t half = (r1 - r0 + 1) / 2, b = codec.bytes;
    prefetch_rows(w, r0, r1);
    for (int64_t at = 0; at < w->k; at += TILE) {
        int64_t n = min_i64(w->k - at, TILE), whole = n / 16 * 16;
        for (int64_t c = 0; c < whole; c += 8)
            _mm256_store_ps(tile + c, codec.eight((const uint8_t *)x + b * (at + c)));
        for (int64_t c = whole; c < n; c++)
            tile[c] = codec.one((const uint8_t *)x + b * (at + c));
        for (int64_t r = r0; r < r0 + half; r++) {
            int64_t q = r + half < r1 ? r + half : r; /* an odd last row is its own partner */
            const uint8_t *p0 = qmat_row(w, r) + b * at, *p1 = qmat_row(w, q) + b * at;
            struct row_sums s0 = row_zero(), s1 = row_zero(); /* columns 0..7 and 8..15 of each 16 */
            for (int64_t c = 0; c < whole; c += 16) {
                __m256 x0 = _mm256_load_ps(tile + c), x1 = _mm256_load_ps(tile + c + 8);
                s0.dot = _mm256_fmadd_ps(codec.eight(p0 + b * c), x0, s0.dot);
                s0.min = _mm256_fmadd_ps(codec.eight(p0 + b * (c + 8)), x1, s0.min);
                s1.dot = _mm256_fmadd_ps(codec.eight(p1 + b * c), x0, s1.dot);
                s1.min = _mm256_fmadd_ps(codec.eight(p1 + b * (c + 8)), x1, s1.min);
            }
            float before0 = at ? y[r - r0] : 0, before1 = at ? y[q - r0] : 0;
            y[r - r0] = before0 + row_total(s0) + dot_tail(p0 + b * whole, tile + whole, n - whole, codec);
            y[q - r0] = before1 + row_total(s1) + dot_tail(p1 + b * whole, tile + whole, n - whole, codec);
        }
    }
}
#endif
