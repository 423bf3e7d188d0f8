/* Prefill: codes of 2, 4 or 8 bits in groups times int8 activations (i8_rows.h), on the panels of panel_avx512.h.
 *
 *   y[token][row] += sum_s scale[s] dx[s] (sum code x) + min[s] dx[s] (sum x)
 *
 * s: steps of columns with one scale of W and one of x each. Codes are signed, less the middle one; where there are
 * zero points, a minimum stands for what is left of them. */
#include "kernels/x86/numbers.h"
#include "kernels/x86/panel_avx512.h"
#include "kernels/i8_rows.h" /* behind the numbers */

enum { COLUMNS = 256, STEPS = COLUMNS / 16 }; /* of a panel */

struct i8_panel {
    _Alignas(64) float y[MAX_TOKENS][NR];
    uint8_t code[COLUMNS / 4][NR][4];
    int32_t start[STEPS][NR];
    float scale[STEPS][NR], min[STEPS][NR];
    float x[]; /* [tokens in hand][steps of a row] of dx, then dx times the sum of x */
};

struct steps {
    int64_t n;        /* in a row */
    int log2, x_log2; /* columns of one; activations to a scale */
    bool has_min;
    int x_zero, middle; /* of activations as unsigned bytes; of codes */
    __m512i x_flip;     /* what makes activations unsigned */
};

static int64_t tokens_at_once(int64_t k)
{
    return max_tokens((size_t)k / 4 * 5);
}

size_t matmul_i8_avx512_vnni_scratch(int64_t k)
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
        for (int64_t c = c0; c < c1 && s->has_min; c += 16)
            acc = _mm_dpbusd_epi32(acc, _mm_set1_epi8(1), _mm_loadu_si128((const __m128i *)x_codes(x, c, s->x_log2)));
        acc = _mm_add_epi32(acc, _mm_shuffle_epi32(acc, 0x4e));
        sum[i] = d[i] * (float)(_mm_cvtsi128_si32(acc) + _mm_extract_epi32(acc, 1));
    }
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

/* Scales and minima of the steps of n columns from c0 on: those of their groups. */
static void unpack_scales(struct i8_panel *p, int lane, const struct qmat *w, int64_t r, int64_t c0, int64_t n,
                          const struct steps *s)
{
    const int log2 = group_log2(w), middle = s->middle;
    const int64_t g0 = c0 >> log2, n_groups = ((c0 + n - 1) >> log2) + 1 - g0;
    float scale[STEPS + 8];
    int32_t zero[STEPS + 8];
    row_scales(scale, w, r, g0, n_groups);
    if (s->has_min)
        row_zero_codes(zero, w, r, g0, n_groups);
    for (int64_t i = 0; i << s->log2 < n; i++) {
        int64_t g = ((c0 + (i << s->log2)) >> log2) - g0;
        p->scale[i][lane] = scale[g];
        p->min[i][lane] = s->has_min ? (float)(middle - zero[g]) * scale[g] : 0;
    }
}

