/* 4-bit codes into 16 uneven values, one f16 scale per 32 weights: x ~ d * value.
 * Fields: d, 16 bytes with code i in the low and code i + 16 in the high half. */
#define LANES 4
#include "kernels/formats/iq4_lanes.h"

enum { N = IQ4_LEN, BYTES = 18, CODES = 2 };

static void encode_row(uint8_t *dst, const float *x, int64_t k, const float *importance)
{
    iq4_nl_encode_row(dst, x, k, importance);
}

static void decode_row(float *y, const uint8_t *src, int64_t k)
{
    for (; k > 0; k -= N, y += N, src += BYTES) {
        float d = f16_to_f32(rd_u16le(src));
        for (int i = 0; i < N / 2; i++) {
            y[i] = (float)iq4_value[src[CODES + i] & 15] * d;
            y[i + N / 2] = (float)iq4_value[src[CODES + i] >> 4] * d;
        }
    }
}

BLOCK_CODEC(iq4_nl, N, BYTES, .doc = "4-bit codes into 16 uneven values, one f16 scale per 32 weights.",
            .source = "llama.cpp ggml/src/ggml-common.h, block_iq4_nl", .gguf_type = 20, .act = "q8_0");
