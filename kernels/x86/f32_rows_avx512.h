/* Rows of codes in groups as f32 values, in AVX-512 (f32_rows.h).
 *
 * Columns go in chunks of 16 * per, all in one group: a 32-bit lane holds the codes of `per` neighbouring columns, and
 * vector n of a chunk takes code n of each lane. Activations are brought into that order once per call, and prefill
 * leaves it as it is, since it sums over all columns alike. */
#ifndef KERNELS_X86_F32_ROWS_AVX512_H
#define KERNELS_X86_F32_ROWS_AVX512_H
#include "kernels/x86/avx512.h"
#include "kernels/x86/f32_rows.h"

INLINE __m512 f16_rounded(__m512 v)
{
    return _mm512_cvtph_ps(_mm512_cvtps_ph(v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC));
}

INLINE __m512 bf16_rounded(__m512 v)
{
    __m512i u = _mm512_castps_si512(v), odd = _mm512_and_si512(_mm512_srli_epi32(u, 16), _mm512_set1_epi32(1));
    u = _mm512_add_epi32(u, _mm512_add_epi32(odd, _mm512_set1_epi32(0x7fff)));
    return _mm512_castsi512_ps(_mm512_and_si512(u, _mm512_set1_epi32((int)0xffff0000)));
}

/* The values of codes q, which are whole numbers. */
INLINE __m512 values_of(__m512 q, __m512 s, __m512 zero, const enum kind kind)
{
    switch (kind) {
    case KIND_F16:
        return f16_rounded(_mm512_mul_ps(_mm512_sub_ps(q, zero), s));
    case KIND_F16_TWICE:
        return f16_rounded(_mm512_mul_ps(f16_rounded(_mm512_sub_ps(q, zero)), s));
    case KIND_BIAS:
        return _mm512_add_ps(_mm512_mul_ps(q, s), zero);
    case KIND_BIAS_F16:
        return f16_rounded(_mm512_add_ps(f16_rounded(_mm512_mul_ps(q, s)), zero));
    case KIND_BIAS_BF16:
        return bf16_rounded(_mm512_add_ps(bf16_rounded(_mm512_mul_ps(q, s)), zero));
    case KIND_BOOK:
        return _mm512_mul_ps(q, s);
    case KIND_BOOK_F16:
        return f16_rounded(_mm512_mul_ps(q, s));
    default:
        return _mm512_mul_ps(_mm512_sub_ps(q, zero), s);
    }
}

INLINE void fill_tables(struct f32_row *row, int64_t n, __m512 q0, __m512 q1, const bool both, const enum kind kind)
{
    for (int64_t g = 0; g < n; g++) {
        __m512 s = _mm512_set1_ps(row->scale[g]), zero = _mm512_set1_ps(row->zero[g]);
        if (both) {
            _mm512_store_ps(row->table[2 * g], values_of(q0, s, zero, kind));
            _mm512_store_ps(row->table[2 * g + 1], values_of(q1, s, zero, kind));
        } else {
            _mm512_store_ps(row->table[g], values_of(q0, s, zero, kind));
        }
    }
}

INLINE void make_tables(struct f32_row *row, int64_t n, const struct f32_rule *rule, const int bits)
{
    const __m512i i = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    __m512i code = _mm512_and_si512(i, _mm512_set1_epi32((1 << bits) - 1));
    __m512 q0 = _mm512_cvtepi32_ps(_mm512_xor_si512(code, _mm512_set1_epi32(rule->flip)));
    q0 = _mm512_sub_ps(q0, _mm512_set1_ps(rule->less));
    __m512 q1 = _mm512_add_ps(q0, _mm512_set1_ps(16));
    switch (rule->kind) {
    case KIND_F16:
        fill_tables(row, n, q0, q1, bits > 4, KIND_F16);
        break;
    case KIND_F16_TWICE:
        fill_tables(row, n, q0, q1, bits > 4, KIND_F16_TWICE);
        break;
    case KIND_BIAS:
        fill_tables(row, n, q0, q1, bits > 4, KIND_BIAS);
        break;
    case KIND_BIAS_F16:
        fill_tables(row, n, q0, q1, bits > 4, KIND_BIAS_F16);
        break;
    case KIND_BIAS_BF16:
        fill_tables(row, n, q0, q1, bits > 4, KIND_BIAS_BF16);
        break;
    case KIND_BOOK:
        fill_tables(row, n, _mm512_loadu_ps(rule->book), q1, false, KIND_BOOK);
        break;
    case KIND_BOOK_F16:
        fill_tables(row, n, _mm512_loadu_ps(rule->book), q1, false, KIND_BOOK_F16);
        break;
    default:
        fill_tables(row, n, q0, q1, bits > 4, KIND_PLAIN);
    }
}

