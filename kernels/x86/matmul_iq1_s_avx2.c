/* Prefill: IQ1_S rows times Q8_K activations. Layout in kernels/formats/iq1_s.c. */
#include "kernels/x86/matmul_k_avx2.h"
#include "kernels/x86/unpack_grid_avx2.h"

INLINE struct k_head head(const uint8_t *b)
{
    __m128i sc = scales_iq1_s(b);
    float d = 0.125f * half_at(b);
    return head_8(sc, d, OFFSET_IQ1 * d);
}

size_t matmul_iq1_s_avx2_scratch(int64_t k)
{
    (void)k;
    return sizeof(struct k_panel);
}

void matmul_iq1_s_avx2(float *y, int64_t ldy, const struct qmat *w, int64_t r0, int64_t r1, const void *x,
                       size_t x_stride, int64_t m, void *scratch)
{
    grid_bytes_make();
    struct k_codec codec = {.block = 50, .n_sub = 8, .steps = 4, .codes = points_iq1_s, .head = head};
    matmul_k(y, ldy, w, r0, r1, x, x_stride, m, scratch, codec, matvec_iq1_s_avx2);
}
