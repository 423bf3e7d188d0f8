/* Prefill: codes of 2, 4 or 8 bits in groups times int8 activations in AVX-512 VNNI, on the panels of
 * panel_avx512.h. */
#include "kernels/x86/numbers.h"
#include "kernels/x86/panel_avx512.h"

enum { PARTS = 1 };
#include "kernels/matmul_i8.h"

static int32_t x_sum(const uint8_t *x, int64_t c0, int64_t c1, int log2)
{
    __m128i sum = _mm_setzero_si128();
    for (int64_t c = c0; c < c1; c += 16)
        sum = _mm_dpbusd_epi32(sum, _mm_set1_epi8(1), _mm_loadu_si128((const __m128i *)x_codes(x, c, log2)));
    sum = _mm_add_epi32(sum, _mm_shuffle_epi32(sum, 0x4e));
    return _mm_cvtsi128_si32(sum) + _mm_extract_epi32(sum, 1);
}

/* Columns [c, c + 64), half of what 32 bytes of BitNet's order hold. */
INLINE __m512i interleaved_64(const uint8_t *row, int64_t c)
{
    __m256i v = _mm256_loadu_si256((const __m256i *)(row + c / 128 * 32));
    if (c % 128 == 0)
        v = _mm256_srli_epi16(v, 4);
    v = _mm256_and_si256(v, _mm256_set1_epi8(15));
    __m512i both = _mm512_inserti64x4(_mm512_castsi256_si512(_mm256_srli_epi16(v, 2)), v, 1);
    return _mm512_sub_epi8(_mm512_and_si512(both, _mm512_set1_epi8(3)), _mm512_set1_epi8(1));
}

/* Columns [c, c + 64) of a row, of which n are there, as signed codes; c is a multiple of 64. */
INLINE __m512i codes_64(const uint8_t *row, int64_t c, int64_t n, const int bits, __m512i flip)
{
    const __mmask64 in = ~UINT64_C(0) >> (64 - min_i64(n, 64) * bits / 8);
    __m512i v = _mm512_maskz_loadu_epi8(in, row + c * bits / 8);
    if (bits == 4) {
        v = _mm512_cvtepu8_epi16(_mm512_castsi512_si256(v));
        v = _mm512_or_si512(v, _mm512_slli_epi16(v, 4));
    } else if (bits == 2) {
        v = _mm512_cvtepu8_epi32(_mm512_castsi512_si128(v));
        v = _mm512_or_si512(v, _mm512_slli_epi32(v, 12));
        v = _mm512_or_si512(v, _mm512_slli_epi32(v, 6));
    }
    v = _mm512_ternarylogic_epi64(v, _mm512_set1_epi8((char)((1 << bits) - 1)), flip, 0x6a);
    return _mm512_sub_epi8(v, _mm512_set1_epi8((char)(1 << (bits - 1))));
}

INLINE void unpack_rows(struct i8_panel *p, const struct qmat *w, int64_t r, int64_t last, int64_t c0, int64_t n,
                        const struct steps *s, const int bits)
{
    const __m512i flip = _mm512_set1_epi8((char)code_flip(w)), x_zero = _mm512_set1_epi32(-s->x_zero - 128);
    const bool interleaved = bits == 2 && is_interleaved(w);
    __m512i v[16];
    for (int lane = 0; lane < NR; lane += 16) {
        for (int64_t c = 0; c < n; c += 64) {
#pragma GCC unroll 16
            for (int i = 0; i < 16; i++) {
                const uint8_t *row = qmat_row(w, min_i64(r + lane + i, last));
                v[i] = interleaved ? interleaved_64(row, c0 + c) : codes_64(row, c0 + c, n - c, bits, flip);
            }
            transpose_16x16(v);
#pragma GCC unroll 16
            for (int i = 0; i < 16; i++)
                _mm512_store_si512(p->code[0][c / 4 + i][lane], v[i]);
        }
        for (int64_t i = 0; i << s->log2 < n; i++) {
            __m512i sum = _mm512_setzero_si512(), ones = _mm512_set1_epi8(1);
            const int64_t end = min_i64((i + 1) << s->log2, n) / 4;
            for (int64_t c = (i << s->log2) / 4; c < end; c++)
                sum = _mm512_dpbusd_epi32(sum, ones, _mm512_load_si512(p->code[0][c][lane]));
            _mm512_store_si512(&p->start[i][lane], _mm512_mullo_epi32(sum, x_zero));
        }
    }
}

