/* Least and largest of n numbers (range.h). */
#include "kernels/formats/range.h"

struct range range_of(const float *x, int64_t n)
{
    struct range r = {x[0], x[0]};
    for (int64_t i = 1; i < n; i++) {
        r.lo = x[i] < r.lo ? x[i] : r.lo;
        r.hi = x[i] > r.hi ? x[i] : r.hi;
    }
    return r;
}

struct range range_with_zero(const float *x, int64_t n)
{
    struct range r = range_of(x, n);
    return (struct range){r.lo > 0 ? 0 : r.lo, r.hi < 0 ? 0 : r.hi}; /* keeps the sign of a zero */
}
