/* The thread pool. Workers spin for a short while after each job, then sleep on a futex-backed condition, so that
 * back-to-back jobs (one per linear layer) start in well under a microsecond and an idle pool costs nothing.
 * A job is published by changing `epoch`, which says how many threads take part; each of them counts down `pending`
 * when it is done. A worker that is left out waits on a condition of its own, so that jobs of the others need not wake
 * it. */
#include "base/pool.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>
#include "base/mem.h"
#include "base/os.h"

enum { SPIN_ROUNDS = 20000, USED_BITS = 11 };

struct pool {
    int n, n_used;
    bool spin;   /* false when there are more threads than CPUs: spinning would only steal time */
    pthread_t *thread;
    struct worker {
        struct pool *pool;
        int i, cpu;
    } *worker;
    _Alignas(64) _Atomic uint64_t epoch; /* jobs so far << USED_BITS | threads of this one. With the job: one line to
                                          * fetch for who waits */
    void (*fn)(void *, int, int);
    void *arg;
    _Alignas(64) atomic_int pending;
    _Alignas(64) atomic_int sleepers;
    atomic_bool stop;
    pthread_mutex_t lock;
    pthread_cond_t wake, rest;
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

static int threads_of(uint64_t epoch)
{
    return (int)(epoch & ((1u << USED_BITS) - 1));
}

static uint64_t sleep_until_job(struct pool *p, int i_thread, uint64_t seen)
{
    uint64_t now;
    pthread_mutex_lock(&p->lock);
    atomic_fetch_add(&p->sleepers, 1);
    while ((now = atomic_load(&p->epoch)) == seen || threads_of(now) <= i_thread) {
        bool left_out = threads_of(now) <= i_thread;
        if (left_out)
            atomic_fetch_sub(&p->sleepers, 1);
        pthread_cond_wait(left_out ? &p->rest : &p->wake, &p->lock);
        if (left_out)
            atomic_fetch_add(&p->sleepers, 1);
    }
    atomic_fetch_sub(&p->sleepers, 1);
    pthread_mutex_unlock(&p->lock);
    return now;
}

/* The next epoch that the thread takes part in. */
static uint64_t wait_for_job(struct pool *p, int i_thread, uint64_t seen)
{
    for (int i = 0; p->spin && i < SPIN_ROUNDS; i++) {
        uint64_t now = atomic_load_explicit(&p->epoch, memory_order_acquire);
        if (now != seen && threads_of(now) > i_thread)
            return now;
        if (now != seen)
            break;
        relax();
    }
    return sleep_until_job(p, i_thread, seen);
}

static void *work(void *arg)
{
    struct worker *w = arg;
    struct pool *p = w->pool;
    if (w->cpu >= 0)
        pin(w->cpu);
    for (uint64_t seen = 0;;) {
        seen = wait_for_job(p, w->i, seen);
        if (atomic_load(&p->stop))
            return NULL;
        p->fn(p->arg, w->i, threads_of(seen));
        atomic_fetch_sub_explicit(&p->pending, 1, memory_order_release);
    }
}

static void publish(struct pool *p, int n_threads)
{
    uint64_t before = atomic_load_explicit(&p->epoch, memory_order_relaxed);
    bool more = n_threads > threads_of(before);
    /* sequentially consistent with the sleepers' count below */
    atomic_store(&p->epoch, ((before >> USED_BITS) + 1) << USED_BITS | (uint64_t)n_threads);
    if (!more && atomic_load(&p->sleepers) == 0)
        return;
    pthread_mutex_lock(&p->lock);
    pthread_cond_broadcast(&p->wake);
    if (more)
        pthread_cond_broadcast(&p->rest);
    pthread_mutex_unlock(&p->lock);
}

static void stop_workers(struct pool *p, int n_started)
{
    atomic_store(&p->stop, true);
    publish(p, p->n);
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
    pthread_cond_destroy(&p->rest);
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
    pthread_cond_init(&p->rest, NULL);
    p->n = p->n_used = n_threads;
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
    if (cpus) {
        cpus_remember();
        pin(cpus[0]);
    }
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

int pool_n_threads(const struct pool *p)
{
    return p ? p->n : 1;
}

void pool_use(struct pool *p, int n)
{
    if (p)
        p->n_used = n > 0 && n < p->n ? n : p->n;
}

int pool_n_used(const struct pool *p)
{
    return p ? p->n_used : 1;
}

void pool_run(struct pool *p, void (*fn)(void *, int, int), void *arg)
{
    if (!p || p->n_used == 1) {
        fn(arg, 0, 1);
        return;
    }
    const int n = p->n_used;
    p->fn = fn;
    p->arg = arg;
    atomic_store(&p->pending, n - 1);
    publish(p, n);
    fn(arg, 0, n);
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
