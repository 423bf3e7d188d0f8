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
#include <ftw.h>
#include <unistd.h>
#include "base/mem.h"
#include "base/os.h"
#include "probe/topology.h"

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

static void load(const char *machine)
{
    char root[512];
    snprintf(root, sizeof root, "%s/tests/machines/%s", SOURCE_ROOT, machine);
    assert_int_equal(probe_device(&d, root, &e), 0);
    assert_string_equal(d.source, "recorded");
    assert_true(d.cpu.isa_mask == 0); /* nothing was executed */
    assert_round_trip(&d);
}

/* Exactly these extensions are claimed, none is proved. */
static void assert_isa(const char *names)
{
    char found[512] = "";
    for (int i = 0; i < N_ISA; i++) {
        assert_int_not_equal(d.cpu.isa[i], ISA_PROVED);
        if (d.cpu.isa[i] == ISA_CLAIMED)
            snprintf(found + strlen(found), sizeof found - strlen(found), "%s%s", *found ? " " : "", isa_name(i));
    }
    assert_string_equal(found, names);
}

static void assert_caches(const char *want)
{
    char found[512] = "";
    for (int i = 0; i < d.cpu.n_caches; i++)
        snprintf(found + strlen(found), sizeof found - strlen(found), "%sL%d%c:%lldK/%d%s", i ? " " : "",
                 d.cpu.cache[i].level, d.cpu.cache[i].type, (long long)d.cpu.cache[i].bytes >> 10,
                 d.cpu.cache[i].n_shared, d.cpu.cache[i].doubtful ? "?" : "");
    assert_string_equal(found, want);
}

static void assert_cpus(const char *want)
{
    char found[512] = "";
    for (int i = 0; i < d.cpu.n_cpu && i < 32; i++)
        snprintf(found + strlen(found), sizeof found - strlen(found), "%s%d", i ? " " : "", d.cpu.cpu[i].os_index);
    assert_string_equal(found, want);
}

static bool has_note(const char *part)
{
    for (int i = 0; i < d.n_notes; i++)
        if (strstr(d.note[i], part))
            return true;
    return false;
}

#define assert_cpu(vendor_, brand_, codename_, family_, model_, stepping_)                                             \
    do {                                                                                                               \
        assert_string_equal(d.cpu.vendor, vendor_);                                                                    \
        assert_string_equal(d.cpu.brand, brand_);                                                                      \
        assert_string_equal(d.cpu.codename, codename_);                                                                \
        assert_int_equal(d.cpu.family, family_);                                                                       \
        assert_int_equal(d.cpu.model, model_);                                                                         \
        assert_int_equal(d.cpu.stepping, stepping_);                                                                   \
    } while (0)
#define assert_counts(packages, cores, threads, fast, slow, threads_per_core, nodes, usable)                           \
    do {                                                                                                               \
        assert_int_equal(d.cpu.n_packages, packages);                                                                  \
        assert_int_equal(d.cpu.n_cores, cores);                                                                        \
        assert_int_equal(d.cpu.n_threads, threads);                                                                    \
        assert_int_equal(d.cpu.n_performance, fast);                                                                   \
        assert_int_equal(d.cpu.n_efficiency, slow);                                                                    \
        assert_int_equal(d.cpu.smt, threads_per_core);                                                                 \
        assert_int_equal(d.cpu.n_numa, nodes);                                                                         \
        assert_int_equal(d.cpu.n_usable, usable);                                                                      \
    } while (0)
#define assert_memory(total, available, limit, swap, usable)                                                           \
    do {                                                                                                               \
        assert_int_equal(d.memory.total_bytes, INT64_C(total));                                                        \
        assert_int_equal(d.memory.available_bytes, INT64_C(available));                                                \
        assert_int_equal(d.memory.limit_bytes, INT64_C(limit));                                                        \
        assert_int_equal(d.memory.swap_bytes, INT64_C(swap));                                                          \
        assert_int_equal(d.memory.usable_bytes, INT64_C(usable));                                                      \
    } while (0)
