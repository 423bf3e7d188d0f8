/* probe: the fingerprint of this machine, of a recorded one (--from FOLDER) or of its JSON (--from FILE). */
#include <math.h>
#include <string.h>
#include "base/mem.h"
#include "base/os.h"
#include "cli/cli.h"

static void size_text(char out[32], int64_t bytes)
{
    static const char *const units[] = {"bytes", "KiB", "MiB", "GiB", "TiB"};
    double v = (double)bytes;
    int u = 0;
    if (bytes < 0) {
        snprintf(out, 32, "unknown");
        return;
    }
    for (; v >= 1024 && u < 4; u++)
        v /= 1024;
    snprintf(out, 32, v < 1000 ? "%.3g %s" : "%.0f %s", v, units[u]);
}

static const char *or_unknown(const char *s)
{
    return *s ? s : "unknown";
}

static void row(const char *name)
{
    printf("  %-9s ", name);
}

static void print_cpu(const struct probe_device *d)
{
    row("CPU");
    printf("%s", or_unknown(d->cpu.brand));
    if (d->cpu.codename[0])
        printf(" (%s)", d->cpu.codename);
    if (d->cpu.model_doubtful)
        printf(" (model number masked)");
    if (d->cpu.n_cores >= 0)
        printf(", %d cores", d->cpu.n_cores);
    if (d->cpu.n_efficiency > 0)
        printf(" (%d fast, %d efficient)", d->cpu.n_performance, d->cpu.n_efficiency);
    if (d->cpu.n_threads >= 0)
        printf(", %d threads", d->cpu.n_threads);
    if (d->cpu.n_packages > 1)
        printf(", %d sockets", d->cpu.n_packages);
    if (d->cpu.n_numa > 1)
        printf(", %d memory nodes", d->cpu.n_numa);
    putchar('\n');
    row("use");
    if (d->cpu.n_usable > 0)
        printf("%d thread%s", d->cpu.n_usable, d->cpu.n_usable == 1 ? "" : "s");
    else
        printf("unknown");
    if (!isnan(d->cpu.quota_cpus))
        printf(" (CPU quota %.4g)", d->cpu.quota_cpus);
    if (!isnan(d->cpu.ghz_max))
        printf(", up to %.2f GHz", d->cpu.ghz_max);
    if (!isnan(d->cpu.ghz_now))
        printf(", %.2f GHz now", d->cpu.ghz_now);
    putchar('\n');
}

static void print_caches(const struct probe_device *d)
{
    row("caches");
    for (int i = 0; i < d->cpu.n_caches; i++) {
        const struct probe_cache *c = &d->cpu.cache[i];
        char size[32];
        size_text(size, c->bytes);
        printf("%sL%d%s %s", i ? ", " : "", c->level, c->type == 'd' ? "d" : c->type == 'i' ? "i" : "", size);
        if (c->n_shared > 1)
            printf(" per %d", c->n_shared);
        if (c->doubtful)
            printf(" (doubtful)");
    }
    printf("%s\n", d->cpu.n_caches ? "" : "unknown");
}

static void print_isa(const struct probe_device *d, const char *name, enum isa_state state)
{
    int column = 0;
    for (int i = 0; i < N_ISA; i++) {
        if (d->cpu.isa[i] != state)
            continue;
        if (column == 0)
            row(name);
        else if (column + strlen(isa_name(i)) > 86)
            printf("\n%12s", ""), column = 0;
        column += printf("%s%s", column ? " " : "", isa_name(i));
    }
    if (column)
        putchar('\n');
}

static void print_memory(const struct probe_device *d)
{
    char total[32], available[32], limit[32], swap[32];
    size_text(total, d->memory.total_bytes);
    size_text(available, d->memory.available_bytes);
    size_text(limit, d->memory.limit_bytes);
    size_text(swap, d->memory.swap_bytes);
    row("memory");
    printf("%s", total);
    if (d->memory.available_bytes >= 0)
        printf(", %s available", available);
    if (d->memory.limit_bytes >= 0)
        printf(", limited to %s", limit);
    if (d->memory.swap_bytes > 0)
        printf(", swap %s", swap);
    if (d->memory.kind[0])
        printf(", %s", d->memory.kind);
    if (d->memory.channels > 0)
        printf(" in %d channels", d->memory.channels);
    if (!isnan(d->memory.mt_s))
        printf(" at %.0f MT/s", d->memory.mt_s);
    if (!isnan(d->memory.bandwidth_gb_s))
        printf(", read %.1f GB/s", d->memory.bandwidth_gb_s);
    putchar('\n');
}

