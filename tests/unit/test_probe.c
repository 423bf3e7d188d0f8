/* The probe of this machine, of damaged recordings, of nothing; JSON both ways, hashes, privacy, sampling. */
#include <ftw.h>
#include <unistd.h>
#include "machine.h"

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

/* hwloc and /sys describe the same cores and caches; so does what probe_device made of one of them. */
static void test_sources_agree(void **state)
{
    (void)state;
    static struct topology a, b;
    struct source src;
    assert_int_equal(source_open(&src, "", &e), 0);
    bool both = topology_hwloc(&a) && topology_sys(&b, &src);
    source_close(&src);
    if (!both)
        skip();
    assert_int_equal(a.n, b.n);
    for (int i = 0; i < a.n; i++)
        for (int k = 0; k < a.n; k++) { /* both list CPUs in some order: compare the relation */
            int j = 0, m = 0;
            while (j < b.n && b.cpu[j].os_index != a.cpu[i].os_index)
                j++;
            while (m < b.n && b.cpu[m].os_index != a.cpu[k].os_index)
                m++;
            assert_true(j < b.n && m < b.n);
            assert_int_equal(a.cpu[i].core == a.cpu[k].core, b.cpu[j].core == b.cpu[m].core);
            assert_int_equal(a.cpu[i].node == a.cpu[k].node, b.cpu[j].node == b.cpu[m].node);
        }
    assert_int_equal(a.n_caches, b.n_caches);
}

/* A claim that is false ends as "claimed", with the reason: AMX needs the kernel's permission, the other family's
 * instructions are none of ours. */
static void test_false_claims(void **state)
{
    (void)state;
    char why[96];
    assert_int_equal(probe_device(&d, "", &e), 0);
#if defined __x86_64__
    assert_int_equal(isa_prove(ISA_BIT_DOTPROD, why), ISA_CLAIMED);
    assert_int_equal(isa_prove(ISA_BIT_AVX2, why), d.cpu.isa[ISA_BIT_AVX2] == ISA_PROVED ? ISA_PROVED : ISA_CLAIMED);
    if (d.cpu.isa[ISA_BIT_AMX_INT8] != ISA_ABSENT)
        return;
    assert_int_equal(isa_prove(ISA_BIT_AMX_INT8, why), ISA_CLAIMED);
    assert_non_null(strstr(why, "refused"));
#else
    assert_int_equal(isa_prove(ISA_BIT_AVX2, why), ISA_CLAIMED);
#endif
}

/* ---- damage: every file of a recording in turn is missing, empty or nonsense ---- */

static char work[512];
static char files[1024][512];
static int n_files;

static int collect(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st, (void)ftw;
    if (type == FTW_F && n_files < 1024)
        snprintf(files[n_files++], sizeof files[0], "%s", path);
    return 0;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st, (void)type, (void)ftw;
    return remove(path);
}

static void copy_machine(const char *machine)
{
    char from[512];
    snprintf(work, sizeof work, "/tmp/test_probe.XXXXXX");
    assert_non_null(mkdtemp(work));
    snprintf(from, sizeof from, "%s/tests/machines/%s/.", SOURCE_ROOT, machine);
    const char *const argv[] = {"cp", "-r", from, work, NULL};
    struct child_result r;
    assert_int_equal(child_run(&(struct child_cmd){.argv = argv}, &r, &e), 0);
    assert_int_equal(r.exit_code, 0);
    child_result_free(&r);
    n_files = 0;
    nftw(work, collect, 16, FTW_PHYS);
    assert_true(n_files > 4);
}

static void put(const char *path, const void *p, size_t n)
{
    FILE *f = fopen(path, "w"); /* file_write would wait for the disk each time */
    assert_non_null(f);
    assert_int_equal(fwrite(p, 1, n, f), n);
    assert_int_equal(fclose(f), 0);
}

