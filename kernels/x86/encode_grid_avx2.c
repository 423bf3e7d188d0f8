/* Vector codebooks on AVX2: eight sub-blocks side by side. */
#define LANES 8
#include "kernels/x86/encode_grid.h"

ENCODE_GRID(iq3_s, avx2)
ENCODE_GRID(iq3_xxs, avx2)
ENCODE_GRID(iq2_s, avx2)
ENCODE_GRID(iq2_xs, avx2)
ENCODE_GRID(iq2_xxs, avx2)
ENCODE_GRID(iq1_m, avx2)
ENCODE_GRID(iq1_s, avx2)
