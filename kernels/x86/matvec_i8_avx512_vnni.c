/* Decode: codes of 2, 4 or 8 bits in groups times one row of int8 activations (i8_rows.h).
 *
 * 64 bytes of codes at a time: a 32-bit lane holds 4, 8 or 16 neighbouring columns, of one group and one block of
 * activations. Those are brought once per call into the order in which the codes come out, with what each lane's sum
 * starts at: zero point times sum of activations, in integers, so that nothing cancels later. Two rows, from the two
 * halves of the range, run side by side. */
#include "kernels/x86/streams.h"
#include "kernels/x86/numbers.h"
#include "kernels/x86/parts_avx512.h"
#include "kernels/i8_rows.h" /* behind the numbers */

enum { TILE = 4096, ZERO_BYTES = TILE / 16 + 64 };

struct x_chunk {        /* the activations that meet 64 bytes of codes */
    int8_t part[4][64]; /* part[1] of codes of 8 bits: what is to be taken off those in part[0] */
    int32_t minus_sum[16];
    float d[16];
};

struct row { /* one row from the first column of a tile on */
    const uint8_t *code, *scale;
    uint8_t zero[ZERO_BYTES]; /* as stored, from a whole byte on */
};

struct shape { /* of a chunk, the same for all of a matrix */
    __m512i flip, middle, group_of_lane, zero_bit_of_lane;
    __mmask16 groups; /* as many as there are in a chunk */
    int columns, log2;
    enum number_type scale_type;
    bool has_zero, x_zero;
};

/* Columns [c0, c0 + n) in order, zeros up to the next 256. */
static void copy_codes(int8_t *dst, const uint8_t *x, int64_t c0, int64_t n, int log2)
{
    for (int64_t c = 0; c < n; c += 16)
        memcpy(dst + c, x_codes(x, c0 + c, log2), 16);
    memset(dst + n, 0, (size_t)((256 - n % 256) % 256));
}

/* Unsigned ones as signed bytes, 128 less, and what is still to be taken off: their zero point, 128 less. */
static void copy_unsigned(int8_t *code, int8_t *off, const uint8_t *x, int64_t c0, int64_t n)
{
    const int8_t zero = x_zero_at(x);
    for (int64_t c = 0; c < n; c++) {
        code[c] = (int8_t)(x[8 + c0 + c] ^ 128);
        off[c] = zero;
    }
    for (int64_t c = n; c % 256; c++)
        code[c] = off[c] = 0;
}

/* 256 columns from BitNet's order into that in which pairs of bits come out of its bytes. */
static void interleave(int8_t *dst, const int8_t *x)
{
    for (int j = 0; j < 64; j++)
        for (int p = 0; p < 4; p++)
            dst[4 * j + p] = x[j / 32 * 128 + (3 - p) * 32 + j % 32];
}

INLINE void prepare_chunk(struct x_chunk *g, const int8_t *x, const int bits)
{
    _mm512_store_si512(g->minus_sum, _mm512_sub_epi32(_mm512_setzero_si512(), order_parts(g->part, x, bits)));
}

/* Activations that have a zero point. */
INLINE void prepare_unsigned(struct x_chunk *g, const int8_t *code, const int8_t *off)
{
    const __m512i ones = _mm512_set1_epi8(1), a = _mm512_loadu_si512(code), b = _mm512_loadu_si512(off);
    const __m512i zero = _mm512_setzero_si512();
    _mm512_store_si512(g->part[0], a);
    _mm512_store_si512(g->part[1], b);
    _mm512_store_si512(g->minus_sum,
                       _mm512_sub_epi32(_mm512_dpbusd_epi32(zero, ones, b), _mm512_dpbusd_epi32(zero, ones, a)));
}

