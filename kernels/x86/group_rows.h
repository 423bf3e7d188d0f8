/* What the packed kernels of parametric codecs share: how codes are meant, and the numbers that stand beside them. */
#ifndef KERNELS_X86_GROUP_ROWS_H
#define KERNELS_X86_GROUP_ROWS_H
#include "kernels/formats/group.h"
#include "kernels/x86/x86.h"

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

/* Scales of the groups [g0, g0 + n) of a row, from p on. */
INLINE void numbers_to_f32(float *s, const uint8_t *p, enum number_type t, int64_t g0, int64_t n)
{
    int64_t i = 0;
    if (t == NUMBER_F32) {
        memcpy(s, p + 4 * g0, (size_t)n * sizeof *s);
        return;
    }
    p += 2 * g0;
    for (; i + 8 <= n; i += 8) {
        __m128i v = _mm_loadu_si128((const __m128i *)(p + 2 * i));
        __m256 f =
            t == NUMBER_F16 ? _mm256_cvtph_ps(v) : _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(v), 16));
        _mm256_storeu_ps(s + i, f);
    }
    for (; i < n; i++)
        s[i] = t == NUMBER_F16 ? half_at(p + 2 * i) : bf16_to_f32(rd_u16le(p + 2 * i));
}

INLINE void row_scales(float *s, const struct qmat *w, int64_t r, int64_t g0, int64_t n)
{
    numbers_to_f32(s, w->plane[PLANE_SCALE].p + (size_t)r * w->plane[PLANE_SCALE].row_stride, w->seg->q.scale_type, g0,
                   n);
}

/* Codes [g0, g0 + n) of 2, 3, 4 or 8 bits, of those that `bytes` bytes at p hold; there is room for 7 more. */
INLINE void small_codes(int32_t *z, const uint8_t *p, int64_t bytes, int64_t g0, int64_t n, int bits)
{
    const __m256i shift = _mm256_mullo_epi32(_mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7), _mm256_set1_epi32(bits));
    for (int64_t i = 0; i < n; i += 8) {
        int64_t at = (g0 + i) * bits / 8;
        uint64_t eight = 0;
        if (bytes - at >= 8)
            memcpy(&eight, p + at, 8);
        else
            memcpy(&eight, p + at, (size_t)(bytes - at));
        eight >>= (g0 + i) * bits % 8;
        __m256i v = bits == 8 ? _mm256_cvtepu8_epi32(_mm_cvtsi64_si128((int64_t)eight))
                              : _mm256_srlv_epi32(_mm256_set1_epi32((int)eight), shift);
        _mm256_storeu_si256((__m256i *)(z + i), _mm256_and_si256(v, _mm256_set1_epi32((1 << bits) - 1)));
    }
}

/* Zero points of the groups [g0, g0 + n) of a row. */
INLINE void row_zero_codes(int32_t *z, const struct qmat *w, int64_t r, int64_t g0, int64_t n)
{
    const int64_t stride = (int64_t)w->plane[PLANE_ZERO].row_stride;
    small_codes(z, w->plane[PLANE_ZERO].p + r * stride, stride, g0, n, w->seg->q.bits);
}
#endif
