/* Recorded machines (tests/machines) against their known values. */
#include "machine.h"

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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_raspberry_pi_5),
        cmocka_unit_test(test_laptop),
        cmocka_unit_test(test_server),
        cmocka_unit_test(test_container_cgroup2),
        cmocka_unit_test(test_container_cgroup1),
        cmocka_unit_test(test_sandbox_without_sys),
        cmocka_unit_test(test_masked_guest),
        cmocka_unit_test(test_zen4_guest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