static void prepare(struct x_chunk *g, const struct qmat *w, const uint8_t *x, int64_t c0, int64_t n, const int bits)
{
    _Alignas(64) int8_t code[TILE], off[TILE], in_order[256];
    const int log2 = act_log2(w);
    const __m512i block_of_lane = group_of_lane(32 / bits, log2);
    if (has_x_zero(w))
        copy_unsigned(code, off, x, c0, n);
    else
        copy_codes(code, x, c0, n, log2);
    for (int64_t c = 0; c < n; c += 512 / bits, g++) {
        float d[16] = {0};
        if (is_interleaved(w))
            interleave(in_order, code + c);
        if (has_x_zero(w))
            prepare_unsigned(g, code + c, off + c);
        else
            prepare_chunk(g, is_interleaved(w) ? in_order : code + c, bits);
        for (int64_t i = 0, at = c; at < min_i64(c + 512 / bits, n); at += INT64_C(1) << log2)
            d[i++] = x_scale(x, c0 + at, log2);
        _mm512_store_ps(g->d, _mm512_permutexvar_ps(block_of_lane, _mm512_loadu_ps(d)));
    }
}

static void open_row(struct row *row, const struct qmat *w, int64_t r, int64_t c0, const struct shape *s)
{
    const int bits = w->seg->q.bits;
    const int64_t g0 = c0 >> s->log2;
    row->code = qmat_row(w, r) + c0 * bits / 8;
    row->scale = w->plane[PLANE_SCALE].p + (size_t)r * w->plane[PLANE_SCALE].row_stride +
                 g0 * (s->scale_type == NUMBER_F32 ? 4 : 2);
    if (!s->has_zero)
        return;
    const int64_t stride = (int64_t)w->plane[PLANE_ZERO].row_stride, n = min_i64(stride - g0 * bits / 8, TILE / 16);
    const uint8_t *p = w->plane[PLANE_ZERO].p + r * stride + g0 * bits / 8;
    for (int64_t i = 0; i < n; i += 64) {
        __mmask64 in = ~UINT64_C(0) >> (64 - min_i64(n - i, 64));
        _mm512_storeu_si512(row->zero + i, _mm512_maskz_loadu_epi8(in, p + i));
    }
}

/* Scales of the lanes of a chunk whose first group is g. */
INLINE __m512 lane_scales(const struct row *row, int64_t g, __mmask16 groups, const struct shape *s)
{
    __m512 v;
    if (s->scale_type == NUMBER_F32) {
        v = _mm512_maskz_loadu_ps(groups, row->scale + 4 * g);
    } else {
        __m256i h = _mm256_maskz_loadu_epi16(groups, row->scale + 2 * g);
        v = s->scale_type == NUMBER_F16 ? _mm512_cvtph_ps(h)
                                        : _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(h), 16));
    }
    return _mm512_permutexvar_ps(s->group_of_lane, v);
}

/* Their zero points: those of a chunk have at most 32 bits. */
INLINE __m512i lane_zeros(const struct row *row, int64_t g, const struct shape *s, const int bits)
{
    uint32_t v = rd_u32le(row->zero + g * bits / 8) >> g * bits % 8;
    __m512i z = _mm512_srlv_epi32(_mm512_set1_epi32((int)v), s->zero_bit_of_lane);
    return _mm512_and_si512(z, _mm512_set1_epi32((1 << bits) - 1));
}

