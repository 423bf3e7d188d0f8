/* Prefill: IQ4_XS rows times Q8_K activations. Layout in kernels/formats/iq4_xs.c. */
#include "kernels/x86/matmul_k_avx2.h"
#include "kernels/x86/grid_bits.h"
#include "kernels/x86/unpack_iq4_avx2.h"

INLINE struct k_head head(const uint8_t *b)
{
    return head_16(scales_iq4_xs(b), half_at(b), _mm256_setzero_si256(), 0);
}

size_t matmul_iq4_xs_avx2_scratch(int64_t k)
{
    (void)k;
    return sizeof(struct k_panel);
}

void matmul_iq4_xs_avx2(float *y, int64_t ldy, const struct qmat *w, int64_t r0, int64_t r1, const void *x,
                        size_t x_stride, int64_t m, void *scratch)
{
    struct k_codec codec = {
        .block = 136, .n_sub = 8, .steps = 1, .is_signed = true, .codes = values_iq4_xs, .head = head};
    matmul_k(y, ldy, w, r0, r1, x, x_stride, m, scratch, codec, matvec_iq4_xs_avx2);
}
