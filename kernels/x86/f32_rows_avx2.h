/* f32_rows.h in AVX2: 8 lanes, a table of 16 in two vectors. */
#ifndef KERNELS_X86_F32_ROWS_AVX2_H
#define KERNELS_X86_F32_ROWS_AVX2_H
#include "kernels/x86/avx2.h"
#include "kernels/x86/numbers.h"
#include "kernels/x86/streams.h"
#include "kernels/f32_rows.h" /* behind the numbers */

enum { LANES = 8 };
#define VEC __m256

INLINE VEC vec_zero(void)
{
    return _mm256_setzero_ps();
}
INLINE VEC vec_load(const float *p)
{
    return _mm256_loadu_ps(p);
}
INLINE void vec_store(float *p, VEC v)
{
    _mm256_storeu_ps(p, v);
}
INLINE VEC vec_add(VEC a, VEC b)
{
    return _mm256_add_ps(a, b);
}
INLINE VEC vec_fma(VEC a, VEC b, VEC c)
{
    return _mm256_fmadd_ps(a, b, c);
}
INLINE float vec_sum(VEC v)
{
    return row_total((struct row_sums){v, _mm256_setzero_ps()});
}

/* As in f32_rows_avx512.h. */
INLINE __m256 rounded_at(__m256i exponent, __m256 v, float far)
{
    const __m256 power = _mm256_castsi256_ps(exponent), f = _mm256_set1_ps(far);
    return _mm256_fnmadd_ps(power, f, _mm256_fmadd_ps(power, f, v));
}

INLINE __m256 f16_rounded(__m256 v)
{
    __m256i exponent = _mm256_and_si256(_mm256_castps_si256(v), _mm256_set1_epi32(0x7f800000));
    return rounded_at(_mm256_max_epu32(exponent, _mm256_set1_epi32((127 - 14) << 23)), v, 0x1.8p13f);
}

INLINE __m256 bf16_rounded(__m256 v)
{
    return rounded_at(_mm256_and_si256(_mm256_castps_si256(v), _mm256_set1_epi32(0x7f800000)), v, 0x1.8p16f);
}

/* The values of codes q, which are whole numbers. */
INLINE __m256 values_of(__m256 q, __m256 s, __m256 zero, const enum kind kind)
{
    switch (kind) {
    case KIND_F16:
        return f16_rounded(_mm256_mul_ps(_mm256_sub_ps(q, zero), s));
    case KIND_F16_TWICE:
        return f16_rounded(_mm256_mul_ps(f16_rounded(_mm256_sub_ps(q, zero)), s));
    case KIND_BIAS:
        return _mm256_add_ps(_mm256_mul_ps(q, s), zero);
    case KIND_BIAS_F16:
        return f16_rounded(_mm256_add_ps(f16_rounded(_mm256_mul_ps(q, s)), zero));
    case KIND_BIAS_BF16:
        return bf16_rounded(_mm256_add_ps(bf16_rounded(_mm256_mul_ps(q, s)), zero));
    case KIND_BOOK:
        return _mm256_mul_ps(q, s);
    case KIND_BOOK_F16:
        return f16_rounded(_mm256_mul_ps(q, s));
    default:
        return _mm256_mul_ps(_mm256_sub_ps(q, zero), s);
    }
}

INLINE void fill_tables(struct f32_row *row, int64_t n, const float *q, int n_values, const enum kind kind)
{
    for (int64_t g = 0; g < n; g++) {
        __m256 s = _mm256_broadcast_ss(row->scale + g), zero = _mm256_broadcast_ss(row->zero + g);
        float *table = row->table[n_values > 16 ? 2 * g : g];
        for (int i = 0; i < n_values; i += 8)
            _mm256_storeu_ps(table + i, values_of(_mm256_loadu_ps(q + i), s, zero, kind));
    }
}

INLINE void make_tables(struct f32_row *row, int64_t n, const struct f32_rule *rule, const int bits)
{
    const int n_values = bits < 3 ? 8 : 1 << bits;
    float q[32];
    for (int i = 0; i < n_values; i++)
        q[i] = rule->kind == KIND_BOOK || rule->kind == KIND_BOOK_F16
                   ? rule->book[i]
                   : (float)((i & ((1 << bits) - 1)) ^ rule->flip) - rule->less;
    switch (rule->kind) {
    case KIND_F16:
        fill_tables(row, n, q, n_values, KIND_F16);
        break;
    case KIND_F16_TWICE:
        fill_tables(row, n, q, n_values, KIND_F16_TWICE);
        break;
    case KIND_BIAS:
        fill_tables(row, n, q, n_values, KIND_BIAS);
        break;
    case KIND_BIAS_F16:
        fill_tables(row, n, q, n_values, KIND_BIAS_F16);
        break;
    case KIND_BIAS_BF16:
        fill_tables(row, n, q, n_values, KIND_BIAS_BF16);
        break;
    case KIND_BOOK:
        fill_tables(row, n, q, n_values, KIND_BOOK);
        break;
    case KIND_BOOK_F16:
        fill_tables(row, n, q, n_values, KIND_BOOK_F16);
        break;
    default:
        fill_tables(row, n, q, n_values, KIND_PLAIN);
    }
}