#define assert_os(kernel_, name_, libc_, board_, virtualization_, container_)                                          \
    do {                                                                                                               \
        assert_string_equal(d.os.kernel, kernel_);                                                                     \
        assert_string_equal(d.os.name, name_);                                                                         \
        assert_string_equal(d.os.libc, libc_);                                                                         \
        assert_string_equal(d.os.board, board_);                                                                       \
        assert_string_equal(d.virtualization, virtualization_);                                                        \
        assert_string_equal(d.container, container_);                                                                  \
    } while (0)
#define assert_accel(a, name_, vendor_, driver_, api_, pci_id_)                                                        \
    do {                                                                                                               \
        assert_string_equal((a).name, name_);                                                                          \
        assert_string_equal((a).vendor, vendor_);                                                                      \
        assert_string_equal((a).driver, driver_);                                                                      \
        assert_string_equal((a).api, api_);                                                                            \
        assert_string_equal((a).pci_id, pci_id_);                                                                      \
        assert_int_equal((a).memory_bytes, -1);                                                                        \
        assert_false((a).software);                                                                                    \
    } while (0)
#define assert_near(a, b) assert_true(fabs((a) - (b)) < 1e-9)

static void test_raspberry_pi_5(void **state)
{
    (void)state;
    load("raspberry-pi-5");
    assert_cpu("ARM", "Cortex-A76", "", 8, 0xd0b, 0x41);
    assert_string_equal(d.cpu.arch, "aarch64");
    assert_counts(1, 4, 4, 4, 0, 1, 1, 4);
    assert_cpus("0 1 2 3");
    assert_isa("asimd asimddp asimdhp");
    assert_caches("L1d:64K/1 L1i:64K/1 L2u:512K/1 L3u:2048K/4");
    assert_memory(8443215872, 7593672704, -1, 209698816, 7593672704);
    assert_string_equal(d.memory.kind, "LPDDR4X");
    assert_near(d.memory.mt_s, 4267);
    assert_int_equal(d.memory.channels, -1);
    assert_near(d.cpu.ghz_max, 2.4);
    assert_near(d.cpu.ghz_now, 1.5);
    assert_true(isnan(d.cpu.quota_cpus));
    assert_int_equal(d.n_gpus, 1); /* the display controller is none */
    assert_accel(d.gpu[0], "VideoCore VII", "Broadcom", "v3d", "drm", "");
    assert_int_equal(d.power.battery_percent, -1);
    assert_string_equal(d.power.supply, "unknown");
    assert_int_equal(d.thermal.n_zones, 1);
    assert_near(d.thermal.max_c, 51.25);
    assert_near(d.thermal.throttle_c, 110);
    assert_string_equal(d.freq.governor, "ondemand");
    assert_string_equal(d.freq.driver, "cpufreq-dt");
    assert_int_equal(d.freq.boost, -1);
    assert_os("6.6.51+rpt-rpi-2712", "Debian GNU/Linux 12 (bookworm)", "glibc 2.36", "Raspberry Pi 5 Model B Rev 1.0",
              "none", "none");
    assert_int_equal(d.n_notes, 0);
}

static void test_laptop(void **state)
{
    (void)state;
    load("laptop-i5-1235u");
    assert_cpu("GenuineIntel", "12th Gen Intel(R) Core(TM) i5-1235U", "Alder Lake", 6, 154, 4);
    assert_string_equal(d.cpu.microcode, "0x434");
    assert_false(d.cpu.model_doubtful);
    assert_counts(1, 10, 12, 2, 8, 2, 1, 10);
    assert_cpus("0 2 4 5 6 7 8 9 10 11 1 3");
    for (int i = 0; i < 12; i++)
        assert_int_equal(d.cpu.cpu[i].kind, d.cpu.cpu[i].os_index < 4 ? CPU_KIND_PERFORMANCE : CPU_KIND_EFFICIENCY);
    assert_int_equal(d.cpu.cpu[10].core, d.cpu.cpu[0].core);
    assert_isa("sse4_2 avx avx2 fma f16c avx_vnni");
    assert_caches("L1d:48K/2 L1d:32K/1 L1i:64K/1 L1i:32K/2 L2u:2048K/4 L2u:1280K/2 L3u:12288K/12");
    assert_memory(8016924672, 4728115200, -1, 2147479552, 4728115200);
    assert_string_equal(d.memory.kind, "");
    assert_near(d.cpu.ghz_max, 4.4);
    assert_int_equal(d.n_gpus, 1); /* PCI and drm show the same one */
    assert_accel(d.gpu[0], "Intel Iris Xe Graphics", "Intel", "i915", "pci", "8086:46a8");
    assert_int_equal(d.power.battery_percent, 63); /* not the mouse's 90 */
    assert_near(d.power.battery_wh, 52.2);
    assert_string_equal(d.power.supply, "battery");
    assert_false(d.power.rapl_readable);
    assert_int_equal(d.thermal.n_zones, 5);
    assert_near(d.thermal.max_c, 62);
    assert_near(d.thermal.throttle_c, 97); /* trip points of 0 and -274 are none */
    assert_string_equal(d.freq.governor, "powersave");
    assert_int_equal(d.freq.boost, 1);
    assert_os("6.8.0-45-generic", "Ubuntu 22.04.5 LTS", "glibc 2.35", "LENOVO ThinkBook 14 G4 IAP", "none", "none");
    assert_int_equal(d.n_notes, 0);
}

