/* HTTP through libcurl: one or several requests at once, their answers whole or as events with the time of each.
 * Order: http_open -> http_run... -> http_close. Connections are kept from one run to the next. */
#ifndef BENCH_RUNNERS_HTTP_H
#define BENCH_RUNNERS_HTTP_H
#include <stdint.h>
#include "base/err.h"
#include "base/sbuf.h"

struct http;
enum http_answer { HTTP_WHOLE, HTTP_EVENTS, HTTP_LINES }; /* lines: one JSON document each */
struct http_limits {                /* 0: none */
    unsigned connect_ms, first_ms, silence_ms;   /* to connect; to the first byte; between two pieces */
    uint64_t deadline_ns;           /* clock_ns() at which everything ends */
};
struct http_call {
    const char *url, *body;         /* body NULL: GET; else POST of JSON */
    enum http_answer answer;        /* of status 200; any other is kept whole */
    int (*on_event)(void *arg, const char *data, size_t n, uint64_t now_ns, struct err *e);
    void *arg;
    /* what came of it */
    int status;                     /* 0: no answer */
    uint64_t start_ns, end_ns;
    struct sbuf text;
};
int http_open(struct http **out, const char *key, struct err *e);   /* key: NULL or "" = none */
void http_close(struct http *h);
/* Runs n calls at once. Negative as soon as one cannot be brought to its end: refused, closed, silent, malformed; a
 * status such as 404 is an answer. The text of every call is freed by http_call_free. */
int http_run(struct http *h, struct http_call *call, int n, const struct http_limits *l, struct err *e);
void http_call_free(struct http_call *c);
#endif
