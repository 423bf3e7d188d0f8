/* codec_raw CODEC BITS SYM GROUP SCALE_TYPE ROWS COLS < weights > decoded: raw f32 through one codec, for comparison
 * with other implementations (tests/equivalence). */
#include <stdio.h>
#include <stdlib.h>
#include "base/mem.h"
#include "kernels/formats/codec.h"

static int encode(struct qmat *q, const float *w, struct arena *a)
{
    struct wstat stat = {0};
    const struct codec *c = q->codec;
    int rc = c->measure ? c->measure(&stat, q, w, q->n) : 0;
    if (rc)
        return rc;
    return c->encode_all ? c->encode_all(q, w, a) : c->encode(q, 0, q->n, w, &stat, NULL, a);
}

int main(int argc, char **argv)
{
    struct err e = {0};
    struct qmat q;
    const struct codec *c = argc == 8 ? codec_find(argv[1]) : NULL;
    if (!c) {
        fputs("codec_raw CODEC BITS SYM GROUP SCALE_TYPE ROWS COLS < f32 > f32\n", stderr);
        return 2;
    }
    struct qpar par = {.bits = (uint8_t)atoi(argv[2]),
                       .sym = (uint8_t)atoi(argv[3]),
                       .group = atoi(argv[4]),
                       .scale_type = (uint8_t)atoi(argv[5])};
    int64_t n = atoll(argv[6]), k = atoll(argv[7]);
    size_t count = (size_t)(n * k);
    float *w = mem_alloc_n(count, sizeof *w);
    struct arena *a = arena_new();
    if (!w || !a || fread(w, sizeof *w, count, stdin) != count)
        return 3;
    int rc = c->layout(&q, n, k, &par, &e);
    if (rc == 0)
        rc = qmat_alloc(&q, &e);
    if (rc == 0)
        rc = encode(&q, w, a);
    if (rc) {
        fprintf(stderr, "%d %s\n", rc, e.text);
        return 1;
    }
    c->decode(w, &q, 0, n);
    bool ok = fwrite(w, sizeof *w, count, stdout) == count;
    qmat_free(&q);
    arena_free(a);
    mem_free(w);
    return ok ? 0 : 4;
}
