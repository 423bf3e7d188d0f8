/* Cholesky factors through LAPACKE (linalg.h). */
#include "bench/quant/linalg.h"
#ifdef HAVE_LAPACKE
#include <lapacke.h>

extern void openblas_set_num_threads(int n); /* its header differs between distributions */

bool linalg_present(void)
{
    return true;
}

int linalg_inverse_factor(double *a, int64_t n, struct err *e)
{
    if (n < 1 || n > INT32_MAX)
        return err_set(e, ERR_LIMIT, "a matrix of %lld x %lld cannot be inverted here", (long long)n, (long long)n);
    openblas_set_num_threads(1); /* sums in one order, whatever the machine */
    lapack_int size = (lapack_int)n;
    int info = LAPACKE_dpotrf(LAPACK_ROW_MAJOR, 'U', size, a, size);
    if (info == 0)
        info = LAPACKE_dpotri(LAPACK_ROW_MAJOR, 'U', size, a, size);
    if (info == 0)
        info = LAPACKE_dpotrf(LAPACK_ROW_MAJOR, 'U', size, a, size);
    if (info != 0)
        return err_set(e, ERR_DATA, "a matrix of %lld x %lld is not positive definite", (long long)n, (long long)n);
    for (int64_t i = 1; i < n; i++)
        for (int64_t j = 0; j < i; j++)
            a[i * n + j] = 0;
    return 0;
}
#else

bool linalg_present(void)
{
    return false;
}

int linalg_inverse_factor(double *a, int64_t n, struct err *e)
{
    (void)a, (void)n;
    return err_set(e, ERR_UNSUPPORTED,
                   "this build has no LAPACKE, which this format's solver needs: install "
                   "liblapacke-dev and libopenblas-dev and build again");
}
#endif
