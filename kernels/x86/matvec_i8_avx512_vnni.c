/* Decode: codes of 2, 4 or 8 bits in groups times one row of int8 activations (i8_rows.h).
 *
 * 64 bytes of codes at a time: a 32-bit lane holds 4, 8 or 16 neighbouring columns, of one group and one block of
 * activations. Those are brought once per call into the order in which the codes come out, with what each lane's sum
 * starts at: zero point times sum of activations, in integers, so that nothing cancels later. Two rows, from the two
 * halves of the range, run side by side. */
#include "kernels/x86/avx512.h"
#include "kernels/x86/i8_rows.h"

enum { TILE = 4096, GROUPS = TILE / 16 + 16 };

struct x_chunk { /* the activations that meet 64 bytes of codes */
    int8_t part[4][64];
    int32_t minus_sum[16];
    float d[16];
};

struct row { /* one row's numbers for the columns of a tile */
    const uint8_t *code;
    float scale[GROUPS];
    int32_t zero[GROUPS];
};

/* Columns [c0, c0 + n) in order, zeros up to the next 256. */
static void copy_codes(int8_t *dst, const uint8_t *x, int64_t c0, int64_t n, int log2)
{
    for (int64_t c = 0; c < n; c += 16)
        memcpy(dst + c, x_codes(x, c0 + c, log2), 16);
    memset(dst + n, 0, (size_t)((256 - n % 256) % 256));
}

INLINE void prepare_chunk(struct x_chunk *g, const int8_t *x, const int bits)
{
    const __m512i ones = _mm512_set1_epi8(1);
    __m512i sum = _mm512_setzero_si512();
    for (int p = 0; p < 8 / bits; p++) {
        __m512i v = _mm512_loadu_si512(x);
        if (bits == 4) {
            __m512i w = _mm512_loadu_si512(x + 64);
            v = p ? _mm512_srli_epi16(v, 8) : v;
            w = p ? _mm512_srli_epi16(w, 8) : w;
            v = _mm512_inserti64x4(_mm512_castsi256_si512(_mm512_cvtepi16_epi8(v)), _mm512_cvtepi16_epi8(w), 1);
        } else if (bits == 2) {
            for (int i = 0; i < 4; i++) {
                __m512i quarter = _mm512_srl_epi32(_mm512_loadu_si512(x + 64 * i), _mm_cvtsi32_si128(8 * p));
                _mm_store_si128((__m128i *)(g->part[p] + 16 * i), _mm512_cvtepi32_epi8(quarter));
            }
            v = _mm512_load_si512(g->part[p]);
        }
        _mm512_store_si512(g->part[p], v);
        sum = _mm512_dpbusd_epi32(sum, ones, v);
    }
    _mm512_store_si512(g->minus_sum, _mm512_sub_epi32(_mm512_setzero_si512(), sum));
}

static void prepare(struct x_chunk *g, const uint8_t *x, int64_t c0, int64_t n, int log2, const int bits)
{
    _Alignas(64) int8_t code[TILE];
    const int lane = 32 / bits;
    copy_codes(code, x, c0, n, log2);
    for (int64_t c = 0; c < n; c += 16 * lane, g++) {
        prepare_chunk(g, code + c, bits);
        for (int i = 0; i < 16; i++)
            g->d[i] = c + i * lane < n ? x_scale(x, c0 + c + i * lane, log2) : 0;
    }
}

static void open_row(struct row *row, const struct qmat *w, int64_t r, int64_t c0, int64_t n)
{
    const int log2 = group_log2(w);
    const int64_t g0 = c0 >> log2, n_groups = ((c0 + n - 1) >> log2) + 1 - g0;
    row->code = qmat_row(w, r) + c0 * w->seg->q.bits / 8;
    row_scales(row->scale, w, r, g0, n_groups);
    _mm512_storeu_ps(row->scale + n_groups, _mm512_setzero_ps());
    if (w->seg->q.zero_type == ZERO_CODE)
        row_zero_codes(row->zero, w, r, g0, n_groups);
}

struct shape { /* of the groups in a chunk */
    __m512i flip, middle, group_of_lane;
    int columns, log2;
    bool has_zero;
};

