/* Ternary weights, 2 bits each, one f16 scale per 256: x ~ d*(q - 1). For weights that are ternary already; importances
 * make no difference. Fields: 64 bytes, d. Byte 32h + j holds weights 128h + j + 32m in bits 2m. */
#include "base/half.h"
#include "kernels/formats/blocks.h"
#include "kernels/formats/ternary.h"

enum { N = 256, BYTES = 66, SCALE = 64 };

static void encode_row(uint8_t *dst, const float *x, int64_t k, const float *importance)
{
    uint8_t q[N];
    (void)importance;
    for (; k > 0; k -= N, x += N, dst += BYTES) {
        wr_u16le(dst + SCALE, ternary_codes(q, x, N));
        for (int i = 0; i < SCALE; i++) {
            const uint8_t *p = q + i / 32 * 128 + i % 32;
            dst[i] = (uint8_t)(p[0] | p[32] << 2 | p[64] << 4 | p[96] << 6);
        }
    }
}

static void decode_row(float *y, const uint8_t *src, int64_t k)
{
    for (; k > 0; k -= N, src += BYTES) {
        float d = f16_to_f32(rd_u16le(src + SCALE));
        for (int run = 0; run < 8; run++, y += 32)
            for (int i = 0; i < 32; i++)
                y[i] = (float)((src[run / 4 * 32 + i] >> (run % 4 * 2) & 3) - 1) * d;
    }
}

BLOCK_CODEC(tq2_0, N, BYTES, .doc = "Ternary weights in 2 bits, one f16 scale per 256.",
            .source = "llama.cpp ggml/src/ggml-common.h, block_tq2_0", .gguf_type = 35, .act = "q8_k");
