/* Cholesky factors through LAPACKE (linalg.h), loaded when they are first asked for: OpenBLAS starts threads when it is
 * loaded, and most runs solve nothing. */
#include "bench/quant/linalg.h"
#include <dlfcn.h>
#include <stdlib.h>

enum { COLUMN_MAJOR = 102 };
typedef int lapacke_cholesky(int layout, char triangle, int n, double *a, int lda);
typedef int lapacke_triangle(int layout, char triangle, char diagonal, int n, double *a, int lda);

struct library {
    lapacke_cholesky *factor; /* dpotrf */
    lapacke_triangle *invert; /* dtrtri */
};

static bool find(struct library *l, const char *name)
{
    void *lib = dlopen(name, RTLD_NOW | RTLD_LOCAL);
    if (!lib)
        return false;
    l->factor = (lapacke_cholesky *)(uintptr_t)dlsym(lib, "LAPACKE_dpotrf");
    l->invert = (lapacke_triangle *)(uintptr_t)dlsym(lib, "LAPACKE_dtrtri");
    return l->factor && l->invert;
}

/* It stays loaded: its address is asked for again by every matrix. */
static const struct library *load(void)
{
    static const char *const names[] = {"liblapacke.so.3", "liblapacke.so", "libopenblas.so.0", "libopenblas.so"};
    static struct library l;
    setenv("OPENBLAS_NUM_THREADS", "1", 1); /* sums in one order, whatever the machine */
    for (size_t i = 0; i < sizeof names / sizeof *names && !(l.factor && l.invert); i++)
        find(&l, names[i]);
    return l.factor && l.invert ? &l : NULL;
}

bool linalg_present(void)
{
    return load() != NULL;
}

/* Rows and columns of a symmetric matrix in reverse; of a triangle: the other one, reversed. */
static void reverse(double *a, int64_t n)
{
    for (int64_t i = 0, j = n * n - 1; i < j; i++, j--) {
        double t = a[i];
        a[i] = a[j];
        a[j] = t;
    }
}

/* With J the reversal, J a J = L L^T gives a^-1 = (J L^-1 J)^T (J L^-1 J), and J L^-1 J is upper triangular: the factor
 * of the inverse without the inverse, at half the work. What LAPACK calls upper by columns is lower by rows. */
int linalg_inverse_factor(double *a, int64_t n, struct err *e)
{
    const struct library *l = load();
    if (!l)
        return err_set(e, ERR_UNSUPPORTED,
                       "this format's solver needs LAPACKE, which is not on this machine: install liblapacke and "
                       "libopenblas0");
    if (n < 1 || n > INT32_MAX)
        return err_set(e, ERR_LIMIT, "a matrix of %lld x %lld cannot be inverted here", (long long)n, (long long)n);
    reverse(a, n);
    int size = (int)n, info = l->factor(COLUMN_MAJOR, 'U', size, a, size);
    if (info == 0)
        info = l->invert(COLUMN_MAJOR, 'U', 'N', size, a, size);
    reverse(a, n);
    if (info != 0)
        return err_set(e, ERR_DATA, "a matrix of %lld x %lld is not positive definite", (long long)n, (long long)n);
    for (int64_t i = 1; i < n; i++)
        for (int64_t j = 0; j < i; j++)
            a[i * n + j] = 0;
    return 0;
}
