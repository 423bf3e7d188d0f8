/* Prefill: codes of 2, 4 or 8 bits in groups times int8 activations (i8_rows.h), on the panels of panel_avx2.h, as
 * matmul_i8_avx512_vnni.c has it: codes are signed, less the middle one, and where there are zero points a minimum
 * stands for what is left of them. Codes of 8 bits go as 16 high + low, high of -8..7 and low of 0..15, and meet
 * activations as unsigned bytes: four such sums fit into 16 bits, whatever the codes. */
#include "kernels/x86/numbers.h"
#include "kernels/x86/panel_avx2.h"

enum { PARTS = 2 };
#include "kernels/matmul_i8.h"

static int32_t x_sum(const uint8_t *x, int64_t c0, int64_t c1, int log2)
{
    __m128i sum = _mm_setzero_si128();
    for (int64_t c = c0; c < c1; c += 16) {
        __m128i v = _mm_loadu_si128((const __m128i *)x_codes(x, c, log2));
        sum = _mm_add_epi32(sum, _mm_madd_epi16(_mm_maddubs_epi16(_mm_set1_epi8(1), v), _mm_set1_epi16(1)));
    }
    sum = _mm_add_epi32(sum, _mm_shuffle_epi32(sum, 0x4e));
    return _mm_cvtsi128_si32(sum) + _mm_extract_epi32(sum, 1);
}

/* Columns [c, c + 32) of a row, of which n are there, as signed codes; c is a multiple of 32. */
INLINE __m256i codes_32(const uint8_t *row, int64_t c, int64_t n, const int bits, const struct qmat *w,
                        const struct steps *s)
{
    uint8_t p[32] = {0};
    __m256i v;
    if (bits == 2 && is_interleaved(w)) {
        v = _mm256_srl_epi16(load32(row + c / 128 * 32), _mm_cvtsi32_si128(6 - (int)(c % 128) / 16));
    } else {
        memcpy(p, row + c * bits / 8, (size_t)(min_i64(n, 32) * bits / 8));
        v = load32(p);
    }
    if (bits == 4) {
        v = _mm256_cvtepu8_epi16(_mm256_castsi256_si128(v));
        v = _mm256_or_si256(v, _mm256_slli_epi16(v, 4));
    } else if (bits == 2 && !is_interleaved(w)) {
        v = _mm256_cvtepu8_epi32(_mm256_castsi256_si128(v));
        v = _mm256_or_si256(v, _mm256_slli_epi32(v, 12));
        v = _mm256_or_si256(v, _mm256_slli_epi32(v, 6));
    }
    v = _mm256_and_si256(v, _mm256_set1_epi8((char)((1 << bits) - 1)));
    v = _mm256_xor_si256(v, _mm256_set1_epi8((char)code_flip(w)));
    return _mm256_sub_epi8(v, _mm256_set1_epi8((char)s->middle));
}

/* Signed codes of 8 bits in the panel into their two parts, and the sums of their steps. */
static void split_codes(struct i8_panel *p, int lane, int64_t n, const struct steps *s)
{
    const __m256i nibble = _mm256_set1_epi8(15), ones = _mm256_set1_epi8(1), eight = _mm256_set1_epi8(8);
    for (int64_t i = 0; i << s->log2 < n; i++) {
        __m256i sum = _mm256_setzero_si256();
        const int64_t end = min_i64((i + 1) << s->log2, n) / 4;
        for (int64_t c = (i << s->log2) / 4; c < end; c++) {
            __m256i v = load32(p->code[0][c][lane]), high = _mm256_and_si256(_mm256_srli_epi16(v, 4), nibble);
            sum = _mm256_add_epi32(sum, pair_sums(_mm256_maddubs_epi16(ones, v)));
            high = _mm256_sub_epi8(_mm256_xor_si256(high, eight), eight);
            _mm256_store_si256((__m256i *)(void *)p->code[1][c][lane], high);
            _mm256_store_si256((__m256i *)(void *)p->code[0][c][lane], _mm256_and_si256(v, nibble));
        }
        sum = _mm256_mullo_epi32(sum, _mm256_set1_epi32(-s->x_zero - 128));
        _mm256_store_si256((__m256i *)(void *)&p->start[i][lane], sum);
    }
}

INLINE void unpack_rows(struct i8_panel *p, const struct qmat *w, int64_t r, int64_t last, int64_t c0, int64_t n,
                        const struct steps *s, const int bits)
{
    __m256i v[8];
    for (int lane = 0; lane < NR; lane += 8) {
        for (int64_t c = 0; c < n; c += 32) {
#pragma GCC unroll 8
            for (int i = 0; i < 8; i++)
                v[i] = codes_32(qmat_row(w, min_i64(r + lane + i, last)), c0 + c, n - c, bits, w, s);
            store_transposed(p->code[0][c / 4][lane], sizeof p->code[0][0], v);
        }
        if (bits == 8)
            split_codes(p, lane, n, s);
    }
}

/* acc[j][] += words [c0, c1) of one part of the codes times mr tokens, 4 words at a time in 16 bits. The empty asm is
 * that of panel_avx2.h. */
