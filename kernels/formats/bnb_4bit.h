/* 4-bit codes of a fixed table per block of 64 weights (bitsandbytes): what NF4 and FP4 share. Codes stand high nibble
 * first; the largest magnitude of a block is stored as f32, or (scale_type 1, "double quantization") as an 8-bit code
 * of a dynamic map per 256 blocks of the flat matrix, less the mean of all of them.
 *
 * Planes of the latter: PLANE_SCALE one byte per block, PLANE_BIAS f32 per 256 blocks, PLANE_TENSOR the f32 mean. */
#ifndef KERNELS_FORMATS_BNB_4BIT_H
#define KERNELS_FORMATS_BNB_4BIT_H
#include "kernels/formats/group.h"

struct bnb_4bit {
    float sorted[16]; /* values in rising order */
    uint8_t code[16]; /* the code of each */
};
enum { BNB_NESTED = 1, BNB_NESTED_BLOCK = 256 };

extern const struct bnb_4bit bnb_4bit_nf4, bnb_4bit_fp4;
/* The 256 values of the dynamic map, made once. */
const float *bnb_4bit_map(void);

int bnb_4bit_layout(const struct codec *c, struct qmat *q, int64_t n, int64_t k, const struct qpar *par, struct err *e);
int bnb_4bit_encode(const struct bnb_4bit *t, struct qmat *q, int64_t r0, int64_t r1, const float *w);
int bnb_4bit_encode_all(const struct bnb_4bit *t, struct qmat *q, const float *w, struct pool *pool, struct arena *a);
void bnb_4bit_decode(const struct bnb_4bit *t, float *dst, const struct qmat *q, int64_t r0, int64_t r1);

#define BNB_4BIT_CODEC(id, table, ...)                                                                                 \
    static int layout(struct qmat *q, int64_t n, int64_t k, const struct qpar *par, struct err *e)                     \
    {                                                                                                                  \
        return bnb_4bit_layout(&codec_##id, q, n, k, par, e);                                                          \
    }                                                                                                                  \
    static int encode(struct qmat *q, int64_t r0, int64_t r1, const float *w, const struct wstat *stat,                \
                      const struct calib *cal, struct arena *a)                                                        \
    {                                                                                                                  \
        (void)stat, (void)cal, (void)a;                                                                                \
        return bnb_4bit_encode(&table, q, r0, r1, w);                                                                  \
    }                                                                                                                  \
    static int encode_all(struct qmat *q, const float *w, struct pool *pool, struct arena *a)                          \
    {                                                                                                                  \
        return bnb_4bit_encode_all(&table, q, w, pool, a);                                                             \
    }                                                                                                                  \
    static void decode(float *dst, const struct qmat *q, int64_t r0, int64_t r1)                                       \
    {                                                                                                                  \
        bnb_4bit_decode(&table, dst, q, r0, r1);                                                                       \
    }                                                                                                                  \
    const struct codec codec_##id = {.name = #id,                                                                      \
                                     .gguf_type = -1,                                                                  \
                                     .block = 1,                                                                       \
                                     .act = "f16",                                                                     \
                                     .layout = layout,                                                                 \
                                     .encode = encode,                                                                 \
                                     .decode = decode,                                                                 \
                                     .encode_all = encode_all,                                                         \
                                     __VA_ARGS__}
#endif
