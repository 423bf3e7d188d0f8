/* matrix/kv.c: rows of the pick under other KV caches, and another cache as the pick where memory forbids the usual. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>
#include "matrix/matrix.h"
#include "tests/unit/decide_records.h"

enum { N_FORMATS = 6, MOST = 16 };
static struct request req;
static struct probe_device device;

static int setup(void **state)
{
    (void)state;
    request_defaults(&req);
    req.threads = 2;
    memset(&device, 0, sizeof device);
    device.memory.total_bytes = device.memory.available_bytes = device.memory.usable_bytes = (int64_t)20 << 30;
    device.memory.limit_bytes = device.memory.swap_bytes = -1;
    device.memory.bandwidth_gb_s = 20;
    device.power.battery_wh = device.thermal.max_c = device.thermal.throttle_c = NAN;
    device.cpu.n_usable = 2;
    return 0;
}

static void cache(struct record *r, const char *kv, int n_ctx, double kld)
{
    record_of(r, "testmodel", "", "own");
    snprintf(r->framework.numerics, sizeof r->framework.numerics, "weights-only");
    snprintf(r->workload.kv_type, sizeof r->workload.kv_type, "%s", kv);
    r->workload.n_ctx = n_ctx;
    give_quality(r, kld, kld / 10, 0.99);
}

static int caches(struct record r[MOST])
{
    int n = sample_records(r);
    cache(&r[n++], "q8_0", 2048, 0.0001);
    cache(&r[n++], "q8_0/q4_0", 2048, 0.003);
    cache(&r[n++], "q8_0/q4_0", 8192, 0.004);
    cache(&r[n++], "u8", 2048, 0.0002);
    cache(&r[n], "q4_0", 2048, NAN);
    r[n].status = STATUS_UNSUPPORTED;
    snprintf(r[n++].reason, sizeof r->reason, "heads of 8 values");
    return n;
}

static struct decision *decide(const struct record *r, int n)
{
    struct decision *d = NULL;
    struct err e = {0};
    assert_int_equal(matrix_decide(&d, r, n, NULL, &device, &req, &e), 0);
    return d;
}

static const struct row *row_of(const struct decision *d, const char *format, const char *kv)
{
    for (int i = 0; i < d->n_rows; i++)
        if (!strcmp(d->row[i].format, format) && !strcmp(d->row[i].kv_type, kv))
            return &d->row[i];
    return NULL;
}

static void near(double a, double b)
{
    if (!(fabs(a - b) <= 1e-9))
        fail_msg("%.9g is not %.9g", a, b);
}

static void rows_of_the_pick(void **state)
{
    (void)state;
    struct record r[MOST];
    struct decision *d = decide(r, caches(r));
    assert_string_equal(d->verdict, "recommended");
    assert_string_equal(d->headline, "USE gguf/q4_k_m on llama.cpp");
    assert_int_equal(d->n_rows, N_FORMATS + 4);
    const struct row *pick = &d->row[d->recommended], *w = row_of(d, "gguf/q4_k_m", "q8_0/q4_0");
    assert_string_equal(pick->kv_type, "f16");
    near(w->kld, 0.075 + 0.004);
    near(w->kv_kld, 0.003);
    near(w->kv_kld_long, 0.004);
    assert_int_equal(w->kv_ctx, 2048);
    assert_int_equal(w->kv_ctx_long, 8192);
    assert_string_equal(w->quality_from, "predicted");
    assert_true(isnan(w->ppl) && isnan(w->top1_agreement));
    assert_int_equal(w->kv_bytes, (int64_t)((double)pick->kv_bytes * (34 + 18) / 128));
    assert_int_equal(pick->peak_bytes - w->peak_bytes, pick->kv_bytes - w->kv_bytes);
    assert_string_equal(w->command, "llama-server -m testmodel-Q4_K_M.gguf -t 2 -c 4096 -fa on -ctk q8_0 -ctv q4_0");
    assert_string_not_equal(w->verdict, "recommended");
    assert_true(isnan(row_of(d, "gguf/q4_k_m", "q8_0")->kv_kld_long));
    assert_null(row_of(d, "gguf/q8_0", "q8_0"));
    w = row_of(d, "gguf/q4_k_m", "u8");
    assert_string_equal(w->verdict, "unsupported");
    assert_string_equal(w->reason, "llama.cpp has no KV cache of u8");
    w = row_of(d, "gguf/q4_k_m", "q4_0");
    assert_string_equal(w->verdict, "unsupported");
    assert_string_equal(w->reason, "heads of 8 values");
    assert_string_not_equal(d->row[d->runner_up].format, "gguf/q4_k_m");
    decision_free(d);
}

/* However much smaller another cache is: what fits with the usual one is picked with it. */
static void the_usual_cache_where_it_fits(void **state)
{
    (void)state;
    struct record r[MOST];
    req.want.ctx = 4 << 20;
    struct decision *d = decide(r, caches(r));
    assert_string_equal(d->row[d->recommended].format, "gguf/q4_k_m");
    assert_string_equal(d->row[d->recommended].kv_type, "f16");
    assert_string_equal(d->verdict, "recommended");
    decision_free(d);
}

/* 1 KiB a position: four million of them are 4 GiB, and 2.1 under q8_0. */
static void another_cache_where_memory_is_short(void **state)
{
    (void)state;
    struct record r[MOST];
    int n = caches(r);
    req.want.ctx = 4 << 20;
    req.want.ram_bytes = (int64_t)2560 << 20;
    struct decision *d = decide(r, n);
    assert_true(d->recommended >= 0);
    assert_string_equal(d->row[d->recommended].format, "gguf/q4_k_m");
    assert_string_equal(d->row[d->recommended].kv_type, "q8_0/q4_0"); /* less memory, within the error of q8_0's KLD */
    assert_string_equal(d->headline, "USE gguf/q4_k_m, KV q8_0/q4_0 on llama.cpp");
    assert_string_equal(row_of(d, "gguf/q4_k_m", "f16")->verdict, "cannot-run");
    decision_free(d);
    req.want.ram_bytes = (int64_t)512 << 20;
    d = decide(r, n);
    assert_int_equal(d->recommended, -1);
    decision_free(d);
}

static void smallest(void **state)
{
    (void)state;
    struct record r[MOST];
    req.want.objective = OBJECTIVE_MEMORY;
    struct decision *d = decide(r, caches(r));
    assert_string_equal(d->row[d->recommended].format, "gguf/q2_k");
    assert_string_equal(d->row[d->recommended].kv_type, "q8_0/q4_0");
    decision_free(d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(rows_of_the_pick, setup), cmocka_unit_test_setup(the_usual_cache_where_it_fits, setup),
        cmocka_unit_test_setup(another_cache_where_memory_is_short, setup), cmocka_unit_test_setup(smallest, setup)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
