/* LLM.int8() of bitsandbytes: halves; a column in which any row of the batch reaches 6 keeps them, the others become
 * int8 per row by the largest magnitude below 6 (outliers count as zeros for it). */
#include <string.h>
#include "kernels/formats/act_int8_row.h"

static const float threshold = 6;

static bool is_outlier_column(const float *x, int64_t n, int64_t k)
{
    bool found = false;
    for (int64_t i = 0; i < n; i++)
        found |= fabsf(f16_round(x[i * k])) >= threshold;
    return found;
}

static float row_max(const float *x, int64_t k)
{
    float m = 0;
    for (int64_t i = 0; i < k; i++) {
        float v = fabsf(f16_round(x[i]));
        m = v < threshold && v > m ? v : m;
    }
    return m;
}

static void round_batch(float *dst, const float *x, int64_t n, int64_t k)
{
    for (int64_t i = 0; i < n; i++) {
        float most = row_max(x + i * k, k), factor = most > 0 ? 1 / most * 127 : 0;
        for (int64_t j = 0; j < k; j++)
            dst[i * k + j] = fit_round(f16_round(x[i * k + j]) * factor) * (most * 7.874015718698502e-3f);
    }
    for (int64_t j = 0; j < k; j++)
        if (is_outlier_column(x + j, n, k))
            for (int64_t i = 0; i < n; i++)
                dst[i * k + j] = f16_round(x[i * k + j]);
}

static void encode(void *dst, const float *x, int64_t k)
{
    round_batch(dst, x, 1, k);
}

static void decode(float *dst, const void *src, int64_t k)
{
    memcpy(dst, src, (size_t)k * sizeof *dst);
}

const struct act act_bnb_int8 = {.name = "bnb_int8",
                                 .doc = "int8 per row, columns with values from 6 on as halves.",
                                 .scope = ACT_COLUMNS,
                                 .block = 1,
                                 .block_bytes = 4,
                                 .encode = encode,
                                 .decode = decode,
                                 .round = round_batch};
