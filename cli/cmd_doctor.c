/* doctor: [PASS|WARN|FAIL] name value -> fix. The state of the machine, the tools, the frameworks. */
#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include "base/mem.h"
#include "base/os.h"
#include "bench/measure.h"
#include "bench/runners/worker.h"
#include "cli/doctor_prove.h"
#include "reports/escape.h"

enum level { PASS, WARN, FAIL };
static const char *const level_names[] = {"PASS", "WARN", "FAIL"};

struct doctor {
    struct cli *c;
    const struct probe_device *d;
    struct probe_state state;
    json_t *rows; /* NULL: print */
    int count[3];
};

/* fix may be NULL; so may be the value's arguments. */
static void say(struct doctor *doc, enum level level, const char *name, const char *fix, const char *fmt, ...)
    __attribute__((format(printf, 5, 6)));
static void say(struct doctor *doc, enum level level, const char *name, const char *fix, const char *fmt, ...)
{
    char value[256];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(value, sizeof value, fmt, ap);
    va_end(ap);
    doc->count[level]++;
    if (!doc->rows) {
        printf("[%s] %-16s %s%s%s\n", level_names[level], name, value, fix ? "  -> " : "", fix ? fix : "");
        return;
    }
    json_t *o = json_object();
    json_put(o, "status", json_string(level_names[level]));
    json_put(o, "name", json_string(name));
    json_put(o, "value", json_string(value));
    json_put(o, "fix", json_str_or_null(fix));
    json_array_append_new(doc->rows, o);
}

static double gib(int64_t bytes)
{
    return (double)bytes / 1073741824.0;
}

static void check_cpu(struct doctor *doc)
{
    const struct probe_device *d = doc->d;
    if (d->cpu.model_doubtful)
        say(doc, WARN, "cpu", "compare by the hardware hash, not by this name",
            "%s: its features contradict its model number", d->cpu.brand);
    else
        say(doc, PASS, "cpu", NULL, "%s, %d of %d cores usable", d->cpu.brand[0] ? d->cpu.brand : "unknown name",
            d->cpu.n_usable, d->cpu.n_cores);
    bool wide = d->cpu.isa_mask & (ISA(AVX2) | ISA(NEON));
    int n = 0;
    for (int i = 0; i < N_ISA; i++)
        n += d->cpu.isa[i] == ISA_PROVED;
    say(doc, wide ? PASS : WARN, "instructions",
        wide ? NULL : "expect plain C speed; a virtual machine may be hiding AVX2",
        "%d extensions proved by running them", n);
    for (int i = 0; i < N_ISA; i++)
        if (d->cpu.isa[i] == ISA_CLAIMED)
            say(doc, WARN, "instructions", "kernels that need it are not used", "%s is claimed but does not work here",
                isa_name(i));
}

static void check_memory(struct doctor *doc)
{
    const struct probe_device *d = doc->d;
    double usable = gib(d->memory.usable_bytes);
    if (d->memory.usable_bytes < 0) {
        say(doc, WARN, "memory", "pass --ram SIZE", "unknown");
        return;
    }
    enum level level = usable < 0.5 ? FAIL : usable < 2 ? WARN : PASS;
    say(doc, level, "memory", level == PASS ? NULL : "close programs; models must fit in what is free",
        "%.1f GiB usable of %.1f GiB", usable, gib(d->memory.total_bytes));
    if (d->memory.limit_bytes >= 0)
        say(doc, WARN, "memory limit", "raise the container's limit if models do not fit", "%.1f GiB by control group",
            gib(d->memory.limit_bytes));
    if (!isnan(d->cpu.quota_cpus))
        say(doc, WARN, "cpu quota", "raise the container's CPU limit; a quota stalls all threads at once", "%.4g CPUs",
            d->cpu.quota_cpus);
}

static void check_quiet(struct doctor *doc)
{
    const struct probe_state *s = &doc->state;
    int cores = doc->d->cpu.n_usable > 0 ? doc->d->cpu.n_usable : 1;
    if (isnan(s->load1))
        say(doc, WARN, "load", "make sure that nothing else runs", "unknown");
    else
        say(doc, s->load1 > 0.3 * cores ? WARN : PASS, "load",
            s->load1 > 0.3 * cores ? "wait for or stop other programs" : NULL, "%.2f on %d cores", s->load1, cores);
    if (s->steal_share > 0.01)
        say(doc, WARN, "steal", "the host is busy: measure at another time or on dedicated cores",
            "%.1f %% of the time since boot", 100 * s->steal_share);
}

