/* Three ways to see the CPUs: hwloc, /sys, /proc/cpuinfo; and caches from CPUID where there is no /sys. */
#include "probe/topology.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#if HAVE_HWLOC
#include <hwloc.h>
#endif

void topology_add_cache(struct topology *t, const struct probe_cache *c)
{
    for (int i = 0; i < t->n_caches; i++)
        if (t->cache[i].level == c->level && t->cache[i].type == c->type && t->cache[i].bytes == c->bytes &&
            t->cache[i].n_shared == c->n_shared)
            return;
    if (t->n_caches < (int)(sizeof t->cache / sizeof *t->cache) && c->bytes > 0 && c->level >= 1 && c->level <= 3)
        t->cache[t->n_caches++] = *c;
}

static void add_cpu(struct topology *t, int os_index, int package, int core, int node)
{
    if (t->n == MAX_CPUS || os_index < 0 || os_index >= MAX_CPUS)
        return;
    t->cpu[t->n].os_index = os_index;
    t->cpu[t->n].package = package;
    t->cpu[t->n].core = core;
    t->cpu[t->n++].node = node;
}

#if HAVE_HWLOC
static int ancestor_index(hwloc_topology_t h, hwloc_obj_t pu, hwloc_obj_type_t type)
{
    hwloc_obj_t o = hwloc_get_ancestor_obj_by_type(h, type, pu);
    return o ? (int)o->logical_index : -1;
}

static void hwloc_caches(struct topology *t, hwloc_obj_t pu)
{
    for (hwloc_obj_t o = pu; o; o = o->parent) {
        if (!hwloc_obj_type_is_cache(o->type))
            continue;
        char type = o->attr->cache.type == HWLOC_OBJ_CACHE_DATA          ? 'd'
                    : o->attr->cache.type == HWLOC_OBJ_CACHE_INSTRUCTION ? 'i'
                                                                         : 'u';
        struct probe_cache c = {.level = (int)o->attr->cache.depth,
                                .type = type,
                                .bytes = (int64_t)o->attr->cache.size,
                                .n_shared = hwloc_bitmap_weight(o->cpuset)};
        topology_add_cache(t, &c);
    }
}

/* While it loads: no plug-ins, since they pull GPU drivers into this process, and nothing on stderr. Restored
 * afterwards, for the programs that we start. */
static const char *const hwloc_settings[][2] = {{"HWLOC_PLUGINS_PATH", "/nonexistent"}, {"HWLOC_HIDE_ERRORS", "2"}};

static bool load_quietly(hwloc_topology_t *h)
{
    bool ours[2];
    for (int i = 0; i < 2; i++) {
        ours[i] = !getenv(hwloc_settings[i][0]);
        setenv(hwloc_settings[i][0], hwloc_settings[i][1], 0);
    }
    bool ok = hwloc_topology_init(h) == 0;
    if (ok) {
        hwloc_topology_set_flags(*h, HWLOC_TOPOLOGY_FLAG_INCLUDE_DISALLOWED); /* the affinity mask is ours to apply */
        hwloc_topology_set_io_types_filter(*h, HWLOC_TYPE_FILTER_KEEP_NONE);
        hwloc_topology_set_cache_types_filter(*h, HWLOC_TYPE_FILTER_KEEP_ALL);
        ok = hwloc_topology_load(*h) == 0 && hwloc_topology_is_thissystem(*h);
        if (!ok)
            hwloc_topology_destroy(*h);
    }
    for (int i = 0; i < 2; i++)
        if (ours[i])
            unsetenv(hwloc_settings[i][0]);
    return ok;
}

bool topology_hwloc(struct topology *t)
{
    hwloc_topology_t h;
    if (!load_quietly(&h))
        return false;
    t->n = t->n_caches = 0;
    hwloc_obj_t pu = NULL;
    while ((pu = hwloc_get_next_obj_by_type(h, HWLOC_OBJ_PU, pu))) {
        int node = hwloc_bitmap_first(pu->nodeset);
        add_cpu(t, (int)pu->os_index, ancestor_index(h, pu, HWLOC_OBJ_PACKAGE), ancestor_index(h, pu, HWLOC_OBJ_CORE),
                node < 0 ? 0 : node);
        hwloc_caches(t, pu);
    }
    hwloc_topology_destroy(h);
    return t->n > 0;
}
#else
bool topology_hwloc(struct topology *t)
{
    (void)t;
    return false;
}
#endif

static int64_t parse_size(const char *text)
{
    char *end;
    double v = strtod(text, &end);
    double unit = *end == 'K' ? 1024 : *end == 'M' ? 1048576 : *end == 'G' ? 1073741824 : 1;
    return end != text && v > 0 && v * unit < 1e15 ? (int64_t)(v * unit) : -1;
}

static int int_or(double v, int otherwise)
{
    return v >= 0 && v < 1e9 ? (int)v : otherwise;
}

