/* bench/target: described devices by id, file and figures; what is refused and with which words. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>
#include "base/near.h"
#include "bench/target.h"
#include "datasets/catalogue.h"

static const double gib = 1073741824.0;

static void says(int rc, const struct err *e, const char *words)
{
    assert_true(rc < 0);
    if (!strstr(e->text, words))
        fail_msg("\"%s\" does not say \"%s\"", e->text, words);
}

static int from_text(struct target *t, const char *text, struct err *e)
{
    json_t *j;
    assert_int_equal(json_parse(&j, text, strlen(text), "a text", e), 0);
    int rc = target_from_json(t, j, "my.json", e);
    json_decref(j);
    return rc;
}

/* Every row passes the rules, has a source, and an id of its own. */
static void whole_catalogue(void **state)
{
    (void)state;
    struct csv c;
    struct target t, again;
    struct err e = {0};
    int n = 0, generic = 0;
    for (bool more = csv_open(&c, dataset_devices) && csv_next(&c); more; more = csv_next(&c), n++) {
        assert_true(target_at(&t, n, &e));
        if (strcmp(t.id, csv_text(&c, "id")) != 0)
            fail_msg("row %d, %s: %s", n, csv_text(&c, "id"), e.text);
        assert_int_equal(target_find(&again, t.id, &e), 0);
        assert_string_equal(again.name, t.name);
        assert_true(*t.source && *t.name && *t.device_class);
        assert_true(t.usable_bytes <= t.memory_bytes && (t.memory_bytes < 0 || *t.usable_rule));
        assert_int_equal(t.device.memory.total_bytes, t.memory_bytes);
        generic += strncmp(t.name, "Generic laptop", 14) == 0;
    }
    assert_true(n >= 240 && generic >= 12);
    assert_false(target_at(&t, n, &e));
}

/* Generic laptops: bus width times transfer rate, both in the name. */
static void generic_laptops_are_computed(void **state)
{
    (void)state;
    struct target t;
    struct err e = {0};
    int n = 0;
    for (int i = 0; target_at(&t, i, &e); i++) {
        int gb, kind, rate, width;
        char bus[8];
        if (sscanf(t.id, "laptop-%dgb-ddr%d-%d-%dch", &gb, &kind, &rate, &width) == 4)
            width *= 64;
        else if (sscanf(t.id, "laptop-%dgb-lpddr%7[^-]-%d-%dbit", &gb, bus, &rate, &width) != 4)
            continue;
        assert_true(fabs(t.bandwidth_gb_s - width / 8.0 * rate / 1000) < 0.06);
        assert_true(t.memory_bytes == (int64_t)(gb * gib));
        n++;
    }
    assert_true(n >= 20);
}

static void known_devices(void **state)
{
    (void)state;
    struct target t;
    struct err e = {0};
    assert_int_equal(target_find(&t, "Raspberry-Pi-5-8GB", &e), 0);
    assert_true(t.memory_bytes == INT64_C(8) << 30 && t.bandwidth_gb_s > 17 && t.bandwidth_gb_s < 17.2);
    assert_true(t.isa & ISA(DOTPROD) && !(t.isa & ISA(I8MM)) && t.device.cpu.isa_mask == t.isa);
    assert_string_equal(t.backends, "cpu");
    assert_true(t.usable_bytes < INT64_C(15) << 29 && t.usable_bytes > INT64_C(13) << 29);
    assert_true(t.device.memory.usable_bytes == t.usable_bytes && t.device.n_gpus == 0);
    assert_int_equal(target_find(&t, "esp32-s3", &e), 0);
    assert_true(t.microcontroller && t.usable_bytes == 0);
    assert_int_equal(target_find(&t, "rtx-4090", &e), 0);
    assert_true(t.device.n_gpus == 1 && target_has_backend(&t, "cuda") && !target_has_backend(&t, "cud"));
    assert_int_equal(target_find(&t, "iphone-15-pro", &e), 0);
    assert_true(t.usable_bytes < INT64_C(6) << 30 && strstr(t.usable_rule, "iOS"));
    assert_int_equal(target_find(&t, "apple-m2", &e), 0); /* the GPU's share, not the label */
    assert_true(t.usable_bytes <= t.memory_bytes / 3 * 2 + (1 << 20));
}

