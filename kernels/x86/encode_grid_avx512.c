/* Vector codebooks on AVX-512: sixteen sub-blocks side by side. */
#define LANES 16
#include "kernels/x86/encode_grid.h"

ENCODE_GRID(iq3_s, avx512)
ENCODE_GRID(iq3_xxs, avx512)
ENCODE_GRID(iq2_s, avx512)
ENCODE_GRID(iq2_xs, avx512)
ENCODE_GRID(iq2_xxs, avx512)
ENCODE_GRID(iq1_m, avx512)
ENCODE_GRID(iq1_s, avx512)