static void check_clock(struct doctor *doc)
{
    const struct probe_device *d = doc->d;
    bool slow = d->freq.governor[0] && strcmp(d->freq.governor, "performance") != 0;
    say(doc, slow ? WARN : PASS, "governor", slow ? "cpupower frequency-set -g performance (as root)" : NULL, "%s",
        d->freq.governor[0] ? d->freq.governor : "not visible here");
    if (!isnan(d->thermal.max_c)) {
        bool hot = d->thermal.max_c > (isnan(d->thermal.throttle_c) ? 85 : d->thermal.throttle_c - 10);
        say(doc, hot ? WARN : PASS, "temperature", hot ? "let it cool, clean the fan" : NULL, "%.0f C",
            d->thermal.max_c);
    }
    bool battery = !strcmp(d->power.supply, "battery");
    say(doc, battery ? WARN : PASS, "power", battery ? "plug it in, or the clock is held down" : NULL, "supply %s",
        d->power.supply);
    bool there = file_exists("/sys/class/powercap/intel-rapl:0/energy_uj");
    if (d->power.rapl_readable || there)
        say(doc, d->power.rapl_readable ? PASS : WARN, "energy counter",
            d->power.rapl_readable ? NULL : "chmod a+r /sys/class/powercap/intel-rapl:*/energy_uj (as root)", "%s",
            d->power.rapl_readable ? "readable" : "only root may read it");
}

static void check_disk(struct doctor *doc)
{
    struct statvfs v;
    if (statvfs(".", &v) != 0) {
        say(doc, WARN, "disk", NULL, "unknown: %s", strerror(errno));
        return;
    }
    double free_gib = (double)v.f_bavail * (double)v.f_frsize / 1073741824.0;
    enum level level = free_gib < 0.5 ? FAIL : free_gib < 5 ? WARN : PASS;
    say(doc, level, "disk", level == PASS ? NULL : "make room: a model of 7 billion weights takes 4 to 15 GiB",
        "%.1f GiB free here", free_gib);
}

static void check_accels(struct doctor *doc)
{
    const struct probe_device *d = doc->d;
    for (int i = 0; i < d->n_gpus; i++)
        say(doc, d->gpu[i].software ? WARN : PASS, "gpu",
            d->gpu[i].software ? "it is the CPU in disguise: do not offload to it" : NULL, "%s (%s)", d->gpu[i].name,
            d->gpu[i].api);
    for (int i = 0; i < d->n_npus; i++)
        say(doc, PASS, "npu", NULL, "%s (%s)", d->npu[i].name, d->npu[i].api);
    for (int i = 0; i < d->n_notes; i++)
        if (strstr(d->note[i], "driver"))
            say(doc, WARN, "gpu driver", "update or remove it", "%s", d->note[i]);
}

/* The first line with a digit in it, of either stream. */
static void first_version(char out[96], const char *text)
{
    for (const char *p = text; *p && !out[0];) {
        size_t n = strcspn(p, "\n");
        if (strcspn(p, "0123456789") < n)
            snprintf(out, 96, "%.*s", (int)(n < 95 ? n : 95), p);
        p += n + (p[n] == '\n');
    }
}

struct tool {
    const char *program, *argument;
    enum { OPTIONAL, WANTED } need;
    const char *use, *fix;
};

/* llama.cpp's programs are looked for where the measuring looks: LLAMA_CPP_PATH, then PATH. */
static char *find_tool(const char *program)
{
    char path[1024];
    const char *folder = strncmp(program, "llama-", 6) ? NULL : getenv("LLAMA_CPP_PATH");
    if (folder && *folder && snprintf(path, sizeof path, "%s/%s", folder, program) < (int)sizeof path) {
        char *found = program_find(path);
        if (found)
            return found;
    }
    return program_find(program);
}