/* Lane l of a chunk: its codes, from bit 0 on; n columns are there. */
INLINE __m512i lanes_of(const uint8_t *p, int64_t n, const int bits, const int per)
{
    const int size = bits * per;
    if (size == 16 && n >= 16 * per)
        return _mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i *)p));
    if (size == 8 && n >= 16 * per)
        return _mm512_cvtepu8_epi32(_mm_loadu_si128((const __m128i *)p));
    const __m512i lane = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    const __m512i bit = _mm512_mullo_epi32(lane, _mm512_set1_epi32(size)), word = _mm512_srli_epi32(bit, 4);
    const __m512i both =
        _mm512_add_epi32(_mm512_mullo_epi32(word, _mm512_set1_epi32(0x10001)), _mm512_set1_epi32(0x10000));
    __m512i v = _mm512_maskz_loadu_epi8((UINT64_C(1) << min_i64(n, 16 * per) * bits / 8) - 1, p);
    v = _mm512_permutexvar_epi16(both, v);
    return _mm512_srlv_epi32(v, _mm512_and_si512(bit, _mm512_set1_epi32(15)));
}

/* Code n of each lane, with bits above it. */
INLINE __m512i code_at(__m512i lanes, const int bit, const int bits)
{
    if (bit == 0)
        return lanes;
    if (bit + (bits > 4 ? bits : 4) <= 16)
        return _mm512_mulhi_epu16(lanes, _mm512_set1_epi32(1 << (16 - bit)));
    return _mm512_srl_epi32(lanes, _mm_cvtsi32_si128(bit));
}

/* One chunk, at column c of the tile, of which n columns are there: `per` vectors of values. */
INLINE void chunk_values(__m512 *v, const struct f32_row *row, int64_t c, int64_t n, int log2,
                         const struct f32_rule *rule, const int bits, const int per, const enum kind kind)
{
    const int64_t g = c >> log2;
    __m512i lanes = lanes_of(row->code + c * bits / 8, n, bits, per);
    if (bits <= 4) {
        __m512 table = _mm512_load_ps(row->table[g]);
#pragma GCC unroll 4
        for (int i = 0; i < per; i++)
            v[i] = _mm512_permutexvar_ps(code_at(lanes, i * bits, bits), table);
    } else if (bits == 5) {
        __m512 low = _mm512_load_ps(row->table[2 * g]), high = _mm512_load_ps(row->table[2 * g + 1]);
#pragma GCC unroll 4
        for (int i = 0; i < per; i++)
            v[i] = _mm512_permutex2var_ps(low, code_at(lanes, i * bits, bits), high);
    } else {
        __m512 s = _mm512_set1_ps(row->scale[g]), zero = _mm512_set1_ps(row->zero[g]);
        const __m512i mask = _mm512_set1_epi32((1 << bits) - 1), flip = _mm512_set1_epi32(rule->flip);
#pragma GCC unroll 4
        for (int i = 0; i < per; i++) {
            __m512i q = _mm512_srl_epi32(lanes, _mm_cvtsi32_si128(i * bits));
            q = _mm512_ternarylogic_epi32(q, mask, flip, 0x6a); /* (q & mask) ^ flip */
            v[i] = values_of(_mm512_cvtepi32_ps(q), s, zero, kind);
        }
    }
}

/* 16 columns of 8-bit floats. E4M3 bits are those of a half with an exponent 8 less; its NaNs come out as 480. */
INLINE __m512 float8_values(const uint8_t *p, float scale, const enum kind kind)
{
    __m256i v = _mm256_cvtepi8_epi16(_mm_loadu_si128((const __m128i *)p));
    if (kind == KIND_E5M2)
        return _mm512_mul_ps(_mm512_cvtph_ps(_mm256_slli_epi16(v, 8)), _mm512_set1_ps(scale));
    v = _mm256_and_si256(_mm256_slli_epi16(v, 7), _mm256_set1_epi16((short)0xbfff));
    return _mm512_mul_ps(_mm512_cvtph_ps(v), _mm512_set1_ps(scale * 256));
}

