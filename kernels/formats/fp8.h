/* 8-bit floats with one f32 scale per row or per tensor: what the two codecs share. scale = max|w| / largest;
 * code = nearest(w / scale); w ~ code * scale. An all-zero row has scale 0 and codes 0. */
#ifndef KERNELS_FORMATS_FP8_H
#define KERNELS_FORMATS_FP8_H
#include "base/float8.h"
#include "kernels/formats/group.h"

#define FP8_CODEC(id, largest, to_code, to_value, ...)                                                                 \
    static void fit(const struct qpar *par, const float *x, int64_t n, const struct wstat *stat, uint8_t *code,        \
                    struct grid *g)                                                                                    \
    {                                                                                                                  \
        *g = (struct grid){(par->group < 0 ? stat->abs_max : range_absmax(x, n)) / (largest), 0};                      \
        for (int64_t i = 0; i < n; i++)                                                                                \
            code[i] = g->scale > 0 ? to_code(x[i] / g->scale) : 0;                                                     \
    }                                                                                                                  \
    static void values(const struct qpar *par, float *y, const uint8_t *code, int n, struct grid g)                    \
    {                                                                                                                  \
        (void)par;                                                                                                     \
        for (int i = 0; i < n; i++)                                                                                    \
            y[i] = to_value(code[i]) * g.scale;                                                                        \
    }                                                                                                                  \
    static const struct group_rule rule = {.usual = {.bits = 8, .scale_type = NUMBER_F32},                             \
                                           .bits = 1 << 8,                                                             \
                                           .one_type = true,                                                           \
                                           .per_tensor = true,                                                         \
                                           .rows_only = true,                                                          \
                                           .fit = fit,                                                                 \
                                           .values = values};                                                          \
    GROUP_CODEC(id, .measure = group_measure, __VA_ARGS__)
#endif