static void sys_caches(struct topology *t, const struct source *s, int cpu)
{
    for (int i = 0; i < 8; i++) {
        char text[512];
        struct probe_cache c = {
            .level = int_or(source_num(s, "/sys/devices/system/cpu/cpu%d/cache/index%d/level", cpu, i), -1)};
        if (source_read(s, text, sizeof text, "/sys/devices/system/cpu/cpu%d/cache/index%d/size", cpu, i) > 0)
            c.bytes = parse_size(text);
        source_read(s, text, sizeof text, "/sys/devices/system/cpu/cpu%d/cache/index%d/type", cpu, i);
        c.type = text[0] == 'D' ? 'd' : text[0] == 'I' ? 'i' : 'u';
        struct cpu_set shared;
        source_read(s, text, sizeof text, "/sys/devices/system/cpu/cpu%d/cache/index%d/shared_cpu_list", cpu, i);
        cpu_set_parse(&shared, text);
        c.n_shared = cpu_set_count(&shared) > 0 ? cpu_set_count(&shared) : 1;
        topology_add_cache(t, &c);
    }
}

static void sys_nodes(struct topology *t, const struct source *s)
{
    char text[4096];
    struct cpu_set nodes, cpus;
    source_read(s, text, sizeof text, "/sys/devices/system/node/online");
    cpu_set_parse(&nodes, text);
    for (int node = 0; node < MAX_CPUS; node++) {
        if (!cpu_set_has(&nodes, node))
            continue;
        source_read(s, text, sizeof text, "/sys/devices/system/node/node%d/cpulist", node);
        cpu_set_parse(&cpus, text);
        for (int i = 0; i < t->n; i++)
            if (cpu_set_has(&cpus, t->cpu[i].os_index))
                t->cpu[i].node = node;
    }
}

bool topology_sys(struct topology *t, const struct source *s)
{
    char text[4096];
    struct cpu_set online;
    t->n = t->n_caches = 0;
    source_read(s, text, sizeof text, "/sys/devices/system/cpu/online");
    cpu_set_parse(&online, text);
    for (int i = 0; i < MAX_CPUS; i++) {
        if (!cpu_set_has(&online, i))
            continue;
        int package = int_or(source_num(s, "/sys/devices/system/cpu/cpu%d/topology/physical_package_id", i), -1);
        int core = int_or(source_num(s, "/sys/devices/system/cpu/cpu%d/topology/core_id", i), -1);
        struct cpu_set siblings;
        if (source_read(s, text, sizeof text, "/sys/devices/system/cpu/cpu%d/topology/thread_siblings_list", i) > 0) {
            cpu_set_parse(&siblings, text);
            for (int k = MAX_CPUS - 1; k >= 0; k--) /* core_id repeats between dies: name a core after its first CPU */
                core = cpu_set_has(&siblings, k) ? k : core;
        } else if (core >= 0 && package > 0) {
            core += package * MAX_CPUS;
        }
        add_cpu(t, i, package, core, 0);
    }
    sys_nodes(t, s);
    for (int i = 0; i < t->n && t->n <= 64; i++)
        sys_caches(t, s, t->cpu[i].os_index);
    if (t->n > 64) /* no hybrid chip is this large */
        sys_caches(t, s, t->cpu[0].os_index);
    return t->n > 0;
}

bool topology_proc(struct topology *t, const struct source *s)
{
    t->n = t->n_caches = 0;
    const char *p = source_text(s, "/proc/cpuinfo");
    while (p && *p) {
        char *next = strstr(p, "\n\n"), v[32];
        if (next)
            *next++ = 0;
        if (text_value(p, "processor", v, sizeof v)) {
            int package = int_or(text_num(p, "physical id"), -1), core = int_or(text_num(p, "core id"), -1);
            if (core >= 0 && package > 0)
                core += package * MAX_CPUS;
            add_cpu(t, int_or(strtod(v, NULL), -1), package, core, 0);
        }
        p = next ? next + 1 : NULL;
    }
    return t->n > 0;
}

/* Leaf 4 (Intel) and 0x8000001d (AMD) have the same layout. The number of sharers is an upper bound there. */
void topology_cpuid_caches(struct topology *t, const struct source *s)
{
    uint32_t leaf, r[4];
    bool amd = source_cpuid(s, 0x8000001d, 0, r) && (r[0] & 31);
    leaf = amd ? 0x8000001d : 4;
    for (uint32_t i = 0; i < 8 && source_cpuid(s, leaf, i, r) && (r[0] & 31); i++) {
        int n_shared = (int)(r[0] >> 14 & 0xfff) + 1;
        struct probe_cache c = {.level = (int)(r[0] >> 5 & 7),
                                .type = "?diu"[(r[0] & 31) < 4 ? r[0] & 31 : 0],
                                .bytes = (int64_t)((r[1] >> 22) + 1) * ((r[1] >> 12 & 0x3ff) + 1) *
                                         ((r[1] & 0xfff) + 1) * ((int64_t)r[2] + 1),
                                .n_shared = n_shared < t->n ? n_shared : t->n};
        topology_add_cache(t, &c);
    }
}
