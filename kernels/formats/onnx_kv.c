/* The quantized KV cache of ONNX Runtime's GroupQueryAttention: signed codes of 8 or 4 bits of values that were divided
 * by their settled scale before; 4-bit codes are stored with 8 added. The scale here is always 1. */
#include "kernels/formats/fit.h"
#include "kernels/formats/group.h"

static void fit(const struct qpar *par, const float *x, int64_t n, const struct wstat *stat, uint8_t *code,
                struct grid *g)
{
    (void)stat;
    const int middle = 1 << (par->bits - 1);
    for (int64_t i = 0; i < n; i++)
        code[i] = (uint8_t)((int)fit_round(clampf(x[i], (float)-middle, (float)(middle - 1))) +
                            (par->bits == 8 ? 0 : middle));
    *g = (struct grid){1, 0};
}

static void values(const struct qpar *par, float *y, const uint8_t *code, int n, struct grid g)
{
    (void)g;
    if (par->bits == 8)
        for (int i = 0; i < n; i++)
            y[i] = (float)(int8_t)code[i];
    else
        for (int i = 0; i < n; i++)
            y[i] = (float)(code[i] - 8);
}

static const struct group_rule rule = {
    .usual = {.bits = 8, .scale_type = NUMBER_F32, .group = -1},
    .bits = 1 << 4 | 1 << 8,
    .one_type = true,
    .per_tensor = true,
    .fit = fit,
    .values = values,
};
GROUP_CODEC(onnx_kv, .measure = group_measure,
            .doc = "ONNX Runtime's KV cache: signed codes of 4 or 8 bits of values divided by settled scales.",
            .source = "microsoft/onnxruntime contrib_ops/cpu/bert/group_query_attention.cc", .act = "f32");