static void test_server(void **state)
{
    (void)state;
    load("server-2x-xeon-6338");
    assert_cpu("GenuineIntel", "Intel(R) Xeon(R) Gold 6338 CPU @ 2.00GHz", "Ice Lake-SP", 6, 106, 6);
    assert_counts(2, 64, 128, 64, 0, 2, 2, 64);
    assert_int_equal(d.cpu.n_cpu, 128);
    for (int i = 0; i < 128; i++) { /* one per core first */
        assert_int_equal(d.cpu.cpu[i].os_index, i);
        assert_int_equal(d.cpu.cpu[i].core, i % 64);
        assert_int_equal(d.cpu.cpu[i].node, i / 32 % 2);
    }
    assert_isa("sse4_2 avx avx2 fma f16c avx512f avx512bw avx512vl avx512dq avx512_vnni avx512vbmi");
    assert_caches("L1d:48K/2 L1i:32K/2 L2u:1280K/2 L3u:49152K/64");
    assert_memory(270095286272, 263180292096, -1, 4294963200, 263180292096);
    assert_string_equal(d.memory.kind, "DDR4");
    assert_int_equal(d.memory.channels, 16);
    assert_int_equal(d.n_gpus, 1); /* the Matrox console is none */
    assert_accel(d.gpu[0], "NVIDIA A100 80GB PCIe", "NVIDIA", "nvidia 550.54.15", "pci", "10de:20b5");
    assert_int_equal(d.n_npus, 1);
    assert_accel(d.npu[0], "Cloud AI 100", "Qualcomm", "qaic", "pci accel", "17cb:a100");
    assert_true(d.power.rapl_readable);
    assert_int_equal(d.freq.boost, 0);
    assert_near(d.thermal.max_c, 49);
    assert_true(isnan(d.thermal.throttle_c));
    assert_os("5.14.0-427.13.1.el9_4.x86_64", "Rocky Linux 9.4 (Blue Onyx)", "glibc 2.34", "Dell Inc. PowerEdge R750",
              "none", "none");
    assert_int_equal(d.n_notes, 0);
}

/* The limits stand in the group above ours, as Kubernetes sets them for a pod. */
static void test_container_cgroup2(void **state)
{
    (void)state;
    load("container-cgroup2");
    assert_cpu("AuthenticAMD", "AMD EPYC 7B13", "Zen 3", 25, 1, 0);
    assert_counts(1, 4, 8, 4, 0, 2, 1, 1);
    assert_cpus("0 2 4 6 1 3 5 7");
    assert_near(d.cpu.quota_cpus, 1.5);
    assert_memory(33660768256, 1518338048, 2147483648, 0, 1518338048);
    assert_caches("L1d:32K/2 L1i:32K/2 L2u:512K/2 L3u:32768K/8");
    assert_isa("sse4_2 avx avx2 fma f16c");
    assert_os("6.1.100+", "Debian GNU/Linux 12 (bookworm)", "glibc 2.36", "Google Compute Engine", "kvm", "kubernetes");
    assert_true(has_note("quota of 1.5 leaves 1 of 4 cores"));
}