static void unknown_names(void **state)
{
    (void)state;
    struct target t;
    struct err e = {0};
    says(target_find(&t, "raspberrypi5", &e), &e, "raspberry-pi-5-8gb");
    says(target_find(&t, "RTX4090", &e), &e, "rtx-4090");
    says(target_find(&t, "rpi5", &e), &e, "raspberry-pi-5-4gb");
    says(target_find(&t, "", &e), &e, "not in the catalogue");
    says(target_find(&t, "zzzzzzzzzzzzzzzz", &e), &e, "list devices");
    assert_null(strstr(e.text, "did you mean"));
    says(target_find(&t, "/nowhere/device.json", &e), &e, "/nowhere/device.json");
    char many[600];
    memset(many, 'x', sizeof many - 1);
    many[sizeof many - 1] = 0;
    says(target_find(&t, many, &e), &e, "not in the catalogue");
    const char *near[2], *const names[] = {"alpha-1", "alpha-2", "beta"};
    assert_int_equal(near_names(near, 2, "ALPHA1", names, 3), 2);
    assert_string_equal(near[0], "alpha-1");
}

static void by_hand(void **state)
{
    (void)state;
    struct target t;
    struct err e = {0};
    assert_int_equal(from_text(&t,
                               "{\"name\": \"mine\", \"class\": \"laptop\", \"memory_gib\": 16, \"bandwidth_gb_s\": "
                               "76.8, \"isa\": [\"avx2\"], \"backends\": [\"cpu\"], \"cores\": 8}",
                               &e),
                     0);
    assert_true(t.memory_bytes == INT64_C(16) << 30 && t.cores == 8 && t.isa & ISA(AVX2) && !(t.isa & ISA(AVX512F)));
    assert_true(t.usable_bytes < t.memory_bytes && !strcmp(t.arch, "x86_64") && t.device.cpu.n_cores == 8);
    assert_int_equal(from_text(&t, "{\"memory_gib\": 8, \"usable_gib\": 3}", &e), 0);
    assert_true(t.usable_bytes == INT64_C(3) << 30 && isnan(t.bandwidth_gb_s));
    assert_int_equal(from_text(&t,
                               "{\"cpu\": {\"brand\": \"Cortex-A76\", \"cores\": 4, \"isa\": [\"asimd\", "
                               "\"asimddp\"]}, \"memory\": {\"total_bytes\": 8000000000}, \"class\": \"sbc\"}",
                               &e),
                     0);
    assert_true(t.memory_bytes == 8000000000 && t.isa & ISA(DOTPROD) && t.usable_bytes < t.memory_bytes);
    static const struct {
        const char *text, *words;
    } bad[] = {
        {"{}", "memory_gib"},
        {"[]", "a JSON object"},
        {"{\"memory_gib\": \"8 GB\"}", "without a unit"},
        {"{\"memory_gib\": 0}", "no size"},
        {"{\"memory_gib\": -8}", "no size"},
        {"{\"memory_gib\": 8589934592}", "no size"},
        {"{\"memory_gib\": 8589934592, \"class\": \"laptop\"}", "no size"},
        {"{\"memory_gib\": 8192, \"class\": \"laptop\"}", "if it is 8192 MiB, give 8 GiB"},
        {"{\"memory_gib\": 8, \"class\": \"toaster\"}", "toaster"},
        {"{\"memory_gib\": 8, \"bandwith_gb_s\": 34}", "did you mean \"bandwidth_gb_s\"?"},
        {"{\"memory_gib\": 8, \"class\": \"laptop\", \"bandwidth_gb_s\": 272}", "if it is 272 Gbit/s, give 34 GB/s"},
        {"{\"memory_gib\": 8, \"class\": \"phone\", \"bandwidth_gb_s\": 410}", "give 51.25 GB/s"},
        {"{\"memory_gib\": 8, \"class\": \"laptop\", \"bandwidth_gb_s\": 51200}",
         "if it is 51200 MB/s, give 51.2 GB/s"},
        {"{\"memory_gib\": 8, \"class\": \"laptop\", \"bandwidth_gb_s\": -1}", "more than nothing"},
        {"{\"memory_gib\": 8, \"class\": \"laptop\", \"fp16_tflops\": 2600}", "if it is 2600 GFLOPS, give 2.6 TFLOPS"},
        {"{\"memory_gib\": 8, \"class\": \"phone\", \"battery_wh\": 5000}", "mAh"},
        {"{\"memory_gib\": 8, \"usable_gib\": 9}", "no more than there is"},
        {"{\"memory_gib\": 8, \"isa\": [\"avx2\", \"neon\"]}", "one device has one of both"},
        {"{\"memory_gib\": 8, \"isa\": [\"mmx3\"]}", "mmx3"},
        {"{\"memory_gib\": 8, \"isa\": [7]}", "list of texts"},
        {"{\"memory_gib\": 8, \"cores\": 0}", "1 to 4096"},
        {"{\"memory_gib\": 8, \"backends\": \"cudaa\"}", "cudaa"},
        {"{\"memory_gib\": 8, \"class\": \"phone\", \"backends\": \"cuda\"}", "no phone has CUDA"},
        {"{\"memory\": {\"total_bytes\": 8}, \"class\": \"laptop\"}", "if it is GiB, give 8 GiB"},
        {"{\"memory\": {\"total_bytes\": 8192}, \"class\": \"laptop\"}", "if it is MiB, give 8 GiB"},
        {"{\"memory\": {}}", "total_bytes"},
        {"{\"memory\": {\"total_bytes\": 8e9, \"bandwidth_gb_s\": 51200}}", "MB/s"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        says(from_text(&t, bad[i].text, &e), &e, bad[i].words);
}

static void by_flags(void **state)
{
    (void)state;
    struct target t;
    struct err e = {0};
    struct target_flags f = {.ram = "8G", .bandwidth = "34", .isa = "neon,dotprod"};
    assert_int_equal(target_from_flags(&t, &f, &e), 0);
    assert_true(t.memory_bytes == INT64_C(8) << 30 && t.bandwidth_gb_s == 34 && !strcmp(t.arch, "arm64"));
    assert_string_equal(t.backends, "cpu");
    assert_true(t.isa & ISA(DOTPROD) && t.usable_bytes > 0 && t.usable_bytes < t.memory_bytes);
    f = (struct target_flags){.ram = "8192 MB", .bandwidth = "272Gbit/s", .isa = "avx2", .cores = "4"};
    assert_int_equal(target_from_flags(&t, &f, &e), 0);
    assert_true(t.memory_bytes == INT64_C(8) << 30 && t.bandwidth_gb_s == 34 && !strcmp(t.device_class, "laptop"));
    f = (struct target_flags){.ram = "32G", .vram = "12G", .bandwidth = "360", .backend = "cuda"};
    assert_int_equal(target_from_flags(&t, &f, &e), 0);
    assert_true(t.memory_bytes == INT64_C(12) << 30 && !strcmp(t.device_class, "consumer-gpu"));
    static const struct {
        struct target_flags f;
        const char *words;
    } bad[] = {
        {{.bandwidth = "34"}, "--ram 8G"},
        {{.ram = "eight"}, "--ram eight"},
        {{.ram = "8Q"}, "the unit Q"},
        {{.ram = "8589934592"}, "no size in GiB"},
        {{.ram = "nan"}, "more than nothing"},
        {{.ram = "-8G"}, "more than nothing"},
        {{.ram = "8G", .bandwidth = "272"}, "if it is 272 Gbit/s, give 34 GB/s"},
        {{.ram = "8G", .bandwidth = "34", .isa = "neon,avx2"}, "one device has one of both"},
        {{.ram = "8G", .backend = "cud"}, "cud"},
        {{.vram = "8G"}, "--backend"},
        {{.ram = "8G", .cores = "2.5"}, "1 to 4096"},
        {{.ram = "8G", .device_class = "fridge"}, "fridge"},
        {{.ram = "8G", .os = "beos"}, "beos"},
        {{.ram = "8192G", .isa = "avx2"}, "if it is 8192 MiB, give 8 GiB"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        says(target_from_flags(&t, &bad[i].f, &e), &e, bad[i].words);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whole_catalogue), cmocka_unit_test(generic_laptops_are_computed),
        cmocka_unit_test(known_devices),   cmocka_unit_test(unknown_names),
        cmocka_unit_test(by_hand),         cmocka_unit_test(by_flags),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
