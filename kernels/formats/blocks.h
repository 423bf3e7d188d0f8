/* What the codecs of self-contained blocks share. A codec file writes two static functions,
 *   encode_row(dst, x, k, importance)   k weights to k / block blocks; importance[k] or NULL
 *   decode_row(y, src, k)               and back
 * and ends with BLOCK_CODEC, which wraps them into a struct codec over rows of one plane. */
#ifndef KERNELS_FORMATS_BLOCKS_H
#define KERNELS_FORMATS_BLOCKS_H
#include <math.h>
#include "base/half.h"
#include "kernels/formats/codec.h"

/* A weight encoder (codec.h) that calls encode_row(..., dst, x, k, importance) for each row, after arguments
 * of its own. */
#define ROW_ENCODER(name, encode_row, ...)                                                                   \
    int name(struct qmat *q, int64_t r0, int64_t r1, const float *w, const struct wstat *stat,               \
             const struct calib *cal, struct arena *a)                                                       \
    {                                                                                                        \
        (void)stat, (void)a;                                                                                 \
        for (int64_t r = r0; r < r1; r++, w += q->k)                                                         \
            encode_row(__VA_ARGS__ __VA_OPT__(, ) codec_row(q, r), w, q->k, cal ? cal->importance : NULL);   \
        return 0;                                                                                            \
    }

#define BLOCK_CODEC(id, n_weights, n_bytes, ...)                                                             \
    static int layout(struct qmat *q, int64_t n, int64_t k, const struct qpar *par, struct err *e)           \
    {                                                                                                        \
        (void)par;                                                                                           \
        return codec_layout_blocks(&codec_##id, q, n, k, e);                                                 \
    }                                                                                                        \
    static ROW_ENCODER(encode, encode_row)                                                                   \
    static void decode(float *dst, const struct qmat *q, int64_t r0, int64_t r1)                             \
    {                                                                                                        \
        for (int64_t r = r0; r < r1; r++, dst += q->k)                                                       \
            decode_row(dst, codec_row(q, r), q->k);                                                          \
    }                                                                                                        \
    const struct codec codec_##id = {.name = #id,                                                            \
                                     .block = n_weights,                                                     \
                                     .block_bytes = n_bytes,                                                 \
                                     .layout = layout,                                                       \
                                     .encode = encode,                                                       \
                                     .decode = decode,                                                       \
                                     __VA_ARGS__}

#define X(id) extern const struct codec codec_##id;
#include "kernels/formats/formats.def"
#undef X
#define X(id) extern const struct act act_##id;
#include "kernels/formats/acts.def"
#undef X

static inline uint8_t *codec_row(const struct qmat *q, int64_t r)
{
    return q->plane[PLANE_CODE].p + (size_t)r * q->plane[PLANE_CODE].row_stride;
}
/* To f16, never a non-zero scale to zero or infinity: a smallest step still lets codes carry something. */
static inline uint16_t block_scale_f16(float v)
{
    float a = fabsf(v);
    a = a < 0x1p-24f ? 0x1p-24f : a > 65504 ? 65504 : a;
    return v == 0 ? 0 : f32_to_f16(copysignf(a, v));
}
/* Magnitudes beyond any f16 scale are cut, so that no square overflows in a search. */
static inline void block_limit(float *dst, const float *x, int n)
{
    for (int i = 0; i < n; i++)
        dst[i] = x[i] < -0x1p30f ? -0x1p30f : x[i] > 0x1p30f ? 0x1p30f : x[i];
}
/* 1/d; 0 where d is too small to have a finite inverse. */
static inline float block_inverse(float d)
{
    return fabsf(d) >= 0x1p-127f ? 1 / d : 0;
}
#endif
