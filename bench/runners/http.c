/* Requests through curl's multi interface: its loop, what its errors mean, and the limits that it does not know. */
#include "bench/runners/http.h"

#include <curl/curl.h>
#include <stdio.h>
#include <string.h>
#include "base/mem.h"
#include "base/os.h"
#include "bench/runners/sse.h"

enum { MOST_EVENT = 1 << 20, MOST_WHOLE = 4 << 20, POLL_MS = 50, HEADER_BYTES = 4200 };
static const size_t most_stream = (size_t)1 << 28;

struct http {
    CURLM *multi;
    struct curl_slist *headers;
};
struct transfer {
    CURL *easy;
    struct http_call *call;
    struct sse sse;
    struct err err;   /* why a piece was refused */
    uint64_t last_ns; /* when the last piece came; 0: none yet */
    size_t n_bytes;
    bool over;
    char curl_said[CURL_ERROR_SIZE];
};
struct run {
    struct http *http;
    struct transfer *transfer;
    const struct http_limits *limits;
    int n, n_over;
};

int http_open(struct http **out, const char *key, struct err *e)
{
    struct http *h = mem_alloc(sizeof *h);
    char header[HEADER_BYTES];
    if (!h || curl_global_init(CURL_GLOBAL_DEFAULT) != 0)
        goto failed;
    if (key && (strlen(key) > HEADER_BYTES - 100 || strpbrk(key, "\r\n"))) {
        http_close(h);
        return err_set(e, ERR_USAGE, "the key for the endpoint is too long, or more than one line");
    }
    snprintf(header, sizeof header, "Authorization: Bearer %s", key ? key : "");
    static const char *const usual[] = {"Content-Type: application/json", "Expect:"};
    for (int i = 0; i < 2 + (key && *key); i++) {
        struct curl_slist *more = curl_slist_append(h->headers, i < 2 ? usual[i] : header);
        if (!more)
            goto failed;
        h->headers = more;
    }
    if (!(h->multi = curl_multi_init()))
        goto failed;
    *out = h;
    return 0;
failed:
    http_close(h);
    return err_set(e, ERR_NOMEM, "cannot start libcurl");
}

void http_close(struct http *h)
{
    if (!h)
        return;
    if (h->multi)
        curl_multi_cleanup(h->multi);
    curl_slist_free_all(h->headers);
    mem_free(h);
}

void http_call_free(struct http_call *c)
{
    sbuf_free(&c->text);
}

/* ---- pieces ---- */

static int on_event(void *arg, const char *data, size_t n)
{
    struct transfer *t = arg;
    return t->call->on_event(t->call->arg, data, n, t->last_ns, &t->err);
}

static int take_piece(struct transfer *t, const char *p, size_t n)
{
    long status = 0;
    curl_easy_getinfo(t->easy, CURLINFO_RESPONSE_CODE, &status);
    t->n_bytes += n;
    if (status == 200 && t->call->answer != HTTP_WHOLE)
        return t->n_bytes > most_stream
                   ? err_set(&t->err, ERR_FORMAT, "the stream has no end: more than %zu MiB came", most_stream >> 20)
                   : sse_feed(&t->sse, p, n, &t->err);
    if (t->n_bytes > MOST_WHOLE)
        return err_set(&t->err, ERR_FORMAT, "the answer is longer than %d MiB", MOST_WHOLE >> 20);
    sbuf_add(&t->call->text, p, n);
    return t->call->text.failed ? err_nomem(&t->err, n, "an answer") : 0;
}

static size_t on_piece(char *p, size_t size, size_t n, void *arg)
{
    struct transfer *t = arg;
    t->last_ns = clock_ns();
    return take_piece(t, p, size * n) < 0 ? 0 : size * n; /* 0 stops the transfer */
}

/* ---- what went wrong ---- */

