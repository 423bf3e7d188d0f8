/* int8 codes with one f32 statistic per row: what the codecs of bitsandbytes and torchao share. */
#ifndef KERNELS_FORMATS_INT8_ROWS_H
#define KERNELS_FORMATS_INT8_ROWS_H
#include "kernels/formats/fit.h"
#include "kernels/formats/grouped.h"

struct int8_rows {
    float (*stored)(float abs_max); /* what the file holds of a row */
    int8_t (*code)(float w, float stored);
    float (*value)(int code, float stored);
};

static inline float abs_max_of(const float *x, int64_t n)
{
    float m = 0;
    for (int64_t i = 0; i < n; i++)
        m = fabsf(x[i]) > m ? fabsf(x[i]) : m;
    return m;
}

static inline void int8_rows_encode(const struct int8_rows *rule, struct qmat *q, int64_t r0, int64_t r1,
                                    const float *w)
{
    for (int64_t r = r0; r < r1; r++, w += q->k) {
        float stored = rule->stored(abs_max_of(w, q->k));
        uint8_t *code = codec_row(q, r);
        wr_u32le(grouped_scale(q, r, 0, 4), f32_bits(stored));
        for (int64_t i = 0; i < q->k; i++)
            code[i] = (uint8_t)rule->code(w[i], stored);
    }
}

static inline void int8_rows_book(const struct int8_rows *rule, float *value, const struct qmat *q, int64_t r)
{
    float stored = f32_from_bits(rd_u32le(grouped_scale(q, r, 0, 4)));
    for (int c = 0; c < 256; c++)
        value[c] = rule->value((int8_t)c, stored);
}

#define INT8_ROWS_CODEC(id, ...)                                                                                       \
    static int layout(struct qmat *q, int64_t n, int64_t k, const struct qpar *par, struct err *e)                     \
    {                                                                                                                  \
        if (par && par->group != 0)                                                                                    \
            return err_set(e, ERR_USAGE, "%s has one scale per row, not per %d weights", #id, (int)par->group);        \
        return grouped_layout(&codec_##id, q, n, k, (struct qpar){.bits = 8, .sym = 1}, 4, 0, e);                      \
    }                                                                                                                  \
    static int encode(struct qmat *q, int64_t r0, int64_t r1, const float *w, const struct wstat *stat,                \
                      const struct calib *cal, struct arena *a)                                                        \
    {                                                                                                                  \
        (void)stat, (void)cal, (void)a;                                                                                \
        int8_rows_encode(&rule, q, r0, r1, w);                                                                         \
        return 0;                                                                                                      \
    }                                                                                                                  \
    static void book(float *value, const struct qmat *q, int64_t r, int64_t g)                                         \
    {                                                                                                                  \
        (void)g;                                                                                                       \
        int8_rows_book(&rule, value, q, r);                                                                            \
    }                                                                                                                  \
    static void decode(float *dst, const struct qmat *q, int64_t r0, int64_t r1)                                       \
    {                                                                                                                  \
        grouped_decode(dst, q, r0, r1, book);                                                                          \
    }                                                                                                                  \
    const struct codec codec_##id = {.name = #id,                                                                      \
                                     .gguf_type = -1,                                                                  \
                                     .block = 1,                                                                       \
                                     .layout = layout,                                                                 \
                                     .encode = encode,                                                                 \
                                     .decode = decode,                                                                 \
                                     __VA_ARGS__}
#endif
