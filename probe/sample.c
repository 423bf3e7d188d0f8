/* The state that may change while something is measured: cheap enough to be read several times a second. */
#include "probe/parts.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* Core throttling is counted per core (its threads show the same number): each core's first CPU counts. */
static uint64_t throttle_count(const struct source *s)
{
    char list[4096];
    struct cpu_set online, siblings;
    double sum = NAN;
    source_read(s, list, sizeof list, "/sys/devices/system/cpu/online");
    cpu_set_parse(&online, list);
    for (int i = 0; i < MAX_CPUS; i++) {
        if (!cpu_set_has(&online, i))
            continue;
        double n = source_num(s, "/sys/devices/system/cpu/cpu%d/thermal_throttle/core_throttle_count", i);
        if (!(n >= 0))
            break; /* no such counter on this machine */
        source_read(s, list, sizeof list, "/sys/devices/system/cpu/cpu%d/topology/thread_siblings_list", i);
        cpu_set_parse(&siblings, list);
        int first = 0;
        while (first < i && !cpu_set_has(&siblings, first))
            first++;
        if (first == i)
            sum = (isnan(sum) ? 0 : sum) + n;
    }
    return isnan(sum) ? UINT64_MAX : (uint64_t)sum;
}

static void cpu_ticks(struct probe_state *st, const struct source *s)
{
    unsigned long long t[8] = {0};
    char line[512];
    if (source_read(s, line, sizeof line, "/proc/stat") <= 0 ||
        sscanf(line, "cpu %llu %llu %llu %llu %llu %llu %llu %llu", t, t + 1, t + 2, t + 3, t + 4, t + 5, t + 6,
               t + 7) < 4)
        return;
    for (int i = 0; i < 8; i++)
        st->total_ticks += t[i];
    st->steal_ticks = t[7];
    if (st->total_ticks > 0)
        st->steal_share = (double)t[7] / (double)st->total_ticks;
}

void probe_sample_from(struct probe_state *st, const struct source *s)
{
    *st = (struct probe_state){.load1 = NAN, .steal_share = NAN, .battery_percent = NAN, .available_bytes = -1};
    double available = text_num(source_text(s, "/proc/meminfo"), "MemAvailable");
    st->load1 = source_num(s, "/proc/loadavg");
    st->available_bytes = available >= 0 && available < 1e15 ? (int64_t)available * 1024 : -1;
    st->max_c = thermal_hottest(s);
    st->ghz = freq_ghz_now(s);
    st->throttle_count = throttle_count(s);
    st->energy_j = rapl_joules(s);
    cpu_ticks(st, s);
    struct probe_device d;
    device_unknown(&d);
    probe_power(&d, s);
    d.memory.available_bytes = st->available_bytes;
    probe_limits(&d, s);   /* a container's limit may leave less */
    st->available_bytes = d.memory.available_bytes;
    if (d.power.battery_percent >= 0)
        st->battery_percent = d.power.battery_percent;
}

void probe_sample(struct probe_state *st)
{
    struct source s;
    if (source_open(&s, "", NULL) == 0) {
        probe_sample_from(st, &s);
    } else {
        *st = (struct probe_state){NAN, NAN, NAN, NAN, NAN, UINT64_MAX, 0, 0, NAN, -1};
    }
    source_close(&s);
}
