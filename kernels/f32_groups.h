/* Rows of codes in groups, for any vector width: the forms that the inner loops are made in, and the order of columns.
 *
 * Columns go in chunks of LANES * per, all in one group: a 32-bit lane holds the codes of `per` neighbouring columns,
 * and vector n of a chunk takes code n of each lane. Activations are brought into that order once per call, and prefill
 * leaves it as it is, since it sums over all columns alike. */
#ifndef KERNELS_F32_GROUPS_H
#define KERNELS_F32_GROUPS_H
#include "kernels/f32_rows.h"

/* Codes of 8 bits need no lanes to share: they come in order, 16 at a time or, where they can, four vectors. */
enum { PER_8 = 16 / LANES };

/* A row of the forms below: FORM(name, bits, columns in a lane, kind where there is no table). */
#define F32_FORMS(FORM)                                                                                                \
    FORM(2x4, 2, 4, KIND_PLAIN)                                                                                        \
    FORM(2x2, 2, 2, KIND_PLAIN)                                                                                        \
    FORM(2x1, 2, 1, KIND_PLAIN)                                                                                        \
    FORM(3x4, 3, 4, KIND_PLAIN)                                                                                        \
    FORM(3x2, 3, 2, KIND_PLAIN)                                                                                        \
    FORM(4x4, 4, 4, KIND_PLAIN)                                                                                        \
    FORM(4x2, 4, 2, KIND_PLAIN)                                                                                        \
    FORM(4x1, 4, 1, KIND_PLAIN)                                                                                        \
    FORM(5x4, 5, 4, KIND_PLAIN)                                                                                        \
    FORM(5x2, 5, 2, KIND_PLAIN)                                                                                        \
    FORM(6x4_f16, 6, 4, KIND_F16)                                                                                      \
    FORM(6x2_f16, 6, 2, KIND_F16)                                                                                      \
    FORM(6x4_bias, 6, 4, KIND_BIAS)                                                                                    \
    FORM(6x4_bias_f16, 6, 4, KIND_BIAS_F16)                                                                            \
    FORM(6x4_bias_bf16, 6, 4, KIND_BIAS_BF16)                                                                          \
    FORM(6x2_bias, 6, 2, KIND_BIAS)                                                                                    \
    FORM(6x2_bias_f16, 6, 2, KIND_BIAS_F16)                                                                            \
    FORM(6x2_bias_bf16, 6, 2, KIND_BIAS_BF16)                                                                          \
    FORM(8_plain, 8, PER_8, KIND_PLAIN)                                                                                \
    FORM(8x4_plain, 8, 4, KIND_PLAIN)                                                                                  \
    FORM(8_f16, 8, PER_8, KIND_F16)                                                                                    \
    FORM(8x4_f16, 8, 4, KIND_F16)                                                                                      \
    FORM(8_f16_twice, 8, PER_8, KIND_F16_TWICE)                                                                        \
    FORM(8x4_f16_twice, 8, 4, KIND_F16_TWICE)                                                                          \
    FORM(8_bias, 8, PER_8, KIND_BIAS)                                                                                  \
    FORM(8x4_bias, 8, 4, KIND_BIAS)                                                                                    \
    FORM(8_bias_f16, 8, PER_8, KIND_BIAS_F16)                                                                          \
    FORM(8x4_bias_f16, 8, 4, KIND_BIAS_F16)                                                                            \
    FORM(8_bias_bf16, 8, PER_8, KIND_BIAS_BF16)                                                                        \
    FORM(8x4_bias_bf16, 8, 4, KIND_BIAS_BF16)                                                                          \
    FORM(8_e4m3, 8, PER_8, KIND_E4M3)                                                                                  \
    FORM(8x4_e4m3, 8, 4, KIND_E4M3)                                                                                    \
    FORM(8_e5m2, 8, PER_8, KIND_E5M2)                                                                                  \
    FORM(8x4_e5m2, 8, 4, KIND_E5M2)

INLINE int lane_columns(const struct qmat *w)
{
    const int64_t in_group = INT64_C(1) << group_log2(w);
    if (w->seg->q.bits == 8)
        return in_group >= 4 * LANES && w->k % (4 * LANES) == 0 ? 4 : PER_8;
    return in_group >= 4 * LANES ? 4 : (int)(in_group / LANES);
}

/* Does the form with these parameters take such rows? */
INLINE bool form_fits(const struct qmat *w, enum kind kind, int bits, int per, enum kind of_form)
{
    return w->seg->q.bits == bits && lane_columns(w) == per && (bits <= 5 || kind == of_form);
}

/* Zones of columns with codes of one width each, as matrices of their own, which read the same x. EXL2 has up to two.
 */
enum { MAX_ZONES = 2 };
INLINE int zones_of(struct qmat zone[MAX_ZONES], const struct qmat *w)
{
    const int64_t wide = w->codec == &codec_exl2 ? exl2_n_wide(w) * w->seg->q.group : 0;
    const int64_t end[MAX_ZONES] = {wide < w->k ? wide : w->k, w->k};
    int n = 0;
    for (int64_t i = 0, k0 = 0; i < MAX_ZONES; k0 = end[i++]) {
        if (end[i] == k0)
            continue;
        struct qmat *z = &zone[n++];
        qmat_share(z, w);
        z->k = end[i] - k0;
        if (wide == 0)
            continue;
        z->seg1.k0 = (uint32_t)k0;
        z->seg1.q.bits = (uint8_t)(i ? w->seg->q.bits : w->seg->q.wide_bits);
        z->plane[PLANE_CODE].p += i ? wide * w->seg->q.wide_bits / 8 : 0;
        z->plane[PLANE_PERM].p += 4 * k0;
    }
    return n;
}

/* Columns [c0, c0 + n) of x in the order of chunks, zeros up to a multiple of 64; dst has room for those. */
static void order_columns(float *dst, const float *x, const struct qmat *w, int64_t c0, int64_t n, int swap)
{
    const int per = w->seg->q.bits == 8 ? 1 : lane_columns(w);
    const uint8_t *perm = w->plane[PLANE_PERM].p;
    const float *column = (const float *)(const void *)w->plane[PLANE_COLUMN].p;
    float in[64];
    for (int64_t c = 0; c < n; c += 64, dst += 64) {
        const float *from = x + c0 + c;
        if (perm || column || n - c < 64) {
            for (int64_t i = 0; i < 64; i++) {
                int64_t at = c + i < n ? c0 + c + i : -1;
                at = at >= 0 && perm ? (int64_t)rd_u32le(perm + 4 * at) : at;
                in[i] = at < 0 ? 0 : column ? x[at] / column[at] : x[at];
            }
            from = in;
        }
        order_64(dst, from, per, swap);
    }
}
#endif
