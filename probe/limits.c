/* Control groups, both versions: the least CPU quota and memory limit along the whole path from our group to the
 * root of what is mounted. The mounts are found in /proc/self/mountinfo, our groups in /proc/self/cgroup. */
#include "probe/parts.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct limits {
    double memory_bytes, memory_left, cpus; /* INFINITY: none seen */
};
struct group_mount {
    char point[256], root[256]; /* where it is mounted, which group is shown there */
};

static double least(double a, double b)
{
    return b < a ? b : a;
}

/* mountinfo: "31 23 0:26 /root /mount/point opts ... - cgroup2 cgroup2 rw,memory". controller "" means v2. */
static bool find_mount(struct group_mount *m, const char *mountinfo, const char *controller)
{
    for (const char *line = mountinfo; line && *line;) {
        const char *end = strchr(line, '\n'), *tail = strstr(line, " - ");
        char root[256], point[256], type[32], options[256];
        if (tail && (!end || tail < end) && sscanf(line, "%*d %*d %*s %255s %255s", root, point) == 2 &&
            sscanf(tail, " - %31s %*s %255s", type, options) == 2) {
            bool v1 = *controller && !strcmp(type, "cgroup"), ours = !*controller && !strcmp(type, "cgroup2");
            for (char *o = v1 ? strtok(options, ",") : NULL; o; o = strtok(NULL, ","))
                ours |= !strcmp(o, controller);
            if (ours) {
                snprintf(m->root, sizeof m->root, "%s", root);
                snprintf(m->point, sizeof m->point, "%s", point);
                return true;
            }
        }
        line = end ? end + 1 : NULL;
    }
    return false;
}

/* /proc/self/cgroup: "4:memory:/path" (v1) or "0::/path" (v2). */
static bool find_group(char path[256], const char *groups, const char *controller)
{
    for (const char *line = groups; line && *line;) {
        const char *end = strchr(line, '\n'), *first = strchr(line, ':');
        const char *second = first ? strchr(first + 1, ':') : NULL;
        if (second && (!end || second < end)) {
            char list[128];
            snprintf(list, sizeof list, "%.*s", (int)(second - first - 1), first + 1);
            bool ours = !*controller && !*list;
            for (char *o = *controller ? strtok(list, ",") : NULL; o; o = strtok(NULL, ","))
                ours |= !strcmp(o, controller);
            if (ours) {
                snprintf(path, 256, "%.*s", (int)(end ? end - second - 1 : (long)strlen(second + 1)), second + 1);
                return true;
            }
        }
        line = end ? end + 1 : NULL;
    }
    return false;
}

/* The folder of our group: the mount shows the subtree below its root, so that part of the path is dropped. */
static void group_folder(char out[512], const struct source *s, const struct group_mount *m, const char *path)
{
    size_t n_root = strcmp(m->root, "/") ? strlen(m->root) : 0;
    if (n_root && !strncmp(path, m->root, n_root) && (path[n_root] == '/' || !path[n_root]))
        path += n_root;
    snprintf(out, 512, "%s%s", m->point, strcmp(path, "/") && !strstr(path, "/..") ? path : "");
    if (!source_has(s, "%s", out))
        snprintf(out, 512, "%s", m->point);
}

static double number_or_infinity(double v)
{
    return v >= 0 ? v : INFINITY;
}

static void read_v2(struct limits *l, const struct source *s, const char *dir)
{
    char text[4096];
    double max = number_or_infinity(source_num(s, "%s/memory.max", dir)); /* "max" is no number */
    double high = number_or_infinity(source_num(s, "%s/memory.high", dir));
    double used = source_num(s, "%s/memory.current", dir);
    max = least(max, high);
    l->memory_bytes = least(l->memory_bytes, max);
    if (used >= 0) {
        source_read(s, text, sizeof text, "%s/memory.stat", dir);
        const char *cache = strstr(text, "inactive_file ");
        l->memory_left = least(l->memory_left, max - used + (cache ? strtod(cache + 14, NULL) : 0));
    }
    double quota, period;
    if (source_read(s, text, sizeof text, "%s/cpu.max", dir) > 0 && sscanf(text, "%lf %lf", &quota, &period) == 2 &&
        quota > 0 && period > 0)
        l->cpus = least(l->cpus, quota / period);
}

static void read_v1_memory(struct limits *l, const struct source *s, const char *dir)
{
    char text[4096];
    double max = number_or_infinity(source_num(s, "%s/memory.limit_in_bytes", dir));
    double used = source_num(s, "%s/memory.usage_in_bytes", dir);
    l->memory_bytes = least(l->memory_bytes, max);
    if (used >= 0) {
        source_read(s, text, sizeof text, "%s/memory.stat", dir);
        const char *cache = strstr(text, "total_inactive_file ");
        l->memory_left = least(l->memory_left, max - used + (cache ? strtod(cache + 20, NULL) : 0));
    }
}

static void read_v1_cpu(struct limits *l, const struct source *s, const char *dir)
{
    double quota = source_num(s, "%s/cpu.cfs_quota_us", dir), period = source_num(s, "%s/cpu.cfs_period_us", dir);
    if (quota > 0 && period > 0)
        l->cpus = least(l->cpus, quota / period);
}

static void walk(struct limits *l, const struct source *s, const char *controller,
                 void (*read_dir)(struct limits *, const struct source *, const char *))
{
    struct group_mount m;
    char path[256], dir[512];
    if (!find_group(path, source_text(s, "/proc/self/cgroup"), controller))
        return;
    if (!find_mount(&m, source_text(s, "/proc/self/mountinfo"), controller))
        return;
    group_folder(dir, s, &m, path);
    for (size_t n_point = strlen(m.point);;) {
        read_dir(l, s, dir);
        char *slash = strrchr(dir, '/');
        if (!slash || strlen(dir) <= n_point)
            break;
        *slash = 0;
    }
}

static void apply(struct probe_device *d, const struct limits *l)
{
    int64_t total = d->memory.total_bytes;
    if (l->memory_bytes < (total > 0 ? (double)total : 9e15)) /* a limit above the machine binds nothing */
        d->memory.limit_bytes = (int64_t)l->memory_bytes;
    double left = l->memory_left < 0 ? 0 : l->memory_left;
    if (d->memory.limit_bytes >= 0 && isfinite(left) &&
        (d->memory.available_bytes < 0 || left < (double)d->memory.available_bytes))
        d->memory.available_bytes = (int64_t)left;
    if (!isfinite(l->cpus))
        return;
    d->cpu.quota_cpus = l->cpus;
    int whole = l->cpus < 1 ? 1 : l->cpus > MAX_CPUS ? MAX_CPUS : (int)(l->cpus + 0.001);
    if (d->cpu.n_usable > whole) {
        device_note(d, "a CPU quota of %.4g leaves %d of %d cores", l->cpus, whole, d->cpu.n_usable);
        d->cpu.n_usable = whole;
    }
}

void probe_limits(struct probe_device *d, const struct source *s)
{
    struct limits l = {INFINITY, INFINITY, INFINITY};
    walk(&l, s, "", read_v2);
    walk(&l, s, "memory", read_v1_memory);
    walk(&l, s, "cpu", read_v1_cpu);
    apply(d, &l);
    int64_t usable = d->memory.total_bytes;
    if (d->memory.limit_bytes >= 0 && (usable < 0 || d->memory.limit_bytes < usable))
        usable = d->memory.limit_bytes;
    if (d->memory.available_bytes >= 0 && (usable < 0 || d->memory.available_bytes < usable))
        usable = d->memory.available_bytes;
    d->memory.usable_bytes = usable;
}
