/* Cholesky factors through LAPACKE (linalg.h), loaded when they are first asked for: OpenBLAS starts threads when it is
 * loaded, and most runs solve nothing. */
#include "bench/quant/linalg.h"
#include <dlfcn.h>
#include <stdlib.h>

enum { ROW_MAJOR = 101 };
typedef int lapacke_cholesky(int layout, char triangle, int n, double *a, int lda);

struct library {
    lapacke_cholesky *factor, *invert; /* dpotrf, dpotri */
};

static bool find(struct library *l, const char *name)
{
    void *lib = dlopen(name, RTLD_NOW | RTLD_LOCAL);
    if (!lib)
        return false;
    l->factor = (lapacke_cholesky *)(uintptr_t)dlsym(lib, "LAPACKE_dpotrf");
    l->invert = (lapacke_cholesky *)(uintptr_t)dlsym(lib, "LAPACKE_dpotri");
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

int linalg_inverse_factor(double *a, int64_t n, struct err *e)
{
    const struct library *l = load();
    if (!l)
        return err_set(e, ERR_UNSUPPORTED,
                       "this format's solver needs LAPACKE, which is not on this machine: install liblapacke and "
                       "libopenblas0");
    if (n < 1 || n > INT32_MAX)
        return err_set(e, ERR_LIMIT, "a matrix of %lld x %lld cannot be inverted here", (long long)n, (long long)n);
    int size = (int)n, info = l->factor(ROW_MAJOR, 'U', size, a, size);
    if (info == 0)
        info = l->invert(ROW_MAJOR, 'U', size, a, size);
    if (info == 0)
        info = l->factor(ROW_MAJOR, 'U', size, a, size);
    if (info != 0)
        return err_set(e, ERR_DATA, "a matrix of %lld x %lld is not positive definite", (long long)n, (long long)n);
    for (int64_t i = 1; i < n; i++)
        for (int64_t j = 0; j < i; j++)
            a[i * n + j] = 0;
    return 0;
}
