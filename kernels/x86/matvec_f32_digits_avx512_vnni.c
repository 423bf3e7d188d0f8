/* Decode: codes of 2, 4 or 8 bits, whose values are whole numbers times the scale of a group, times one row of f32
 * values.
 *
 * An activation is a whole number of 24 bits times a power of two, which it shares with the 4, 8 or 16 neighbours that
 * meet in one 32-bit lane: no further from its value than f32 rounds the largest of them. Its three digits of 8 bits
 * are multiplied by the codes in integers, 64 at a time, which f32 would take four times as many instructions for. Only
 * then come zero points and scales. */
#include "kernels/x86/streams.h"
#include "kernels/x86/numbers.h"
#include "kernels/x86/parts_avx512.h"
#include "kernels/f32_rows.h" /* behind the numbers */

enum { N_DIGITS = 3 };

struct x_chunk { /* the activations that meet 64 bytes of codes; as many parts of each digit follow as a byte has codes
                  */
    _Alignas(64) int32_t minus_low[16];
    int32_t minus_high[16];   /* less the sums of a lane's columns: of digit 0, the least, and of the two above */
    float scale[16], sum[16]; /* of each lane; the sum is one of whole numbers */
    int8_t part[][64];
};
enum { TILE_BYTES = F32_TILE * N_DIGITS + F32_TILE / 64 * sizeof(struct x_chunk) };

/* Chunks lie close together: a power of two between them would have them evict each other from the cache. */
INLINE struct x_chunk *chunk_at(uint8_t *tile, int64_t i, const int bits)
{
    return (struct x_chunk *)(void *)(tile + i * (int64_t)(sizeof(struct x_chunk) + N_DIGITS * 8 / bits * 64));
}

enum zeros {
    ZEROS_SAME, /* in all of the matrix: minus_low and minus_high are times that already */
    ZEROS_CODE,
    ZEROS_FLOAT
};

struct shape { /* of a chunk, the same for all of a matrix */
    __m512i flip, book, group_of_lane;
    __mmask16 groups; /* as many as there are in a chunk */
    int columns, log2;
    bool is_book;
};

/* The largest magnitude among the so many columns of each lane of codes, as bits. */
INLINE __m512i lane_most(__m512 x, const int columns)
{
    __m512i v = _mm512_and_si512(_mm512_castps_si512(x), _mm512_set1_epi32(0x7fffffff));
    v = _mm512_max_epu32(v, _mm512_shuffle_epi32(v, _MM_PERM_CDAB));
    v = _mm512_max_epu32(v, _mm512_shuffle_epi32(v, _MM_PERM_BADC));
    if (columns >= 8)
        v = _mm512_max_epu32(v, _mm512_shuffle_i32x4(v, v, 0xb1));
    return columns == 16 ? _mm512_max_epu32(v, _mm512_shuffle_i32x4(v, v, 0x4e)) : v;
}

/* 16 columns from c on, one digit in each plane; returns their scales, those that are no numbers NaN. */
INLINE __m512 split(int8_t digit[N_DIGITS][F32_TILE], int64_t c, __m512 x, const int columns)
{
    const __m512i most = lane_most(x, columns), byte = _mm512_set1_epi32(128);
    /* so that the largest comes to between 2^22 and 2^23 less what digits of -128 to 127 cannot reach */
    __m512i e = _mm512_srli_epi32(_mm512_add_epi32(most, _mm512_set1_epi32(0x20000)), 23);
    e = _mm512_max_epi32(e, _mm512_set1_epi32(32));
    const __m512i up = _mm512_slli_epi32(_mm512_sub_epi32(_mm512_set1_epi32(127 + 127 + 22), e), 23);
    const __m512i down = _mm512_slli_epi32(_mm512_sub_epi32(e, _mm512_set1_epi32(22)), 23);
    __m512i n = _mm512_cvtps_epi32(_mm512_mul_ps(x, _mm512_castsi512_ps(up)));
    for (int d = 0; d < N_DIGITS; d++) { /* the rest after a digit is rounded to the nearest */
        _mm_storeu_si128((__m128i *)(digit[d] + c), _mm512_cvtepi32_epi8(n));
        n = _mm512_srai_epi32(_mm512_add_epi32(n, byte), 8);
    }
    const __mmask16 finite = _mm512_cmplt_epu32_mask(most, _mm512_set1_epi32(0x7f800000));
    return _mm512_mask_mov_ps(_mm512_set1_ps(NAN), finite, _mm512_castsi512_ps(down));
}