/* Lane l of a chunk: its codes, from bit 0 on; n columns are there. */
INLINE __m256i lanes_of(const uint8_t *p, int64_t n, const int bits, const int per)
{
    const int size = bits * per, half = size / 2; /* half: bytes of 4 lanes */
    uint8_t last[32] = {0};
    const bool exact = size == 16 || size == 8; /* one load takes just that */
    if (exact ? n < 8 * per : n * bits / 8 < half + 16) {
        memcpy(last, p, (size_t)(min_i64(n, 8 * per) * bits / 8));
        p = last;
    }
    if (size == 16)
        return _mm256_cvtepu16_epi32(_mm_loadu_si128((const __m128i *)p));
    if (size == 8)
        return _mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i *)p));
    const __m256i lane = _mm256_setr_epi32(0, 1, 2, 3, 0, 1, 2, 3),
                  bit = _mm256_mullo_epi32(lane, _mm256_set1_epi32(size));
    const __m256i byte = _mm256_mullo_epi32(_mm256_srli_epi32(bit, 3), _mm256_set1_epi32(0x01010101));
    __m256i v = _mm256_setr_m128i(_mm_loadu_si128((const __m128i *)p), _mm_loadu_si128((const __m128i *)(p + half)));
    v = _mm256_shuffle_epi8(v, _mm256_add_epi8(byte, _mm256_set1_epi32(0x03020100)));
    return _mm256_srlv_epi32(v, _mm256_and_si256(bit, _mm256_set1_epi32(7)));
}

/* The entries of a table of 8 or 16 at the lowest bits of each lane. */
INLINE __m256 looked_up(const float *table, __m256i code, const bool sixteen)
{
    __m256 low = _mm256_permutevar8x32_ps(_mm256_loadu_ps(table), code);
    if (!sixteen)
        return low;
    __m256 high = _mm256_permutevar8x32_ps(_mm256_loadu_ps(table + 8), code);
    return _mm256_blendv_ps(low, high, _mm256_castsi256_ps(_mm256_slli_epi32(code, 28)));
}

/* 8 columns of 8-bit floats. E4M3 bits are those of a half with an exponent 8 less; its NaNs come out as 480. */
INLINE __m256 float8_values(const uint8_t *p, float scale, const enum kind kind)
{
    __m128i v = _mm_cvtepi8_epi16(_mm_loadl_epi64((const __m128i *)p));
    if (kind == KIND_E5M2)
        return _mm256_mul_ps(_mm256_cvtph_ps(_mm_slli_epi16(v, 8)), _mm256_set1_ps(scale));
    v = _mm_and_si128(_mm_slli_epi16(v, 7), _mm_set1_epi16((short)0xbfff));
    return _mm256_mul_ps(_mm256_cvtph_ps(v), _mm256_set1_ps(scale * 256));
}

/* One chunk, at column c of the tile, of which n columns are there: `per` vectors of values. */
INLINE void chunk_values(__m256 *v, const struct f32_row *row, int64_t c, int64_t n, int log2,
                         const struct f32_rule *rule, const int bits, const int per, const enum kind kind)
{
    const int64_t g = c >> log2;
    const uint8_t *p = row->code + c * bits / 8;
    __m256i lanes = bits == 8 ? _mm256_setzero_si256() : lanes_of(p, n, bits, per);
    __m256 s = _mm256_broadcast_ss(row->scale + g), zero = _mm256_broadcast_ss(row->zero + g);
    const __m256i mask = _mm256_set1_epi32((1 << bits) - 1), flip = _mm256_set1_epi32(rule->flip);
#pragma GCC unroll 4
    for (int i = 0; i < per; i++) {
        __m256i code = _mm256_srl_epi32(lanes, _mm_cvtsi32_si128(i * bits));
        if (kind >= KIND_E4M3) {
            v[i] = float8_values(p + 8 * i, row->scale[g], kind);
        } else if (bits <= 4) {
            v[i] = looked_up(row->table[g], code, bits == 4);
        } else if (bits == 5) {
            __m256 low = looked_up(row->table[2 * g], code, true), high = looked_up(row->table[2 * g + 1], code, true);
            v[i] = _mm256_blendv_ps(low, high, _mm256_castsi256_ps(_mm256_slli_epi32(code, 27)));
        } else {
            __m256i q = _mm256_and_si256(code, mask);
            q = bits == 8 ? _mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i *)(p + 8 * i))) : q;
            q = _mm256_xor_si256(q, flip);
            v[i] = values_of(_mm256_cvtepi32_ps(q), s, zero, kind);
        }
    }
}

/* 64 columns, in vectors of every `per`-th of 8 per; `swap` exchanges neighbours. */
INLINE void order_64(float *dst, const float *x, const int per, int swap)
{
    const __m256i lane = _mm256_mullo_epi32(_mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7), _mm256_set1_epi32(per));
    for (int i = 0; i < 64; i += 8) {
        const int n = ((i / 8) ^ swap) % per;
        _mm256_storeu_ps(
            dst + i, _mm256_i32gather_ps(x + i / (8 * per) * 8 * per, _mm256_add_epi32(lane, _mm256_set1_epi32(n)), 4));
    }
}
#endif
