/* Read bandwidth of memory, and the size of the last-level cache that is really ours, found by doing: a guest may be
 * told of 480 MiB that it shares with a hundred others.
 *
 * Bandwidth is read in windows of some hundred microseconds, from a place that moves on through a buffer larger than
 * the cache. Long passes told nothing: the scheduler takes the CPUs away in the middle of one, and a host moves its
 * guest's CPUs between chips (on an EPYC two threads read 62 GB/s on two chiplets, 37 on one, 33 is what each reads
 * alone), so that a figure holds for the moments around it only. */
#include "bench/calibrate.h"

#include <math.h>
#include <string.h>
#include <unistd.h>
#include "base/mem.h"
#include "base/os.h"
#include "kernels/kernels.h"

enum {
    PAGE = 4096,
    MIB = 1 << 20,
    LEAST_SET = 256,
    WINDOW_PER_THREAD = 4,
    MOST_WINDOW = 64
}; /* the last three in MiB */
enum { WINDOWS_NOW = 8, MOST_WINDOWS = 4096, LEAST_WINDOWS = 16 };
static const double cached_factor = 1.35; /* that much faster than memory counts as cached */

struct touch_job {
    uint8_t *p;
};

static void touch_pages(void *arg, int64_t i0, int64_t i1, int i_thread)
{
    struct touch_job *j = arg;
    (void)i_thread;
    for (int64_t i = i0; i < i1; i++)
        memset(j->p + i * PAGE, (int)i, PAGE); /* different pages: no merging, no zero page */
}

static int64_t quarter_of_free(void)
{
    struct probe_state now;
    probe_sample(&now);
    return now.available_bytes < 0 ? 256 * MIB : now.available_bytes / 4;
}

static int take(struct bandwidth_probe *b, int64_t bytes, struct err *e)
{
    b->p = mem_aligned((size_t)bytes);
    if (!b->p)
        return err_nomem(e, (unsigned long long)bytes, "the bandwidth measurement");
    b->bytes = (size_t)bytes;
    struct touch_job j = {b->p};
    pool_for(b->pool, bytes / PAGE, 256, touch_pages, &j);
    return 0;
}

/* What is reported as cache is the most that could be: reading twice as much over and over never finds it there. */
static int64_t beyond_cache(void)
{
    int64_t reported = 0;
#ifdef _SC_LEVEL3_CACHE_SIZE
    reported = sysconf(_SC_LEVEL3_CACHE_SIZE);
#endif
    return reported > LEAST_SET / 2 * MIB ? 2 * reported : (int64_t)LEAST_SET * MIB;
}

static int open_with(struct bandwidth_probe *b, struct pool *pool, uint64_t isa, int64_t want, struct err *e)
{
    *b = (struct bandwidth_probe){.pool = pool, .isa = isa};
    int64_t most = quarter_of_free() & ~(int64_t)(MIB - 1);
    if (most < 16 * MIB)
        return err_set(e, ERR_LIMIT,
                       "too little free memory to measure its bandwidth: %lld MiB would be used; free some",
                       (long long)(most / MIB));
    return take(b, want < most ? want : most, e);
}

int bandwidth_open(struct bandwidth_probe *b, struct pool *pool, uint64_t isa, struct err *e)
{
    return open_with(b, pool, isa, beyond_cache(), e);
}

void bandwidth_close(struct bandwidth_probe *b)
{
    mem_free(b->p);
    *b = (struct bandwidth_probe){0};
}

static double read_window(struct bandwidth_probe *b)
{
    size_t n = (size_t)pool_n_threads(b->pool) * WINDOW_PER_THREAD * MIB;
    n = n > (size_t)MOST_WINDOW * MIB ? (size_t)MOST_WINDOW * MIB : n;
    n = n > b->bytes ? b->bytes : n;
    if (b->at + n > b->bytes)
        b->at = 0;
    double rate = kernel_read_bandwidth(b->pool, b->p + b->at, n, b->isa);
    b->at += n;
    return rate;
}