INLINE void multiply_unsigned(const int mr, __m256i acc[MR][2], uint8_t (*code)[NR][4], int c0, int c1,
                              const uint8_t *x, size_t stride, __m256i flip)
{
#pragma GCC unroll 4
    for (int j = 0; j < mr; j++)
        acc[j][0] = acc[j][1] = _mm256_setzero_si256();
    for (int from = c0; from < c1; from += 4) {
        __m256i part[MR][2];
#pragma GCC unroll 4
        for (int j = 0; j < mr; j++)
            part[j][0] = part[j][1] = _mm256_setzero_si256();
#pragma GCC unroll 4
        for (int c = from; c < from + 4; c++) {
            __m256i w0 = load32(code[c][0]), w1 = load32(code[c][8]);
#pragma GCC unroll 4
            for (int j = 0; j < mr; j++) {
                __m256i v = _mm256_xor_si256(word_of(x + j * stride + 4 * c), flip);
                part[j][0] = _mm256_add_epi16(part[j][0], _mm256_maddubs_epi16(v, w0));
                part[j][1] = _mm256_add_epi16(part[j][1], _mm256_maddubs_epi16(v, w1));
                __asm__("" : "+x"(part[j][0]), "+x"(part[j][1]));
            }
        }
#pragma GCC unroll 4
        for (int j = 0; j < mr; j++) {
            acc[j][0] = _mm256_add_epi32(acc[j][0], pair_sums(part[j][0]));
            acc[j][1] = _mm256_add_epi32(acc[j][1], pair_sums(part[j][1]));
        }
    }
}

/* The sums of a step, of columns [c0, c1) of the panel, whose first activations stand at x. */
INLINE void multiply_step(const int mr, const int bits, __m256i acc[MR][2], struct i8_panel *p, int64_t step, int c0,
                          int c1, const uint8_t *x, size_t stride, const struct steps *s)
{
    const int n = (c1 - c0) / 4;
    if (bits < 8) {
        multiply(mr, 4, true, acc, p->code[0] + c0 / 4, 0, n, x, stride);
        return;
    }
    const __m256i flip = _mm256_set1_epi8((char)(s->x_flip ^ 128));
    __m256i high[MR][2];
    multiply_unsigned(mr, acc, p->code[0] + c0 / 4, 0, n, x, stride, flip);
    multiply_unsigned(mr, high, p->code[1] + c0 / 4, 0, n, x, stride, flip);
#pragma GCC unroll 4
    for (int j = 0; j < mr; j++)
        for (int h = 0; h < 2; h++) {
            acc[j][h] = _mm256_add_epi32(acc[j][h], _mm256_slli_epi32(high[j][h], 4));
            acc[j][h] = _mm256_add_epi32(acc[j][h], load32(&p->start[step][8 * h]));
        }
}

INLINE void tile(const int mr, const int bits, struct i8_panel *p, const struct x_at *t, int64_t j0,
                 const struct steps *s)
{
    __m256 sum[MR][2];
    const uint8_t *x0 = t->x + (size_t)j0 * t->stride;
    const float *d = t->d + j0 * s->n, *sx = t->sum + j0 * s->n;
#pragma GCC unroll 4
    for (int j = 0; j < mr; j++) {
        sum[j][0] = t->first ? _mm256_setzero_ps() : _mm256_load_ps(p->y[j0 + j]);
        sum[j][1] = t->first ? _mm256_setzero_ps() : _mm256_load_ps(p->y[j0 + j] + 8);
    }
    for (int64_t i = 0; i << s->log2 < t->n; i++) {
        const int c0 = (int)(i << s->log2), c1 = (int)min_i64(c0 + (1 << s->log2), t->n);
        __m256i acc[MR][2];
        multiply_step(mr, bits, acc, p, i, c0, c1, x0 + (c0 >> s->x_log2) * 4 + c0, t->stride, s);
        __m256 d0 = _mm256_load_ps(p->scale[i]), d1 = _mm256_load_ps(p->scale[i] + 8);
        __m256 m0 = _mm256_load_ps(p->min[i]), m1 = _mm256_load_ps(p->min[i] + 8);
#pragma GCC unroll 4
        for (int j = 0; j < mr; j++) {
            __m256 dx = _mm256_broadcast_ss(d + j * s->n + i), sx_j = _mm256_broadcast_ss(sx + j * s->n + i);
            sum[j][0] = _mm256_fmadd_ps(_mm256_mul_ps(_mm256_cvtepi32_ps(acc[j][0]), dx), d0, sum[j][0]);
            sum[j][1] = _mm256_fmadd_ps(_mm256_mul_ps(_mm256_cvtepi32_ps(acc[j][1]), dx), d1, sum[j][1]);
            if (!s->has_zero)
                continue;
            sum[j][0] = _mm256_fmadd_ps(m0, sx_j, sum[j][0]);
            sum[j][1] = _mm256_fmadd_ps(m1, sx_j, sum[j][1]);
        }
    }
#pragma GCC unroll 4
    for (int j = 0; j < mr; j++) {
        _mm256_store_ps(p->y[j0 + j], sum[j][0]);
        _mm256_store_ps(p->y[j0 + j] + 8, sum[j][1]);
    }
}

size_t matmul_i8_avx2_scratch(int64_t k)
{
    return i8_scratch(k);
}

void matmul_i8_avx2(float *y, int64_t ldy, const struct qmat *w, int64_t r0, int64_t r1, const void *x, size_t stride,
                    int64_t m, void *scratch)
{
    const bool few = m < FEW && !has_x_zero(w);
    for (int64_t j = 0; j < m && few; j++)
        matvec_i8_avx2(y + j * ldy, w, r0, r1, (const uint8_t *)x + (size_t)j * stride);
    if (!few)
        matmul_i8(y, ldy, w, r0, r1, x, stride, m, scratch);
}
