/* One activation row, encoded by the codec's own rule, times any codec's rows: matmul_any_c with scratch of
 * its own. Without memory for two rows of f32 the results are NaN: not computed. */
#include <math.h>
#include "base/mem.h"
#include "kernels/kernel_rows.h"

void matvec_any_c(float *y, const struct qmat *w, int64_t r0, int64_t r1, const void *x)
{
    void *scratch = mem_aligned(matmul_any_c_scratch(w->k));
    if (scratch)
        matmul_any_c(y, r1 - r0, w, r0, r1, x, 0, 1, scratch);
    else
        for (int64_t r = r0; r < r1; r++)
            y[r - r0] = NAN;
    mem_free(scratch);
}
