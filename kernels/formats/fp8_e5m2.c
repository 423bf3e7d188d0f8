/* FP8 E5M2 weights, one f32 scale per row (group 0) or per tensor (group -1). */
#include "kernels/formats/fp8.h"

FP8_CODEC(fp8_e5m2, E5M2_MAX, f32_to_e5m2, e5m2_to_f32,
          .doc = "8-bit floats E5M2, one f32 scale per row or per tensor.",
          .source = "OCP 8-bit floating point specification; torchao float8 scale rule", .act = "fp8_e4m3");
