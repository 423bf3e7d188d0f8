/* Decode: codes of 2, 4 or 8 bits in groups times one row of int8 activations (i8_rows.h), as matvec_i8_avx512_vnni.c
 * has it, 32 bytes of codes at a time. maddubs adds two products in 16 bits: codes of 8 bits go in two halves. */
#include "kernels/x86/avx2.h"
#include "kernels/x86/numbers.h"
#include "kernels/i8_rows.h" /* behind the numbers */

enum { TILE = 4096, GROUPS = TILE / 16 + 16 };

struct x_chunk { /* the activations that meet 32 bytes of codes */
    _Alignas(32) int8_t part[4][32];
    int32_t minus_sum[8];
    float d[8];
};

struct row { /* one row's numbers for the columns of a tile */
    const uint8_t *code;
    int64_t bytes;
    float scale[GROUPS];
    int32_t zero[GROUPS];
};

struct shape { /* of a chunk, the same for all of a matrix */
    __m256i flip, middle, group_of_lane;
    int columns, log2;
    int x_zero; /* of activations as signed bytes */
    bool has_zero;
};

/* One chunk of columns in order. What the zero point of x takes off the middle of W goes with it. */
static void prepare_chunk(struct x_chunk *g, const int8_t *x, const int bits, bool interleaved, int x_zero)
{
    const int parts = 8 / bits;
    for (int p = 0; p < parts; p++)
        for (int j = 0; j < 32; j++)
            g->part[p][j] = interleaved ? x[(3 - p) * 32 + j] : x[parts * j + p];
    for (int i = 0; i < 8; i++) {
        int sum = 0;
        for (int j = 0; j < 4 * parts; j++)
            sum += g->part[j / 4][4 * i + j % 4];
        g->minus_sum[i] = 4 * parts * x_zero - sum;
    }
}

static void prepare(struct x_chunk *g, const struct qmat *w, const uint8_t *x, int64_t c0, int64_t n, const int bits,
                    const struct shape *s)
{
    const uint64_t flip = has_x_zero(w) ? 0x8080808080808080 : 0;
    const int log2 = act_log2(w), columns = 256 / bits;
    for (int64_t c = 0; c < n; c += columns, g++) {
        int8_t code[128] = {0};
        for (int64_t i = c; i < min_i64(c + columns, n); i += 16) {
            __m128i v = _mm_loadu_si128((const __m128i *)(x_at_column(w, x, c0 + i, log2)));
            _mm_storeu_si128((__m128i *)(code + i - c), _mm_xor_si128(v, _mm_set1_epi64x((int64_t)flip)));
        }
        prepare_chunk(g, code, bits, is_interleaved(w), s->x_zero);
        for (int i = 0; i < 8; i++) {
            int64_t at = c + i * columns / 8;
            g->d[i] = at < n ? x_scale(x, c0 + at, log2) : 0;
        }
    }
}

static void open_row(struct row *row, const struct qmat *w, int64_t r, int64_t c0, int64_t n, const struct shape *s)
{
    const int64_t g0 = c0 >> s->log2, n_groups = ((c0 + n - 1) >> s->log2) + 1 - g0;
    row->code = qmat_row(w, r) + c0 * w->seg->q.bits / 8;
    row->bytes = n * w->seg->q.bits / 8;
    row_scales(row->scale, w, r, g0, n_groups);
    memset(row->scale + n_groups, 0, 8 * sizeof(float));
    if (s->has_zero)
        row_zero_codes(row->zero, w, r, g0, n_groups);
}

INLINE __m256i dot_32(__m256i code, __m256i x, const int bits)
{
    const __m256i nibble = _mm256_set1_epi8(15);
    if (bits < 8)
        return pair_sums(_mm256_maddubs_epi16(code, x));
    __m256i low = _mm256_maddubs_epi16(_mm256_and_si256(code, nibble), x);
    __m256i high = _mm256_maddubs_epi16(_mm256_and_si256(_mm256_srli_epi16(code, 4), nibble), x);
    return _mm256_add_epi32(pair_sums(low), _mm256_madd_epi16(high, _mm256_set1_epi16(16)));
}

