/* FP4 of bitsandbytes: sign, two exponent bits, one mantissa bit, in a code order of its own (not E2M1; bnb_4bit.h). */
#include "kernels/formats/bnb_4bit.h"

#define S(v) ((float)((v) / 12.0))
const struct bnb_4bit bnb_4bit_fp4 = {
    .sorted = {-S(12.0), -S(8.0), -S(6.0), -S(4.0), -S(3.0), -S(2.0), -S(0.0625), 0, 0, S(0.0625), S(2.0), S(3.0),
               S(4.0), S(6.0), S(8.0), S(12.0)},
    .code = {11, 10, 13, 12, 15, 14, 9, 0, 8, 1, 6, 7, 4, 5, 2, 3}, /* of the two zeros, the package takes them so */
};

BNB_4BIT_CODEC(bnb_fp4, bnb_4bit_fp4, .doc = "4-bit floats of bitsandbytes, one scale per 64 weights.",
               .source = "bitsandbytes functional.py, backends/default/ops.py");
