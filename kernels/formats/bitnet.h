/* The layouts of ternary weights, as qpar.scale_type of the codec names them. */
#ifndef KERNELS_FORMATS_BITNET_H
#define KERNELS_FORMATS_BITNET_H
#include "kernels/formats/group.h"

enum bitnet_layout { BITNET_I2_S, BITNET_TL1, BITNET_TL2 };
/* Of a row of k weights in TL2; pairs are the rest, four weights at most. */
int64_t bitnet_triples(int64_t k);
#endif
