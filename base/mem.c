/* Allocation with a fault switch for tests, checked products, and arenas (a list of blocks freed together). */
#include "base/mem.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

static atomic_long fail_in;   /* 0 = off, n = the n-th allocation from now fails, -1 = all fail */

void mem_fail_from(long n) { atomic_store(&fail_in, n); }

static bool must_fail(void)
{
    long n = atomic_load_explicit(&fail_in, memory_order_relaxed);
    if (n == 0)
        return false;
    if (n < 0)
        return true;
    n = atomic_fetch_sub(&fail_in, 1);
    if (n > 1)
        return false;
    atomic_store(&fail_in, -1);
    return true;
}

void *mem_alloc(size_t bytes) { return must_fail() ? NULL : calloc(1, bytes ? bytes : 1); }

void *mem_alloc_n(size_t n, size_t size) { return must_fail() ? NULL : calloc(n ? n : 1, size ? size : 1); }

void *mem_resize(void *p, size_t bytes) { return must_fail() ? NULL : realloc(p, bytes ? bytes : 1); }

void *mem_aligned(size_t bytes)
{
    const size_t huge = (size_t)2 << 20;
    if (must_fail() || bytes > SIZE_MAX - huge)
        return NULL;
    if (bytes < huge)
        return aligned_alloc(64, (bytes + 63) / 64 * 64 + (bytes == 0) * 64);
    /* Weights: huge pages save both page faults and TLB misses. What is less than one at the end keeps small ones, so
     * that no more memory is held than was asked for. */
    void *p = NULL;
    if (posix_memalign(&p, huge, (bytes + 63) / 64 * 64) != 0)
        return NULL;
    madvise(p, bytes / huge * huge, MADV_HUGEPAGE);
    return p;
}

char *mem_strndup(const char *s, size_t n)
{
    char *p = mem_alloc(n + 1);
    if (p)
        memcpy(p, s, n);
    return p;
}

char *mem_strdup(const char *s) { return mem_strndup(s, strlen(s)); }

void mem_free(void *p) { free(p); }

bool mem_mul(size_t a, size_t b, size_t *out) { return !__builtin_mul_overflow(a, b, out); }

bool mem_mul_i64(int64_t a, int64_t b, int64_t *out) { return !__builtin_mul_overflow(a, b, out); }

/* Blocks grow geometrically; a large request gets a block of its own. A mark is the running total of bytes handed out,
 * so that resetting frees whole blocks and rewinds the one that remains. */
struct arena_block {
    struct arena_block *prev;
    size_t used, cap, before;     /* before: total handed out when this block was opened */
    uint8_t *data;
};
struct arena {
    struct arena_block *last;
    size_t total;
};

struct arena *arena_new(void) { return mem_alloc(sizeof(struct arena)); }

static struct arena_block *block_open(struct arena *a, size_t bytes)
{
    size_t cap = a->last ? a->last->cap * 2 : 4096;
    if (cap > (size_t)1 << 22)
        cap = (size_t)1 << 22;
    if (cap < bytes)
        cap = bytes;
    struct arena_block *b = mem_alloc(sizeof *b);
    uint8_t *data = b ? mem_aligned(cap) : NULL;
    if (!data) {
        mem_free(b);
        return NULL;
    }
    *b = (struct arena_block){.prev = a->last, .cap = cap, .before = a->total, .data = data};
    return a->last = b;
}

void *arena_alloc(struct arena *a, size_t bytes)
{
    if (bytes > SIZE_MAX - 64)
        return NULL;
    size_t want = (bytes + 63) / 64 * 64;
    if (want == 0)
        want = 64;
    struct arena_block *b = a->last;
    if (!b || b->cap - b->used < want)
        b = block_open(a, want);
    if (!b)
        return NULL;
    void *p = b->data + b->used;
    b->used += want;
    a->total += want;
    return memset(p, 0, want);
}

void *arena_alloc_n(struct arena *a, size_t n, size_t size)
{
    size_t bytes;
    return mem_mul(n, size, &bytes) ? arena_alloc(a, bytes) : NULL;
}

char *arena_strdup(struct arena *a, const char *s)
{
    size_t n = strlen(s) + 1;
    char *p = arena_alloc(a, n);
    return p ? memcpy(p, s, n) : NULL;
}

char *arena_printf(struct arena *a, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    char *p = n < 0 ? NULL : arena_alloc(a, (size_t)n + 1);
    if (!p)
        return NULL;
    va_start(ap, fmt);
    vsnprintf(p, (size_t)n + 1, fmt, ap);
    va_end(ap);
    return p;
}

size_t arena_bytes(const struct arena *a) { return a->total; }

size_t arena_mark(const struct arena *a) { return a->total; }

void arena_reset(struct arena *a, size_t mark)
{
    while (a->last && a->last->before >= mark) {
        struct arena_block *b = a->last;
        a->last = b->prev;
        mem_free(b->data);
        mem_free(b);
    }
    if (a->last)
        a->last->used = mark - a->last->before;
    a->total = mark;
}

void arena_free(struct arena *a)
{
    if (!a)
        return;
    arena_reset(a, 0);
    mem_free(a);
}
