/* Decode: codes in groups times one row of f32 values. */
#include "kernels/x86/f32_rows_avx2.h"
#include "kernels/matvec_f32_groups.h"

void matvec_f32_groups_avx2(float *y, const struct qmat *w, int64_t r0, int64_t r1, const void *x)
{
    matvec_f32_groups(y, w, r0, r1, x);
}
