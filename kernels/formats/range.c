/* Least and largest of n numbers (range.h). */
#include "kernels/formats/range.h"

enum { LANES = 16 };

static struct range join(struct range r, float lo, float hi)
{
    return (struct range){lo < r.lo ? lo : r.lo, hi > r.hi ? hi : r.hi};
}

struct range range_of(const float *x, int64_t n)
{
    struct range r = {x[0], x[0]};
    float lo[LANES], hi[LANES];
    int64_t i = 0;
    for (int l = 0; l < LANES; l++)
        lo[l] = hi[l] = x[0];
    for (; i + LANES <= n; i += LANES)
        for (int l = 0; l < LANES; l++) {
            lo[l] = x[i + l] < lo[l] ? x[i + l] : lo[l];
            hi[l] = x[i + l] > hi[l] ? x[i + l] : hi[l];
        }
    for (int l = 0; l < LANES; l++)
        r = join(r, lo[l], hi[l]);
    for (; i < n; i++)
        r = join(r, x[i], x[i]);
    return r;
}

struct range range_with_zero(const float *x, int64_t n)
{
    struct range r = range_of(x, n);
    return (struct range){r.lo > 0 ? 0 : r.lo, r.hi < 0 ? 0 : r.hi}; /* keeps the sign of a zero */
}