/* The mount shows our own group as its root; CPUs 2-5 are allowed; no cache files, so CPUID gives the caches. */
static void test_container_cgroup1(void **state)
{
    (void)state;
    load("container-cgroup1");
    assert_counts(1, 4, 8, 4, 0, 2, 1, 1);
    assert_cpus("2 4 3 5");
    assert_near(d.cpu.quota_cpus, 0.5);
    assert_memory(33660768256, 1885339648, 2147483648, 0, 1885339648);
    assert_caches("L1d:32K/2 L1i:32K/2 L2u:512K/2 L3u:32768K/8");
    assert_os("4.15.0-213-generic", "Ubuntu 18.04.6 LTS", "glibc 2.27", "", "kvm", "docker");
}

static void test_sandbox_without_sys(void **state)
{
    (void)state;
    load("sandbox-without-sys");
    assert_counts(1, 2, 4, 2, 0, 2, 1, 2);
    assert_cpus("0 2 1 3");
    assert_caches("L1d:32K/2 L1i:32K/2 L2u:512K/2 L3u:32768K/4?");
    assert_memory(4294967296, 4006412288, -1, 0, 4006412288);
    assert_os("4.4.0", "", "", "", "kvm", "unknown");
    assert_true(has_note("/sys is not there"));
}

/* AMX under an Ice Lake model number, 480 MiB of L3 for two cores, memory that was plugged in after the start. */
static void test_masked_guest(void **state)
{
    (void)state;
    load("xeon-guest-masked");
    assert_cpu("GenuineIntel", "Intel(R) Xeon(R) Processor @ 2.60GHz", "", 6, 106, 8);
    assert_true(d.cpu.model_doubtful);
    assert_true(
        has_note("model number 106 is that of Ice Lake-SP, which has no avx_vnni avx512_bf16 avx512_fp16 amx_tile"));
    assert_isa(
        "sse4_2 avx avx2 fma f16c avx_vnni avx512f avx512bw avx512vl avx512dq avx512_vnni avx512_bf16 avx512_fp16 "
        "avx512vbmi amx_tile amx_int8 amx_bf16");
    assert_caches("L1d:48K/1 L1i:32K/1 L2u:2048K/1 L3u:491520K/2?");
    assert_true(has_note("L3 is reported as 480 MiB for 2 cores"));
    assert_memory(25276502016, 23981117440, -1, 0, 23981117440);
    assert_true(has_note("count 11.3 GiB, MemTotal 23.5 GiB"));
    assert_string_equal(d.virtualization, "kvm");
    assert_string_equal(d.container, "none");
}

static void test_zen4_guest(void **state)
{
    (void)state;
    load("zen4-guest");
    assert_cpu("AuthenticAMD", "AMD EPYC", "Zen 4", 25, 17, 1);
    assert_counts(1, 2, 2, 2, 0, 1, 1, 2);
    assert_isa("sse4_2 avx avx2 fma f16c avx512f avx512bw avx512vl avx512dq avx512_vnni avx512_bf16 avx512vbmi");
    assert_caches("L1d:32K/1 L1i:32K/1 L2u:1024K/1 L3u:32768K/2?");
    assert_int_equal(d.memory.total_bytes, INT64_C(25276502016));
    assert_int_equal(d.memory.limit_bytes, -1); /* 2^63 less a page is no limit */
    assert_string_equal(d.virtualization, "kvm");
    assert_string_equal(d.container, "docker");
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
        cmocka_unit_test(test_this_machine),
        cmocka_unit_test(test_raspberry_pi_5),
        cmocka_unit_test(test_laptop),
        cmocka_unit_test(test_server),
        cmocka_unit_test(test_container_cgroup2),
        cmocka_unit_test(test_container_cgroup1),
        cmocka_unit_test(test_sandbox_without_sys),
        cmocka_unit_test(test_masked_guest),
        cmocka_unit_test(test_zen4_guest),
        cmocka_unit_test(test_damage),
        cmocka_unit_test(test_nothing_there),
        cmocka_unit_test(test_out_of_memory),
        cmocka_unit_test(test_keys),
        cmocka_unit_test(test_hand_written),
        cmocka_unit_test(test_bad_json),
        cmocka_unit_test(test_hashes),
        cmocka_unit_test(test_privacy_here),
        cmocka_unit_test(test_privacy_recorded),
        cmocka_unit_test(test_sample),
        cmocka_unit_test(test_sample_recorded),
        cmocka_unit_test(test_sources_agree),
        cmocka_unit_test(test_false_claims),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
