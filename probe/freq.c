/* Clock: governor, driver, boost, the most it may reach and what it runs at now. */
#include "probe/parts.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define CPU_DIR "/sys/devices/system/cpu"

/* boost files: X(path, value that means on) */
static const struct {
    const char *path;
    int on;
} boost_files[] = {
    {CPU_DIR "/cpufreq/boost", 1},
    {CPU_DIR "/intel_pstate/no_turbo", 0},
    {CPU_DIR "/cpufreq/policy0/boost", 1},
    {CPU_DIR "/amd_pstate/cpb_boost", 1},
};

static double plausible_ghz(double ghz)
{
    return ghz > 0.05 && ghz < 15 ? ghz : NAN;
}

double freq_ghz_now(const struct source *s)
{
    double most = NAN;
    for (int i = 0; i < 8; i++) {
        double ghz = plausible_ghz(source_num(s, CPU_DIR "/cpu%d/cpufreq/scaling_cur_freq", i) / 1e6);
        if (isnan(most) || ghz > most)
            most = ghz;
    }
    if (isnan(most))
        most = plausible_ghz(text_num(source_text(s, "/proc/cpuinfo"), "cpu MHz") / 1e3);
    return most;
}

void probe_freq(struct probe_device *d, const struct source *s)
{
    char text[64];
    if (source_read(s, text, sizeof text, CPU_DIR "/cpu0/cpufreq/scaling_governor") > 0)
        text_copy(d->freq.governor, sizeof d->freq.governor, text);
    if (source_read(s, text, sizeof text, CPU_DIR "/cpu0/cpufreq/scaling_driver") > 0)
        text_copy(d->freq.driver, sizeof d->freq.driver, text);
    for (size_t i = 0; i < sizeof boost_files / sizeof *boost_files && d->freq.boost < 0; i++) {
        double v = source_num(s, "%s", boost_files[i].path);
        if (v == 0 || v == 1)
            d->freq.boost = (int)v == boost_files[i].on;
    }
    for (int i = 0; i < d->cpu.n_threads && i < 64; i++) {
        double ghz = plausible_ghz(source_num(s, CPU_DIR "/cpu%d/cpufreq/cpuinfo_max_freq", i) / 1e6);
        if (isnan(d->cpu.ghz_max) || ghz > d->cpu.ghz_max)
            d->cpu.ghz_max = ghz;
    }
    uint32_t r[4];
    if (isnan(d->cpu.ghz_max) && !strcmp(d->cpu.vendor, "GenuineIntel") && source_cpuid(s, 0x16, 0, r))
        d->cpu.ghz_max = plausible_ghz((r[1] & 0xffff) / 1e3);
    d->cpu.ghz_now = freq_ghz_now(s);
}
