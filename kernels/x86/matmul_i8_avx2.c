/* Prefill: codes of 2, 4 or 8 bits in groups times int8 activations (i8_rows.h), on the panels of panel_avx2.h, as
 * matmul_i8_avx512_vnni.c has it: codes are signed, less the middle one, and where there are zero points a minimum
 * stands for what is left of them. Codes of 8 bits go as 16 high + low, high of -8..7 and low of 0..15, and meet
 * activations as unsigned bytes: four such sums fit into 16 bits, whatever the codes. */
#include "kernels/x86/numbers.h"
#include "kernels/x86/panel_avx2.h"
#include "kernels/i8_rows.h" /* behind the numbers */

enum { COLUMNS = 256, STEPS = COLUMNS / 16 }; /* of a panel */

struct i8_panel {
    _Alignas(64) float y[MAX_TOKENS][NR];
    uint8_t code[COLUMNS / 4][NR][4], high[COLUMNS / 4][NR][4]; /* high: of codes of 8 bits */
    int32_t start[STEPS][NR];                                   /* and what their sums start at */
    float scale[STEPS + 8][NR], min[STEPS][NR];
    float x[]; /* [tokens in hand][steps of a row] of dx, then dx times the sum of x */
};

struct steps {
    int64_t n;        /* in a row */
    int log2, x_log2; /* columns of one; activations to a scale */
    bool has_min;
    int x_zero, middle; /* of activations as unsigned bytes; of codes */
    __m256i x_flip;     /* what makes activations unsigned */
};

static int64_t tokens_at_once(int64_t k)
{
    return max_tokens((size_t)k / 4 * 5);
}

size_t matmul_i8_avx2_scratch(int64_t k)
{
    return sizeof(struct i8_panel) + (size_t)(tokens_at_once(k) * (k / 16 + 1)) * 2 * sizeof(float);
}

/* dx and sx of one token. */
static void x_scales(float *d, float *sum, const uint8_t *x, int64_t k, const struct steps *s)
{
    for (int64_t i = 0; i < s->n; i++) {
        const int64_t c0 = i << s->log2, c1 = min_i64(c0 + (INT64_C(1) << s->log2), k);
        __m128i acc = _mm_setzero_si128();
        d[i] = x_scale(x, c0, s->x_log2);
        for (int64_t c = c0; c < c1 && s->has_min; c += 16) {
            __m128i v = _mm_loadu_si128((const __m128i *)x_codes(x, c, s->x_log2));
            acc = _mm_add_epi32(acc, _mm_madd_epi16(_mm_maddubs_epi16(_mm_set1_epi8(1), v), _mm_set1_epi16(1)));
        }
        acc = _mm_add_epi32(acc, _mm_shuffle_epi32(acc, 0x4e));
        sum[i] = d[i] * (float)(_mm_cvtsi128_si32(acc) + _mm_extract_epi32(acc, 1));
    }
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

/* Scales and minima of the steps of n columns from c0 on: those of their groups. */
static void unpack_scales(struct i8_panel *p, int lane, const struct qmat *w, int64_t r, int64_t c0, int64_t n,
                          const struct steps *s)
{
    const int log2 = group_log2(w);
    const int64_t g0 = c0 >> log2, n_groups = ((c0 + n - 1) >> log2) + 1 - g0;
    float scale[STEPS + 8];
    int32_t zero[STEPS + 8];
    row_scales(scale, w, r, g0, n_groups);
    if (s->has_min)
        row_zero_codes(zero, w, r, g0, n_groups);
    for (int64_t i = 0; i << s->log2 < n; i++) {
        int64_t g = ((c0 + (i << s->log2)) >> log2) - g0;
        p->scale[i][lane] = scale[g];
        p->min[i][lane] = s->has_min ? (float)(s->middle - zero[g]) * scale[g] : 0;
    }
}

/* Signed codes of 8 bits in the panel into their two parts, and the sums of their steps. */
static void split_codes(struct i8_panel *p, int lane, int64_t n, const struct steps *s)
{
    const __m256i nibble = _mm256_set1_epi8(15), ones = _mm256_set1_epi8(1), eight = _mm256_set1_epi8(8);
    for (int64_t i = 0; i << s->log2 < n; i++) {
        __m256i sum = _mm256_setzero_si256();
        const int64_t end = min_i64((i + 1) << s->log2, n) / 4;
        for (int64_t c = (i << s->log2) / 4; c < end; c++) {
            __m256i v = load32(p->code[c][lane]), high = _mm256_and_si256(_mm256_srli_epi16(v, 4), nibble);
            sum = _mm256_add_epi32(sum, pair_sums(_mm256_maddubs_epi16(ones, v)));
            high = _mm256_sub_epi8(_mm256_xor_si256(high, eight), eight);
            _mm256_store_si256((__m256i *)(void *)p->high[c][lane], high);
            _mm256_store_si256((__m256i *)(void *)p->code[c][lane], _mm256_and_si256(v, nibble));
        }
        sum = _mm256_mullo_epi32(sum, _mm256_set1_epi32(-s->x_zero));
        _mm256_store_si256((__m256i *)(void *)&p->start[i][lane], sum);
    }
}

/* n columns from c0 on of the rows [r, r + 8) into lanes [lane, lane + 8); rows beyond the last repeat it. */
INLINE void unpack_8_rows(struct i8_panel *p, int lane, const struct qmat *w, int64_t r, int64_t last, int64_t c0,
                          int64_t n, const struct steps *s, const int bits)
{
    __m256i v[8];
    for (int64_t c = 0; c < n; c += 32) {
#pragma GCC unroll 8
        for (int i = 0; i < 8; i++)
            v[i] = codes_32(qmat_row(w, min_i64(r + i, last)), c0 + c, n - c, bits, w, s);
        store_transposed(p->code[c / 4][lane], sizeof p->code[0], v);
    }
    if (bits == 8)
        split_codes(p, lane, n, s);
    for (int i = 0; i < 8; i++)
        unpack_scales(p, lane + i, w, min_i64(r + i, last), c0, n, s);
}

/* The tokens' part of the columns in the panel. */
struct x_at {
    const uint8_t *x; /* of the first token: its first column here */
    const float *d, *sum;
    size_t stride;
    int64_t n; /* columns */
    bool first;
};

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
    if (bits < 8) {
        multiply(mr, 4, true, acc, p->code + c0 / 4, 0, (c1 - c0) / 4, x, stride);
        return;
    }
    __m256i high[MR][2];
    multiply_unsigned(mr, acc, p->code + c0 / 4, 0, (c1 - c0) / 4, x, stride, s->x_flip);
    multiply_unsigned(mr, high, p->high + c0 / 4, 0, (c1 - c0) / 4, x, stride, s->x_flip);
#pragma GCC unroll 4
    for (int j = 0; j < mr; j++)
        for (int h = 0; h < 2; h++) {
            acc[j][h] = _mm256_add_epi32(acc[j][h], _mm256_slli_epi32(high[j][h], 4));
            acc[j][h] = _mm256_add_epi32(acc[j][h], load32(&p->start[step][8 * h]));
        }
}

