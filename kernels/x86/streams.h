/* Weights on their way from memory. */
#ifndef KERNELS_X86_STREAMS_H
#define KERNELS_X86_STREAMS_H
#include "kernels/x86/x86.h"

/* The first 4 KiB of the rows from r0 and from r0 + half on, before activations are arranged: memory is on its way
 * then, and its prefetchers know both streams when they are needed. */
INLINE void prefetch_rows(const struct qmat *w, int64_t r0, int64_t r1)
{
    const int64_t half = (r1 - r0 + 1) / 2, n = min_i64(4096, (r1 - r0) / 2 * (int64_t)w->plane[PLANE_CODE].row_stride);
    const char *p = (const char *)qmat_row(w, r0), *q = (const char *)qmat_row(w, r0 + half);
    for (int64_t i = 0; i < n; i += 64) {
        _mm_prefetch(p + i, _MM_HINT_T1);
        _mm_prefetch(q + i, _MM_HINT_T1);
    }
}
#endif
