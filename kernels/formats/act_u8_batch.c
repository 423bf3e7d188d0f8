/* uint8 with one scale and zero point for the whole batch: ONNX's DynamicQuantizeLinear. Its bytes are those of
 * i8_fixed on the grid that the batch asks for. */
#include "kernels/formats/group.h"

static struct act_fixed grid(float lo, float hi)
{
    float s = (hi - lo) / 255;
    if (s == 0)
        return (struct act_fixed){.scale = 1, .zero = -128};
    return (struct act_fixed){.scale = s, .zero = clampf(rintf(0 - lo / s), 0, 255) - 128};
}

static void encode(void *dst, const float *x, int64_t k)
{
    struct range r = range_with_zero(x, k);
    struct act_fixed f = grid(r.lo, r.hi);
    act_fixed_encode(dst, x, 0, 1, k, &f);
}

const struct act act_u8_batch = {.name = "u8_batch",
                                 .doc = "uint8 codes, one scale and zero point for all tokens of a call.",
                                 .scope = ACT_BATCH,
                                 .block = 1,
                                 .block_bytes = 1,
                                 .head_bytes = ACT_FIXED_HEADER,
                                 .encode = encode,
                                 .decode = act_fixed_decode,
                                 .grid = grid,
                                 .round_fixed = act_fixed_round,
                                 .encode_fixed = act_fixed_encode};
