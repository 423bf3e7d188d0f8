/* bench/calibrate on the real machine: plausible figures, the asked working set, failing allocations, no time wasted.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "base/mem.h"
#include "bench/calibrate.h"
#include "bench/rates.h"
#include "tests/host_isa.h"

static void bandwidth_of_this_machine(void **state)
{
    (void)state;
    struct bandwidth b;
    struct err e = {0};
    if (calibrate_bandwidth(NULL, 0, 0.5, &b, &e) < 0)
        fail_msg("%s", e.text);
    assert_true(b.gb_s.v > 0.05 && b.gb_s.v < 5000);
    assert_true(b.gb_s.lo <= b.gb_s.v && b.gb_s.v <= b.gb_s.hi);
    assert_true(b.cache_bytes >= 0 && b.cache_bytes < b.working_set_bytes);
    assert_true(b.working_set_bytes >= 16 << 20);
}

/* The size of a cache that is not there cannot be found: with a working set that fits into one page of the smallest
 * cache everything is equally fast. */
static void pieces(void **state)
{
    (void)state;
    struct bandwidth_probe b;
    assert_int_equal(bandwidth_open(&b, NULL, 0, NULL), 0);
    size_t all = b.bytes;
    b.bytes = 8192;
    assert_int_equal(bandwidth_find_cache(&b, 0.01, NULL), 0);
    assert_int_equal(b.cache_bytes, 0);
    assert_true(bandwidth_now(&b) > 0);
    b.bytes = all;
    bandwidth_close(&b);
    assert_null(b.p);
}

/* Windows move on through the whole working set and begin again: nothing is read twice in a row. */
static void windows_move_on(void **state)
{
    (void)state;
    struct bandwidth_probe b;
    assert_int_equal(bandwidth_open(&b, NULL, 0, NULL), 0);
    size_t all = b.bytes, last = 0, n_turns = 0;
    b.bytes = all < (size_t)100 << 20 ? all : (size_t)100 << 20;
    for (int i = 0; i < 8; i++) {
        double rate = bandwidth_now(&b);
        assert_true(rate > 0.05 && rate < 5000);
        assert_true(b.at <= b.bytes && b.at != last);
        n_turns += b.at < last;
        last = b.at;
    }
    assert_true(n_turns >= 1);
    b.bytes = all;
    bandwidth_close(&b);
}

static void no_memory(void **state)
{
    (void)state;
    struct bandwidth b;
    int rc = -1;
    for (long n = 1; n < 20 && rc != 0; n++) {
        mem_fail_from(n);
        rc = calibrate_bandwidth(NULL, 0, 0.01, &b, NULL);
        mem_fail_from(0);
        assert_true(rc == 0 || rc == ERR_NOMEM);
        assert_true(rc == 0 || (isnan(b.gb_s.v) && b.cache_bytes == -1));
    }
    assert_int_equal(rc, 0);
}

static struct machine_rates rates;

/* One round: every codec that has kernels here has figures of a sane size, prompts faster than tokens. */
static void rates_of_this_machine(void **state)
{
    (void)state;
    struct pool *pool;
    struct err e = {0};
    assert_int_equal(pool_new(&pool, 1, NULL, NULL), 0);
    struct rates_opts o = {.pool = pool, .isa = host_isa(), .budget_s = 0.1, .least_rounds = 1};
    if (rates_measure(&rates, &o, &e) < 0)
        fail_msg("%s", e.text);
    assert_true(rates.n_rounds == 1 && rates.seconds > 0 && rates.threads == 1);
    for (int i = 0; i < rates.n_codecs; i++)
        for (int s = 0; s < RATE_SHAPES; s++) {
            const struct codec_rate *c = &rates.codec[i];
            assert_true(c->decode_gb_s[s].v > 0.01 && c->decode_gb_s[s].v < 2000);
            if (isfinite(c->prefill_gop_s[s].v))
                assert_true(c->prefill_gop_s[s].v > 0.1 && c->prefill_gop_s[s].v < 100000);
        }
    pool_free(pool);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bandwidth_of_this_machine),
        cmocka_unit_test(pieces),
        cmocka_unit_test(windows_move_on),
        cmocka_unit_test(no_memory),
        cmocka_unit_test(rates_of_this_machine),
    };
    return cmocka_run_group_tests_name("calibrate", tests, NULL, NULL);
}
