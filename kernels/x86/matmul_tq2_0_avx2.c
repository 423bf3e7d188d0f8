/* Prefill: TQ2_0 rows times Q8_K activations. Layout in kernels/formats/tq2_0.c. */
#include "kernels/x86/matmul_k_avx2.h"
#include "kernels/x86/unpack_ternary_avx2.h"

/* One scale; the panel treats it as four. The offset of 1 is a minimum. */
INLINE struct k_head head(const uint8_t *b)
{
    float d = half_at(b + 64);
    return (struct k_head){.scale = {_mm256_set1_ps(d)}, .min = _mm256_set1_epi16(1), .min_scale = d};
}

size_t matmul_tq2_0_avx2_scratch(int64_t k)
{
    (void)k;
    return sizeof(struct k_panel);
}

void matmul_tq2_0_avx2(float *y, int64_t ldy, const struct qmat *w, int64_t r0, int64_t r1, const void *x,
                       size_t x_stride, int64_t m, void *scratch)
{
    struct k_codec codec = {.block = 66, .n_sub = 4, .steps = 16, .codes = codes_tq2_0, .head = head};
    matmul_k(y, ldy, w, r0, r1, x, x_stride, m, scratch, codec, matvec_tq2_0_avx2);
}