static void check_tool(struct doctor *doc, const struct tool *t)
{
    char *path = find_tool(t->program), version[96] = "";
    if (!path) {
        if (t->need == WANTED || doc->c->req.verbose)
            say(doc, WARN, t->program, t->fix, "not found: %s", t->use);
        return;
    }
    struct child_result r = {0};
    const char *const argv[] = {path, t->argument, NULL};
    struct child_cmd cmd = {.argv = argv, .timeout_ms = 3000, .max_output = 65536};
    if (*t->argument && child_run(&cmd, &r, NULL) == 0) {
        first_version(version, r.out);
        first_version(version, r.err);
        child_result_free(&r);
    }
    say(doc, PASS, t->program, NULL, "%s", version[0] ? version : path);
    mem_free(path);
}

static void check_tools(struct doctor *doc)
{
    static const struct tool tools[] = {
#define TOOL(program, argument, need, use, fix) {program, argument, need, use, fix},
#define PYTHON(package, use)
#include "cli/doctor.def"
#undef TOOL
#undef PYTHON
    };
    for (size_t i = 0; i < sizeof tools / sizeof *tools; i++)
        check_tool(doc, &tools[i]);
}

/* One interpreter for all packages; their metadata is read, none is imported. */
static void check_python(struct doctor *doc)
{
    static const char script[] = "import sys, importlib.metadata as m\n"
                                 "for p in sys.argv[1:]:\n"
                                 "    try: print(p, m.version(p))\n"
                                 "    except Exception: pass\n";
    static const char *const packages[][2] = {
#define TOOL(program, argument, need, use, fix)
#define PYTHON(package, use) {package, use},
#include "cli/doctor.def"
#undef TOOL
#undef PYTHON
    };
    enum { N = sizeof packages / sizeof *packages };
    char *python = worker_python();
    const char *argv[4 + N] = {python, "-c", script};
    for (int i = 0; i < N; i++)
        argv[3 + i] = packages[i][0];
    struct child_result r = {0};
    int rc =
        python ? child_run(&(struct child_cmd){.argv = argv, .timeout_ms = 10000, .max_output = 65536}, &r, NULL) : -1;
    mem_free(python);
    if (rc < 0)
        return;
    for (char *line = r.out; *line;) {
        size_t n = strcspn(line, "\n"), n_name = strcspn(line, " ");
        bool more = line[n] != 0;
        line[n] = 0;
        for (int i = 0; i < N; i++)
            if (strlen(packages[i][0]) == n_name && !strncmp(line, packages[i][0], n_name)) {
                say(doc, PASS, packages[i][0], NULL, "%s: %s", line + n_name + (n_name < n), packages[i][1]);
            }
        line += n + more;
    }
    child_result_free(&r);
}

static void check_runner(struct doctor *doc, const struct runner *r)
{
    struct runner_info info = {0};
    struct err e = {0};
    int rc = r->detect(r, &info, &e);
    if (rc < 0)
        say(doc, WARN, r->name, NULL, "%s", e.text);
    else if (!info.found)
        say(doc, WARN, r->name, "install it to have its speed measured, not derived from equivalent kernels", "%s",
            info.note[0] ? info.note : "not found");
    else
        say(doc, PASS, r->name, NULL, "%s %s%s%s", info.version, info.library_path, r->containers ? ", loads " : "",
            r->containers ? r->containers : "");
}

/* What can be measured, not derived: the runners' own word. */
static void check_runners(struct doctor *doc)
{
    const struct runner *r;
    for (int i = 0; runners[i]; i++)
        if (runners[i]->real)
            check_runner(doc, runners[i]);
    for (int state = 0; (r = runner_on_path(&state));)
        check_runner(doc, r);
}

/* ---- --prove ---- */

struct proof {
    struct doctor *doc;
    json_t *cells;      /* NULL: print */
    int n, n_ok, n_bad; /* bad: of a framework that is there */
    struct prove_coverage kernels;
};

/* A framework that does not run here is a warning, the own engine's failure a failure of this program. */
static enum level level_of(const struct prove_cell *cell)
{
    return cell->status == STATUS_OK ? PASS : strcmp(cell->framework, "own") ? WARN : FAIL;
}

static void print_cell(const struct prove_cell *cell)
{
    char kld[32] = "";
    if (isfinite(cell->kld))
        snprintf(kld, sizeof kld, "KLD %.1e", cell->kld);
    printf("[%s] %-18s %-24s %-12s %-11s %-12s%s%s\n", level_names[level_of(cell)], cell->framework, cell->format,
           cell->isa, record_status_name(cell->status), kld, *cell->reason ? " " : "", cell->reason);
    fflush(stdout);
}

