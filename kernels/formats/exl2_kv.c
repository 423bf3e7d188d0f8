/* ExLlamaV2's quantized KV cache: of 64 values the even and the odd ones go through Hadamard transforms of 32 each, in
 * f16, unscaled and every sum rounded; then codes and an f16 scale per 32 neighbours, x ~ (code - middle) * scale with
 * scale = absmax / middle. Decoding transforms again and divides by 32. */
#include "kernels/formats/fit.h"
#include "kernels/formats/group.h"

enum { PIECE = 64, HALF = 32 };

static void transform(float *x)
{
    for (int step = 2; step < PIECE; step *= 2)
        for (int i = 0; i < PIECE; i += 2 * step)
            for (int j = i; j < i + step; j++) {
                float a = x[j], b = x[j + step];
                x[j] = f16_round(a + b);
                x[j + step] = f16_round(a - b);
            }
}

/* 32 values as they are transformed. The division and the multiply-add are rounded to f16 each. */
static void fit(const struct qpar *par, const float *x, int64_t n, const struct wstat *stat, uint8_t *code,
                struct grid *g)
{
    (void)stat;
    const float middle = (float)(1 << (par->bits - 1)), most = range_absmax(x, n);
    for (int64_t i = 0; i < n; i++) {
        float unit = most > 0 ? f16_round(x[i] / most) : -1;
        code[i] = (uint8_t)clampf(fit_round(f16_round(unit * middle + middle)), 0, 2 * middle - 1);
    }
    *g = (struct grid){f16_round(most / middle), 0};
}

static void values(const struct qpar *par, float *y, const uint8_t *code, int n, struct grid g)
{
    const float middle = (float)(1 << (par->bits - 1));
    for (int i = 0; i < n; i++)
        y[i] = f16_round(((float)code[i] - middle) * g.scale);
}

static const struct group_rule rule = {
    .usual = {.bits = 4, .scale_type = NUMBER_F16, .group = HALF},
    .bits = 1 << 4 | 1 << 8,
    .one_type = true,
    .group_max = HALF,
    .fit = fit,
    .values = values,
};

static int layout(struct qmat *q, int64_t n, int64_t k, const struct qpar *par, struct err *e)
{
    if (k % PIECE)
        return err_set(e, ERR_UNSUPPORTED, "exl2_kv takes rows of a multiple of 64 values, not %lld", (long long)k);
    return group_layout(&codec_exl2_kv, &rule, q, n, k, par, e);
}

static int encode(struct qmat *q, int64_t r0, int64_t r1, const float *w, const struct wstat *stat,
                  const struct calib *cal, struct arena *a)
{
    (void)cal;
    float *x = a ? arena_alloc_n(a, (size_t)q->k, sizeof *x) : NULL;
    for (int64_t r = r0; r < r1 && x; r++, w += q->k) {
        for (int64_t i = 0; i < q->k; i++)
            x[i] = f16_round(w[i]);
        for (int64_t i = 0; i < q->k; i += PIECE)
            transform(x + i);
        int rc = group_encode(&rule, q, r, r + 1, x, stat, a);
        if (rc)
            return rc;
    }
    return x ? 0 : ERR_NOMEM;
}

static void decode(float *dst, const struct qmat *q, int64_t r0, int64_t r1)
{
    group_decode(&rule, dst, q, r0, r1);
    for (float *x = dst, *end = dst + (r1 - r0) * q->k; x < end; x += PIECE) {
        transform(x);
        for (int i = 0; i < PIECE; i++)
            x[i] = f16_round(x[i] / HALF);
    }
}

const struct codec codec_exl2_kv = {
    .name = "exl2_kv",
    .doc = "ExLlamaV2's KV cache: transformed in f16, codes of 4 or 8 bits and an f16 scale per 32 values.",
    .source = "exllamav2 exllamav2_ext/cuda/cache_q.cuh",
    .act = "f16",
    .gguf_type = -1,
    .block = 1,
    .layout = layout,
    .encode = encode,
    .decode = decode,
};
