/* NF4 of bitsandbytes: sixteen quantiles of a normal distribution, in rising order of code (bnb_4bit.h). */
#include "kernels/formats/bnb_4bit.h"

const struct bnb_4bit bnb_4bit_nf4 = {
    .sorted = {-1.0f, -0.6961928009986877f, -0.5250730514526367f, -0.39491748809814453f, -0.28444138169288635f,
               -0.18477343022823334f, -0.09105003625154495f, 0, 0.07958029955625534f, 0.16093020141124725f,
               0.24611230194568634f, 0.33791524171829224f, 0.44070982933044434f, 0.5626170039176941f,
               0.7229568362236023f, 1.0f},
    .code = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15},
};

BNB_4BIT_CODEC(bnb_nf4, bnb_4bit_nf4, .doc = "NF4 codes, one scale per 64 weights.",
               .source = "bitsandbytes functional.py, backends/default/ops.py");
