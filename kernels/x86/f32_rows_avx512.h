/* f32_rows.h in AVX-512: 16 lanes. */
#ifndef KERNELS_X86_F32_ROWS_AVX512_H
#define KERNELS_X86_F32_ROWS_AVX512_H
#include "kernels/x86/avx512.h"
#include "kernels/x86/numbers.h"
#include "kernels/x86/streams.h"
#include "kernels/f32_rows.h" /* behind the numbers */

enum { LANES = 16 };
#define VEC __m512

INLINE VEC vec_zero(void)
{
    return _mm512_setzero_ps();
}
INLINE VEC vec_load(const float *p)
{
    return _mm512_loadu_ps(p);
}
INLINE void vec_store(float *p, VEC v)
{
    _mm512_storeu_ps(p, v);
}
INLINE VEC vec_add(VEC a, VEC b)
{
    return _mm512_add_ps(a, b);
}
INLINE VEC vec_fma(VEC a, VEC b, VEC c)
{
    return _mm512_fmadd_ps(a, b, c);
}
INLINE float vec_sum(VEC v)
{
    return _mm512_reduce_add_ps(v);
}

/* To the nearest half below 65520, ties to even: what is added has its last place where a half of that exponent has it.
 * (To a half and back takes longer.) This one is for whole multiples of 2^-24, the least half: those that would come
 * out subnormal are halves already. */
INLINE __m512 f16_rounded_whole(__m512 v)
{
    __m512 power = _mm512_and_ps(v, _mm512_castsi512_ps(_mm512_set1_epi32(0x7f800000)));
    const __m512 far = _mm512_set1_ps(0x1.8p13f);
    return _mm512_fnmadd_ps(power, far, _mm512_fmadd_ps(power, far, v));
}

INLINE __m512 f16_rounded(__m512 v)
{
    __m512i exponent = _mm512_and_si512(_mm512_castps_si512(v), _mm512_set1_epi32(0x7f800000));
    exponent = _mm512_max_epu32(exponent, _mm512_set1_epi32((127 - 14) << 23)); /* subnormal ones have one last place */
    const __m512 power = _mm512_castsi512_ps(exponent), far = _mm512_set1_ps(0x1.8p13f);
    return _mm512_fnmadd_ps(power, far, _mm512_fmadd_ps(power, far, v));
}

INLINE __m512 bf16_rounded(__m512 v)
{
    __m512 power = _mm512_and_ps(v, _mm512_castsi512_ps(_mm512_set1_epi32(0x7f800000)));
    const __m512 far = _mm512_set1_ps(0x1.8p16f);
    return _mm512_fnmadd_ps(power, far, _mm512_fmadd_ps(power, far, v));
}

/* The values of codes q, which are whole numbers. Where they are rounded to halves, s and zero are halves too, or zero
 * is a whole number. */
INLINE __m512 values_of(__m512 q, __m512 s, __m512 zero, const enum kind kind)
{
    switch (kind) {
    case KIND_F16:
        return f16_rounded_whole(_mm512_mul_ps(_mm512_sub_ps(q, zero), s));
    case KIND_F16_TWICE:
        return f16_rounded(_mm512_mul_ps(f16_rounded_whole(_mm512_sub_ps(q, zero)), s));
    case KIND_BIAS:
        return _mm512_add_ps(_mm512_mul_ps(q, s), zero);
    case KIND_BIAS_F16:
        return f16_rounded_whole(_mm512_add_ps(f16_rounded_whole(_mm512_mul_ps(q, s)), zero));
    case KIND_BIAS_BF16:
        return bf16_rounded(_mm512_add_ps(bf16_rounded(_mm512_mul_ps(q, s)), zero));
    case KIND_BOOK:
        return _mm512_mul_ps(q, s);
    case KIND_BOOK_F16: /* the book and its scales are f32 */
        return f16_rounded(_mm512_mul_ps(q, s));
    default:
        return _mm512_mul_ps(_mm512_sub_ps(q, zero), s);
    }
}

/* A group's table in every 4 or 8 lanes, so that bits above the code do no harm; of 4 bits and more in all 16. */
INLINE __m512 table_of(const struct f32_row *row, int64_t g, const int bits)
{
    const float *t = &row->table[0][0] + (g << bits);
    if (bits == 2)
        return _mm512_broadcast_f32x4(_mm_load_ps(t));
    return bits == 3 ? _mm512_castpd_ps(_mm512_broadcast_f64x4(_mm256_load_pd((const double *)(const void *)t)))
                     : _mm512_load_ps(t);
}

