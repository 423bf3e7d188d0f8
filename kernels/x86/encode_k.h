/* The k-types' encoders on registers of LANES floats: the includer defines LANES. */
#ifndef KERNELS_X86_ENCODE_K_H
#define KERNELS_X86_ENCODE_K_H
#include "kernels/encoders.h"
#include "kernels/formats/block256.h"
#include "kernels/formats/fit_lanes.h"

#define ENCODE_K(id, machine)                                                                                          \
    int encode_##id##_##machine(struct qmat *q, int64_t r0, int64_t r1, const float *w, const struct wstat *stat,      \
                                const struct calib *cal, struct arena *a)                                              \
    {                                                                                                                  \
        (void)stat, (void)a;                                                                                           \
        for (int64_t r = r0; r < r1; r++, w += q->k)                                                                   \
            block256_encode_row(&id##_rule, fit_super_lanes, codec_row(q, r), w, q->k, cal ? cal->importance : NULL);  \
        return 0;                                                                                                      \
    }
#endif