static const struct {
    CURLcode code;
    int error;
    const char *what;
} curl_failures[] = {
    {CURLE_COULDNT_CONNECT, ERR_MISSING, "cannot connect; is the server running there?"},
    {CURLE_COULDNT_RESOLVE_HOST, ERR_MISSING, "there is no such host"},
    {CURLE_COULDNT_RESOLVE_PROXY, ERR_MISSING, "there is no such proxy"},
    {CURLE_OPERATION_TIMEDOUT, ERR_TIMEOUT, "no connection within the time given"},
    {CURLE_URL_MALFORMAT, ERR_USAGE, "this is no URL"},
    {CURLE_UNSUPPORTED_PROTOCOL, ERR_USAGE, "only http:// and https:// are spoken"},
    {CURLE_SSL_CONNECT_ERROR, ERR_IO, "TLS failed; a server without TLS wants http://"},
    {CURLE_PEER_FAILED_VERIFICATION, ERR_IO, "the server's certificate is not trusted"},
    {CURLE_PARTIAL_FILE, ERR_IO, "the server closed the connection in mid-stream"},
    {CURLE_RECV_ERROR, ERR_IO, "the server closed the connection in mid-stream"},
    {CURLE_SEND_ERROR, ERR_IO, "the server closed the connection"},
    {CURLE_GOT_NOTHING, ERR_IO, "the server closed the connection without an answer"},
    {CURLE_OUT_OF_MEMORY, ERR_NOMEM, "out of memory"},
};

static int curl_failure(const struct transfer *t, CURLcode code, struct err *e)
{
    if (t->err.code)
        return err_set(e, t->err.code, "%s: %s", t->call->url, t->err.text);
    for (size_t i = 0; i < sizeof curl_failures / sizeof *curl_failures; i++)
        if (curl_failures[i].code == code)
            return err_set(e, curl_failures[i].error, "%s: %s (%.120s)", t->call->url, curl_failures[i].what,
                           *t->curl_said ? t->curl_said : curl_easy_strerror(code));
    return err_set(e, ERR_IO, "%s: %.120s", t->call->url, *t->curl_said ? t->curl_said : curl_easy_strerror(code));
}

/* ---- the loop ---- */

static int start_transfer(struct run *r, struct transfer *t, struct err *e)
{
    struct http_call *c = t->call;
    if (!(t->easy = curl_easy_init()))
        return err_set(e, ERR_NOMEM, "cannot start a request");
    CURL *h = t->easy;
    curl_easy_setopt(h, CURLOPT_URL, c->url);
#if LIBCURL_VERSION_NUM >= 0x075500
    curl_easy_setopt(h, CURLOPT_PROTOCOLS_STR, "http,https");
#else
    curl_easy_setopt(h, CURLOPT_PROTOCOLS, (long)(CURLPROTO_HTTP | CURLPROTO_HTTPS));
#endif
    curl_easy_setopt(h, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1); /* a connection for each stream */
    curl_easy_setopt(h, CURLOPT_HTTPHEADER, r->http->headers);
    curl_easy_setopt(h, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(h, CURLOPT_TCP_NODELAY, 1L);
    curl_easy_setopt(h, CURLOPT_ERRORBUFFER, t->curl_said);
    curl_easy_setopt(h, CURLOPT_PRIVATE, t);
    curl_easy_setopt(h, CURLOPT_WRITEFUNCTION, on_piece);
    curl_easy_setopt(h, CURLOPT_WRITEDATA, t);
    curl_easy_setopt(h, CURLOPT_CONNECTTIMEOUT_MS, (long)r->limits->connect_ms);
    curl_easy_setopt(h, CURLOPT_USERAGENT, "whichquant/" WHICHQUANT_VERSION);
    if (strstr(c->url, "//127.") || strstr(c->url, "//localhost") || strstr(c->url, "//[::1]"))
        curl_easy_setopt(h, CURLOPT_PROXY, "");
    if (c->body)
        curl_easy_setopt(h, CURLOPT_POSTFIELDS, c->body);
    c->start_ns = clock_ns();
    return curl_multi_add_handle(r->http->multi, h) == CURLM_OK ? 0 : err_set(e, ERR_NOMEM, "cannot start a request");
}

static int finish_transfer(struct run *r, struct transfer *t, CURLcode code, struct err *e)
{
    long status = 0;
    curl_easy_getinfo(t->easy, CURLINFO_RESPONSE_CODE, &status);
    t->over = true;
    r->n_over++;
    t->call->status = (int)status;
    t->call->end_ns = clock_ns();
    if (code != CURLE_OK && !(t->sse.done && !t->err.code)) /* after [DONE] it does not matter how it closes */
        return curl_failure(t, code, e);
    if (sse_end(&t->sse, &t->err) < 0)
        return curl_failure(t, CURLE_OK, e);
    return 0;
}

static int check_limits(const struct run *r, struct err *e)
{
    uint64_t now = clock_ns();
    const struct http_limits *l = r->limits;
    if (interrupt_seen())
        return err_set(e, ERR_CANCELLED, "the requests were interrupted");
    for (int i = 0; i < r->n; i++) {
        const struct transfer *t = &r->transfer[i];
        uint64_t since = t->last_ns ? t->last_ns : t->call->start_ns;
        unsigned most_ms = t->last_ns ? l->silence_ms : l->first_ms;
        if (t->over)
            continue;
        if (l->deadline_ns && now > l->deadline_ns)
            return err_set(e, ERR_TIMEOUT, "%s: the answer was not complete within the time given", t->call->url);
        if (most_ms && now - since > (uint64_t)most_ms * 1000000 && t->last_ns)
            return err_set(e, ERR_TIMEOUT, "%s: the stream fell silent for %.1f s after %zu bytes", t->call->url,
                           most_ms / 1e3, t->n_bytes);
        if (most_ms && now - since > (uint64_t)most_ms * 1000000)
            return err_set(e, ERR_TIMEOUT, "%s: nothing came within %.1f s", t->call->url, most_ms / 1e3);
    }
    return 0;
}

static int take_messages(struct run *r, struct err *e)
{
    CURLMsg *m;
    int left, rc = 0;
    while (rc == 0 && (m = curl_multi_info_read(r->http->multi, &left))) {
        char *t = NULL;
        if (m->msg != CURLMSG_DONE)
            continue;
        CURLcode code = m->data.result;
        curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, &t);
        rc = finish_transfer(r, (struct transfer *)(void *)t, code, e);
    }
    return rc;
}

