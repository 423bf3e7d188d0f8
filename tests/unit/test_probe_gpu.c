/* Driver libraries that answer, crash and hang (tests/fault/fake_drivers.c, found through the run path or
 * LD_LIBRARY_PATH): what can be known is known, the rest costs a note, and the probe comes back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>
#include "probe/probe.h"

static struct probe_device d;

static bool has_note(const char *part)
{
    for (int i = 0; i < d.n_notes; i++)
        if (strstr(d.note[i], part))
            return true;
    return false;
}

static void test_fake_drivers(void **state)
{
    (void)state;
    struct err e = {0};
    assert_int_equal(probe_device(&d, "", &e), 0);
    int n_cards = 0, n_software = 0;
    for (int i = 0; i < d.n_gpus; i++) {
        const struct probe_accel *a = &d.gpu[i];
        if (a->software) {
            n_software++;
            assert_string_equal(a->name, "pthread-??fake");
            assert_string_equal(a->vendor, "The pocl project");
            assert_string_equal(a->api, "opencl");
            assert_int_equal(a->memory_bytes, -1);
            continue;
        }
        n_cards++;
        assert_string_equal(a->name, "NVIDIA Fake 4090");
        assert_string_equal(a->vendor, "NVIDIA");
        assert_string_equal(a->pci_id, "10de:2684");
        assert_string_equal(a->driver, "nvidia 550.54.15");
        assert_string_equal(a->api, "nvml cuda opencl");
        assert_int_equal(a->memory_bytes, INT64_C(25757220864));
    }
    assert_int_equal(n_cards, 2);
    assert_int_equal(n_software, 1);
    assert_true(has_note("vulkan driver crashed"));
    assert_true(has_note("level-zero driver did not answer in time"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_fake_drivers)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
