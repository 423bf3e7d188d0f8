/* Texts to their places: a hash table over an array that the caller owns. */
#include <string.h>
#include "bench/engine/vocab_int.h"

static uint64_t text_hash(const char *p, size_t n)
{
    uint64_t h = n * 0x9e3779b97f4a7c15u, w;
    for (; n >= 8; p += 8, n -= 8) {
        memcpy(&w, p, 8);
        h = (h ^ w) * 0xd6e8feb86659fd93u;
        h ^= h >> 32;
    }
    w = 0;
    memcpy(&w, p, n);
    h = (h ^ w) * 0xd6e8feb86659fd93u;
    h ^= h >> 29;
    h *= 0x9e3779b97f4a7c15u;
    return h ^ h >> 32;
}

int text_table_new(struct text_table *t, struct arena *a, const void *array, size_t stride, size_t n_max,
                   struct err *e)
{
    size_t n = 16;
    while (n < 2 * n_max)
        n *= 2;
    *t = (struct text_table){arena_alloc_n(a, n, sizeof *t->slot), n - 1, stride, array};
    return t->slot ? 0 : err_nomem(e, n * sizeof *t->slot, "the vocabulary");
}

static const struct text *text_at(const struct text_table *t, int32_t i)
{
    return (const struct text *)((const char *)t->array + (size_t)i * t->stride);
}

/* The slot of that text: its own, or the free one where it belongs. */
static uint64_t *text_slot(const struct text_table *t, const char *p, size_t n, uint64_t hash)
{
    for (size_t i = hash & t->mask;; i = (i + 1) & t->mask) {
        uint64_t *s = &t->slot[i];
        if (!*s)
            return s;
        if (*s >> 32 != hash >> 32)
            continue;
        const struct text *have = text_at(t, (int32_t)(uint32_t)*s - 1);
        if (have->n == n && !memcmp(have->p, p, n))
            return s;
    }
}

int32_t text_find(const struct text_table *t, const char *p, size_t n)
{
    return (int32_t)(uint32_t)*text_slot(t, p, n, text_hash(p, n)) - 1;
}

int32_t text_enter(struct text_table *t, int32_t i)
{
    const struct text *text = text_at(t, i);
    const uint64_t hash = text_hash(text->p, text->n);
    uint64_t *s = text_slot(t, text->p, text->n, hash);
    if (*s)
        return (int32_t)(uint32_t)*s - 1;
    *s = hash >> 32 << 32 | (uint32_t)(i + 1);
    return -1;
}
