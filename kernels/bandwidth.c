/* Streaming read bandwidth with the pool's threads: the roof that decode speeds are measured against. */
#include <math.h>
#include <stdatomic.h>
#include <string.h>
#include "base/os.h"
#include "base/pool.h"
#include "kernels/kernel_rows.h"

enum { PIECE = 256 << 10 };

struct read_job {
    const uint8_t *p;
    uint64_t (*read)(const void *p, size_t bytes);
    _Atomic uint64_t seen; /* the OR of all bytes: keeps the loads from being optimised away */
};

static uint64_t read_c(const void *p, size_t bytes)
{
    uint64_t sum[8] = {0}, word;
    for (size_t i = 0; i + 64 <= bytes; i += 64)
        for (int l = 0; l < 8; l++) {
            memcpy(&word, (const uint8_t *)p + i + 8 * l, 8);
            sum[l] |= word;
        }
    return sum[0] | sum[1] | sum[2] | sum[3] | sum[4] | sum[5] | sum[6] | sum[7];
}

static void read_piece(void *arg, int64_t i0, int64_t i1, int i_thread)
{
    struct read_job *j = arg;
    (void)i_thread;
    atomic_fetch_or_explicit(&j->seen, j->read(j->p + i0, (size_t)(i1 - i0)), memory_order_relaxed);
}

double kernel_read_bandwidth(struct pool *pool, const void *p, size_t bytes, uint64_t isa)
{
    struct read_job j = {.p = p, .read = read_c};
#if KERNELS_X86
    if (isa & ISA(AVX2))
        j.read = read_avx2;
#else
    (void)isa;
#endif
    uint64_t t0 = clock_ns();
    pool_for(pool, (int64_t)bytes, PIECE, read_piece, &j);
    uint64_t t = clock_ns() - t0;
    return bytes == 0 || t == 0 ? NAN : (double)bytes / (double)t;
}
