/* What the packed kernels of parametric codecs share: how codes are meant, and the numbers that stand beside them.
 * Before it stand, of an instruction set, numbers_to_f32, small_codes and round_to_halves. */
#ifndef KERNELS_GROUP_ROWS_H
#define KERNELS_GROUP_ROWS_H
#include "kernels/formats/group.h"
#include "kernels/inline.h"

/* log2 of the weights that share a scale; a whole row or more: 31. */
INLINE int group_log2(const struct qmat *w)
{
    int32_t g = w->seg->q.group;
    return g > 0 ? __builtin_ctz((unsigned)g) : 31;
}

/* Unsigned codes are what is stored, xor this; */
INLINE int code_flip(const struct qmat *w)
{
    const struct qpar *p = &w->seg->q;
    bool twos_complement = (w->codec == &codec_openvino_int && p->sym && p->bits >= 4) ||
                           (w->codec == &codec_onnx_int8 && p->sym) || w->codec == &codec_openvino_i8 ||
                           w->codec == &codec_torchao_int8 || w->codec == &codec_bnb_int8;
    return twos_complement ? 1 << (p->bits - 1) : 0;
}

/* where no zero points are stored, this one is zero. */
INLINE int code_middle(const struct qmat *w)
{
    return w->codec == &codec_bitnet ? 1 : 1 << (w->seg->q.bits - 1);
}

/* Scales of the groups [g0, g0 + n) of a row. */
INLINE void row_scales(float *s, const struct qmat *w, int64_t r, int64_t g0, int64_t n)
{
    numbers_to_f32(s, w->plane[PLANE_SCALE].p + (size_t)r * w->plane[PLANE_SCALE].row_stride, w->seg->q.scale_type, g0,
                   n);
}

/* Zero points of the groups [g0, g0 + n) of a row. */
INLINE void row_zero_codes(int32_t *z, const struct qmat *w, int64_t r, int64_t g0, int64_t n)
{
    const int64_t stride = (int64_t)w->plane[PLANE_ZERO].row_stride;
    small_codes(z, w->plane[PLANE_ZERO].p + r * stride, stride, g0, n, w->seg->q.bits);
}
#endif