static void assert_sane(void)
{
    assert_int_equal(probe_device(&d, work, &e), 0);
    assert_true(d.cpu.n_cpu >= 0 && d.cpu.n_cpu <= 1024);
    assert_true(d.cpu.n_usable >= -1 && d.cpu.n_usable <= 1024);
    assert_true(d.cpu.n_cores <= d.cpu.n_threads);
    assert_true(d.memory.total_bytes == -1 || d.memory.total_bytes > 0);
    assert_true(d.memory.usable_bytes >= -1);
    assert_true(d.memory.available_bytes <= d.memory.total_bytes || d.memory.total_bytes == -1);
    assert_true(d.power.battery_percent >= -1 && d.power.battery_percent <= 100);
    assert_true(isnan(d.thermal.max_c) || (d.thermal.max_c > -40 && d.thermal.max_c < 150));
    assert_int_equal(strlen(d.hw_sha256), 64);
    assert_round_trip(&d);
}

static void test_damage(void **state)
{
    static char long_line[100000], all_bytes[256];
    (void)state;
    memset(long_line, '7', sizeof long_line - 1);
    for (int i = 0; i < 256; i++)
        all_bytes[i] = (char)i;
    const struct {
        const char *p;
        size_t n;
    } bad[] = {{"", 0},
               {"-5\n", 3},
               {"999999999999999999999999999\n", 28},
               {all_bytes, 256},
               {"0-4000000000,-3,7-1,x", 21},
               {long_line, sizeof long_line - 1},
               {"nan\n", 4},
               {"MemTotal: -1 kB\nSwapTotal: 1e300 kB\nprocessor: -9\n\nprocessor: 1e9\n", 66}};
    static const char *const machines[] = {"container-cgroup1", "sandbox-without-sys", "xeon-guest-masked"};
    for (size_t m = 0; m < sizeof machines / sizeof *machines; m++) {
        copy_machine(machines[m]);
        for (int i = 0; i < n_files; i++) {
            char *good;
            size_t n;
            assert_int_equal(file_read(files[i], 1 << 24, &good, &n, &e), 0);
            assert_int_equal(unlink(files[i]), 0);
            assert_sane();
            for (size_t k = 0; k < sizeof bad / sizeof *bad; k++) {
                put(files[i], bad[k].p, bad[k].n);
                assert_sane();
            }
            put(files[i], good, n);
            mem_free(good);
        }
        nftw(work, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    }
}

static void test_nothing_there(void **state)
{
    (void)state;
    assert_int_equal(probe_device(&d, "/nonexistent/machine", &e), 0);
    assert_int_equal(d.cpu.n_threads, -1);
    assert_int_equal(d.cpu.n_cpu, 0);
    assert_int_equal(d.memory.total_bytes, -1);
    assert_int_equal(d.memory.usable_bytes, -1);
    assert_true(isnan(d.thermal.max_c));
    assert_string_equal(d.virtualization, "unknown");
    assert_string_equal(d.container, "unknown");
    assert_true(d.n_notes >= 2);
    assert_round_trip(&d);
}

static void test_out_of_memory(void **state)
{
    (void)state;
    static const char *const roots[] = {"", SOURCE_ROOT "/tests/machines/raspberry-pi-5"};
    for (size_t r = 0; r < 2; r++) {
        int rc = ERR_NOMEM, n;
        for (n = 1; rc == ERR_NOMEM && n < 50; n++) {
            mem_fail_from(n);
            rc = probe_device(&d, roots[r], &e);
            mem_fail_from(0);
        }
        assert_int_equal(rc, 0);
        assert_true(n > 2); /* the first one failed */
    }
}

/* ---- JSON ---- */

static int parse(const char *text)
{
    json_t *j;
    assert_int_equal(json_parse(&j, text, strlen(text), "test.json", &e), 0);
    int rc = probe_from_json(&d, j, "phone.json", &e);
    json_decref(j);
    return rc;
}

static void test_keys(void **state)
{
    (void)state;
    load("laptop-i5-1235u");
    json_t *j = probe_to_json(&d), *cpu = json_object_get(j, "cpu"), *memory = json_object_get(j, "memory");
    assert_string_equal(json_get_str(cpu, "vendor", ""), "GenuineIntel");
    assert_string_equal(json_get_str(cpu, "brand", ""), "12th Gen Intel(R) Core(TM) i5-1235U");
    assert_int_equal(json_get_num(cpu, "cores"), 10);
    assert_int_equal(json_get_num(cpu, "threads"), 12);
    assert_string_equal(json_get_str(json_object_get(cpu, "isa"), "avx_vnni", ""), "claimed");
    assert_string_equal(json_get_str(json_object_get(cpu, "isa"), "amx_int8", ""), "absent");
    assert_true(json_get_num(memory, "total_bytes") == 8016924672.0);
    assert_true(json_get_num(memory, "available_bytes") == 4728115200.0);
    assert_true(json_is_null(json_object_get(memory, "limit_bytes")));
    assert_true(json_is_null(json_object_get(memory, "bandwidth_gb_s")));
    assert_int_equal(json_array_size(json_object_get(j, "gpus")), 1);
    assert_true(json_is_array(json_object_get(j, "npus")));
    static const char *const keys[] = {"power", "thermal",   "virtualization", "container",
                                       "os",    "hw_sha256", "env_sha256"};
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        assert_non_null(json_object_get(j, keys[i]));
    json_decref(j);
}

static void test_hand_written(void **state)
{
    (void)state;
    assert_int_equal(parse("{\"cpu\": {\"brand\": \"Cortex-A76\", \"cores\": 4, \"isa\": [\"asimd\", \"asimddp\"]},"
                           " \"memory\": {\"total_bytes\": 8e9}, \"gpus\": [\"Mali\"]}"),
                     0);
    assert_string_equal(d.source, "recorded");
    assert_string_equal(d.cpu.brand, "Cortex-A76");
    assert_int_equal(d.cpu.n_cores, 4);
    assert_int_equal(d.cpu.n_usable, 4);
    assert_int_equal(d.cpu.n_threads, -1);
    assert_isa("asimd asimddp");
    assert_int_equal(d.memory.usable_bytes, INT64_C(8000000000));
    assert_true(isnan(d.memory.bandwidth_gb_s));
    assert_int_equal(d.n_gpus, 1);
    assert_string_equal(d.gpu[0].name, "Mali");
    assert_int_equal(d.gpu[0].memory_bytes, -1);
    assert_int_equal(strlen(d.env_sha256), 64);
    assert_int_equal(parse("{}"), 0);
    assert_int_equal(d.cpu.n_usable, -1);
    assert_int_equal(parse("{\"cpu\": {\"isa\": {\"i8mm\": \"proved\", \"warp\": \"proved\"}}}"), 0);
    assert_true(d.cpu.isa_mask == ISA(I8MM));
    assert_true(has_note("warp is not known"));
}

static void test_bad_json(void **state)
{
    (void)state;
    static const char *const bad[][2] = {
        {"[]", "a device is a JSON object"},
        {"{\"cpu\": 3}", "\"cpu\" must be an object"},
        {"{\"memory\": {\"total_bytes\": \"8G\"}}", "\"memory.total_bytes\" must be a whole number"},
        {"{\"memory\": {\"total_bytes\": -1}}", "\"memory.total_bytes\" must be a whole number"},
        {"{\"memory\": {\"total_bytes\": 1e30}}", "\"memory.total_bytes\" must be a whole number"},
        {"{\"cpu\": {\"cores\": 2.5}}", "\"cpu.cores\" must be a whole number"},
        {"{\"cpu\": {\"brand\": 7}}", "\"cpu.brand\" must be a text"},
        {"{\"cpu\": {\"isa\": \"avx2\"}}", "\"cpu.isa\" must be"},
        {"{\"cpu\": {\"cpus\": [{\"os_index\": 99999}]}}", "\"os_index\""},
        {"{\"cpu\": {\"caches\": {}}}", "\"caches\" must be a list"},
        {"{\"gpus\": [1]}", "not an object"},
        {"{\"gpus\": [\"a\",\"b\",\"c\",\"d\",\"e\",\"f\",\"g\",\"h\",\"i\"]}", "more than 8"},
        {"{\"power\": {\"rapl_readable\": 1}}", "true or false"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_true(parse(bad[i][0]) < 0);
        assert_non_null(strstr(e.text, "phone.json"));
        if (!strstr(e.text, bad[i][1]))
            fail_msg("%s -> %s", bad[i][0], e.text);
    }
}

/* ---- hashes ---- */

static void test_hashes(void **state)
{
    (void)state;
    load("laptop-i5-1235u");
    char hw[65], env[65];
    memcpy(hw, d.hw_sha256, 65);
    memcpy(env, d.env_sha256, 65);
    copy_machine("laptop-i5-1235u");
    char path[600];
    struct {
        const char *file, *text;
        bool same_hw, same_env;
    } changes[] = {
        {"sys/class/thermal/thermal_zone0/temp", "90000\n", true, true}, /* measured */
        {"sys/class/power_supply/BAT0/capacity", "12\n", true, true},
        {"proc/sys/kernel/osrelease", "6.8.0-99-generic\n", true, true},  /* major.minor counts */
        {"proc/sys/kernel/osrelease", "6.11.0-1-generic\n", true, false}, /* an upgrade */
        {"sys/devices/system/cpu/cpu0/cpufreq/scaling_governor", "performance\n", true, false},
        {"sys/class/power_supply/AC/online", "1\n", true, false},
        {"proc/meminfo", "MemTotal: 7829000 kB\nMemAvailable: 1000 kB\n", true, true}, /* the kernel keeps some more */
        {"proc/meminfo", "MemTotal: 16029000 kB\n", false, false},                     /* another module */
    };
    for (size_t i = 0; i < sizeof changes / sizeof *changes; i++) {
        char *good;
        size_t n;
        snprintf(path, sizeof path, "%s/%s", work, changes[i].file);
        assert_int_equal(file_read(path, 1 << 20, &good, &n, &e), 0);
        put(path, changes[i].text, strlen(changes[i].text));
        assert_int_equal(probe_device(&d, work, &e), 0);
        if (changes[i].same_hw != !strcmp(hw, d.hw_sha256) || changes[i].same_env != !strcmp(env, d.env_sha256))
            fail_msg("change %zu of %s", i, changes[i].file);
        put(path, good, n);
        mem_free(good);
    }
    nftw(work, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

/* ---- privacy ---- */

static bool is_word(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static void assert_without(const char *text, const char *secret)
{
    size_t n = strlen(secret);
    for (const char *p = n ? strstr(text, secret) : NULL; p; p = strstr(p + 1, secret))
        if ((p == text || !is_word(p[-1]) || !is_word(*secret)) && !is_word(p[n]))
            fail_msg("the probe's JSON holds \"%s\"", secret);
}

static void assert_without_file(const char *text, const char *path)
{
    char *s;
    if (file_read(path, 4096, &s, NULL, &e) < 0)
        return;
    s[strcspn(s, "\n")] = 0;
    if (strlen(s) > 3 && strcmp(s, "00:00:00:00:00:00") != 0)
        assert_without(text, s);
    mem_free(s);
}

static char mac_text[1 << 16];
static int check_interface(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st, (void)ftw;
    char address[600];
    if (type == FTW_SL || type == FTW_D) {
        snprintf(address, sizeof address, "%s/address", path);
        assert_without_file(mac_text, address);
    }
    return 0;
}

static void test_privacy_here(void **state)
{
    (void)state;
    assert_int_equal(probe_device(&d, "", &e), 0);
    char *text = to_text(&d), name[256] = "";
    gethostname(name, sizeof name - 1);
    assert_without(text, name);
    static const char *const variables[] = {"USER", "LOGNAME", "HOME", "HOSTNAME", "PWD", "TZ", "SSH_CLIENT"};
    for (size_t i = 0; i < sizeof variables / sizeof *variables; i++)
        if (getenv(variables[i]) && strlen(getenv(variables[i])) > 1)
            assert_without(text, getenv(variables[i]));
    static const char *const secrets[] = {"/etc/machine-id",
                                          "/var/lib/dbus/machine-id",
                                          "/etc/hostname",
                                          "/etc/timezone",
                                          "/sys/class/dmi/id/product_serial",
                                          "/sys/class/dmi/id/product_uuid",
                                          "/sys/class/dmi/id/board_serial",
                                          "/sys/class/dmi/id/chassis_serial",
                                          "/proc/device-tree/serial-number",
                                          "/proc/sys/kernel/random/boot_id"};
    for (size_t i = 0; i < sizeof secrets / sizeof *secrets; i++)
        assert_without_file(text, secrets[i]);
    snprintf(mac_text, sizeof mac_text, "%s", text);
    nftw("/sys/class/net", check_interface, 8, FTW_PHYS);
    mem_free(text);
}

/* The recordings hold serial numbers, unit names and container ids as traps. */
static void test_privacy_recorded(void **state)
{
    (void)state;
    static const char *const machines[] = {"raspberry-pi-5", "laptop-i5-1235u", "server-2x-xeon-6338",
                                           "container-cgroup1", "container-cgroup2"};
    static const char *const traps[] = {
        "5e71a1c0ffee5e71", "PF35EC8E7", "4c4c4544", "B4771337", "5ERVTAG",        "5ec2e7",    "GPU-5ec2", "user@1000",
        "user-1000",        "vte-spawn", "slurm",    "job_4711", "cri-containerd", "17AA:3801", "92.00.68"};
    for (size_t m = 0; m < sizeof machines / sizeof *machines; m++) {
        load(machines[m]);
        char *text = to_text(&d);
        for (size_t i = 0; i < sizeof traps / sizeof *traps; i++)
            if (strstr(text, traps[i]))
                fail_msg("%s: the JSON holds \"%s\"", machines[m], traps[i]);
        mem_free(text);
    }
}

static void test_sample(void **state)
{
    (void)state;
    struct probe_state s;
    probe_sample(&s);
    assert_true(s.total_ticks > 0 && s.steal_ticks <= s.total_ticks);
    assert_true(s.load1 >= 0);
    assert_true(s.available_bytes > 0);
    assert_true(s.steal_share >= 0 && s.steal_share <= 1);
}

static void test_sample_recorded(void **state)
{
    (void)state;
    struct source src;
    struct probe_state s;
    assert_int_equal(source_open(&src, SOURCE_ROOT "/tests/machines/laptop-i5-1235u", &e), 0);
    probe_sample_from(&s, &src);
    source_close(&src);
    assert_near(s.load1, 0.12);
    assert_near(s.battery_percent, 63);
    assert_near(s.max_c, 62);
    assert_near(s.ghz, 1.144204);           /* the fastest of the first eight */
    assert_int_equal(s.throttle_count, 22); /* 17 once per core, and 5 */
    assert_true(isnan(s.energy_j));
    assert_int_equal(s.total_ticks, 381022 + 2210 + 101210 + 8123400 + 12010 + 5021);
    assert_int_equal(source_open(&src, SOURCE_ROOT "/tests/machines/server-2x-xeon-6338", &e), 0);
    probe_sample_from(&s, &src);
    source_close(&src);
    assert_near(s.energy_j, 120345.678901 + 98765.4321); /* both packages, not the memory's part */
    assert_true(s.throttle_count == UINT64_MAX);
    assert_true(isnan(s.battery_percent));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_this_machine),  cmocka_unit_test(test_sources_agree),
        cmocka_unit_test(test_false_claims),  cmocka_unit_test(test_damage),
        cmocka_unit_test(test_nothing_there), cmocka_unit_test(test_out_of_memory),
        cmocka_unit_test(test_keys),          cmocka_unit_test(test_hand_written),
        cmocka_unit_test(test_bad_json),      cmocka_unit_test(test_hashes),
        cmocka_unit_test(test_privacy_here),  cmocka_unit_test(test_privacy_recorded),
        cmocka_unit_test(test_sample),        cmocka_unit_test(test_sample_recorded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
