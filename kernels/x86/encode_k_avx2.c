/* K-types on AVX2: eight sub-blocks side by side. */
#define LANES 8
#include "kernels/x86/encode_k.h"

ENCODE_K(q2_k, avx2)
ENCODE_K(q3_k, avx2)
ENCODE_K(q4_k, avx2)
ENCODE_K(q5_k, avx2)
ENCODE_K(q6_k, avx2)
