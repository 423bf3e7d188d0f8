/* The planes of EXL2, for its codec and for the solver. Positions are columns in the order of PLANE_PERM; groups of
 * positions have one width of code each: par.wide_bits in the first par.wide_percent of them, par.bits behind.
 *   PLANE_CODE  rows of codes, LSB first, group after group      PLANE_SCALE  4 bits per row and group, c - 1
 *   PLANE_BIAS  f16 per group, the largest scale of all rows     PLANE_BOOK   two u16 per group, as the file has them
 */
#ifndef KERNELS_FORMATS_EXL2_H
#define KERNELS_FORMATS_EXL2_H
#include "kernels/formats/group.h"

struct exl2_group {
    int64_t k0;    /* first position */
    int len, bits; /* weights, width of a code */
    size_t at;     /* byte of a row's codes */
};
struct exl2_group exl2_group(const struct qmat *q, int64_t g);
/* Groups of which the zone of wider codes is made. */
int64_t exl2_n_wide(const struct qmat *q);
/* The scale of a stored nibble; all in half precision. */
float exl2_scale(unsigned nibble, float largest);
#endif
