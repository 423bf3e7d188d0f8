/* Scale search for the 16 uneven values (iq4.h): a few starts, each improved by rounding and least squares in turn. */
#include "kernels/formats/iq4.h"
#include <math.h>
#include <stddef.h>
#include "kernels/formats/blocks.h"

const int8_t iq4_value[16] = {-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113};

/* Code of the value nearest to v, by floor(2v) + 256: all midpoints of neighbours are multiples of a half. */
#define UPTO(a, b, code) [(a) + 256 ...(b) + 255] = code
static const uint8_t nearest[512] = {
    UPTO(-256, -127 - 104, 0),   UPTO(-127 - 104, -104 - 83, 1), UPTO(-104 - 83, -83 - 65, 2),
    UPTO(-83 - 65, -65 - 49, 3), UPTO(-65 - 49, -49 - 35, 4),    UPTO(-49 - 35, -35 - 22, 5),
    UPTO(-35 - 22, -22 - 10, 6), UPTO(-22 - 10, -10 + 1, 7),     UPTO(-10 + 1, 1 + 13, 8),
    UPTO(1 + 13, 13 + 25, 9),    UPTO(13 + 25, 25 + 38, 10),     UPTO(25 + 38, 38 + 53, 11),
    UPTO(38 + 53, 53 + 69, 12),  UPTO(53 + 69, 69 + 89, 13),     UPTO(69 + 89, 89 + 113, 14),
    UPTO(89 + 113, 256, 15)};
#undef UPTO

void iq4_codes(uint8_t code[IQ4_LEN], struct iq4_sums *sums, float scale, const float *x, const float *w)
{
    float inv = 2 * block_inverse(scale), qx = 0, qq = 0;
    for (int i = 0; i < IQ4_LEN; i++) {
        float v = x[i] * inv + 256;
        v = v > 0 ? v : 0;
        code[i] = nearest[(int)(v < 511 ? v : 511)];
        float q = (float)iq4_value[code[i]], wq = w[i] * q;
        qx += wq * x[i];
        qq += wq * q;
    }
    if (sums)
        *sums = (struct iq4_sums){qx, qq};
}

float iq4_fit(const float *x, const float *w)
{
    static const float start[] = {-127, -110, 113, 100, -90, 85}; /* value that the extreme weight is first mapped to */
    float extreme = 0, best = -1, scale = 0;
    uint8_t code[IQ4_LEN];
    for (int i = 0; i < IQ4_LEN; i++)
        extreme = fabsf(x[i]) > fabsf(extreme) ? x[i] : extreme;
    for (size_t t = 0; t < sizeof start / sizeof *start; t++) {
        float s = extreme / start[t];
        for (int step = 0; step < 2; step++) {
            struct iq4_sums sum;
            iq4_codes(code, &sum, s, x, w);
            s = sum.qq > 0 ? sum.qx / sum.qq : 0;
            float gain = s * sum.qx; /* what the fit takes off the sum of squares */
            scale = gain > best ? s : scale;
            best = gain > best ? gain : best;
        }
    }
    return scale;
}