INLINE void prepare(uint8_t *tile, const float *x, int64_t n, int zero, const int bits)
{
    _Alignas(64) int8_t digit[N_DIGITS][F32_TILE];
    const int columns = 512 / bits, of_lane = 32 / bits;
    const __mmask16 first = bits == 8 ? 0x1111 : bits == 4 ? 0x0101 : 1;
    for (int64_t c = 0; c < n; c += columns) {
        struct x_chunk *g = chunk_at(tile, c / columns, bits);
        float *scale = g->scale;
        for (int64_t i = c; i < c + columns; i += 16, scale += 16 / of_lane) {
            const int64_t left = n - i < 0 ? 0 : n - i;
            const __mmask16 there = left < 16 ? (__mmask16)((1 << left) - 1) : 0xffff;
            __m512 s = split(digit, i, _mm512_maskz_loadu_ps(there, x + i), of_lane);
            _mm512_mask_storeu_ps(scale, (__mmask16)((1 << 16 / of_lane) - 1), _mm512_maskz_compress_ps(first, s));
        }
        const __m512i times = _mm512_set1_epi32(-zero), low = order_parts(g->part, digit[0] + c, bits);
        __m512i high = _mm512_slli_epi32(order_parts(g->part + 16 / bits, digit[2] + c, bits), 8);
        high = _mm512_add_epi32(high, order_parts(g->part + 8 / bits, digit[1] + c, bits));
        __m512 sum = _mm512_fmadd_ps(_mm512_cvtepi32_ps(high), _mm512_set1_ps(256), _mm512_cvtepi32_ps(low));
        _mm512_store_si512(g->minus_low, _mm512_mullo_epi32(low, times));
        _mm512_store_si512(g->minus_high, _mm512_mullo_epi32(high, times));
        _mm512_store_ps(g->sum, sum);
    }
}

/* Chunk `at` of both rows; in: its bytes, groups: its groups that are there. */
INLINE void dot_chunk(__m512 sum[2], const struct f32_row row[2], const struct x_chunk *x, int64_t at, __mmask64 in,
                      __mmask16 groups, const struct shape *s, const int bits, const enum zeros zeros)
{
    const __m512i mask = _mm512_set1_epi8((char)((1 << bits) - 1)), none = _mm512_setzero_si512();
    const __m512i low = _mm512_load_si512(x->minus_low), high = _mm512_load_si512(x->minus_high);
    const __m512 x_scale = _mm512_load_ps(x->scale), x_sum = _mm512_load_ps(x->sum);
    const int64_t g = at * s->columns >> s->log2;
    __m512i code[2], of[2][N_DIGITS];
    __m512 zero[2], scale[2];
#pragma GCC unroll 2
    for (int r = 0; r < 2; r++) {
        code[r] = _mm512_maskz_loadu_epi8(in, row[r].code + 64 * at);
        scale[r] = _mm512_permutexvar_ps(s->group_of_lane, _mm512_maskz_loadu_ps(groups, row[r].scale + g));
        if (zeros != ZEROS_SAME)
            zero[r] = _mm512_permutexvar_ps(s->group_of_lane, _mm512_maskz_loadu_ps(groups, row[r].zero + g));
        const __m512i times = zeros == ZEROS_CODE ? _mm512_cvtps_epi32(zero[r]) : none;
        of[r][0] = zeros == ZEROS_SAME ? low : zeros == ZEROS_CODE ? _mm512_mullo_epi32(low, times) : none;
        of[r][1] = zeros == ZEROS_SAME ? high : zeros == ZEROS_CODE ? _mm512_mullo_epi32(high, times) : none;
        of[r][2] = none;
    }
#pragma GCC unroll 4
    for (int p = 0; p < 8 / bits; p++) {
        __m512i digit[N_DIGITS];
#pragma GCC unroll 3
        for (int d = 0; d < N_DIGITS; d++)
            digit[d] = _mm512_load_si512(x->part[d * 8 / bits + p]);
#pragma GCC unroll 2
        for (int r = 0; r < 2; r++) {
            __m512i v = _mm512_srl_epi16(code[r], _mm_cvtsi32_si128(p * bits));
            v = _mm512_ternarylogic_epi64(v, mask, s->flip, 0x6a); /* (v & mask) ^ flip */
            if (bits == 4 && s->is_book)
                v = _mm512_shuffle_epi8(s->book, v);
#pragma GCC unroll 3
            for (int d = 0; d < N_DIGITS; d++)
                of[r][d] = _mm512_dpbusd_epi32(of[r][d], v, digit[d]);
        }
    }
#pragma GCC unroll 2
    for (int r = 0; r < 2; r++) {
        __m512 above = _mm512_cvtepi32_ps(_mm512_add_epi32(_mm512_slli_epi32(of[r][2], 8), of[r][1]));
        __m512 dot = _mm512_fmadd_ps(above, _mm512_set1_ps(256), _mm512_cvtepi32_ps(of[r][0]));
        if (zeros == ZEROS_FLOAT)
            dot = _mm512_fnmadd_ps(zero[r], x_sum, dot);
        sum[r] = _mm512_fmadd_ps(dot, _mm512_mul_ps(scale[r], x_scale), sum[r]);
    }
}

