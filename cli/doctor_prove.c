/* doctor --prove: every framework x format x ISA path as a cell of its own child. What is to be run is listed first;
 * then each cell runs to whatever end, within limits of time and memory, and nothing is left of it. */
#include "cli/doctor_prove.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "base/mem.h"
#include "base/os.h"
#include "base/temp.h"
#include "bench/runners/artifact.h"

enum { USUAL_TIMEOUT_MS = 120000, USUAL_THREADS = 2 };
static const double usual_memory = 4 * 0x1p30, most_of_free = 0.75;

struct todo {
    struct cli *c;
    struct model *model;
    struct prove_cell *cell;
    int n, cap;
    bool *used; /* [n_kernels] packed kernels of this CPU that the cells of the own engine run */
    int n_paths;
    struct prove_path path[PROVE_MOST_PATHS];
};

/* ---- the list ---- */

static struct prove_cell *add(struct todo *t, const char *framework, const char *format, const char *isa, struct err *e)
{
    if (t->n == t->cap) {
        int cap = t->cap ? 2 * t->cap : 64;
        struct prove_cell *more = mem_resize(t->cell, (size_t)cap * sizeof *more);
        if (!more) {
            err_nomem(e, (unsigned long long)cap * sizeof *more, "the list of cells");
            return NULL;
        }
        t->cell = more;
        t->cap = cap;
    }
    prove_cell_init(&t->cell[t->n], framework, format, isa);
    return &t->cell[t->n++];
}

static bool wanted(const struct cli *c, const char *framework)
{
    bool any = c->frameworks.n == 0;
    for (int i = 0; i < c->frameworks.n && !any; i++)
        any = strcmp(c->frameworks.v[i], framework) == 0;
    return any;
}

/* A path counts where it brings a kernel that was not there yet: with --format, of the same format. */
static int add_own_format(struct todo *t, const struct recipe *r, bool first, struct err *e)
{
    bool *used = t->used;
    struct err why = {0};
    int n = 0;
    if (t->c->formats.n && !(used = mem_alloc_n((size_t)n_kernels, sizeof *used)))
        return err_nomem(e, (unsigned long long)n_kernels, "the table of kernels");
    for (int i = 0; i < t->n_paths && n >= 0; i++) {
        n = prove_kernels(used, t->model, r, t->path[i].mask, &why);
        if ((n > 0 || (first && i == 0)) && !add(t, "own", r->name, t->path[i].isa, e))
            n = ERR_NOMEM;
    }
    for (int i = 0; i < n_kernels && used != t->used; i++)
        t->used[i] |= used[i];
    if (used != t->used)
        mem_free(used);
    if (n >= 0 || n == ERR_NOMEM || !t->c->formats.n)
        return n == ERR_NOMEM ? n : 0;
    struct prove_cell *cell = add(t, "own", r->name, "native", e);
    if (cell)
        prove_fail(cell, n, why.text);
    return cell ? 0 : ERR_NOMEM;
}

/* Calls one(t, framework, recipe) for each of --format: names, variants and groups. */
static int each_format(struct todo *t, const struct runner *runner,
                       int (*one)(struct todo *, const struct runner *, const struct recipe *, struct err *),
                       struct err *e)
{
    int rc = 0;
    for (int i = 0; i < t->c->formats.n && rc == 0; i++) {
        const char *name = t->c->formats.v[i];
        bool group = false;
        for (int k = 0; k < n_recipes && rc == 0; k++)
            if (recipe_in_group(&recipes[k], name)) {
                group = true;
                rc = one(t, runner, &recipes[k], e);
            }
        struct recipe r;
        if (!group && (rc = recipe_resolve(&r, name, e)) == 0)
            rc = one(t, runner, &r, e);
    }
    return rc;
}

static int add_own_named(struct todo *t, const struct runner *runner, const struct recipe *r, struct err *e)
{
    (void)runner;
    return add_own_format(t, r, true, e);
}

static int list_own(struct todo *t, struct err *e)
{
    int rc = 0;
    if (!wanted(t->c, "own"))
        return 0;
    if (t->c->formats.n)
        return each_format(t, NULL, add_own_named, e);
    for (int i = 0; i < n_recipes && rc == 0; i++)
        rc = add_own_format(t, &recipes[i], i == 0, e);
    return rc;
}

/* As the framework itself chooses its instructions, then by each order that it takes. */
static int add_paths(struct todo *t, const char *framework, const char *format, struct err *e)
{
    const struct prove_knob *k;
    if (!add(t, framework, format, "native", e))
        return ERR_NOMEM;
    for (int state = 0; (k = prove_knob(framework, &state));)
        if (!add(t, framework, format, k->isa, e))
            return ERR_NOMEM;
    return 0;
}

/* What a framework cannot load is no cell, unless just that was asked for. */
static int add_named(struct todo *t, const struct runner *runner, const struct recipe *r, struct err *e)
{
    struct err why = {0};
    if (artifact_check(runner, r, &why) == 0)
        return add_paths(t, runner->name, r->name, e);
    struct prove_cell *cell = t->c->frameworks.n ? add(t, runner->name, r->name, "native", e) : NULL;
    if (cell)
        prove_fail(cell, ERR_UNSUPPORTED, why.text);
    return cell || !t->c->frameworks.n ? 0 : ERR_NOMEM;
}

