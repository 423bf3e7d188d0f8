/* The probe: recorded machines against their known values, damaged ones, JSON both ways, privacy. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/mem.h"
#include "probe/probe.h"

static struct probe_device d, d2;
static struct err e;

static char *to_text(const struct probe_device *dev)
{
    json_t *j = probe_to_json(dev);
    assert_non_null(j);
    struct sbuf b = {0};
    json_print(&b, j, 1);
    assert_false(b.failed);
    json_decref(j);
    return b.p;
}

/* to_json -> text -> from_json -> to_json gives the same text. */
static void assert_round_trip(const struct probe_device *dev)
{
    char *text = to_text(dev);
    json_t *j;
    assert_int_equal(json_parse(&j, text, strlen(text), "test", &e), 0);
    assert_int_equal(probe_from_json(&d2, j, "test", &e), 0);
    json_decref(j);
    char *again = to_text(&d2);
    assert_string_equal(text, again);
    mem_free(text);
    mem_free(again);
}

static void test_this_machine(void **state)
{
    (void)state;
    assert_int_equal(probe_device(&d, "", &e), 0);
    assert_string_equal(d.source, "this machine");
    assert_true(d.cpu.n_threads >= 1);
    assert_true(d.cpu.n_cpu >= 1);
    assert_true(d.cpu.n_usable >= 1 && d.cpu.n_usable <= d.cpu.n_cpu);
    assert_true(d.memory.total_bytes > 0);
    assert_true(d.memory.usable_bytes <= d.memory.total_bytes);
    for (int i = 0; i < N_ISA; i++)
        assert_int_equal(d.cpu.isa[i] == ISA_PROVED, d.cpu.isa_mask >> i & 1);
#if defined __x86_64__
    assert_int_equal(d.cpu.isa[ISA_BIT_AVX2] == ISA_PROVED, !!__builtin_cpu_supports("avx2"));
    assert_int_equal(d.cpu.isa[ISA_BIT_AVX512_VNNI] == ISA_PROVED, !!__builtin_cpu_supports("avx512vnni"));
#elif defined __aarch64__
    assert_int_equal(d.cpu.isa[ISA_BIT_NEON], ISA_PROVED);
#endif
    assert_round_trip(&d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_this_machine),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
