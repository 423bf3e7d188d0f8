/* Prefill: IQ1_M rows times Q8_K activations. Layout in kernels/formats/iq1_m.c. */
#include "kernels/x86/matmul_k_avx512.h"
#include "kernels/x86/unpack_grid_avx512.h"

INLINE __m512i unpack(const uint8_t *b, int c)
{
    return _mm512_sub_epi8(points_iq1_m(b, c), _mm512_set1_epi8(OFFSET_IQ1));
}

INLINE struct k_head head(const uint8_t *b)
{
    return (struct k_head){.scale = scale_16(scales_iq1_m(b), 0.125f * d_iq1_m(b))};
}

size_t matmul_iq1_m_avx512_vnni_scratch(int64_t k)
{
    (void)k;
    return sizeof(struct k_panel);
}

void matmul_iq1_m_avx512_vnni(float *y, int64_t ldy, const struct qmat *w, int64_t r0, int64_t r1, const void *x,
                              size_t x_stride, int64_t m, void *scratch)
{
    grid_bytes_make();
    matmul_k(y, ldy, w, r0, r1, x, x_stride, m, scratch, (struct k_codec){56, 16, false, unpack, head},
             matvec_iq1_m_avx512_vnni);
}
