/* Lines out of pieces, events out of lines. A line ends with CR LF, LF or CR, and the CR and the LF may come apart. */
#include "bench/runners/sse.h"

#include <string.h>

static int too_long(const struct sse *s, const char *what, struct err *e)
{
    return err_set(e, ERR_FORMAT, "the stream holds %s of more than %zu bytes", what, s->most_bytes);
}

static int emit(struct sse *s, struct sbuf *b, struct err *e)
{
    sbuf_add(b, "", 0);
    if (b->failed)
        return err_nomem(e, b->n, "an event");
    if (b->n == strlen("[DONE]") && memcmp(b->p, "[DONE]", b->n) == 0) {
        s->done = true;
        return 0;
    }
    return s->on_event(s->arg, sbuf_str(b), b->n);
}

static int end_event(struct sse *s, struct err *e)
{
    int rc = s->has_data ? emit(s, &s->data, e) : 0;
    s->has_data = false;
    s->data.n = 0;
    return rc;
}

/* "data: text": one space after the colon is no part of the text. Other fields say nothing that is needed here. */
static int take_field(struct sse *s, const char *line, size_t n, struct err *e)
{
    static const char name[] = "data";
    const size_t k = sizeof name - 1;
    if (n < k || memcmp(line, name, k) != 0 || (n > k && line[k] != ':'))
        return 0;
    size_t at = n > k ? k + 1 : k;
    at += at < n && line[at] == ' ';
    if (s->data.n + (n - at) + 1 > s->most_bytes)
        return too_long(s, "an event", e);
    if (s->has_data)
        sbuf_putc(&s->data, '\n');
    s->has_data = true;
    sbuf_add(&s->data, line + at, n - at);
    return s->data.failed ? err_nomem(e, n, "an event") : 0;
}

static int end_line(struct sse *s, struct err *e)
{
    int rc = 0;
    const char *p = sbuf_str(&s->line);
    size_t n = s->line.n;
    if (!s->begun && n >= 3 && memcmp(p, "\xef\xbb\xbf", 3) == 0) {
        p += 3;
        n -= 3;
    }
    s->begun = true;
    if (s->lines)
        rc = n > 0 ? emit(s, &s->line, e) : 0;
    else
        rc = n > 0 ? take_field(s, p, n, e) : end_event(s, e);
    s->line.n = 0;
    return rc;
}

int sse_feed(struct sse *s, const char *text, size_t n, struct err *e)
{
    int rc = 0;
    for (size_t i = 0; i < n && rc == 0 && !s->done;) {
        if (s->after_cr && text[i] == '\n') {
            s->after_cr = false;
            i++;
            continue;
        }
        s->after_cr = false;
        size_t start = i;
        while (i < n && text[i] != '\n' && text[i] != '\r')
            i++;
        if (s->line.n + (i - start) > s->most_bytes)
            return too_long(s, "a line", e);
        sbuf_add(&s->line, text + start, i - start);
        if (s->line.failed)
            return err_nomem(e, n, "a line");
        if (i < n) {
            s->after_cr = text[i++] == '\r';
            rc = end_line(s, e);
        }
    }
    return rc;
}

int sse_end(struct sse *s, struct err *e)
{
    return s->lines && s->line.n > 0 && !s->done ? end_line(s, e) : 0;
}

void sse_free(struct sse *s)
{
    sbuf_free(&s->line);
    sbuf_free(&s->data);
}
