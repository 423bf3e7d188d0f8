/* The thread pool. Workers spin for a short while after each job, then sleep on a futex-backed condition, so that
 * back-to-back jobs (one per linear layer) start in well under a microsecond and an idle pool costs nothing.
 * A job is published by increasing `epoch`; each worker counts down `pending` when it is done. */
#include "base/pool.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>
#include "base/mem.h"

enum { SPIN_ROUNDS = 20000 };

struct pool {
    int n;
    bool spin;   /* false when there are more threads than CPUs: spinning would only steal time */
    pthread_t *thread;
    struct worker {
        struct pool *pool;
        int i, cpu;
    } *worker;
    _Alignas(64) atomic_uint epoch; /* with the job: one line to fetch for who waits */
    void (*fn)(void *, int, int);
    void *arg;
    _Alignas(64) atomic_int pending;
    _Alignas(64) atomic_int sleepers;
    atomic_bool stop;
    pthread_mutex_t lock;
    pthread_cond_t wake;
};

static inline void relax(void)
{
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

static void pin(int cpu)
{
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET((size_t)cpu, &set);
    pthread_setaffinity_np(pthread_self(), sizeof set, &set);   /* a refusal costs speed only */
}

static void wait_for_epoch(struct pool *p, unsigned seen)
{
    for (int i = 0; p->spin && i < SPIN_ROUNDS; i++) {
        if (atomic_load_explicit(&p->epoch, memory_order_acquire) != seen)
            return;
        relax();
    }
    pthread_mutex_lock(&p->lock);
    atomic_fetch_add(&p->sleepers, 1);
    while (atomic_load(&p->epoch) == seen)
        pthread_cond_wait(&p->wake, &p->lock);
    atomic_fetch_sub(&p->sleepers, 1);
    pthread_mutex_unlock(&p->lock);
}

static void *work(void *arg)
{
    struct worker *w = arg;
    struct pool *p = w->pool;
    if (w->cpu >= 0)
        pin(w->cpu);
    for (unsigned seen = 0;; seen++) {
        wait_for_epoch(p, seen);
        if (atomic_load(&p->stop))
            return NULL;
        p->fn(p->arg, w->i, p->n);
        atomic_fetch_sub_explicit(&p->pending, 1, memory_order_release);
    }
}

static void publish(struct pool *p)
{
    atomic_fetch_add(&p->epoch, 1);   /* sequentially consistent with the sleepers' count below */
    if (atomic_load(&p->sleepers) == 0)
        return;
    pthread_mutex_lock(&p->lock);
    pthread_cond_broadcast(&p->wake);
    pthread_mutex_unlock(&p->lock);
}

static void stop_workers(struct pool *p, int n_started)
{
    atomic_store(&p->stop, true);
    publish(p);
    for (int i = 1; i < n_started; i++)
        pthread_join(p->thread[i], NULL);
}

static void release(struct pool *p)
{
    if (!p)
        return;
    mem_free(p->thread);
    mem_free(p->worker);
    pthread_mutex_destroy(&p->lock);
    pthread_cond_destroy(&p->wake);
    mem_free(p);
}

int pool_new(struct pool **out, int n_threads, const int *cpus, struct err *e)
{
    *out = NULL;
    if (n_threads < 1 || n_threads > 1024)
        return err_set(e, ERR_USAGE, "%d threads: give a number from 1 to 1024", n_threads);
    struct pool *p = mem_aligned(sizeof *p);
    if (!p)
        return err_nomem(e, sizeof *p, "the thread pool");
    memset(p, 0, sizeof *p);
    pthread_mutex_init(&p->lock, NULL);
    pthread_cond_init(&p->wake, NULL);
    p->n = n_threads;
    p->spin = n_threads <= sysconf(_SC_NPROCESSORS_ONLN);
    p->thread = mem_alloc_n((size_t)n_threads, sizeof *p->thread);
    p->worker = mem_alloc_n((size_t)n_threads, sizeof *p->worker);
    if (!p->thread || !p->worker) {
        release(p);
        return err_nomem(e, (unsigned long long)n_threads * sizeof *p->worker, "the thread pool");
    }
    for (int i = 1; i < n_threads; i++) {
        p->worker[i] = (struct worker){.pool = p, .i = i, .cpu = cpus ? cpus[i] : -1};
        if (pthread_create(&p->thread[i], NULL, work, &p->worker[i]) != 0) {
            stop_workers(p, i);
            release(p);
            return err_set(e, ERR_LIMIT, "cannot start thread %d of %d; use -t %d", i + 1, n_threads, i);
        }
    }
    if (cpus)
        pin(cpus[0]);
    *out = p;
    return 0;
}

void pool_free(struct pool *p)
{
    if (!p)
        return;
    stop_workers(p, p->n);
    release(p);
}

int pool_n_threads(const struct pool *p) { return p ? p->n : 1; }

void pool_run(struct pool *p, void (*fn)(void *, int, int), void *arg)
{
    if (!p || p->n == 1) {
        fn(arg, 0, 1);
        return;
    }
    p->fn = fn;
    p->arg = arg;
    atomic_store(&p->pending, p->n - 1);
    publish(p);
    fn(arg, 0, p->n);
    for (long i = 0; atomic_load_explicit(&p->pending, memory_order_acquire) != 0; i++) {
        if (p->spin && i < SPIN_ROUNDS)
            relax();
        else
            sched_yield();
    }
}

struct pieces {
    void (*fn)(void *, int64_t, int64_t, int);
    void *arg;
    int64_t n, grain;
    _Atomic int64_t next;
};

static void take_pieces(void *arg, int i_thread, int n_threads)
{
    struct pieces *s = arg;
    (void)n_threads;
    for (;;) {
        int64_t i0 = atomic_fetch_add(&s->next, s->grain);
        if (i0 >= s->n)
            return;
        int64_t i1 = s->n - i0 < s->grain ? s->n : i0 + s->grain;
        s->fn(s->arg, i0, i1, i_thread);
    }
}

void pool_for(struct pool *p, int64_t n, int64_t grain, void (*fn)(void *, int64_t, int64_t, int), void *arg)
{
    struct pieces s = {.fn = fn, .arg = arg, .n = n, .grain = grain > 0 ? grain : 1};
    pool_run(p, take_pieces, &s);
}