/* Chunk `at`; in: its bytes, groups: its groups that are there. */
INLINE __m512 chunk_dot(__m512 sum, const struct row *row, const struct x_chunk *x, int64_t at, __mmask64 in,
                        __mmask16 groups, const struct shape *s, const int bits)
{
    const __m512i mask = _mm512_set1_epi8((char)((1 << bits) - 1));
    const int64_t g = at * s->columns >> s->log2;
    __m512i code = _mm512_maskz_loadu_epi8(in, row->code + 64 * at);
    __m512i zero = s->has_zero ? lane_zeros(row, g, s, bits) : s->middle;
    __m512i acc = _mm512_dpwssd_epi32(_mm512_setzero_si512(), zero, _mm512_load_si512(x->minus_sum));
    for (int p = 0; p < 8 / bits; p++, code = _mm512_srli_epi16(code, bits)) {
        __m512i v = _mm512_ternarylogic_epi64(code, mask, s->flip, 0x6a); /* (code & mask) ^ flip */
        acc = _mm512_dpbusd_epi32(acc, v, _mm512_load_si512(x->part[p]));
        if (bits == 8 && s->x_zero)
            acc = _mm512_sub_epi32(acc, _mm512_dpbusd_epi32(_mm512_setzero_si512(), v, _mm512_load_si512(x->part[1])));
    }
    __m512 scale = _mm512_mul_ps(lane_scales(row, g, groups, s), _mm512_load_ps(x->d));
    return _mm512_fmadd_ps(_mm512_cvtepi32_ps(acc), scale, sum);
}

INLINE struct shape shape_of(const struct qmat *w, const int bits)
{
    struct shape s = {.flip = _mm512_set1_epi8((char)code_flip(w)),
                      .middle = _mm512_set1_epi32(code_middle(w)),
                      .columns = 512 / bits,
                      .log2 = group_log2(w),
                      .scale_type = w->seg->q.scale_type,
                      .has_zero = w->seg->q.zero_type == ZERO_CODE,
                      .x_zero = has_x_zero(w)};
    s.groups = (__mmask16)((2 << ((s.columns - 1) >> s.log2)) - 1);
    s.group_of_lane = group_of_lane(32 / bits, s.log2);
    s.zero_bit_of_lane = _mm512_mullo_epi32(s.group_of_lane, _mm512_set1_epi32(bits));
    return s;
}

INLINE void matvec_bits(const int bits, float *y, const struct qmat *w, int64_t r0, int64_t r1, const void *x)
{
    struct x_chunk tile[TILE / 64];
    struct row row[2];
    const int64_t half = (r1 - r0 + 1) / 2;
    const struct shape s = shape_of(w, bits);
    prefetch_rows(w, r0, r1);
    for (int64_t c0 = 0; c0 < w->k; c0 += TILE) {
        const int64_t n = min_i64(w->k - c0, TILE), whole = n / s.columns, left = n - whole * s.columns;
        const __mmask64 in = ~UINT64_C(0) >> (64 - left * bits / 8) % 64;
        const __mmask16 groups = left ? (__mmask16)((2 << ((left - 1) >> s.log2)) - 1) : 0;
        prepare(tile, w, x, c0, n, bits);
        for (int64_t r = r0; r < r0 + half; r++) {
            int64_t q = r + half < r1 ? r + half : r; /* an odd last row is its own partner */
            open_row(&row[0], w, r, c0, &s);
            open_row(&row[1], w, q, c0, &s);
            __m512 s0 = _mm512_setzero_ps(), s1 = _mm512_setzero_ps();
            for (int64_t i = 0; i < whole; i++) {
                s0 = chunk_dot(s0, &row[0], &tile[i], i, ~UINT64_C(0), s.groups, &s, bits);
                s1 = chunk_dot(s1, &row[1], &tile[i], i, ~UINT64_C(0), s.groups, &s, bits);
            }
            if (left) {
                s0 = chunk_dot(s0, &row[0], &tile[whole], whole, in, groups, &s, bits);
                s1 = chunk_dot(s1, &row[1], &tile[whole], whole, in, groups, &s, bits);
            }
            float before0 = c0 ? y[r - r0] : 0, before1 = c0 ? y[q - r0] : 0;
            y[r - r0] = before0 + _mm512_reduce_add_ps(s0);
            y[q - r0] = before1 + _mm512_reduce_add_ps(s1);
        }
    }
}

void matvec_i8_avx512_vnni(float *y, const struct qmat *w, int64_t r0, int64_t r1, const void *x)
{
    BY_BITS(w, matvec_bits, y, w, r0, r1, x);
}