INLINE __m256 chunk_dot(__m256 sum, const struct row *row, const struct x_chunk *x, int64_t at, const struct shape *s,
                        const int bits)
{
    const __m256i mask = _mm256_set1_epi8((char)((1 << bits) - 1));
    const int64_t g = at * s->columns >> s->log2;
    uint8_t last[32] = {0};
    const uint8_t *p = row->code + 32 * at;
    if (row->bytes - 32 * at < 32)
        p = memcpy(last, p, (size_t)(row->bytes - 32 * at));
    __m256i code = load32(p), zero = s->middle;
    if (s->has_zero)
        zero = _mm256_permutevar8x32_epi32(load32(row->zero + g), s->group_of_lane);
    __m256i acc = _mm256_madd_epi16(zero, load32(x->minus_sum));
    for (int i = 0; i < 8 / bits; i++, code = _mm256_srli_epi16(code, bits)) {
        __m256i v = _mm256_xor_si256(_mm256_and_si256(code, mask), s->flip);
        acc = _mm256_add_epi32(acc, dot_32(v, load32(x->part[i]), bits));
        if (bits == 8 && s->x_zero)
            acc = _mm256_sub_epi32(acc, _mm256_madd_epi16(_mm256_maddubs_epi16(v, _mm256_set1_epi8(1)),
                                                          _mm256_set1_epi16((short)s->x_zero)));
    }
    __m256 scale = _mm256_permutevar8x32_ps(_mm256_loadu_ps(row->scale + g), s->group_of_lane);
    return _mm256_fmadd_ps(_mm256_cvtepi32_ps(acc), _mm256_mul_ps(scale, _mm256_load_ps(x->d)), sum);
}

INLINE struct shape shape_of(const struct qmat *w, const uint8_t *x, const int bits)
{
    const __m256i column = _mm256_mullo_epi32(_mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7), _mm256_set1_epi32(32 / bits));
    const int log2 = group_log2(w);
    return (struct shape){.flip = _mm256_set1_epi8((char)code_flip(w)),
                          .middle = _mm256_set1_epi32(code_middle(w)),
                          .group_of_lane = _mm256_srl_epi32(column, _mm_cvtsi32_si128(log2)),
                          .columns = 256 / bits,
                          .log2 = log2,
                          .x_zero = has_x_zero(w) ? x_zero_at(x) : 0,
                          .has_zero = w->seg->q.zero_type == ZERO_CODE};
}

INLINE void matvec_bits(const int bits, float *y, const struct qmat *w, int64_t r0, int64_t r1, const void *x)
{
    struct x_chunk tile[TILE / 32];
    struct row row[2];
    const int64_t half = (r1 - r0 + 1) / 2;
    const struct shape s = shape_of(w, x, bits);
    for (int64_t c0 = 0; c0 < w->k; c0 += TILE) {
        const int64_t n = min_i64(w->k - c0, TILE);
        prepare(tile, w, x, c0, n, bits, &s);
        for (int64_t r = r0; r < r0 + half; r++) {
            int64_t q = r + half < r1 ? r + half : r; /* an odd last row is its own partner */
            open_row(&row[0], w, r, c0, n, &s);
            open_row(&row[1], w, q, c0, n, &s);
            struct row_sums s0 = row_zero(), s1 = row_zero();
            for (int64_t i = 0; i * s.columns < n; i++) {
                s0.dot = chunk_dot(s0.dot, &row[0], &tile[i], i, &s, bits);
                s1.dot = chunk_dot(s1.dot, &row[1], &tile[i], i, &s, bits);
            }
            float before0 = c0 ? y[r - r0] : 0, before1 = c0 ? y[q - r0] : 0;
            y[r - r0] = before0 + row_total(s0);
            y[q - r0] = before1 + row_total(s1);
        }
    }
}

void matvec_i8_avx2(float *y, const struct qmat *w, int64_t r0, int64_t r1, const void *x)
{
    BY_BITS(w, matvec_bits, y, w, r0, r1, x);
}
