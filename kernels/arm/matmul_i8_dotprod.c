/* Prefill: codes of 2, 4 or 8 bits in groups times int8 activations (i8_rows.h), on the panels of panel_neon.h.
 *
 *   y[token][row] += sum_s scale[s] dx[s] (sum code x) + min[s] dx[s] (sum x)
 *
 * s: steps of columns with one scale of W and one of x each. Codes are signed, less the middle one; where there are
 * zero points, a minimum stands for what is left of them, and the sums start at what the zero point of x takes off. */
#include "kernels/arm/i8_codes_neon.h"
#include "kernels/arm/panel_neon.h"

enum { COLUMNS = 256, STEPS = COLUMNS / 16 }; /* of a panel */

struct i8_panel {
    _Alignas(64) float y[MAX_TOKENS][NR];
    int8_t code[COLUMNS / 4][NR][4];
    int32_t start[STEPS][NR];
    float scale[STEPS][NR], min[STEPS][NR];
    float x[]; /* [tokens in hand][steps of a row] of dx, then dx times the sum of x */
};

static int64_t tokens_at_once(int64_t k)
{
    return max_tokens((size_t)k / 4 * 5);
}

size_t matmul_i8_dotprod_scratch(int64_t k)
{
    return sizeof(struct i8_panel) + (size_t)(tokens_at_once(k) * (k / 16 + 1)) * 2 * sizeof(float);
}

/* dx and sx of one token. */
static void x_scales(float *d, float *sum, const uint8_t *x, int64_t k, const struct steps *s)
{
    for (int64_t i = 0; i < s->n; i++) {
        const int64_t c0 = i << s->log2, c1 = min_i64(c0 + (INT64_C(1) << s->log2), k);
        int32_t total = 0;
        d[i] = x_scale(x, c0, s->x_log2);
        for (int64_t c = c0; c < c1 && s->has_zero; c += 16)
            total += vaddlvq_s8(vld1q_s8((const int8_t *)x_codes(x, c, s->x_log2)));
        sum[i] = d[i] * (float)total;
    }
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
    if (s->has_zero)
        row_zero_codes(zero, w, r, g0, n_groups);
    for (int64_t i = 0; i << s->log2 < n; i++) {
        int64_t g = ((c0 + (i << s->log2)) >> log2) - g0;
        p->scale[i][lane] = scale[g];
        p->min[i][lane] = s->has_zero ? (float)(s->middle - zero[g]) * scale[g] : 0;
    }
}

/* n columns from c0 on of the rows [r, r + 8); rows beyond the last repeat it. */
INLINE void unpack_8_rows(struct i8_panel *p, const struct qmat *w, int64_t r, int64_t last, int64_t c0, int64_t n,
                          const struct steps *s, const int bits)
{
    const bool interleaved = bits == 2 && is_interleaved(w);
    const uint8x16_t flip = vdupq_n_u8((uint8_t)code_flip(w)), middle = vdupq_n_u8((uint8_t)s->middle);
    for (int row = 0; row < NR; row++) {
        const int64_t at = min_i64(r + row, last);
        for (int64_t i = 0; i << s->log2 < n; i++) {
            int32_t sum = 0;
            for (int64_t c = i << s->log2; c < min_i64((i + 1) << s->log2, n); c += 16) {
                int8_t code[16];
                vst1q_s8(code, codes_16(qmat_row(w, at), c0 + c, bits, interleaved, flip, middle));
                sum += vaddlvq_s8(vld1q_s8(code));
                for (int word = 0; word < 4; word++)
                    memcpy(p->code[c / 4 + word][row], code + 4 * word, 4);
            }
            p->start[i][row] = -s->x_zero * sum;
        }
        unpack_scales(p, row, w, at, c0, n, s);
    }
}

/* The tokens' part of the columns in the panel. */
struct x_at {
    const int8_t *x; /* of the first token: its first column here */
    const float *d, *sum;
    size_t stride;
    int64_t n; /* columns */
    bool first;
};

