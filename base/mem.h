/* Memory: every allocation of the program passes here, so that tests can make the n-th one fail.
 * Sizes that come from a file go through mem_mul first. An arena frees a whole job at once. */
#ifndef BASE_MEM_H
#define BASE_MEM_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

void *mem_alloc(size_t bytes);                /* zeroed; NULL when there is none */
void *mem_alloc_n(size_t n, size_t size);     /* zeroed array; NULL also when n*size overflows */
void *mem_resize(void *p, size_t bytes);      /* new part not zeroed; p stays valid when NULL is returned */
void *mem_aligned(size_t bytes);              /* 64-byte aligned, not zeroed; free with mem_free */
char *mem_strdup(const char *s);
char *mem_strndup(const char *s, size_t n);
void mem_free(void *p);

/* *out = a*b; false on overflow. */
bool mem_mul(size_t a, size_t b, size_t *out);
bool mem_mul_i64(int64_t a, int64_t b, int64_t *out);

/* Tests only: the n-th allocation from now (1 = next) and all later ones return NULL; 0 switches it off. */
void mem_fail_from(long n);

struct arena;
struct arena *arena_new(void);
void *arena_alloc(struct arena *a, size_t bytes);              /* zeroed, 64-byte aligned; NULL when out of memory */
void *arena_alloc_n(struct arena *a, size_t n, size_t size);
char *arena_strdup(struct arena *a, const char *s);
char *arena_printf(struct arena *a, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
size_t arena_bytes(const struct arena *a);                     /* sum of what was asked for */
size_t arena_mark(const struct arena *a);                      /* place to return to */
void arena_reset(struct arena *a, size_t mark);                /* frees all that was taken after mark */
void arena_free(struct arena *a);

#endif