INLINE void dot_two(float y[2], const struct f32_row row[2], uint8_t *tile, int64_t n, const struct shape *s,
                    const int bits, const enum zeros zeros)
{
    const int64_t whole = n / s->columns, left = n - whole * s->columns;
    __m512 sum[2] = {_mm512_setzero_ps(), _mm512_setzero_ps()};
    for (int64_t i = 0; i < whole; i++)
        dot_chunk(sum, row, chunk_at(tile, i, bits), i, ~UINT64_C(0), s->groups, s, bits, zeros);
    if (left) {
        const __mmask64 in = ~UINT64_C(0) >> (64 - left * bits / 8);
        const __mmask16 groups = (__mmask16)((2 << ((left - 1) >> s->log2)) - 1);
        dot_chunk(sum, row, chunk_at(tile, whole, bits), whole, in, groups, s, bits, zeros);
    }
    y[0] = _mm512_reduce_add_ps(sum[0]);
    y[1] = _mm512_reduce_add_ps(sum[1]);
}

enum { BOOK_ZERO = 12 }; /* twice E2M1's values, from -12 on */

static struct shape shape_of(const struct qmat *w, const struct f32_rule *rule, int bits)
{
    int8_t book[16];
    for (int i = 0; i < 16; i++)
        book[i] = (int8_t)(BOOK_ZERO + (int)(2 * e2m1_to_f32((unsigned)i)));
    struct shape s = {.flip = _mm512_set1_epi8((char)rule->flip),
                      .book = _mm512_broadcast_i32x4(_mm_loadu_si128((const __m128i *)book)),
                      .columns = 512 / bits,
                      .log2 = group_log2(w),
                      .is_book = rule->kind == KIND_BOOK};
    s.groups = (__mmask16)((2 << ((s.columns - 1) >> s.log2)) - 1);
    s.group_of_lane = group_of_lane(32 / bits, s.log2);
    return s;
}

INLINE void matvec_digits(float *y, const struct qmat *w, int64_t r0, int64_t r1, const void *x, const int bits,
                          const enum zeros zeros)
{
    _Alignas(64) uint8_t tile[TILE_BYTES];
    struct f32_row row[2];
    struct f32_rule rule = f32_rule_of(w);
    const struct shape s = shape_of(w, &rule, bits);
    const int zero = zeros != ZEROS_SAME ? 1 : s.is_book ? BOOK_ZERO : code_middle(w);
    rule.times *= s.is_book ? 0.5f : 1;
    rule.no_zeros = zeros == ZEROS_SAME;
    const int64_t half = (r1 - r0 + 1) / 2;
    prefetch_rows(w, r0, r1);
    for (int64_t c0 = 0; c0 < w->k; c0 += F32_TILE) {
        int64_t n = min_i64(w->k - c0, F32_TILE);
        prepare(tile, (const float *)x + c0, n, zero, bits);
        for (int64_t r = r0; r < r0 + half; r++) {
            int64_t q = r + half < r1 ? r + half : r; /* an odd last row is its own partner */
            float sum[2];
            f32_row_open(&row[0], w, &rule, r, c0, n);
            f32_row_open(&row[1], w, &rule, q, c0, n);
            dot_two(sum, row, tile, n, &s, bits, zeros);
            float before0 = c0 ? y[r - r0] : 0, before1 = c0 ? y[q - r0] : 0;
            y[r - r0] = before0 + sum[0];
            y[q - r0] = before1 + sum[1];
        }
    }
}

#define BITS(b)                                                                                                        \
    static void matvec_##b##_bits(float *y, const struct qmat *w, int64_t r0, int64_t r1, const void *x)               \
    {                                                                                                                  \
        if (w->seg->q.zero_type == ZERO_FLOAT)                                                                         \
            matvec_digits(y, w, r0, r1, x, b, ZEROS_FLOAT);                                                            \
        else if (w->seg->q.zero_type == ZERO_CODE)                                                                     \
            matvec_digits(y, w, r0, r1, x, b, ZEROS_CODE);                                                             \
        else                                                                                                           \
            matvec_digits(y, w, r0, r1, x, b, ZEROS_SAME);                                                             \
    }
BITS(2)
BITS(4)
BITS(8)
#undef BITS

void matvec_f32_digits_avx512_vnni(float *y, const struct qmat *w, int64_t r0, int64_t r1, const void *x)
{
    const int bits = w->seg->q.bits;
    (bits == 2 ? matvec_2_bits : bits == 4 ? matvec_4_bits : matvec_8_bits)(y, w, r0, r1, x);
}
