/* Value tables on any bytes: rows in order of time or a sentence; whatever came out, the detector takes. */
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include "base/mem.h"
#include "bench/values.h"
#include "matrix/changepoint.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void detect(const struct values *s)
{
    struct err e = {0};
    struct changepoint *c;
    int n_c;
    double *value = malloc((size_t)s->n * sizeof *value);
    bool *spike = malloc((size_t)s->n * sizeof *spike);
    for (int i = 0; i < s->n; i++) {
        value[i] = s->row[i].value;
        if (i > 0 && s->row[i].time < s->row[i - 1].time)
            abort();
    }
    if (changepoint_find(&c, &n_c, spike, value, s->n, s->name, NULL, &e) != 0)
        abort();
    for (int i = 0; i < n_c; i++)
        if (c[i].index < 3 || c[i].index > s->n - 3 || !(c[i].p > 0 && c[i].p <= 0.01) || isnan(value[c[i].index]))
            abort();
    mem_free(c);
    free(value);
    free(spike);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct value_table t;
    struct err e = {0};
    char *text = malloc(n + 1);
    memcpy(text, data, n);
    text[n] = 0;
    int rc = values_read(&t, text, n, "fuzz", &e);
    if (rc == 0 ? t.n < 1 : !e.text[0])
        abort();
    for (int i = 0; i < t.n; i++)
        detect(&t.series[i]);
    values_free(&t);
    free(text);
    return 0;
}
