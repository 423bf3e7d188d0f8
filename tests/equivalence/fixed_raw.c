/* fixed_raw RULE N_CHUNKS N K < x[N_CHUNKS][N][K] f32: the grid that a rule finds for activations that flow in so, as a
 * line "scale zero" (hexadecimal float, integer), then the values of all chunks on it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/mem.h"
#include "bench/quant/ranges.h"

static int see_chunk(struct calib_input *in, const float *x, int64_t n, struct arena *a)
{
    float *lo = in->lo + in->n_edges * in->k, *hi = in->hi + in->n_edges * in->k;
    for (int64_t j = 0; j < in->k; j++) {
        lo[j] = hi[j] = x[j];
        for (int64_t i = 1; i < n; i++) {
            lo[j] = x[i * in->k + j] < lo[j] ? x[i * in->k + j] : lo[j];
            hi[j] = x[i * in->k + j] > hi[j] ? x[i * in->k + j] : hi[j];
        }
    }
    in->n_edges++;
    return histogram_add_values(&in->values, x, n * in->k, a) ||
           histogram_add_magnitudes(&in->magnitudes, x, n * in->k, a);
}

int main(int argc, char **argv)
{
    struct err e = {0};
    struct act_fixed f;
    struct arena *a = arena_new();
    const struct range_rule *rule = argc == 5 ? range_rule_find(argv[1]) : NULL;
    int64_t n_chunks = rule ? atoi(argv[2]) : 0, n = rule ? atoi(argv[3]) : 0, k = rule ? atoi(argv[4]) : 0;
    size_t count = (size_t)(n_chunks * n * k);
    float *x = mem_alloc_n(count + 1, sizeof *x), *y = mem_alloc_n(count + 1, sizeof *y);
    struct calib_input in = {.k = k};
    in.lo = mem_alloc_n((size_t)(n_chunks * k) + 1, sizeof *in.lo);
    in.hi = mem_alloc_n((size_t)(n_chunks * k) + 1, sizeof *in.hi);
    if (!rule || !a || !x || !y || !in.lo || !in.hi || fread(x, sizeof *x, count, stdin) != count)
        return 2;
    for (int64_t i = 0; i < n_chunks; i++)
        if (see_chunk(&in, x + i * n * k, n, a))
            return 2;
    if (rule->fit(&f, &in, NULL, a, &e)) {
        fprintf(stderr, "%s\n", e.text);
        return 1;
    }
    for (int64_t i = 0; i < n_chunks * n; i++)
        act_find("i8_fixed")->round_fixed(y + i * k, x + i * k, k, &f);
    printf("%a %d\n", (double)f.scale, (int)f.zero);
    fwrite(y, sizeof *y, count, stdout);
    arena_free(a);
    return fflush(stdout) != 0;
}
