/* Decode: Q2_0 rows times one Q8_0 activation row. Block of 64 columns: d:f16, qs[16], four columns to a byte; value
 * code - 1. Four blocks make a group of 256 columns, whose activations are brought into the order in which the codes
 * come out of all bytes at once; a 32-bit lane has 16 columns. Rows in pairs as in matvec_blocks.h. */
#include "kernels/x86/parts_avx512.h"
#include "kernels/x86/streams.h"

enum { BLOCK = 18, GROUP = 256, X_BLOCK = 34, TILE_GROUPS = 16 };

struct x_group { /* the activations of 256 columns */
    _Alignas(64) int8_t part[4][64];
    int32_t minus_sum[16];
    float d[16];
};

/* Blocks [0, n) of 32 columns. */
static void prepare(struct x_group *g, const uint8_t *x, int64_t n)
{
    for (; n > 0; n -= 8, x += 8 * X_BLOCK, g++) {
        int8_t code[GROUP] = {0};
        float d[16] = {0};
        for (int i = 0; i < 8 && i < n; i++) {
            memcpy(code + 32 * i, x + X_BLOCK * i + 2, 32);
            d[2 * i] = d[2 * i + 1] = half_at(x + X_BLOCK * i);
        }
        memcpy(g->d, d, sizeof d);
        _mm512_store_si512(g->minus_sum, _mm512_sub_epi32(_mm512_setzero_si512(), order_parts(g->part, code, 2)));
    }
}

/* n: bytes left from p on. */
INLINE __m512 dot(__m512 s, const struct x_group *x, const uint8_t *p, int64_t n)
{
    const __m512i block = _mm512_setr_epi32(0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3);
    const __m512i q = load_4x16(p + 2, BLOCK, n), three = _mm512_set1_epi8(3);
    __m512i sum = _mm512_load_si512(x->minus_sum);
#pragma GCC unroll 4
    for (int i = 0; i < 4; i++) {
        __m512i code = _mm512_and_si512(_mm512_srl_epi16(q, _mm_cvtsi32_si128(2 * i)), three);
        sum = _mm512_dpbusd_epi32(sum, code, _mm512_load_si512(x->part[i]));
    }
    __m512 d = _mm512_permutexvar_ps(block, _mm512_castps128_ps512(load_4_halves(p, BLOCK, n)));
    return _mm512_fmadd_ps(_mm512_cvtepi32_ps(sum), _mm512_mul_ps(d, _mm512_load_ps(x->d)), s);
}

void matvec_q2_0_avx512_vnni(float *y, const struct qmat *w, int64_t r0, int64_t r1, const void *x)
{
    struct x_group tile[TILE_GROUPS];
    const int64_t n_blocks = w->k / 64, half = (r1 - r0 + 1) / 2;
    prefetch_rows(w, r0, r1);
    for (int64_t b = 0; b < n_blocks; b += 4 * TILE_GROUPS) {
        const int64_t left = min_i64(n_blocks - b, 4 * TILE_GROUPS), whole = left / 4;
        prepare(tile, (const uint8_t *)x + 2 * b * X_BLOCK, 2 * left);
        for (int64_t r = r0; r < r0 + half; r++) {
            int64_t q = r + half < r1 ? r + half : r; /* an odd last row is its own partner */
            const uint8_t *p0 = qmat_row(w, r) + b * BLOCK, *p1 = qmat_row(w, q) + b * BLOCK;
            __m512 s0 = _mm512_setzero_ps(), s1 = _mm512_setzero_ps();
            for (int64_t i = 0; i < whole; i++, p0 += 4 * BLOCK, p1 += 4 * BLOCK) {
                s0 = dot(s0, &tile[i], p0, 4 * BLOCK);
                s1 = dot(s1, &tile[i], p1, 4 * BLOCK);
            }
            if (left % 4) {
                s0 = dot(s0, &tile[whole], p0, left % 4 * BLOCK);
                s1 = dot(s1, &tile[whole], p1, left % 4 * BLOCK);
            }
            float before0 = b ? y[r - r0] : 0, before1 = b ? y[q - r0] : 0;
            y[r - r0] = before0 + _mm512_reduce_add_ps(s0);
            y[q - r0] = before1 + _mm512_reduce_add_ps(s1);
        }
    }
}