/* n columns from c0 on of the rows [r, r + 16) into lanes [lane, lane + 16); rows beyond the last repeat it. */
INLINE void unpack_16_rows(struct i8_panel *p, int lane, const struct qmat *w, int64_t r, int64_t last, int64_t c0,
                           int64_t n, const struct steps *s, const int bits)
{
    const __m512i flip = _mm512_set1_epi8((char)code_flip(w)), x_zero = _mm512_set1_epi32(-s->x_zero);
    const bool interleaved = bits == 2 && is_interleaved(w);
    __m512i v[16];
    for (int64_t c = 0; c < n; c += 64) {
#pragma GCC unroll 16
        for (int i = 0; i < 16; i++)
            v[i] = interleaved ? interleaved_64(qmat_row(w, min_i64(r + i, last)), c0 + c)
                               : codes_64(qmat_row(w, min_i64(r + i, last)), c0 + c, n - c, bits, flip);
        transpose_16x16(v);
#pragma GCC unroll 16
        for (int i = 0; i < 16; i++)
            _mm512_store_si512(p->code[c / 4 + i][lane], v[i]);
    }
    for (int64_t i = 0; i << s->log2 < n; i++) {
        __m512i sum = _mm512_setzero_si512(), ones = _mm512_set1_epi8(1);
        const int64_t end = min_i64((i + 1) << s->log2, n) / 4;
        for (int64_t c = (i << s->log2) / 4; c < end; c++)
            sum = _mm512_dpbusd_epi32(sum, ones, _mm512_load_si512(p->code[c][lane]));
        _mm512_store_si512(&p->start[i][lane], _mm512_mullo_epi32(sum, x_zero));
    }
    for (int i = 0; i < 16; i++)
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

/* mr tokens (a constant at every call) from j0 on against the panel. */
INLINE void tile(const int mr, struct i8_panel *p, const struct x_at *t, int64_t j0, const struct steps *s)
{
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
            multiply_4(mr, acc, (const uint8_t(*)[NR][4])p->code + c / 4, x, t->stride, s->x_flip);
        }
        __m512 d0 = _mm512_load_ps(p->scale[i]), d1 = _mm512_load_ps(p->scale[i] + 16);
#pragma GCC unroll 6
        for (int j = 0; j < mr; j++) {
            __m512 dx = _mm512_set1_ps(d[j * s->n + i]);
            sum[j][0] = _mm512_fmadd_ps(_mm512_mul_ps(_mm512_cvtepi32_ps(acc[j][0]), dx), d0, sum[j][0]);
            sum[j][1] = _mm512_fmadd_ps(_mm512_mul_ps(_mm512_cvtepi32_ps(acc[j][1]), dx), d1, sum[j][1]);
        }
        if (!s->has_min)
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

static void all_tokens(struct i8_panel *p, const struct x_at *t, int64_t m, const struct steps *s)
{
    int64_t j = 0;
    for (; j + 6 <= m; j += 6)
        tile(6, p, t, j, s);
    if (m - j >= 4) {
        tile(4, p, t, j, s);
        j += 4;
    }
    if (m - j >= 2) {
        tile(2, p, t, j, s);
        j += 2;
    }
    if (j < m)
        tile(1, p, t, j, s);
}

static void unpack(struct i8_panel *p, const struct qmat *w, int64_t r, int64_t last, int64_t c0, int64_t n,
                   const struct steps *s)
{
    for (int lane = 0; lane < NR; lane += 16)
        switch (w->seg->q.bits) {
        case 2:
            unpack_16_rows(p, lane, w, r + lane, last, c0, n, s, 2);
            break;
        case 4:
            unpack_16_rows(p, lane, w, r + lane, last, c0, n, s, 4);
            break;
        default:
            unpack_16_rows(p, lane, w, r + lane, last, c0, n, s, 8);
        }
}

static struct steps steps_of(const struct qmat *w, const uint8_t *x)
{
    const bool is_unsigned = has_x_zero(w);
    struct steps s = {.x_log2 = act_log2(w),
                      .has_min = w->seg->q.zero_type == ZERO_CODE,
                      .x_zero = is_unsigned ? (int)scale_at(x + 4) : 128,
                      .middle = code_middle(w),
                      .x_flip = _mm512_set1_epi8((char)(is_unsigned ? 0 : 128))};
    s.log2 = group_log2(w) < s.x_log2 ? group_log2(w) : s.x_log2;
    s.log2 = s.log2 < 8 ? s.log2 : 8;
    s.n = ((w->k - 1) >> s.log2) + 1;
    return s;
}

void matmul_i8_avx512_vnni(float *y, int64_t ldy, const struct qmat *w, int64_t r0, int64_t r1, const void *x,
                           size_t stride, int64_t m, void *scratch)
{
    struct i8_panel *p = scratch;
    const struct steps s = steps_of(w, x);
    const bool few = m < FEW && !has_x_zero(w);
    for (int64_t j = 0; j < m && few; j++)
        matvec_i8_avx512_vnni(y + j * ldy, w, r0, r1, (const uint8_t *)x + (size_t)j * stride);
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
                unpack(p, w, r, r1 - 1, c, t.n, &s);
                all_tokens(p, &t, tokens, &s);
            }
            store_rows(y + j * ldy + r - r0, ldy, p->y, tokens, r1 - r);
        }
    }
}
