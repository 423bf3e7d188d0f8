/* int8 with one scale and zero point that a calibration text has settled: the QuantizeLinear and DequantizeLinear of
 * ONNX, the FakeQuantize of OpenVINO. Without one, rows take the grid of their own range. Encoded rows of one grid are
 * a batch as u8_batch has it: scale, zero point (f32 each), then codes and zero point as 0..255. */
#include "kernels/formats/group.h"
#include "base/half.h"
#include "kernels/formats/fit.h"

struct act_fixed act_fixed_grid(float lo, float hi)
{
    double least = (double)fminf(lo, 0), wide = (double)fmaxf(hi, 0) - least, scale = wide / 255;
    if (scale < 0x1p-126)
        return (struct act_fixed){.scale = 1};
    return (struct act_fixed){.scale = (float)scale, .zero = (float)rint(-128 - least / scale)};
}

void act_fixed_round(float *dst, const float *x, int64_t k, const struct act_fixed *f)
{
    for (int64_t i = 0; i < k; i++)
        dst[i] = f->column ? x[i] * (1 / f->column[i]) : x[i];
    for (int64_t i = 0; i < k; i++)
        dst[i] = (clampf(rintf(dst[i] / f->scale) + f->zero, -128, 127) - f->zero) * f->scale;
    for (int64_t i = 0; f->column && i < k; i++)
        dst[i] *= f->column[i];
}

/* Far beyond the grid fit_round is no rounding, but still far beyond. */
void act_fixed_encode(void *dst, const float *x, int64_t i0, int64_t i1, int64_t k, const struct act_fixed *f)
{
    uint8_t *out = (uint8_t *)dst + ACT_FIXED_HEADER + i0 * k;
    if (i0 == 0) {
        wr_u32le(dst, f32_bits(f->scale));
        wr_u32le((uint8_t *)dst + 4, f32_bits(f->zero + 128));
    }
    for (int64_t r = i0; r < i1; r++, x += k, out += k)
        for (int64_t i = 0; i < k; i++) {
            float v = (f->column ? x[i] * (1 / f->column[i]) : x[i]) / f->scale;
            out[i] = (uint8_t)(int)clamp_code(fit_round(v) + f->zero + 128, 0, 255);
        }
}

static void encode(void *dst, const float *x, int64_t k)
{
    struct range r = range_with_zero(x, k);
    struct act_fixed f = act_fixed_grid(r.lo, r.hi);
    act_fixed_encode(dst, x, 0, 1, k, &f);
}

void act_fixed_decode(float *dst, const void *src, int64_t k)
{
    const uint8_t *in = src;
    float scale = f32_from_bits(rd_u32le(in)), zero = f32_from_bits(rd_u32le(in + 4));
    for (int64_t i = 0; i < k; i++)
        dst[i] = ((float)in[ACT_FIXED_HEADER + i] - zero) * scale;
}

const struct act act_i8_fixed = {.name = "i8_fixed",
                                 .doc = "int8 codes, one scale and zero point that a calibration text has settled.",
                                 .scope = ACT_FIXED,
                                 .block = 1,
                                 .block_bytes = 1,
                                 .head_bytes = ACT_FIXED_HEADER,
                                 .encode = encode,
                                 .decode = act_fixed_decode,
                                 .round_fixed = act_fixed_round,
                                 .encode_fixed = act_fixed_encode};