INLINE __m512 chunk_dot(__m512 sum, const struct row *row, const struct x_chunk *x, int64_t at, __mmask64 in,
                        const struct shape *s, const int bits)
{
    const __m512i mask = _mm512_set1_epi8((char)((1 << bits) - 1));
    const int64_t g = at * s->columns >> s->log2;
    __m512i code = _mm512_maskz_loadu_epi8(in, row->code + 64 * at), zero = s->middle;
    __m512 scale = _mm512_permutexvar_ps(s->group_of_lane, _mm512_loadu_ps(row->scale + g));
    if (s->has_zero)
        zero = _mm512_permutexvar_epi32(s->group_of_lane, _mm512_loadu_si512(row->zero + g));
    __m512i acc = _mm512_dpwssd_epi32(_mm512_setzero_si512(), zero, _mm512_load_si512(x->minus_sum));
#pragma GCC unroll 4
    for (int p = 0; p < 8 / bits; p++, code = _mm512_srli_epi16(code, bits)) {
        __m512i v = _mm512_ternarylogic_epi64(code, mask, s->flip, 0x6a); /* (code & mask) ^ flip */
        acc = _mm512_dpbusd_epi32(acc, v, _mm512_load_si512(x->part[p]));
    }
    return _mm512_fmadd_ps(_mm512_cvtepi32_ps(acc), _mm512_mul_ps(scale, _mm512_load_ps(x->d)), sum);
}

INLINE void matvec_bits(float *y, const struct qmat *w, int64_t r0, int64_t r1, const void *x, const int bits)
{
    struct x_chunk tile[TILE * 2 / 128];
    struct row row[2];
    const int64_t half = (r1 - r0 + 1) / 2;
    struct shape s = {.flip = _mm512_set1_epi8((char)code_flip(w)),
                      .middle = _mm512_set1_epi32(1 << (bits - 1)),
                      .columns = 512 / bits,
                      .log2 = group_log2(w),
                      .has_zero = w->seg->q.zero_type == ZERO_CODE};
    s.group_of_lane =
        _mm512_srl_epi32(_mm512_mullo_epi32(_mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15),
                                            _mm512_set1_epi32(32 / bits)),
                         _mm_cvtsi32_si128(s.log2));
    for (int64_t c0 = 0; c0 < w->k; c0 += TILE) {
        int64_t n = min_i64(w->k - c0, TILE), whole = n / s.columns;
        int64_t left = (n - whole * s.columns) * bits / 8; /* bytes in the last chunk, where it is not whole */
        __mmask64 tail = ~UINT64_C(0) >> (64 - left) % 64;
        prepare(tile, x, c0, n, act_log2(w), bits);
        for (int64_t r = r0; r < r0 + half; r++) {
            int64_t q = r + half < r1 ? r + half : r; /* an odd last row is its own partner */
            open_row(&row[0], w, r, c0, n);
            open_row(&row[1], w, q, c0, n);
            __m512 s0 = _mm512_setzero_ps(), s1 = _mm512_setzero_ps();
            for (int64_t i = 0; i < whole; i++) {
                s0 = chunk_dot(s0, &row[0], &tile[i], i, ~UINT64_C(0), &s, bits);
                s1 = chunk_dot(s1, &row[1], &tile[i], i, ~UINT64_C(0), &s, bits);
            }
            if (left) {
                s0 = chunk_dot(s0, &row[0], &tile[whole], whole, tail, &s, bits);
                s1 = chunk_dot(s1, &row[1], &tile[whole], whole, tail, &s, bits);
            }
            float before0 = c0 ? y[r - r0] : 0, before1 = c0 ? y[q - r0] : 0;
            y[r - r0] = before0 + _mm512_reduce_add_ps(s0);
            y[q - r0] = before1 + _mm512_reduce_add_ps(s1);
        }
    }
}

void matvec_i8_avx512_vnni(float *y, const struct qmat *w, int64_t r0, int64_t r1, const void *x)
{
    switch (w->seg->q.bits) {
    case 2:
        matvec_bits(y, w, r0, r1, x, 2);
        break;
    case 4:
        matvec_bits(y, w, r0, r1, x, 4);
        break;
    default:
        matvec_bits(y, w, r0, r1, x, 8);
    }
}
