/* codec_raw CODEC BITS SYM GROUP SCALE_TYPE ROWS COLS < weights > decoded: raw f32 through one codec, for comparison
 * with other implementations (tests/equivalence). With an ALGORITHM behind, w[ROWS][COLS] is followed by the gram
 * matrix [COLS][COLS] of the inputs and their mean magnitudes [COLS]. */
#include <stdio.h>
#include <stdlib.h>
#include "base/mem.h"
#include "bench/quant/algorithm.h"
#include "kernels/kernels.h"

static int solve(const struct algorithm *algo, struct qmat *q, const float *w, struct arena *a, struct err *e)
{
    const struct model_desc d = {.n_head = 1, .n_head_kv = 1};
    const struct model_tensor t = {.name = "raw", .use = USE_FFN_UP};
    struct algo_target target = {.q = q, .w = w, .t = &t};
    const float *gram = w + q->n * q->k;
    const struct calib cal = {.gram = gram, .magnitude = gram + q->k * q->k};
    struct algo_group g = {.d = &d,
                           .cal = &cal,
                           .k = q->k,
                           .n = 1,
                           .target = &target,
                           .arena = a,
                           .gemm = kernel_find(OP_GEMM_F32, NULL, NULL, 0)};
    return algo->encode(&g, e);
}

int main(int argc, char **argv)
{
    struct err e = {0};
    struct qmat q;
    const struct codec *c = argc == 8 || argc == 9 ? codec_find(argv[1]) : NULL;
    if (!c) {
        fputs("codec_raw CODEC BITS SYM GROUP SCALE_TYPE ROWS COLS [ALGORITHM] < f32 > f32\n", stderr);
        return 2;
    }
    int bits = 0, wide_bits = 0, wide_percent = 0; /* 3, or 3,4,10: EXL2's 4 bits in the first tenth */
    sscanf(argv[2], "%d,%d,%d", &bits, &wide_bits, &wide_percent);
    struct qpar par = {.bits = (uint8_t)bits,
                       .wide_bits = (uint16_t)wide_bits,
                       .wide_percent = (uint16_t)wide_percent,
                       .sym = (uint8_t)atoi(argv[3]),
                       .group = atoi(argv[4]),
                       .scale_type = (uint8_t)atoi(argv[5])};
    int64_t n = atoll(argv[6]), k = atoll(argv[7]);
    const struct algorithm *algo = argc == 9 ? algorithm_find(argv[8]) : NULL;
    size_t count = (size_t)(n * k), all = count + (algo ? (size_t)(k * k + k) : 0);
    float *w = mem_alloc_n(all, sizeof *w);
    struct arena *a = arena_new();
    if (!w || !a || fread(w, sizeof *w, all, stdin) != all)
        return 3;
    int rc = c->layout(&q, n, k, &par, &e);
    if (rc == 0 && algo && algo->layout)
        rc = algo->layout(&q, &e);
    if (rc == 0)
        rc = qmat_alloc(&q, &e);
    if (rc == 0)
        rc = algo ? solve(algo, &q, w, a, &e) : qmat_encode(&q, w, a);
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