static void print_csv(const struct prove_cell *cell)
{
    struct sbuf b = {0};
    char text[256];
    for (int i = 0; prove_column(i); i++) {
        prove_column_text(cell, i, text);
        if (i)
            sbuf_putc(&b, ',');
        escape_csv(&b, text);
    }
    puts(sbuf_str(&b));
    sbuf_free(&b);
}

static void take_cell(void *arg, const struct prove_cell *cell)
{
    struct proof *p = arg;
    p->n++;
    p->n_ok += cell->status == STATUS_OK;
    p->n_bad += cell->status != STATUS_OK && cell->format[0] && cell->status != STATUS_UNSUPPORTED;
    p->doc->count[level_of(cell)]++;
    if (p->cells)
        json_array_append_new(p->cells, prove_cell_to_json(cell));
    else if (p->doc->c->csv)
        print_csv(cell);
    else
        print_cell(cell);
}

static int prove(struct doctor *doc, struct proof *p)
{
    struct err e = {0};
    if (doc->c->csv)
        for (int i = 0; prove_column(i); i++)
            printf("%s%s", prove_column(i), prove_column(i + 1) ? "," : "\n");
    if (doctor_prove(doc->c, take_cell, p, &p->kernels, &e) < 0)
        return cli_fail(&e);
    return p->n_bad && doc->c->req.strict ? EXIT_SOME_FAILED : EXIT_DONE;
}

static void print_all(const struct doctor *doc, const struct proof *p)
{
    if (doc->c->json) {
        json_t *o = json_object();
        json_put(o, "checks", doc->rows);
        if (p->cells) {
            json_put(o, "cells", p->cells);
            json_put(o, "kernels_run", json_integer(p->kernels.n_run));
            json_put(o, "kernels_runnable", json_integer(p->kernels.n_can));
            json_put(o, "kernels_not_run", json_string(p->kernels.not_run));
        }
        json_put(o, "passed", json_integer(doc->count[PASS]));
        json_put(o, "warnings", json_integer(doc->count[WARN]));
        json_put(o, "failed", json_integer(doc->count[FAIL]));
        cli_print_json(o);
    } else if (!doc->c->csv) {
        if (p->n)
            printf("%d of %d cells run here\n", p->n_ok, p->n);
        if (p->kernels.n_run)
            printf("%d of the %d packed kernels that this CPU can run were run%s%s\n", p->kernels.n_run,
                   p->kernels.n_can, *p->kernels.not_run && doc->c->req.verbose ? "; not: " : "",
                   doc->c->req.verbose ? p->kernels.not_run : "");
        printf("%d passed, %d warnings, %d failed\n", doc->count[PASS], doc->count[WARN], doc->count[FAIL]);
    }
}

static int check_options(const struct cli *c)
{
    if (c->prove || (!c->csv && !c->formats.n && !c->frameworks.n && !c->cell_timeout_s))
        return EXIT_DONE;
    cli_warn("--format, --framework, --timeout and --csv belong to --prove");
    return EXIT_USAGE;
}

int cmd_doctor(struct cli *c)
{
    static void (*const checks[])(struct doctor *) = {check_cpu,    check_memory,  check_quiet, check_clock, check_disk,
                                                      check_accels, check_runners, check_tools, check_python};
    struct err e = {0};
    if (c->prove_cell)
        return prove_cell_here(c);
    int code = check_options(c);
    if (code)
        return code;
    if (cli_device(c, &e) < 0)
        return cli_fail(&e);
    struct doctor doc = {.c = c, .d = c->device, .rows = c->json ? json_array() : NULL};
    probe_sample(&doc.state);
    struct proof proof = {.doc = &doc, .cells = c->json && c->prove ? json_array() : NULL};
    for (size_t i = 0; i < sizeof checks / sizeof *checks && !c->csv; i++)
        checks[i](&doc);
    if (c->prove)
        code = prove(&doc, &proof);
    print_all(&doc, &proof);
    return code ? code : doc.count[FAIL] ? EXIT_FAILED : EXIT_DONE;
}