static int add_usual(struct todo *t, const struct runner *runner, const struct runner_info *info, struct err *e)
{
    const char *list, *says = *info->containers ? info->containers : "gguf", /* one on PATH */
                          *containers = runner->containers ? runner->containers : says;
    int rc = 0;
    for (int state = 0; rc == 0 && (list = prove_formats(containers, &state));)
        for (; *list && rc == 0; list += strcspn(list, ","), list += *list == ',') {
            char name[64];
            snprintf(name, sizeof name, "%.*s", (int)strcspn(list, ","), list);
            const struct recipe *r = recipe_find(name);
            rc = r ? add_paths(t, runner->name, r->name, e) : err_set(e, ERR_USAGE, "prove.def names %s", name);
        }
    return rc;
}

/* Servers that are there already take no artifact of ours: nothing of theirs can be proved. */
static int list_framework(struct todo *t, const struct runner *runner, struct err *e)
{
    struct runner_info info = {0};
    struct err why = {0};
    if (!runner->real || runner->served || !wanted(t->c, runner->name))
        return 0;
    int rc = runner->detect(runner, &info, &why);
    if (rc == ERR_CANCELLED)
        return err_set(e, rc, "%s", why.text);
    if (rc == 0 && info.found && runner->own_files)
        rc = err_set(&why, ERR_UNSUPPORTED, "its model files are made by nobody else: there is none to give it");
    if (rc == 0 && info.found)
        return t->c->formats.n ? each_format(t, runner, add_named, e) : add_usual(t, runner, &info, e);
    struct prove_cell *cell = add(t, runner->name, "", "", e);
    if (!cell)
        return ERR_NOMEM;
    prove_fail(cell, rc < 0 ? rc : ERR_MISSING, rc < 0 ? why.text : info.note[0] ? info.note : "not found");
    return 0;
}

static int list_all(struct todo *t, struct err *e)
{
    const struct runner *r;
    int rc = 0;
    for (int i = 0; i < t->c->frameworks.n && rc == 0; i++)
        rc = runner_named(&r, t->c->frameworks.v[i], e);
    if (rc == 0)
        rc = list_own(t, e);
    for (int i = 0; runners[i] && rc == 0; i++)
        rc = list_framework(t, runners[i], e);
    for (int state = 0; rc == 0 && (r = runner_on_path(&state));)
        rc = list_framework(t, r, e);
    return rc;
}

/* ---- one cell ---- */

static struct prove_limits limits(const struct cli *c)
{
    struct probe_state now;
    double bytes = usual_memory;
    probe_sample(&now);
    if (now.available_bytes > 0 && bytes > most_of_free * (double)now.available_bytes)
        bytes = most_of_free * (double)now.available_bytes;
    return (struct prove_limits){
        .timeout_ms = c->cell_timeout_s > 0 ? (unsigned)fmin(c->cell_timeout_s * 1e3, 4e9) : USUAL_TIMEOUT_MS,
        .max_memory_bytes = c->req.memory_bytes > 0 ? (uint64_t)c->req.memory_bytes : (uint64_t)bytes};
}

static int run_cell(const struct todo *t, struct prove_cell *cell, const struct prove_limits *l, struct err *e)
{
    const struct request *req = &t->c->req;
    char threads[16];
    snprintf(threads, sizeof threads, "%d",
             req->find_threads && req->threads > USUAL_THREADS ? USUAL_THREADS : req->threads);
    const char *const argv[] = {"/proc/self/exe", "doctor", "--prove-cell", "--framework", cell->framework, "--format",
                                cell->format,     "--isa",  cell->isa,      "-t",          threads,         NULL};
    return prove_run(cell, argv, l, e);
}

/* Its files go where nothing of them is left, whatever becomes of it. */
static int run_in_folder(const struct todo *t, struct prove_cell *cell, const struct prove_limits *l, struct err *e)
{
    char folder[TEMP_PATH], *before = getenv("TMPDIR") ? mem_strdup(getenv("TMPDIR")) : NULL;
    int rc = temp_dir(folder, "prove", e);
    if (rc == 0) {
        setenv("TMPDIR", folder, 1);
        rc = run_cell(t, cell, l, e);
        temp_remove(folder);
    }
    if (before)
        setenv("TMPDIR", before, 1);
    else
        unsetenv("TMPDIR");
    mem_free(before);
    return rc;
}

static int run_all(struct todo *t, void (*on_cell)(void *arg, const struct prove_cell *cell), void *arg, struct err *e)
{
    const struct prove_limits l = limits(t->c);
    int rc = 0;
    for (int i = 0; i < t->n && rc == 0; i++) {
        struct prove_cell *cell = &t->cell[i];
        char what[128];
        snprintf(what, sizeof what, "%s %s %s", cell->framework, cell->format, cell->isa);
        cli_progress(t->c, i, t->n, what);
        if (cell->status == STATUS_OK)
            rc = run_in_folder(t, cell, &l, e);
        cli_progress_end(t->c);
        if (rc == 0)
            on_cell(arg, cell);
    }
    return rc;
}

int doctor_prove(struct cli *c, void (*on_cell)(void *arg, const struct prove_cell *cell), void *arg,
                 struct prove_coverage *all, struct err *e)
{
    struct todo t = {.c = c};
    t.used = mem_alloc_n((size_t)n_kernels, sizeof *t.used);
    int rc = t.used ? cli_device(c, e) : err_nomem(e, (unsigned long long)n_kernels, "the table of kernels");
    if (rc == 0)
        rc = cli_model(&t.model, "default", e);
    if (rc == 0) {
        t.n_paths = prove_paths(t.path, c->req.isa);
        rc = list_all(&t, e);
    }
    if (rc == 0)
        rc = run_all(&t, on_cell, arg, e);
    if (rc == 0)
        prove_cover(all, t.cell, t.n, c->req.isa);
    mem_free(t.used);
    mem_free(t.cell);
    model_close(t.model);
    return rc;
}
