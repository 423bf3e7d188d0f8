/* CPUs as one source sees them, before counts and order are derived from them (topology.c). */
#ifndef PROBE_TOPOLOGY_H
#define PROBE_TOPOLOGY_H
#include "probe/parts.h"

struct topology {
    int n; /* CPUs online */
    struct {
        int os_index, package, core, node; /* core: unique over the machine; -1 unknown */
    } cpu[MAX_CPUS];
    int n_caches;
    struct probe_cache cache[8];
};
/* Each true when it found at least one CPU. */
bool topology_hwloc(struct topology *t);
bool topology_sys(struct topology *t, const struct source *s);
bool topology_proc(struct topology *t, const struct source *s);
void topology_cpuid_caches(struct topology *t, const struct source *s);
void topology_add_cache(struct topology *t, const struct probe_cache *c); /* once per distinct one */
#endif
