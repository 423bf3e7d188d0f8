/* Any codec times activations encoded by its own rule, in plain C: decode both, then a dot product in f32.
 * Right everywhere, and never a speed worth reporting (kernel_is_packed is false). */
#include "base/mem.h"
#include "kernels/kernel_rows.h"

size_t matmul_any_c_scratch(int64_t k)
{
    return 2 * (size_t)k * sizeof(float);
}

void matmul_any_c(float *y, int64_t ldy, const struct qmat *w, int64_t r0, int64_t r1, const void *x,
                  size_t x_stride, int64_t m, void *scratch)
{
    const struct act *act = act_find(w->codec->act);
    float *row = scratch, *v = row + w->k;
    for (int64_t j = 0; j < m; j++) {
        act->decode(v, (const uint8_t *)x + (size_t)j * x_stride, w->k);
        for (int64_t r = r0; r < r1; r++) {
            w->codec->decode(row, w, r, r + 1);
            gemm_f32_c(y + j * ldy + r - r0, ldy, v, w->k, row, w->k, 1, 1, w->k);
        }
    }
}
