/* What IQ4_NL and IQ4_XS share: 16 values, denser around zero, that a signed scale multiplies. */
#ifndef KERNELS_FORMATS_IQ4_H
#define KERNELS_FORMATS_IQ4_H
#include <stdint.h>

enum { IQ4_LEN = 32 };
/* The fields of a block of IQ4_XS: d, 16 bits with the high 2 bits of each scale, 4 bytes with the low 4 bits, 128
 * bytes of codes: 16 for each 32 weights, code i in the low and code i + 16 in the high half. */
enum { IQ4_XS_RUNS = 8, IQ4_XS_BYTES = 136, IQ4_XS_HIGH = 2, IQ4_XS_LOW = 4, IQ4_XS_CODES = 8 };
enum { IQ4_XS_SC_LO = -32, IQ4_XS_SC_HI = 31 };

extern const int8_t iq4_value[16];
/* Code of the value nearest to v, by floor(2v) + 256: all midpoints of neighbours are multiples of a half. */
extern const int32_t iq4_nearest[512];
#endif
