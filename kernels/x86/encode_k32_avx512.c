/* K-types of 32 weights a sub-block: a super-block has eight, for which the half registers do. */
#define LANES 8
#include "kernels/x86/encode_k.h"

ENCODE_K(q4_k, avx512)
ENCODE_K(q5_k, avx512)