INLINE void fill_tables(struct f32_row *row, int64_t n, __m512 q, const int bits, const enum kind kind)
{
    const __m512i lane = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    const __m512i group = _mm512_srl_epi32(lane, _mm_cvtsi32_si128(bits));
    const __m512 above = _mm512_add_ps(q, _mm512_set1_ps(16));
    float *table = &row->table[0][0];
    for (int64_t g = 0; g < n; g += bits < 4 ? 16 >> bits : 1) {
        __m512 s = _mm512_set1_ps(row->scale[g]), zero = _mm512_set1_ps(row->zero[g]);
        if (bits < 4) {
            s = _mm512_permutexvar_ps(group, _mm512_castps128_ps512(_mm_loadu_ps(row->scale + g)));
            zero = _mm512_permutexvar_ps(group, _mm512_castps128_ps512(_mm_loadu_ps(row->zero + g)));
        }
        _mm512_store_ps(table + (g << bits), values_of(q, s, zero, kind));
        if (bits == 5)
            _mm512_store_ps(table + (g << bits) + 16, values_of(above, s, zero, kind));
    }
}

INLINE void make_tables(struct f32_row *row, int64_t n, const struct f32_rule *rule, const int bits)
{
    const __m512i i = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    __m512i code = _mm512_and_si512(i, _mm512_set1_epi32((1 << bits) - 1));
    __m512 q = _mm512_cvtepi32_ps(_mm512_xor_si512(code, _mm512_set1_epi32(rule->flip)));
    q = _mm512_sub_ps(q, _mm512_set1_ps(rule->less));
    switch (rule->kind) {
    case KIND_F16:
        fill_tables(row, n, q, bits, KIND_F16);
        break;
    case KIND_F16_TWICE:
        fill_tables(row, n, q, bits, KIND_F16_TWICE);
        break;
    case KIND_BIAS:
        fill_tables(row, n, q, bits, KIND_BIAS);
        break;
    case KIND_BIAS_F16:
        fill_tables(row, n, q, bits, KIND_BIAS_F16);
        break;
    case KIND_BIAS_BF16:
        fill_tables(row, n, q, bits, KIND_BIAS_BF16);
        break;
    case KIND_BOOK:
        fill_tables(row, n, _mm512_loadu_ps(rule->book), 4, KIND_BOOK);
        break;
    case KIND_BOOK_F16:
        fill_tables(row, n, _mm512_loadu_ps(rule->book), 4, KIND_BOOK_F16);
        break;
    default:
        fill_tables(row, n, q, bits, KIND_PLAIN);
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

/* 16 columns of 8-bit floats. E4M3 bits are those of a half with an exponent 8 less; its NaNs come out as 480. */
INLINE __m512 float8_values(const uint8_t *p, float scale, const enum kind kind)
{
    __m256i v = _mm256_cvtepi8_epi16(_mm_loadu_si128((const __m128i *)p));
    if (kind == KIND_E5M2)
        return _mm512_mul_ps(_mm512_cvtph_ps(_mm256_slli_epi16(v, 8)), _mm512_set1_ps(scale));
    v = _mm256_and_si256(_mm256_slli_epi16(v, 7), _mm256_set1_epi16((short)0xbfff));
    return _mm512_mul_ps(_mm512_cvtph_ps(v), _mm512_set1_ps(scale * 256));
}

/* One chunk, at column c of the tile, of which n columns are there: `per` vectors of values. */
INLINE void chunk_values(__m512 *v, const struct f32_row *row, int64_t c, int64_t n, int log2,
                         const struct f32_rule *rule, const int bits, const int per, const enum kind kind)
{
    const int64_t g = c >> log2;
    const uint8_t *p = row->code + c * bits / 8;
    __m512i lanes = bits == 8 ? _mm512_setzero_si512() : lanes_of(p, n, bits, per);
    __m512 s = _mm512_set1_ps(row->scale[g]), zero = _mm512_set1_ps(row->zero[g]);
    const __m512i mask = _mm512_set1_epi32((1 << bits) - 1), flip = _mm512_set1_epi32(rule->flip);
    const __m512 table = bits <= 5 ? table_of(row, g, bits) : s;
#pragma GCC unroll 4
    for (int i = 0; i < per; i++) {
        __m512i code = _mm512_srl_epi32(lanes, _mm_cvtsi32_si128(i * bits));
        if (kind >= KIND_E4M3) {
            v[i] = float8_values(p + 16 * i, row->scale[g], kind);
        } else if (bits <= 4) {
            v[i] = _mm512_permutexvar_ps(code, table);
        } else if (bits == 5) {
            v[i] = _mm512_permutex2var_ps(table, code, _mm512_load_ps(&row->table[2 * g + 1][0]));
        } else {
            code = bits == 8 ? _mm512_cvtepu8_epi32(_mm_loadu_si128((const __m128i *)(p + 16 * i))) : code;
            code = _mm512_ternarylogic_epi32(code, mask, flip, 0x6a); /* (code & mask) ^ flip */
            v[i] = values_of(_mm512_cvtepi32_ps(code), s, zero, kind);
        }
    }
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

#endif