/* A row of the forms below: FORM(name, bits, columns in a lane, kind where there is no table). */
#define F32_FORMS(FORM)                                                                                                \
    FORM(2x4, 2, 4, KIND_PLAIN)                                                                                        \
    FORM(2x2, 2, 2, KIND_PLAIN)                                                                                        \
    FORM(2x1, 2, 1, KIND_PLAIN)                                                                                        \
    FORM(3x4, 3, 4, KIND_PLAIN)                                                                                        \
    FORM(3x2, 3, 2, KIND_PLAIN)                                                                                        \
    FORM(4x4, 4, 4, KIND_PLAIN)                                                                                        \
    FORM(4x2, 4, 2, KIND_PLAIN)                                                                                        \
    FORM(4x1, 4, 1, KIND_PLAIN)                                                                                        \
    FORM(5x4, 5, 4, KIND_PLAIN)                                                                                        \
    FORM(5x2, 5, 2, KIND_PLAIN)                                                                                        \
    FORM(6x4_bias, 6, 4, KIND_BIAS)                                                                                    \
    FORM(6x4_bias_f16, 6, 4, KIND_BIAS_F16)                                                                            \
    FORM(6x4_bias_bf16, 6, 4, KIND_BIAS_BF16)                                                                          \
    FORM(6x2_bias, 6, 2, KIND_BIAS)                                                                                    \
    FORM(6x2_bias_f16, 6, 2, KIND_BIAS_F16)                                                                            \
    FORM(6x2_bias_bf16, 6, 2, KIND_BIAS_BF16)                                                                          \
    FORM(8x1_plain, 8, 1, KIND_PLAIN)                                                                                  \
    FORM(8x1_f16, 8, 1, KIND_F16)                                                                                      \
    FORM(8x1_f16_twice, 8, 1, KIND_F16_TWICE)                                                                          \
    FORM(8x1_bias, 8, 1, KIND_BIAS)                                                                                    \
    FORM(8x1_bias_f16, 8, 1, KIND_BIAS_F16)                                                                            \
    FORM(8x1_bias_bf16, 8, 1, KIND_BIAS_BF16)                                                                          \
    FORM(8x1_e4m3, 8, 1, KIND_E4M3)                                                                                    \
    FORM(8x1_e5m2, 8, 1, KIND_E5M2)

INLINE int lane_columns(const struct qmat *w)
{
    int log2 = group_log2(w);
    return w->seg->q.bits == 8 || log2 == 4 ? 1 : log2 == 5 ? 2 : 4;
}

/* Does the form with these parameters take such rows? */
INLINE bool form_fits(const struct qmat *w, enum kind kind, int bits, int per, enum kind of_form)
{
    return w->seg->q.bits == bits && lane_columns(w) == per && (bits <= 5 || kind == of_form);
}

/* 64 columns, in vectors of every `per`-th of 16 per; `swap` exchanges neighbours. */
INLINE void order_64(float *dst, const float *x, const int per, int swap)
{
    const __m512i lane = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    __m512 v[4];
    for (int i = 0; i < 4; i++)
        v[i] = _mm512_loadu_ps(x + 16 * i);
    for (int n = 0; n < 4; n++) {
        __m512i from =
            _mm512_add_epi32(_mm512_mullo_epi32(lane, _mm512_set1_epi32(per)), _mm512_set1_epi32((n ^ swap) % per));
        __m512 low = _mm512_permutex2var_ps(v[0], from, v[1]), high = _mm512_permutex2var_ps(v[2], from, v[3]);
        if (per == 4)
            _mm512_storeu_ps(dst + 16 * n, _mm512_mask_mov_ps(low, 0xff00, high));
        else if (per == 2)
            _mm512_storeu_ps(dst + 16 * n, n < 2 ? low : high);
        else
            _mm512_storeu_ps(dst + 16 * n, v[n]);
    }
}

/* Columns [c0, c0 + n) of x in the order of chunks, zeros up to a multiple of 64; dst has room for those. */
static void order_columns(float *dst, const float *x, const struct qmat *w, int64_t c0, int64_t n, int per, int swap)
{
    const uint8_t *perm = w->plane[PLANE_PERM].p;
    const float *column = (const float *)(const void *)w->plane[PLANE_COLUMN].p;
    float in[64];
    for (int64_t c = 0; c < n; c += 64, dst += 64) {
        const float *from = x + c0 + c;
        if (perm || column || n - c < 64) {
            for (int64_t i = 0; i < 64; i++) {
                int64_t at = c + i < n ? c0 + c + i : -1;
                at = at >= 0 && perm ? (int64_t)rd_u32le(perm + 4 * at) : at;
                in[i] = at < 0 ? 0 : column ? x[at] / column[at] : x[at];
            }
            from = in;
        }
        order_64(dst, from, per, swap);
    }
}
#endif