double bandwidth_now(struct bandwidth_probe *b)
{
    double rate[WINDOWS_NOW];
    for (int i = 0; i < WINDOWS_NOW; i++)
        rate[i] = read_window(b);
    return stats_median(rate, WINDOWS_NOW);
}

double bandwidth_glance(struct pool *pool, uint64_t isa)
{
    struct bandwidth_probe b;
    double gb_s = open_with(&b, pool, isa, (int64_t)LEAST_SET * MIB, NULL) == 0 ? bandwidth_now(&b) : NAN;
    bandwidth_close(&b);
    return gb_s;
}

/* How much faster the first `bytes` are read over and over than memory is, both in the same moments. Best against best:
 * what disturbs a machine only ever makes it slower. The first pass brings them into the cache. */
static double speedup(struct bandwidth_probe *b, size_t bytes, int n_passes)
{
    double set = 0, memory = 0;
    for (int i = 0; i < n_passes; i++)
        set = fmax(set, kernel_read_bandwidth(b->pool, b->p, bytes, b->isa));
    b->at = b->at < bytes ? bytes : b->at;
    for (int i = 0; i < WINDOWS_NOW; i++)
        memory = fmax(memory, read_window(b));
    return set / memory;
}

/* A pause of the whole machine may hide in either: fast is what is so three times. */
static bool is_cached(struct bandwidth_probe *b, size_t bytes)
{
    size_t passes = (size_t)128 * MIB / bytes;
    int n = passes < 3 ? 3 : passes > 32 ? 32 : (int)passes;
    for (int i = 0; i < 3; i++)
        if (!(speedup(b, bytes, n) > cached_factor))
            return false;
    return true;
}

/* Powers of two from small to large, as long as they are read clearly faster than memory. Small sets are so cheap that
 * many passes find a quiet moment, but the smallest are over before all threads are awake: a failure counts only behind
 * a success, or from 64 MiB on. */
static int64_t largest_cached(struct bandwidth_probe *b, double seconds)
{
    int64_t cached = 0;
    uint64_t end = clock_ns() + (uint64_t)(seconds * 1e9);
    for (size_t bytes = (size_t)MIB / 2; bytes <= b->bytes / 2; bytes *= 2) {
        bool fast = is_cached(b, bytes);
        if (!fast && (cached > 0 || bytes >= (size_t)64 * MIB))
            break;
        cached = fast ? (int64_t)bytes : cached;
        if (clock_ns() > end)
            break;
    }
    return cached;
}

int bandwidth_find_cache(struct bandwidth_probe *b, double budget_s, struct err *e)
{
    b->cache_bytes = largest_cached(b, budget_s);
    int64_t want = 4 * b->cache_bytes, most = quarter_of_free() + (int64_t)b->bytes;
    if (want <= (int64_t)b->bytes || most < want)
        return 0;
    mem_free(b->p);
    b->p = NULL;
    b->at = 0;
    return take(b, want, e);
}

int calibrate_bandwidth(struct pool *pool, uint64_t isa, double budget_s, struct bandwidth *out, struct err *e)
{
    *out = (struct bandwidth){.gb_s = INTERVAL_NONE, .working_set_bytes = -1, .cache_bytes = -1};
    struct bandwidth_probe b;
    double rate[MOST_WINDOWS], seconds = budget_s > 0 && budget_s < 60 ? budget_s : 1;
    int n = 0, rc = bandwidth_open(&b, pool, isa, e);
    if (rc == 0)
        rc = bandwidth_find_cache(&b, seconds / 2, e);
    uint64_t end = clock_ns() + (uint64_t)(seconds / 2 * 1e9);
    while (rc == 0 && n < MOST_WINDOWS && (n < LEAST_WINDOWS || clock_ns() < end))
        rate[n++] = read_window(&b);
    if (rc == 0)
        *out = (struct bandwidth){
            {stats_percentile(rate, n, 0.9), stats_percentile(rate, n, 0.1), stats_percentile(rate, n, 1)},
            (int64_t)b.bytes,
            b.cache_bytes};
    bandwidth_close(&b);
    return rc;
}
