/* FP8 E4M3 weights, one f32 scale per row (group 0) or per tensor (group -1). */
#include "kernels/formats/fp8.h"

FP8_CODEC(fp8_e4m3, E4M3_MAX, f32_to_e4m3, e4m3_to_f32,
          .doc = "8-bit floats E4M3, one f32 scale per row or per tensor.",
          .source = "OCP 8-bit floating point specification; torchao float8 scale rule", .act = "fp8_e4m3");