static void print_accels(const char *name, const struct probe_accel *a, int n)
{
    for (int i = 0; i < n; i++) {
        char size[32];
        size_text(size, a[i].memory_bytes);
        row(i ? "" : name);
        printf("%s", or_unknown(a[i].name));
        if (a[i].memory_bytes >= 0)
            printf(", %s", size);
        if (a[i].driver[0])
            printf(", driver %s", a[i].driver);
        if (a[i].api[0])
            printf(", seen by %s", a[i].api);
        printf("%s\n", a[i].software ? " (software: the CPU in disguise)" : "");
    }
    if (n == 0) {
        row(name);
        printf("none found\n");
    }
}

static void print_state(const struct probe_device *d)
{
    row("power");
    printf("supply %s", d->power.supply);
    if (d->power.battery_percent >= 0)
        printf(", battery %d %%", d->power.battery_percent);
    if (!isnan(d->power.battery_wh))
        printf(" of %.1f Wh", d->power.battery_wh);
    printf(", energy counter %s\n", d->power.rapl_readable ? "readable" : "not readable");
    row("thermal");
    if (isnan(d->thermal.max_c))
        printf("no sensor");
    else
        printf("%.0f C now", d->thermal.max_c);
    if (!isnan(d->thermal.throttle_c))
        printf(", throttles at %.0f C", d->thermal.throttle_c);
    printf("\n");
    row("clock");
    printf("governor %s, boost %s\n", or_unknown(d->freq.governor),
           d->freq.boost < 0 ? "unknown"
           : d->freq.boost   ? "on"
                             : "off");
}

static void print_system(const struct probe_device *d)
{
    row("system");
    printf("%s, kernel %s", or_unknown(d->os.name), or_unknown(d->os.kernel));
    if (d->os.libc[0])
        printf(", %s", d->os.libc);
    if (d->os.board[0])
        printf(", %s", d->os.board);
    putchar('\n');
    row("inside");
    printf("virtual machine: %s, container: %s\n", or_unknown(d->virtualization), or_unknown(d->container));
    row("hashes");
    printf("hardware %.12s, environment %.12s\n", d->hw_sha256, d->env_sha256);
}

static void print_device(const struct probe_device *d)
{
    print_cpu(d);
    print_caches(d);
    print_isa(d, "proved", ISA_PROVED);
    print_isa(d, "claimed", ISA_CLAIMED);
    print_memory(d);
    print_accels("GPU", d->gpu, d->n_gpus);
    print_accels("NPU", d->npu, d->n_npus);
    print_state(d);
    print_system(d);
    for (int i = 0; i < d->n_notes; i++)
        printf("! %s\n", d->note[i]);
}

int cli_read_device(struct probe_device *d, const char *from, struct err *e)
{
    if (dir_exists(from))
        return probe_device(d, from, e);
    json_t *j;
    int rc = json_read_file(&j, from, e);
    if (rc < 0)
        return rc;
    rc = probe_from_json(d, j, from, e);
    json_decref(j);
    return rc;
}

static int write_device(const char *path, const struct probe_device *d, struct err *e)
{
    struct sbuf b = {0};
    json_t *j = probe_to_json(d);
    json_print(&b, j, 2);
    json_decref(j);
    sbuf_putc(&b, '\n');
    int rc = b.failed ? err_nomem(e, b.n, path) : file_write(path, b.p, b.n, e);
    sbuf_free(&b);
    return rc;
}

static int show(struct cli *c, const struct probe_device *d)
{
    struct err e = {0};
    if (c->req.out_dir && write_device(c->req.out_dir, d, &e) < 0)
        return cli_fail(&e);
    if (c->json)
        return cli_print_json(probe_to_json(d));
    print_device(d);
    return EXIT_DONE;
}

int cmd_probe(struct cli *c)
{
    struct err e = {0};
    if (!c->from)
        return cli_device(c, &e) < 0 ? cli_fail(&e) : show(c, c->device);
    struct probe_device *d = mem_alloc(sizeof *d);
    int rc = d ? cli_read_device(d, c->from, &e) : err_nomem(&e, sizeof *d, "the device description");
    int code = rc < 0 ? cli_fail(&e) : show(c, d);
    mem_free(d);
    return code;
}
