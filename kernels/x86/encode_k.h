/* The k-types' encoders on registers of LANES floats: the includer defines LANES. */
#ifndef KERNELS_X86_ENCODE_K_H
#define KERNELS_X86_ENCODE_K_H
#include "kernels/encoders.h"
#include "kernels/formats/block256.h"
#include "kernels/formats/fit_lanes.h"

#define ENCODE_K(id, machine) ROW_ENCODER(encode_##id##_##machine, block256_encode_row, &id##_rule, fit_super_lanes)
#endif