/* mr tokens (a constant at every call) from j0 on against the panel. */
INLINE void tile(const int mr, struct i8_panel *p, const struct x_at *t, int64_t j0, const struct steps *s)
{
    float32x4_t sum[MR][2];
    const int8_t *x0 = t->x + (size_t)j0 * t->stride;
    const float *d = t->d + j0 * s->n, *sx = t->sum + j0 * s->n;
    const int8x16_t flip = vreinterpretq_s8_u8(vdupq_n_u8(s->x_flip));
    load_sums(mr, sum, p->y + j0, t->first);
    for (int64_t i = 0; i << s->log2 < t->n; i++) {
        const int c0 = (int)(i << s->log2), c1 = (int)min_i64(c0 + (1 << s->log2), t->n);
        int32x4_t acc[MR][2];
#pragma GCC unroll 4
        for (int j = 0; j < mr; j++)
            for (int h = 0; h < 2; h++)
                acc[j][h] = vld1q_s32(p->start[i] + 4 * h);
        for (int c = c0; c < c1; c += 16)
            multiply_16(mr, acc, p->code + c / 4, x0 + (c >> s->x_log2) * 4 + c, t->stride, flip);
#pragma GCC unroll 4
        for (int j = 0; j < mr; j++)
            for (int h = 0; h < 2; h++) {
                float32x4_t v = vmulq_n_f32(vcvtq_f32_s32(acc[j][h]), d[j * s->n + i]);
                sum[j][h] = vfmaq_f32(sum[j][h], v, vld1q_f32(p->scale[i] + 4 * h));
                if (s->has_zero)
                    sum[j][h] = vfmaq_n_f32(sum[j][h], vld1q_f32(p->min[i] + 4 * h), sx[j * s->n + i]);
            }
    }
#pragma GCC unroll 4
    for (int j = 0; j < mr; j++)
        for (int h = 0; h < 2; h++)
            vst1q_f32(p->y[j0 + j] + 4 * h, sum[j][h]);
}

static void unpack(struct i8_panel *p, const struct qmat *w, int64_t r, int64_t last, int64_t c0, int64_t n,
                   const struct steps *s)
{
    if (w->seg->q.bits == 2)
        unpack_8_rows(p, w, r, last, c0, n, s, 2);
    else if (w->seg->q.bits == 4)
        unpack_8_rows(p, w, r, last, c0, n, s, 4);
    else
        unpack_8_rows(p, w, r, last, c0, n, s, 8);
}

void matmul_i8_dotprod(float *y, int64_t ldy, const struct qmat *w, int64_t r0, int64_t r1, const void *x,
                       size_t stride, int64_t m, void *scratch)
{
    struct i8_panel *p = scratch;
    const struct steps s = steps_of(w, x);
    const int64_t in_hand = tokens_in_hand(m, tokens_at_once(w->k));
    float *d = p->x, *sum = d + in_hand * s.n;
    for (int64_t j = 0; j < m; j += in_hand) {
        const uint8_t *xj = (const uint8_t *)x + (size_t)j * stride;
        const int64_t tokens = min_i64(m - j, in_hand);
        for (int64_t i = 0; i < tokens; i++)
            x_scales(d + i * s.n, sum + i * s.n, has_x_zero(w) ? x : xj + (size_t)i * stride, w->k, &s);
        for (int64_t r = r0; r < r1; r += NR) {
            for (int64_t c = 0; c < w->k; c += COLUMNS) {
                struct x_at t = {x_at_column(w, xj, c, s.x_log2),
                                 d + (c >> s.log2),
                                 sum + (c >> s.log2),
                                 stride,
                                 min_i64(w->k - c, COLUMNS),
                                 c == 0};
                int64_t i = 0;
                unpack(p, w, r, r1 - 1, c, t.n, &s);
                for (; i + MR <= tokens; i += MR)
                    tile(MR, p, &t, i, &s);
                for (; i < tokens; i++)
                    tile(1, p, &t, i, &s);
            }
            store_rows(y + j * ldy + r - r0, ldy, p->y, tokens, r1 - r);
        }
    }
}
