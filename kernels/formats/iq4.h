/* What IQ4_NL and IQ4_XS share: 16 values, denser around zero, that a signed scale multiplies. */
#ifndef KERNELS_FORMATS_IQ4_H
#define KERNELS_FORMATS_IQ4_H
#include <stdint.h>

enum { IQ4_LEN = 32 };
extern const int8_t iq4_value[16];

struct iq4_sums { /* over 32 weights, q the values of the chosen codes */
    float qx, qq; /* of w*q*x and w*q*q */
};
/* The scale that loses least over 32 weights. */
float iq4_fit(const float *x, const float *w);
/* Codes for a given scale, and their sums (may be NULL). */
void iq4_codes(uint8_t code[IQ4_LEN], struct iq4_sums *sums, float scale, const float *x, const float *w);
#endif
