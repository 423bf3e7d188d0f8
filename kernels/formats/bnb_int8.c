/* int8 per row with the row's largest magnitude beside it (LLM.int8(), bitsandbytes): weights are halves first,
 * code = nearest(w * (1 / max * 127)). A row of zeros has codes 0. */
#include "kernels/formats/int8_rows.h"

static float stored(float abs_max)
{
    return f16_round(abs_max);
}

static int8_t code(float w, float abs_max)
{
    return abs_max > 0 ? (int8_t)fit_round(f16_round(w) * (1 / abs_max * 127)) : 0;
}

static float value(int c, float abs_max)
{
    return (float)c * abs_max * 7.874015718698502e-3f; /* 1/127 */
}

INT8_ROWS_CODEC(bnb_int8, .doc = "int8 codes, the largest magnitude of each row beside them.",
                .source = "bitsandbytes backends/default/ops.py, int8_vectorwise_quant", .act = "bnb_int8");
