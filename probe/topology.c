/* Cores, threads, NUMA nodes, caches, and the list of CPUs that may be used, best first. */
#include "probe/topology.h"

#include <math.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* More last-level cache per core than any chip has: the size is the host's, or a made-up one. The most so far is
 * 12 MiB (3D V-Cache); single-core chiplets exist only in bare-metal parts. */
#define L3_BYTES_PER_CORE_MAX ((int64_t)12 << 20)

static void allowed_cpus(struct cpu_set *out, const struct source *s)
{
    char list[4096];
    memset(out, 0, sizeof *out);
    if (text_value(source_text(s, "/proc/self/status"), "Cpus_allowed_list", list, sizeof list)) {
        cpu_set_parse(out, list);
        return;
    }
    cpu_set_t set;
    if (s->live && sched_getaffinity(0, sizeof set, &set) == 0)
        for (int i = 0; i < MAX_CPUS && i < CPU_SETSIZE; i++)
            if (CPU_ISSET(i, &set))
                cpu_set_add(out, i);
}

/* Efficiency cores: what Intel's hybrid PMU lists, or on ARM a capacity well below the largest. */
static void efficiency_cpus(struct cpu_set *out, const struct source *s, const struct topology *t)
{
    char list[4096];
    memset(out, 0, sizeof *out);
    if (source_read(s, list, sizeof list, "/sys/devices/cpu_atom/cpus") > 0 &&
        source_has(s, "/sys/devices/cpu_core/cpus")) {
        cpu_set_parse(out, list);
        return;
    }
    double capacity[MAX_CPUS], most = 0;
    for (int i = 0; i < t->n; i++) {
        capacity[i] = source_num(s, "/sys/devices/system/cpu/cpu%d/cpu_capacity", t->cpu[i].os_index);
        if (isnan(capacity[i]))
            return;
        most = capacity[i] > most ? capacity[i] : most;
    }
    for (int i = 0; i < t->n; i++)
        if (capacity[i] < 0.75 * most)
            cpu_set_add(out, t->cpu[i].os_index);
}

static int count_distinct(const int *v, int n)
{
    int count = 0;
    for (int i = 0; i < n; i++) {
        bool seen = v[i] < 0;
        for (int k = 0; k < i && !seen; k++)
            seen = v[k] == v[i];
        count += !seen;
    }
    return count;
}

static void count(struct probe_device *d, const struct topology *t, const struct cpu_set *efficient)
{
    int core[MAX_CPUS], package[MAX_CPUS], node[MAX_CPUS], slow_core[MAX_CPUS];
    bool known = true;
    for (int i = 0; i < t->n; i++) {
        core[i] = t->cpu[i].core;
        package[i] = t->cpu[i].package;
        node[i] = t->cpu[i].node;
        slow_core[i] = cpu_set_has(efficient, t->cpu[i].os_index) ? core[i] : -1;
        known &= core[i] >= 0;
    }
    d->cpu.n_threads = t->n;
    d->cpu.n_numa = count_distinct(node, t->n);
    int n_packages = count_distinct(package, t->n);
    d->cpu.n_packages = n_packages > 0 ? n_packages : -1;
    if (!known)
        return;
    d->cpu.n_cores = count_distinct(core, t->n);
    d->cpu.n_efficiency = count_distinct(slow_core, t->n);
    d->cpu.n_performance = d->cpu.n_cores - d->cpu.n_efficiency;
    d->cpu.smt = 1;
    for (int i = 0; i < t->n; i++) {
        int n_threads = 0;
        for (int k = 0; k < t->n; k++)
            n_threads += core[k] == core[i];
        if (n_threads > d->cpu.smt)
            d->cpu.smt = n_threads;
    }
}

struct place {
    int index, nth_of_core, slow, os_index;
};

static int by_worth(const void *pa, const void *pb)
{
    const struct place *a = pa, *b = pb;
    if (a->nth_of_core != b->nth_of_core)
        return a->nth_of_core - b->nth_of_core;
    return a->slow != b->slow ? a->slow - b->slow : a->os_index - b->os_index;
}

