/* Memory of the kernel check whose end is the end of what can be read. */
#ifndef KERNELS_CHECK_BUFFER_H
#define KERNELS_CHECK_BUFFER_H
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>
#include "base/err.h"

struct buffer {
    void *map;
    size_t map_bytes;
    uint8_t *p;
};

/* bytes that end where memory ends */
static inline int buffer_new(struct buffer *b, size_t bytes)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE), whole = (bytes + page - 1) / page * page;
    b->map_bytes = whole + page;
    b->map = mmap(NULL, b->map_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (b->map == MAP_FAILED) {
        b->map = NULL;
        return ERR_NOMEM;
    }
    mprotect((uint8_t *)b->map + whole, page, PROT_NONE);
    b->p = (uint8_t *)b->map + whole - bytes;
    return 0;
}

static inline void buffer_free(struct buffer *b)
{
    if (b->map)
        munmap(b->map, b->map_bytes);
    b->map = NULL;
}
#endif
