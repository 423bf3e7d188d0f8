/* GGUF reader on any bytes: no crash, no leak, and what it accepts keeps its promises. Build with -Dfuzz=true for
 * libFuzzer; otherwise replay.c feeds it files. */
#include <stdlib.h>
#include <string.h>
#include "bench/artifact/gguf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void check(bool ok)
{
    if (!ok)
        abort();
}

static volatile uint64_t sink;

static void touch(const void *p, size_t n)
{
    const uint8_t *b = p;
    for (size_t i = 0; i < n; i++)
        sink += b[i];
}

static void walk_key(const struct gguf *g, const struct gguf_kv *kv)
{
    char name[300], shown[GGUF_SHOWN_BYTES];
    int64_t i = 0;
    double d = 0;
    touch(kv->data, kv->bytes);
    for (uint64_t k = 0; k < kv->count + 1 && k < 1000; k++) {
        const bool has = gguf_array_i64(kv, k, &i) || gguf_array_f64(kv, k, &d);
        check(!has || k < kv->count);
        if (kv->strings && k < kv->count)
            touch(kv->strings[k].p, kv->strings[k].n);
    }
    check(strlen(gguf_shown(kv->key, shown)) < GGUF_SHOWN_BYTES);
    if (kv->key.n >= sizeof name)
        return;
    memcpy(name, kv->key.p, kv->key.n);
    name[kv->key.n] = 0;
    struct gguf_str s;
    bool b;
    check(gguf_find(g, name) == kv);
    gguf_get_i64(g, name, &i);
    gguf_get_f64(g, name, &d);
    gguf_get_bool(g, name, &b);
    if (gguf_get_str(g, name, &s))
        touch(s.p, s.n);
}

static void walk(const struct gguf *g, size_t n, bool header_only)
{
    for (int64_t i = 0; i < g->n_kv; i++)
        walk_key(g, &g->kv[i]);
    for (int64_t i = 0; i < g->n_tensors; i++) {
        const struct gguf_tensor *t = &g->tensor[i];
        check(t->name[0] && memchr(t->name, 0, sizeof t->name) && gguf_type_name(t->type));
        check(gguf_find_tensor(g, t->name) == t);
        check(t->ne[0] > 0 && t->ne[1] > 0 && t->ne[2] > 0 && t->ne[3] > 0);
        check(t->data || header_only);
        check(!t->data || t->bytes <= n);
        if (t->data)
            touch(t->data, t->bytes);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    for (int header_only = 0; header_only < 2; header_only++) {
        struct gguf *g;
        struct err e = {0};
        const struct gguf_open_opts opts = {.header_only = header_only};
        const int rc = gguf_open_memory(&g, data, n, "input", &opts, &e);
        check((rc == 0) == (g != NULL));
        check(rc == 0 || (e.code == rc && e.text[0]));
        if (!rc)
            walk(g, n, header_only);
        gguf_close(g);
    }
    return 0;
}