/* cpu[]: the allowed CPUs, one per core first, fast cores before slow ones. */
static void order(struct probe_device *d, const struct topology *t, const struct cpu_set *allowed,
                  const struct cpu_set *slow)
{
    struct place place[MAX_CPUS];
    int n = 0, n_first = 0;
    for (int i = 0; i < t->n; i++) {
        if (cpu_set_count(allowed) > 0 && !cpu_set_has(allowed, t->cpu[i].os_index))
            continue;
        int nth = 0;
        for (int k = 0; k < n && t->cpu[i].core >= 0; k++)
            nth += t->cpu[place[k].index].core == t->cpu[i].core;
        place[n++] = (struct place){i, nth, cpu_set_has(slow, t->cpu[i].os_index), t->cpu[i].os_index};
        n_first += nth == 0;
    }
    qsort(place, (size_t)n, sizeof *place, by_worth);
    d->cpu.n_cpu = n;
    for (int i = 0; i < n; i++) {
        d->cpu.cpu[i].os_index = place[i].os_index;
        d->cpu.cpu[i].core = t->cpu[place[i].index].core;
        d->cpu.cpu[i].node = t->cpu[place[i].index].node;
        d->cpu.cpu[i].kind = place[i].slow ? CPU_KIND_EFFICIENCY : CPU_KIND_PERFORMANCE;
    }
    d->cpu.n_usable = n_first > 0 ? n_first : 1;
}

/* Cores get small numbers in order of their first CPU, whatever the source calls them. */
static void number_cores(struct topology *t)
{
    int was[MAX_CPUS], n = 0;
    for (int i = 0; i < t->n; i++) {
        int k = 0;
        if (t->cpu[i].core < 0)
            continue;
        while (k < n && was[k] != t->cpu[i].core)
            k++;
        if (k == n)
            was[n++] = t->cpu[i].core;
        t->cpu[i].core = k;
    }
}

static int by_os_index(const void *pa, const void *pb)
{
    const int *a = pa, *b = pb; /* os_index is the first member */
    return *a - *b;
}

static int by_level(const void *pa, const void *pb)
{
    const struct probe_cache *a = pa, *b = pb;
    if (a->level != b->level)
        return a->level - b->level;
    if (a->type != b->type)
        return a->type - b->type;
    return a->bytes < b->bytes ? 1 : a->bytes > b->bytes ? -1 : b->n_shared - a->n_shared;
}

static void judge_caches(struct probe_device *d)
{
    qsort(d->cpu.cache, (size_t)d->cpu.n_caches, sizeof d->cpu.cache[0], by_level);
    int smt = d->cpu.smt > 0 ? d->cpu.smt : 1;
    for (int i = 0; i < d->cpu.n_caches; i++) {
        struct probe_cache *c = &d->cpu.cache[i];
        int n_cores = c->n_shared > smt ? c->n_shared / smt : 1;
        if (c->level < 3 || !cpu_is_guest(d) || c->bytes <= n_cores * L3_BYTES_PER_CORE_MAX)
            continue;
        c->doubtful = true;
        device_note(d, "L3 is reported as %lld MiB for %d cores of a guest: it is shared with other guests or made up",
                    (long long)(c->bytes >> 20), n_cores);
    }
}

void probe_topology(struct probe_device *d, const struct source *s)
{
    struct topology t = {0};
    bool found = (s->live && topology_hwloc(&t)) || topology_sys(&t, s) || topology_proc(&t, s);
    if (found && t.n_caches == 0)
        topology_cpuid_caches(&t, s);
    if (!source_has(s, "/sys/devices/system/cpu"))
        device_note(d, "/sys is not there: topology, devices and sensors are known only in part");
    if (found) {
        struct cpu_set allowed, slow;
        allowed_cpus(&allowed, s);
        qsort(t.cpu, (size_t)t.n, sizeof t.cpu[0], by_os_index);
        number_cores(&t);
        efficiency_cpus(&slow, s, &t);
        count(d, &t, &slow);
        order(d, &t, &allowed, &slow);
    }
    d->cpu.n_caches = t.n_caches;
    memcpy(d->cpu.cache, t.cache, sizeof t.cache);
    judge_caches(d);
}
