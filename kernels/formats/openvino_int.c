/* NNCF's integers: codes of 2, 3, 4 or 8 bits, per row or group. Codes are made with the unrounded scale, which is
 * stored as f16 afterwards. Symmetric: signed codes (with 2 and 3 bits stored as unsigned ones), the value of larger
 * magnitude on the lowest code, the scale's sign with it. OpenVINO's own u3 tensors split the bits of 8 codes over 3
 * bytes, here they are one stream. */
#include <float.h>
#include "kernels/formats/minifloat.h"
#include "kernels/formats/openvino_int.h"

/* Symmetric codes are two's complement; only unsigned types have 2 or 3 bits. */
static int sign_flip(const struct qpar *par)
{
    return par->bits < 4 ? 0 : 1 << (par->bits - 1);
}

static float not_too_small(float s)
{
    return fabsf(s) < FLT_EPSILON ? FLT_EPSILON : s;
}

struct grid openvino_int_grid(const struct qpar *par, const float *x, int64_t n)
{
    int middle = 1 << (par->bits - 1), mask = 2 * middle - 1;
    if (par->sym) {
        struct range r = range_of(x, n);
        float a = fabsf(r.lo);
        return (struct grid){not_too_small((a >= r.hi ? a : -r.hi) / (float)middle), 0};
    }
    struct range r = range_with_zero(x, n);
    float s = not_too_small((r.hi - r.lo) / (float)mask);
    return (struct grid){s, clampf(0 - rintf(r.lo / s), 0, (float)mask)};
}

void openvino_int_levels(const struct qpar *par, struct grid g, const float *x, int64_t n, float *level)
{
    float middle = (float)(1 << (par->bits - 1)), lo = par->sym ? -middle : 0, hi = lo + 2 * middle - 1;
    for (int64_t i = 0; i < n; i++)
        level[i] = clampf(minifloat_rne(x[i] / g.scale + g.zero), lo, hi) - g.zero;
}

void openvino_int_codes(const struct qpar *par, struct grid g, const float *x, int64_t n, uint8_t *code)
{
    float middle = (float)(1 << (par->bits - 1)), lo = par->sym ? -middle : 0, hi = lo + 2 * middle - 1;
    int up = par->sym ? (int)middle - sign_flip(par) : 0, mask = 2 * (int)middle - 1;
    for (int64_t i = 0; i < n; i++)
        code[i] = (uint8_t)(((int)clampf(minifloat_rne(x[i] / g.scale + g.zero), lo, hi) + up) & mask);
}

static void fit(const struct qpar *par, const float *x, int64_t n, const struct wstat *stat, uint8_t *code,
                struct grid *g)
{
    (void)stat;
    *g = openvino_int_grid(par, x, n);
    openvino_int_codes(par, *g, x, n, code);
}

static void values(const struct qpar *par, float *y, const uint8_t *code, int n, struct grid g)
{
    int flip = par->sym ? sign_flip(par) : 0, zero = par->sym ? 1 << (par->bits - 1) : (int)g.zero;
    for (int i = 0; i < n; i++)
        y[i] = (float)((code[i] ^ flip) - zero) * g.scale;
}

static const struct group_rule rule = {
    .usual = {.bits = 4, .sym = 0, .scale_type = NUMBER_F16, .zero_type = ZERO_CODE, .group = 128},
    .bits = 1 << 2 | 1 << 3 | 1 << 4 | 1 << 8,
    .zero_plane = PLANE_ZERO,
    .fit = fit,
    .values = values,
};
void openvino_int_store(struct qmat *q, int64_t row, uint8_t *code, const struct grid *g)
{
    group_store_row(&rule, q, row, code, g);
}

GROUP_CODEC(openvino_int,
            .doc = "NNCF: codes of 2, 3, 4 or 8 bits, f16 scale and perhaps a zero point per row or group.",
            .source = "openvinotoolkit/nncf src/nncf/quantization/algorithms/weight_compression/weight_lowering.py",
            .act = "openvino_i8");
