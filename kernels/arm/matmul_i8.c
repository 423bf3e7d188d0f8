/* Prefill: codes of 2, 4 or 8 bits in groups times int8 activations, on the panels of panel_neon.h. */
#include "kernels/arm/i8_codes_neon.h"
#include "kernels/arm/panel_neon.h"

enum { PARTS = 1 };
#include "kernels/matmul_i8.h"

static int32_t x_sum(const uint8_t *x, int64_t c0, int64_t c1, int log2)
{
    int32_t sum = 0;
    for (int64_t c = c0; c < c1; c += 16)
        sum += vaddlvq_s8(vld1q_s8((const int8_t *)x_codes(x, c, log2)));
    return sum;
}

INLINE void unpack_rows(struct i8_panel *p, const struct qmat *w, int64_t r, int64_t last, int64_t c0, int64_t n,
                        const struct steps *s, const int bits)
{
    const bool interleaved = bits == 2 && is_interleaved(w);
    const uint8x16_t flip = vdupq_n_u8((uint8_t)code_flip(w)), middle = vdupq_n_u8((uint8_t)s->middle);
    for (int row = 0; row < NR; row++) {
        const int64_t at = min_i64(r + row, last);
        for (int64_t i = 0; i << s->log2 < n; i++) {
            int32_t sum = 0;
            for (int64_t c = i << s->log2; c < min_i64((i + 1) << s->log2, n); c += 16) {
                int8x16_t code = codes_16(qmat_row(w, at), c0 + c, bits, interleaved, flip, middle);
                sum += vaddlvq_s8(code);
                store_16((int8_t *)p->code[0][c / 4], row, code);
            }
            p->start[i][row] = -s->x_zero * sum;
        }
    }
}

INLINE void tile(const int mr, const int bits, struct i8_panel *p, const struct x_at *t, int64_t j0,
                 const struct steps *s)
{
    (void)bits;
    float32x4_t sum[MR][2];
    const int8_t *x0 = (const int8_t *)t->x + (size_t)j0 * t->stride;
    const float *d = t->d + j0 * s->n, *sx = t->sum + j0 * s->n;
    const int8x16_t flip = vreinterpretq_s8_u8(vdupq_n_u8(s->x_flip));
    load_sums(mr, sum, p->y + j0, t->first);
    for (int64_t i = 0; i << s->log2 < t->n; i++) {
        const int c0 = (int)(i << s->log2), c1 = (int)min_i64(c0 + (1 << s->log2), t->n);
        int32x4_t acc[MR][2];
        start_sums(mr, acc, p->start[i]);
        for (int c = c0; c < c1; c += 16)
            multiply_16(mr, acc, (const int8_t *)p->code[0][c / 4], x0 + (c >> s->x_log2) * 4 + c, t->stride, flip);
        finish_sums(mr, acc);
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

size_t ISA_SCRATCH(matmul_i8)(int64_t k)
{
    return i8_scratch(k);
}

void ISA_KERNEL(matmul_i8)(float *y, int64_t ldy, const struct qmat *w, int64_t r0, int64_t r1, const void *x,
                           size_t stride, int64_t m, void *scratch)
{
    matmul_i8(y, ldy, w, r0, r1, x, stride, m, scratch);
}
