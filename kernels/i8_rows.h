/* Weights of 2, 4 or 8 bits times int8 activations: what decode and prefill share. value = ((stored ^ flip) - zero) *
 * scale, and the sum over a block of activations is an exact integer before any scale is applied.
 *
 * Activations are int8 with an f32 scale before each block, which is as long as the group of weights (MatMulNBits:
 * i8_16 ... i8_256), 32 (openvino_i8) or the whole row (torchao_int8, bitnet_int8); or uint8, scale and zero point
 * before the codes of all rows of a call (u8_batch, i8_fixed), which then follow each other.
 *
 * BitNet's I2_S stores 128 columns in 32 bytes: byte j has columns j, 32 + j, 64 + j, 96 + j, from the top bits down.
 */
#ifndef KERNELS_I8_ROWS_H
#define KERNELS_I8_ROWS_H
#include "kernels/group_rows.h"

/* log2 of the activations that share a scale; a whole row: 31. */
INLINE int act_log2(const struct qmat *w)
{
    bool row = w->codec == &codec_torchao_int8 || w->codec == &codec_bitnet || w->codec == &codec_onnx_int8 ||
               w->codec == &codec_openvino_i8;
    return row ? 31 : w->codec == &codec_openvino_int ? 5 : group_log2(w);
}

/* Are activations unsigned, with a zero point of their own? */
INLINE bool has_x_zero(const struct qmat *w)
{
    return w->codec == &codec_onnx_int8 || w->codec == &codec_openvino_i8;
}

INLINE bool is_interleaved(const struct qmat *w)
{
    return w->codec == &codec_bitnet;
}

INLINE float scale_at(const uint8_t *p)
{
    return f32_from_bits(rd_u32le(p));
}

/* The zero point of unsigned activations at x, 128 less, as their codes are; 0 where they are NaN. */
INLINE int8_t x_zero_at(const uint8_t *x)
{
    const float zero = scale_at(x + 4);
    return zero >= 0 && zero <= 255 ? (int8_t)((int)zero - 128) : 0;
}

/* Where column c of an encoded row stands; c is a multiple of 16. */
INLINE const uint8_t *x_codes(const uint8_t *x, int64_t c, int log2)
{
    return x + ((c >> log2) + 1) * 4 + c;
}
INLINE float x_scale(const uint8_t *x, int64_t c, int log2)
{
    return scale_at(x + (c >> log2) * (4 + (INT64_C(1) << log2)));
}
/* As x_codes; the first activation of a batch stands behind its zero point too. */
INLINE const uint8_t *x_at_column(const struct qmat *w, const uint8_t *x, int64_t c, int log2)
{
    return x_codes(x, c, log2) + (has_x_zero(w) ? 4 : 0);
}

/* What one call's steps are: columns with one scale of W and one of x each. */
struct steps {
    int64_t n;        /* in a row */
    int log2, x_log2; /* columns of one; activations to a scale */
    bool has_zero;    /* codes that go with groups */
    int middle;       /* of codes */
    int8_t x_zero;    /* of activations as signed bytes, */
    uint8_t x_flip;   /* which is what is stored, xor this */
};

INLINE struct steps steps_of(const struct qmat *w, const uint8_t *x)
{
    const bool is_unsigned = has_x_zero(w);
    struct steps s = {.x_log2 = act_log2(w),
                      .has_zero = w->seg->q.zero_type == ZERO_CODE,
                      .middle = code_middle(w),
                      .x_zero = is_unsigned ? x_zero_at(x) : 0,
                      .x_flip = is_unsigned ? 128 : 0};
    s.log2 = group_log2(w) < s.x_log2 ? group_log2(w) : s.x_log2;
    s.log2 = s.log2 < 8 ? s.log2 : 8;
    s.n = ((w->k - 1) >> s.log2) + 1;
    return s;
}

/* f(bits, ...) with the bits of a code as a constant. */
#define BY_BITS(w, f, ...)                                                                                             \
    ((w)->seg->q.bits == 2 ? f(2, __VA_ARGS__) : (w)->seg->q.bits == 4 ? f(4, __VA_ARGS__) : f(8, __VA_ARGS__))
#endif
