/* What the kernels of every instruction set share. */
#ifndef KERNELS_INLINE_H
#define KERNELS_INLINE_H
#include <stdint.h>
#include "base/half.h"
#include "base/inline.h"
#include "kernels/kernel_rows.h"

INLINE int64_t min_i64(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

INLINE const uint8_t *qmat_row(const struct qmat *w, int64_t r)
{
    return w->plane[PLANE_CODE].p + (size_t)r * w->plane[PLANE_CODE].row_stride;
}
#endif
