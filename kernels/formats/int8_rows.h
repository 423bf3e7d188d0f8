/* int8 codes with one f32 statistic per row: what the codecs of bitsandbytes and torchao share. A codec file writes
 *   stored(abs_max)   what the file holds of a row
 *   code(w, stored)   value(code, stored) */
#ifndef KERNELS_FORMATS_INT8_ROWS_H
#define KERNELS_FORMATS_INT8_ROWS_H
#include "kernels/formats/fit.h"
#include "kernels/formats/group.h"

#define INT8_ROWS_CODEC(id, ...)                                                                                       \
    static void fit(const struct qpar *par, const float *x, int64_t n, const struct wstat *stat, uint8_t *codes,       \
                    struct grid *g)                                                                                    \
    {                                                                                                                  \
        (void)par, (void)stat;                                                                                         \
        *g = (struct grid){stored(range_absmax(x, n)), 0};                                                             \
        for (int64_t i = 0; i < n; i++)                                                                                \
            codes[i] = (uint8_t)code(x[i], g->scale);                                                                  \
    }                                                                                                                  \
    static void values(const struct qpar *par, float *y, const uint8_t *codes, int n, struct grid g)                   \
    {                                                                                                                  \
        (void)par;                                                                                                     \
        for (int i = 0; i < n; i++)                                                                                    \
            y[i] = value((int8_t)codes[i], g.scale);                                                                   \
    }                                                                                                                  \
    static const struct group_rule rule = {.usual = {.bits = 8, .sym = 1, .scale_type = NUMBER_F32},                   \
                                           .bits = 1 << 8,                                                             \
                                           .one_type = true,                                                           \
                                           .rows_only = true,                                                          \
                                           .fit = fit,                                                                 \
                                           .values = values};                                                          \
    GROUP_CODEC(id, __VA_ARGS__)
#endif