/* mr tokens (a constant at every call) from j0 on against the panel. */
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
            if (!s->has_min)
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

INLINE void all_tokens(const int bits, struct i8_panel *p, const struct x_at *t, int64_t m, const struct steps *s)
{
    int64_t j = 0;
    for (; j + 4 <= m; j += 4)
        tile(4, bits, p, t, j, s);
    if (m - j >= 2) {
        tile(2, bits, p, t, j, s);
        j += 2;
    }
    if (j < m)
        tile(1, bits, p, t, j, s);
}

static void panel_of(struct i8_panel *p, const struct qmat *w, int64_t r, int64_t last, const struct x_at *t,
                     int64_t c0, int64_t m, const struct steps *s)
{
    const int bits = w->seg->q.bits;
    for (int lane = 0; lane < NR; lane += 8)
        if (bits == 2)
            unpack_8_rows(p, lane, w, r + lane, last, c0, t->n, s, 2);
        else if (bits == 4)
            unpack_8_rows(p, lane, w, r + lane, last, c0, t->n, s, 4);
        else
            unpack_8_rows(p, lane, w, r + lane, last, c0, t->n, s, 8);
    if (bits == 8)
        all_tokens(8, p, t, m, s);
    else
        all_tokens(4, p, t, m, s);
}

static struct steps steps_of(const struct qmat *w, const uint8_t *x)
{
    const bool is_unsigned = has_x_zero(w);
    struct steps s = {.x_log2 = act_log2(w),
                      .has_min = w->seg->q.zero_type == ZERO_CODE,
                      .x_zero = is_unsigned ? (int)scale_at(x + 4) : 128,
                      .middle = code_middle(w),
                      .x_flip = _mm256_set1_epi8((char)(is_unsigned ? 0 : 128))};
    s.log2 = group_log2(w) < s.x_log2 ? group_log2(w) : s.x_log2;
    s.log2 = s.log2 < 8 ? s.log2 : 8;
    s.n = ((w->k - 1) >> s.log2) + 1;
    return s;
}

void matmul_i8_avx2(float *y, int64_t ldy, const struct qmat *w, int64_t r0, int64_t r1, const void *x, size_t stride,
                    int64_t m, void *scratch)
{
    struct i8_panel *p = scratch;
    const struct steps s = steps_of(w, x);
    const bool few = m < FEW && !has_x_zero(w);
    for (int64_t j = 0; j < m && few; j++)
        matvec_i8_avx2(y + j * ldy, w, r0, r1, (const uint8_t *)x + (size_t)j * stride);
    int64_t in_hand = tokens_in_hand(m, tokens_at_once(w->k));
    float *d = p->x, *sum = d + in_hand * s.n;
    for (int64_t j = 0; j < m && !few; j += in_hand) {
        const uint8_t *xj = (const uint8_t *)x + (size_t)j * stride;
        int64_t tokens = min_i64(m - j, in_hand);
        for (int64_t i = 0; i < tokens; i++)
            x_scales(d + i * s.n, sum + i * s.n, has_x_zero(w) ? x : xj + (size_t)i * stride, w->k, &s);
        for (int64_t r = r0; r < r1; r += NR) {
            for (int64_t c = 0; c < w->k; c += COLUMNS) {
                struct x_at t = {x_codes(xj, c, s.x_log2) + (has_x_zero(w) ? 4 : 0),
                                 d + (c >> s.log2),
                                 sum + (c >> s.log2),
                                 stride,
                                 min_i64(w->k - c, COLUMNS),
                                 c == 0};
                panel_of(p, w, r, r1 - 1, &t, c, tokens, &s);
            }
            store_rows(y + j * ldy + r - r0, ldy, p->y, tokens, r1 - r);
        }
    }
}
