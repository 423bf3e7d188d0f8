/* Events of a stream as they arrive, in pieces of any size: Server-Sent Events (WHATWG HTML, 9.2), or lines of JSON.
 * Order: fill the first four members, sse_feed..., sse_end, sse_free. */
#ifndef BENCH_RUNNERS_SSE_H
#define BENCH_RUNNERS_SSE_H
#include "base/err.h"
#include "base/sbuf.h"

struct sse {
    bool lines;                                               /* every line that is not empty is an event */
    size_t most_bytes;                                        /* of a line and of an event */
    int (*on_event)(void *arg, const char *data, size_t n);   /* NUL-terminated; negative stops */
    void *arg;
    struct sbuf line, data;
    bool begun, after_cr, has_data, done;                     /* done: [DONE] was seen; what follows is ignored */
};
/* 0, ERR_FORMAT for too long a line or event, ERR_NOMEM, or what on_event returned. */
int sse_feed(struct sse *s, const char *text, size_t n, struct err *e);
/* The stream is over: a last line of JSON needs no newline; an event without its empty line is dropped. */
int sse_end(struct sse *s, struct err *e);
void sse_free(struct sse *s);
#endif
