/* Decode: codes of 2, 4 or 8 bits in groups times one row of int8 activations (i8_rows.h), with sdot. The sums of a
 * step are whole, zero points included, lane by lane, so that nothing cancels later. */
#include "kernels/arm/i8_codes_neon.h"

enum { TILE = 4096, STEPS = TILE / 16 };

struct x_tile { /* activations of a tile in order, scales of its steps and what a zero point is multiplied by */
    int8_t code[TILE];
    float d[STEPS];
    int32_t sum[STEPS][4]; /* by the lane of sdot */
};

static void prepare(struct x_tile *t, const struct qmat *w, const uint8_t *x, int64_t c0, int64_t n,
                    const struct steps *s)
{
    for (int64_t c = 0; c < n; c += 16) {
        int8x16_t v = vld1q_s8((const int8_t *)x_at_column(w, x, c0 + c, s->x_log2));
        vst1q_s8(t->code + c, veorq_s8(v, vreinterpretq_s8_u8(vdupq_n_u8(s->x_flip))));
    }
    for (int64_t i = 0; i << s->log2 < n; i++) {
        const int64_t end = min_i64((i + 1) << s->log2, n);
        t->d[i] = x_scale(x, c0 + (i << s->log2), s->x_log2);
        int32x4_t sum = vdupq_n_s32(0);
        for (int64_t c = i << s->log2; c < end; c += 16)
            sum = vdotq_s32(sum, vdupq_n_s8(1), vld1q_s8(t->code + c));
        vst1q_s32(t->sum[i], sum);
    }
}

struct row { /* one row's numbers for the columns of a tile */
    float scale[STEPS + 8];
    int32_t zero[STEPS + 8];
};

INLINE float dot(const struct qmat *w, int64_t r, const struct x_tile *t, int64_t c0, int64_t n, const struct steps *s,
                 const int bits)
{
    const int log2 = group_log2(w);
    const int64_t g0 = c0 >> log2;
    const bool interleaved = bits == 2 && is_interleaved(w);
    const uint8x16_t flip = vdupq_n_u8((uint8_t)code_flip(w)), middle = vdupq_n_u8((uint8_t)s->middle);
    const int8x16_t x_zero = vdupq_n_s8(s->x_zero);
    struct row row;
    row_scales(row.scale, w, r, g0, ((c0 + n - 1) >> log2) + 1 - g0);
    if (s->has_zero)
        row_zero_codes(row.zero, w, r, g0, ((c0 + n - 1) >> log2) + 1 - g0);
    float32x4_t sum = vdupq_n_f32(0);
    for (int64_t i = 0; i << s->log2 < n; i++) {
        const int64_t first = i << s->log2, end = min_i64(first + (INT64_C(1) << s->log2), n);
        const int64_t g = ((c0 + first) >> log2) - g0;
        int32x4_t acc = vmulq_n_s32(vld1q_s32(t->sum[i]), s->has_zero ? s->middle - row.zero[g] : 0);
        int32x4_t off = vdupq_n_s32(0);
        for (int64_t c = first; c < end; c += 16) {
            int8x16_t v = codes_16(qmat_row(w, r), c0 + c, bits, interleaved, flip, middle);
            acc = vdotq_s32(acc, v, vld1q_s8(t->code + c));
            if (bits == 8)
                off = vdotq_s32(off, v, x_zero);
        }
        sum = vfmaq_n_f32(sum, vcvtq_f32_s32(vsubq_s32(acc, off)), row.scale[g] * t->d[i]);
    }
    return vaddvq_f32(sum);
}

INLINE void matvec_bits(const int bits, float *y, const struct qmat *w, int64_t r0, int64_t r1, const void *x)
{
    struct x_tile tile;
    const struct steps s = steps_of(w, x);
    for (int64_t c0 = 0; c0 < w->k; c0 += TILE) {
        const int64_t n = min_i64(w->k - c0, TILE);
        prepare(&tile, w, x, c0, n, &s);
        for (int64_t r = r0; r < r1; r++) {
            float before = c0 ? y[r - r0] : 0;
            y[r - r0] = before + dot(w, r, &tile, c0, n, &s, bits);
        }
    }
}

void matvec_i8_dotprod(float *y, const struct qmat *w, int64_t r0, int64_t r1, const void *x)
{
    BY_BITS(w, matvec_bits, y, w, r0, r1, x);
}
