/* IQ4_NL and IQ4_XS on AVX2: eight runs of 32 weights side by side. */
#define LANES 8
#include "kernels/formats/iq4_lanes.h"
#include "kernels/encoders.h"

ROW_ENCODER(encode_iq4_nl_avx2, iq4_nl_encode_row)
ROW_ENCODER(encode_iq4_xs_avx2, iq4_xs_encode_row)
