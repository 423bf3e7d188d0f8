/* Rows to f32 with AVX2, the same bits as the codec's plain C: one product, one sum or difference, no FMA. */
#ifndef KERNELS_X86_DECODE_AVX2_H
#define KERNELS_X86_DECODE_AVX2_H
#include "kernels/x86/scales_k.h"
#include "kernels/x86/unpack_avx2.h"

/* y[16] = (signed codes 16h.. 16h + 15) * scale + add; add is left out where it is NULL. */
INLINE void decode_16(float *y, __m256i codes, int h, __m256 scale, const __m256 *add)
{
    __m128i half = h ? _mm256_extracti128_si256(codes, 1) : _mm256_castsi256_si128(codes);
    for (int i = 0; i < 2; i++, half = _mm_srli_si128(half, 8)) {
        __m256 v = _mm256_mul_ps(_mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(half)), scale);
        _mm256_storeu_ps(y + 8 * i, add ? _mm256_add_ps(v, *add) : v);
    }
}

/* Blocks of 32; the minimum is the second f16 of a block. */
INLINE void decode_blocks(float *dst, const struct qmat *w, int64_t r0, int64_t r1, int block, int offset, bool has_min,
                          __m256i (*unpack)(const uint8_t *b, int part))
{
    for (int64_t r = r0; r < r1; r++) {
        const uint8_t *b = qmat_row(w, r);
        for (int64_t c = 0; c < w->k; c += 32, b += block, dst += 32) {
            __m256i codes = _mm256_sub_epi8(unpack(b, 0), _mm256_set1_epi8((char)offset));
            __m256 d = _mm256_set1_ps(half_at(b)), m = _mm256_set1_ps(has_min ? half_at(b + 2) : 0);
            decode_16(dst, codes, 0, d, has_min ? &m : NULL);
            decode_16(dst + 16, codes, 1, d, has_min ? &m : NULL);
        }
    }
}

/* Superblocks: sub-scales and what is subtracted, both of 16 runs of 16 columns, come from head. */
struct runs {
    float scale[16], min[16];
};

INLINE void decode_k(float *dst, const struct qmat *w, int64_t r0, int64_t r1, int block, int offset, bool has_min,
                     __m256i (*unpack)(const uint8_t *b, int c), void (*head)(struct runs *s, const uint8_t *b))
{
    for (int64_t r = r0; r < r1; r++) {
        const uint8_t *b = qmat_row(w, r);
        for (int64_t s = 0; s < w->k / 256; s++, b += block) {
            struct runs runs;
            head(&runs, b);
            for (int c = 0; c < 8; c++) {
                __m256i codes = _mm256_sub_epi8(unpack(b, c), _mm256_set1_epi8((char)offset));
                for (int h = 0; h < 2; h++, dst += 16) {
                    __m256 minus = _mm256_set1_ps(has_min ? -runs.min[2 * c + h] : 0);
                    decode_16(dst, codes, h, _mm256_set1_ps(runs.scale[2 * c + h]), has_min ? &minus : NULL);
                }
            }
        }
    }
}

INLINE void head_6bit(struct runs *s, const uint8_t *b)
{
    struct scales_6bit six = scales_6bit(b + 4);
    float d = half_at(b), dmin = half_at(b + 2);
    for (int i = 0; i < 16; i++) {
        s->scale[i] = d * (float)(six.scale >> i / 2 * 8 & 255);
        s->min[i] = dmin * (float)(six.min >> i / 2 * 8 & 255);
    }
}

INLINE void head_16(struct runs *s, __m128i scales, float d)
{
    __m256 v = _mm256_set1_ps(d);
    _mm256_storeu_ps(s->scale, _mm256_mul_ps(_mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(scales)), v));
    scales = _mm_srli_si128(scales, 8);
    _mm256_storeu_ps(s->scale + 8, _mm256_mul_ps(_mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(scales)), v));
}
#endif
