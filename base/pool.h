/* The thread pool: n threads, the caller is thread 0, each pinned to one CPU of the list it was given.
 * pool_run is a fork and join with a spinning barrier (sub-microsecond while warm, sleeping when idle). */
#ifndef BASE_POOL_H
#define BASE_POOL_H
#include <stdint.h>
#include "base/err.h"

struct pool;
/* cpus[n_threads] may be NULL: not pinned. */
int pool_new(struct pool **out, int n_threads, const int *cpus, struct err *e);
void pool_free(struct pool *p);
int pool_n_threads(const struct pool *p);   /* 1 when p is NULL */
/* From now on the first n threads alone take part, the others sleep; 0: all of them. Not from inside a job. */
void pool_use(struct pool *p, int n);
int pool_n_used(const struct pool *p);

/* Calls fn(arg, i, n) once on each of the n threads used; returns when all are done. p == NULL: in the caller alone. */
void pool_run(struct pool *p, void (*fn)(void *arg, int i_thread, int n_threads), void *arg);
/* Splits [0, n) into pieces of `grain`, handed out as threads become free. */
void pool_for(struct pool *p, int64_t n, int64_t grain, void (*fn)(void *arg, int64_t i0, int64_t i1, int i_thread),
              void *arg);
#endif
