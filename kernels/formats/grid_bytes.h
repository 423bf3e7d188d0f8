/* The points of each grid as bytes, for kernels that look them up: first weight in the lowest byte. */
#ifndef KERNELS_FORMATS_GRID_BYTES_H
#define KERNELS_FORMATS_GRID_BYTES_H
#include <stdint.h>

struct grid_bytes {
    uint64_t iq2xxs[256], iq2xs[512], iq2s[1024];
    uint64_t iq1s[2048]; /* 8 * (value + 1), so that a shift by an eighth is a whole number */
    uint32_t iq3xxs[256], iq3s[512];
    /* The numbers of the levels instead: 2 bits a weight of 8, or 3 bits of 4, for tables in registers. */
    uint16_t iq2xxs_levels[256], iq3xxs_levels[256], iq3s_levels[512];
};
extern struct grid_bytes grid_bytes;

/* Fills grid_bytes; after the first call it only reads a flag. Any thread. */
void grid_bytes_make(void);
#endif
