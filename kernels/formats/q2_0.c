/* 2-bit codes, one f16 scale per 64 weights: x ~ d*(q - 1). The standard encoder takes d = max |x| and so never uses
 * code 3: it is meant for weights that are ternary already. Importances make no difference.
 * Fields: d, 16 bytes with four codes each, the first in the low bits. */
#include "base/half.h"
#include "kernels/formats/blocks.h"
#include "kernels/formats/ternary.h"

enum { N = 64, BYTES = 18, CODES = 2 };

static void encode_row(uint8_t *dst, const float *x, int64_t k, const float *importance)
{
    uint8_t q[N];
    (void)importance;
    for (; k > 0; k -= N, x += N, dst += BYTES) {
        wr_u16le(dst, ternary_codes(q, x, N));
        for (int i = 0; i < N / 4; i++)
            dst[CODES + i] = (uint8_t)(q[4 * i] | q[4 * i + 1] << 2 | q[4 * i + 2] << 4 | q[4 * i + 3] << 6);
    }
}

static void decode_row(float *y, const uint8_t *src, int64_t k)
{
    for (; k > 0; k -= N, y += N, src += BYTES) {
        float d = f16_to_f32(rd_u16le(src));
        for (int i = 0; i < N; i++)
            y[i] = (float)((src[CODES + i / 4] >> (i % 4 * 2) & 3) - 1) * d;
    }
}

BLOCK_CODEC(q2_0, N, BYTES, .doc = "2-bit codes -1 to 2, one f16 scale per 64 weights.",
            .source = "llama.cpp ggml/src/ggml-common.h, block_q2_0", .gguf_type = 42, .act = "q8_0");
