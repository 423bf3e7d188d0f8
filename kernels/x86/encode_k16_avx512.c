/* K-types of 16 weights a sub-block on AVX-512: a super-block at a time. */
#define LANES 16
#include "kernels/x86/encode_k.h"

ENCODE_K(q2_k, avx512)
ENCODE_K(q3_k, avx512)
ENCODE_K(q6_k, avx512)
