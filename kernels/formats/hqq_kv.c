/* hqq's codes as transformers' quantized KV cache has them (axis 1): those of hqq.c, but no zero point starts whole. */
#include "kernels/formats/hqq.h"

static const struct group_rule rule = {
    .usual = {.bits = 4, .scale_type = NUMBER_F16, .zero_type = ZERO_FLOAT, .group = 64},
    .bits = 1 << 1 | 1 << 2 | 1 << 4 | 1 << 8,
    .zero_plane = PLANE_ZERO,
    .look_up = true,
    .one_type = true,
    .values = hqq_values,
};

static int encode_rows(struct qmat *q, int64_t r0, int64_t n, const float *w, struct pool *pool, struct arena *a)
{
    return hqq_encode_rows(&rule, false, q, r0, n, w, pool, a);
}

GROUP_WHOLE_CODEC(hqq_kv,
                  .doc = "hqq in a KV cache: codes of 1, 2, 4 or 8 bits, f16 scale and float zero per 64 values.",
                  .source = "hqq core/quantize.py, core/optimize.py; transformers cache_utils.py", .act = "f16");
