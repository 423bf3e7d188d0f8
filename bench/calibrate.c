/* Read bandwidth of memory, and the size of the last-level cache that is really ours, found by doing: a guest may be
 * told of 480 MiB that it shares with a hundred others. Reading a growing working set over and over is fast while it
 * fits and falls to memory speed when it does not. */
#include "bench/calibrate.h"

#include <math.h>
#include <string.h>
#include "base/mem.h"
#include "base/os.h"
#include "kernels/kernels.h"

enum { PAGE = 4096, MIB = 1 << 20, MOST_PASSES = 64 };
static const double cached_factor = 1.35; /* that much faster than memory counts as cached */

struct touch_job {
    char *p;
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

int bandwidth_open(struct bandwidth_probe *b, struct pool *pool, uint64_t isa, struct err *e)
{
    *b = (struct bandwidth_probe){.pool = pool, .isa = isa};
    int64_t bytes = quarter_of_free() & ~(int64_t)(MIB - 1);
    if (bytes < 16 * MIB)
        return err_set(e, ERR_LIMIT,
                       "too little free memory to measure its bandwidth: %lld MiB would be used; free some",
                       (long long)(bytes / MIB));
    return take(b, bytes < 1024 * MIB ? bytes : 1024 * MIB, e);
}

void bandwidth_close(struct bandwidth_probe *b)
{
    mem_free(b->p);
    *b = (struct bandwidth_probe){0};
}

double bandwidth_pass(const struct bandwidth_probe *b)
{
    return kernel_read_bandwidth(b->pool, b->p, b->bytes, b->isa);
}

/* The best of n passes: what disturbs a machine only ever makes it slower. */
static double best_rate(const struct bandwidth_probe *b, size_t bytes, int n)
{
    double best = 0;
    for (int i = 0; i < n; i++)
        best = fmax(best, kernel_read_bandwidth(b->pool, b->p, bytes, b->isa));
    return best;
}

/* Powers of two from small to large, as long as they are read clearly faster than all of memory. The first pass over a
 * set brings it into the cache; small sets are so cheap that many passes find a quiet moment, but the smallest are over
 * before all threads are awake: a failure counts only behind a success, or from 64 MiB on. */
static int64_t largest_cached(const struct bandwidth_probe *b, double seconds)
{
    double memory = best_rate(b, b->bytes, 2);
    int64_t cached = 0;
    uint64_t end = clock_ns() + (uint64_t)(seconds * 1e9);
    for (size_t bytes = (size_t)MIB / 2; bytes <= b->bytes / 2; bytes *= 2) {
        size_t passes = (size_t)128 * MIB / bytes;
        bool fast = best_rate(b, bytes, passes < 3 ? 3 : passes > 32 ? 32 : (int)passes) > cached_factor * memory;
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
    return take(b, want, e);
}

int calibrate_bandwidth(struct pool *pool, uint64_t isa, double budget_s, struct bandwidth *out, struct err *e)
{
    *out = (struct bandwidth){.gb_s = INTERVAL_NONE, .working_set_bytes = -1, .cache_bytes = -1};
    struct bandwidth_probe b;
    double rate[MOST_PASSES], seconds = budget_s > 0 && budget_s < 60 ? budget_s : 1;
    int n = 0, rc = bandwidth_open(&b, pool, isa, e);
    if (rc == 0)
        rc = bandwidth_find_cache(&b, seconds / 2, e);
    uint64_t end = clock_ns() + (uint64_t)(seconds / 2 * 1e9);
    while (rc == 0 && n < MOST_PASSES && (n < 5 || clock_ns() < end))
        rate[n++] = bandwidth_pass(&b);
    if (rc == 0)
        *out = (struct bandwidth){stats_bootstrap_median(rate, n, 1), (int64_t)b.bytes, b.cache_bytes};
    bandwidth_close(&b);
    return rc;
}