/* acc[j][] += 4 words of the panel times mr tokens; x[0] and x[1] point to tokens 0 and 3. */
INLINE void multiply_4(const int mr, __m512i acc[MR][2], const uint8_t (*code)[NR][4], const uint8_t *const x[2],
                       size_t stride, __m512i flip)
{
#pragma GCC unroll 4
    for (int c = 0; c < 4; c++) {
        __m512i w0 = _mm512_load_si512(code[c][0]), w1 = _mm512_load_si512(code[c][16]);
#pragma GCC unroll 6
        for (int j = 0; j < mr; j++) {
            __m512i v = _mm512_xor_si512(word_of(x[j / 3] + j % 3 * stride + 4 * c), flip);
            acc[j][0] = _mm512_dpbusd_epi32(acc[j][0], v, w0);
            acc[j][1] = _mm512_dpbusd_epi32(acc[j][1], v, w1);
        }
    }
}

INLINE void tile(const int mr, const int bits, struct i8_panel *p, const struct x_at *t, int64_t j0,
                 const struct steps *s)
{
    const __m512i flip = _mm512_set1_epi8((char)(s->x_flip ^ 128));
    (void)bits;
    __m512 sum[MR][2];
    const uint8_t *x0 = t->x + (size_t)j0 * t->stride;
    const float *d = t->d + j0 * s->n, *sx = t->sum + j0 * s->n;
#pragma GCC unroll 6
    for (int j = 0; j < mr; j++) {
        sum[j][0] = t->first ? _mm512_setzero_ps() : _mm512_load_ps(p->y[j0 + j]);
        sum[j][1] = t->first ? _mm512_setzero_ps() : _mm512_load_ps(p->y[j0 + j] + 16);
    }
    for (int64_t i = 0; i << s->log2 < t->n; i++) {
        const int c0 = (int)(i << s->log2), c1 = (int)min_i64(c0 + (1 << s->log2), t->n);
        __m512i acc[MR][2];
        start(mr, acc, _mm512_load_si512(p->start[i]), _mm512_load_si512(&p->start[i][16]));
        for (int c = c0; c < c1; c += 16) {
            const uint8_t *at = x0 + (c >> s->x_log2) * 4 + c;
            const uint8_t *const x[2] = {at, at + 3 * t->stride};
            multiply_4(mr, acc, (const uint8_t(*)[NR][4])p->code[0] + c / 4, x, t->stride, flip);
        }
        __m512 d0 = _mm512_load_ps(p->scale[i]), d1 = _mm512_load_ps(p->scale[i] + 16);
#pragma GCC unroll 6
        for (int j = 0; j < mr; j++) {
            __m512 dx = _mm512_set1_ps(d[j * s->n + i]);
            sum[j][0] = _mm512_fmadd_ps(_mm512_mul_ps(_mm512_cvtepi32_ps(acc[j][0]), dx), d0, sum[j][0]);
            sum[j][1] = _mm512_fmadd_ps(_mm512_mul_ps(_mm512_cvtepi32_ps(acc[j][1]), dx), d1, sum[j][1]);
        }
        if (!s->has_zero)
            continue;
        d0 = _mm512_load_ps(p->min[i]);
        d1 = _mm512_load_ps(p->min[i] + 16);
#pragma GCC unroll 6
        for (int j = 0; j < mr; j++) {
            __m512 sx_j = _mm512_set1_ps(sx[j * s->n + i]);
            sum[j][0] = _mm512_fmadd_ps(d0, sx_j, sum[j][0]);
            sum[j][1] = _mm512_fmadd_ps(d1, sx_j, sum[j][1]);
        }
    }
#pragma GCC unroll 6
    for (int j = 0; j < mr; j++) {
        _mm512_store_ps(p->y[j0 + j], sum[j][0]);
        _mm512_store_ps(p->y[j0 + j] + 16, sum[j][1]);
    }
}

size_t matmul_i8_avx512_vnni_scratch(int64_t k)
{
    return i8_scratch(k);
}

void matmul_i8_avx512_vnni(float *y, int64_t ldy, const struct qmat *w, int64_t r0, int64_t r1, const void *x,
                           size_t stride, int64_t m, void *scratch)
{
    const bool few = m < FEW && !has_x_zero(w);
    for (int64_t j = 0; j < m && few; j++)
        matvec_i8_avx512_vnni(y + j * ldy, w, r0, r1, (const uint8_t *)x + (size_t)j * stride);
    if (!few)
        matmul_i8(y, ldy, w, r0, r1, x, stride, m, scratch);
}