static int run_loop(struct run *r, struct err *e)
{
    int rc = 0, running;
    while (rc == 0 && r->n_over < r->n) {
        if (curl_multi_perform(r->http->multi, &running) != CURLM_OK)
            return err_set(e, ERR_IO, "%s: libcurl gave up", r->transfer[0].call->url);
        rc = take_messages(r, e);
        if (rc == 0 && r->n_over < r->n)
            rc = check_limits(r, e);
        if (rc == 0 && r->n_over < r->n && curl_multi_poll(r->http->multi, NULL, 0, POLL_MS, NULL) != CURLM_OK)
            rc = err_set(e, ERR_IO, "%s: libcurl cannot wait", r->transfer[0].call->url);
    }
    return rc;
}

int http_run(struct http *h, struct http_call *call, int n, const struct http_limits *l, struct err *e)
{
    struct run r = {.http = h, .limits = l, .n = n};
    int rc = 0;
    r.transfer = mem_alloc_n((size_t)n, sizeof *r.transfer);
    if (!r.transfer)
        return err_nomem(e, (unsigned long long)n * sizeof *r.transfer, "the requests");
    for (int i = 0; i < n && rc == 0; i++) {
        struct transfer *t = &r.transfer[i];
        t->call = &call[i];
        t->sse = (struct sse){
            .lines = call[i].answer == HTTP_LINES, .most_bytes = MOST_EVENT, .on_event = on_event, .arg = t};
        call[i].text.n = 0;
        call[i].status = 0;
        rc = start_transfer(&r, t, e);
    }
    if (rc == 0)
        rc = run_loop(&r, e);
    for (int i = 0; i < n; i++) {
        struct transfer *t = &r.transfer[i];
        if (t->easy) {
            curl_multi_remove_handle(h->multi, t->easy);
            curl_easy_cleanup(t->easy);
        }
        sse_free(&t->sse);
    }
    mem_free(r.transfer);
    return rc;
}
