/* Rows of encoders.def for vector codebooks; the includer defines LANES, 8 or 16. */
#ifndef KERNELS_X86_ENCODE_GRID_H
#define KERNELS_X86_ENCODE_GRID_H
#include "kernels/encoders.h"
#include "kernels/formats/grid_lanes.h"

#define ENCODE_GRID(id, machine) ROW_ENCODER(encode_##id##_##machine, grid_lanes_encode_row, &id##_rule)
#endif
