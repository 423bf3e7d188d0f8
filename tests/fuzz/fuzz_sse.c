/* The stream parser on any bytes: whole and in pieces it finds the same events and comes to the same end. The first
 * byte chooses the kind of stream and the size of the pieces. */
#include <stdlib.h>
#include <string.h>
#include "base/mem.h"
#include "bench/runners/sse.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static int keep(void *arg, const char *text, size_t n)
{
    struct sbuf *all = arg;
    if (text[n] != 0)
        abort();
    sbuf_printf(all, "%zu:", n);
    sbuf_add(all, text, n);
    return 0;
}

static int parse(struct sbuf *all, bool lines, const char *text, size_t n, size_t piece)
{
    struct sse s = {.lines = lines, .most_bytes = 300, .on_event = keep, .arg = all};
    struct err e = {0};
    int rc = 0;
    for (size_t i = 0; i < n && rc == 0; i += piece)
        rc = sse_feed(&s, text + i, n - i < piece ? n - i : piece, &e);
    if (rc == 0)
        rc = sse_end(&s, &e);
    if (rc < 0 && !e.text[0])
        abort();
    sse_free(&s);
    return rc;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct sbuf whole = {0}, pieces = {0};
    if (n < 2)
        return 0;
    bool lines = data[0] & 1;
    size_t piece = 1 + (data[0] >> 1) % 7;
    const char *text = (const char *)data + 1;
    if (parse(&whole, lines, text, n - 1, n) != parse(&pieces, lines, text, n - 1, piece))
        abort();
    if (whole.n != pieces.n || (whole.n && memcmp(whole.p, pieces.p, whole.n) != 0))
        abort();
    sbuf_free(&whole);
    sbuf_free(&pieces);
    return 0;
}
