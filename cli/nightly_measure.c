/* The measuring part of a night: sweeps in processes of their own, each with a small store that --resume goes on from;
 * then one record a cell out of all of them. */
#include <dirent.h>
#include <math.h>
#include <string.h>
#include "base/mem.h"
#include "base/os.h"
#include "base/temp.h"
#include "bench/record_merge.h"
#include "cli/nightly.h"

/* Where nobody names formats: those that most people choose between, the same every night. */
static const char *const usual_formats[] = {"gguf/q8_0", "gguf/q6_k", "gguf/q5_k_m", "gguf/q4_k_m", "gguf/q4_0"};
enum { N_USUAL = sizeof usual_formats / sizeof *usual_formats, USUAL_CHUNKS = 16 };
static const double quality_weight = 2;       /* a pass of quality, in passes of speed */
static const double slack = 3, slack_s = 300; /* how far a sweep may exceed its budget before it is stopped */
enum { MOST_ARGUMENTS = 256, MOST_PROCESSES = 64 };

double night_left_s(const struct night *n)
{
    uint64_t now = clock_ns();
    return n->end_ns > now ? (double)(n->end_ns - now) * 1e-9 : 0;
}

void night_cells_free(struct night_cells *c)
{
    mem_free(c->v);
    *c = (struct night_cells){0};
}

int night_open(struct night *n, struct err *e)
{
    static const char *const not_theirs[] = {
        "help",   "version", "json",      "csv",        "md",     "brief",    "out",      "store",         "budget",
        "resume", "quiet",   "verbose",   "no-color",   "strict", "no-speed", "estimate", "keep-workload", "no-quality",
        "format", "formats", "framework", "frameworks", "demo",   "chunks",   NULL};
    int rc = cli_device(n->cli, e);
    if (rc == 0)
        rc = cli_repeat_options(n->cli, G_ALL | G_SWEEP | G_LIMITS, not_theirs, &n->options, e);
    if (rc == 0)
        rc = store_open(&n->store, n->cli->req.store_path, e);
    return rc;
}

void night_close(struct night *n)
{
    store_close(n->store);
    cli_free_list(&n->options);
    night_cells_free(&n->cells);
    night_cells_free(&n->again);
}

/* ---- a sweep ---- */

struct arguments {
    const char *v[MOST_ARGUMENTS];
    int n;
};

static void put(struct arguments *a, const char *text)
{
    if (a->n + 1 < MOST_ARGUMENTS)
        a->v[a->n++] = text;
}

static void put_each(struct arguments *a, const char *option, const char *const *v, int n)
{
    for (int i = 0; i < n; i++) {
        put(a, option);
        put(a, v[i]);
    }
}

void night_last_sentence(char *out, size_t size, const char *text)
{
    static const char mark[] = "whichquant: ";
    const char *last = NULL;
    for (const char *p = text; (p = strstr(p, mark)); p++)
        last = p == text || p[-1] == '\n' ? p + sizeof mark - 1 : last;
    if (last)
        snprintf(out, size, "%.*s", (int)strcspn(last, "\n"), last);
    else
        text_last_line(out, size, text);
}

static int run_sweep(struct night *n, int model, const struct night_pass *p, const char *db, bool quality,
                     double budget_s, struct err *e)
{
    const struct cli *c = n->cli;
    struct arguments a = {.n = 0};
    char budget[32], chunks[16], last[480];
    snprintf(budget, sizeof budget, "%.1fs", fmax(budget_s, 1));
    snprintf(chunks, sizeof chunks, "%d", c->req.n_chunks > 0 ? c->req.n_chunks : USUAL_CHUNKS);
    const struct text_list *formats = p->formats ? p->formats : &c->formats,
                           *frameworks = p->frameworks ? p->frameworks : &c->frameworks;
    static const char *const first[] = {"/proc/self/exe", "sweep"}, *const how[] = {"--resume", "--keep-workload",
                                                                                    "-q"};
    for (int i = 0; i < 2; i++)
        put(&a, first[i]);
    put(&a, c->arg[model]);
    for (int i = 0; i < 3; i++)
        put(&a, how[i]);
    put(&a, quality ? "--no-speed" : "--no-quality");
    put_each(&a, "--store", &db, 1);
    put_each(&a, "--budget", (const char *const[]){budget}, 1);
    put_each(&a, "--chunks", (const char *const[]){chunks}, 1);
    put_each(&a, "--format", formats->n ? formats->v : usual_formats, formats->n ? formats->n : N_USUAL);
    put_each(&a, "--framework", frameworks->v, frameworks->n);
    for (int i = 0; i < n->options.n; i++)
        put(&a, n->options.v[i]);
    if (a.n + 1 >= MOST_ARGUMENTS)
        return err_set(e, ERR_LIMIT, "a command line with more than %d arguments; name fewer formats", MOST_ARGUMENTS);
    struct child_cmd cmd = {.argv = a.v, .timeout_ms = (unsigned)fmin((slack * budget_s + slack_s) * 1000, 4e9)};
    struct child_result r;
    int rc = child_run(&cmd, &r, e);
    if (rc < 0)
        return rc;
    night_last_sentence(last, sizeof last, r.err);
    if (interrupt_seen() || r.exit_code == EXIT_INTERRUPTED)
        rc = err_set(e, ERR_CANCELLED, "interrupted: the same command goes on with this night");
    else if (r.timed_out)
        rc = err_set(e, ERR_TIMEOUT, "the sweep of %s took far longer than its %s and was stopped", c->arg[model],
                     budget);
    else if (r.signal)
        rc = err_set(e, ERR_CRASHED, "the sweep of %s died of signal %d; it last said: %s", c->arg[model], r.signal,
                     last);
    else if (r.exit_code)
        rc = err_set(e, ERR_IO, "%s", last);
    child_result_free(&r);
    return rc;
}

static void file_of(char path[NIGHT_PATH], const struct night_pass *p, int model, int process)
{
    if (process)
        snprintf(path, NIGHT_PATH, "%s/%sm%d-speed%d.db", p->folder, p->prefix, model, process);
    else
        snprintf(path, NIGHT_PATH, "%s/%sm%d-quality.db", p->folder, p->prefix, model);
}

int night_run_passes(struct night *n, int model, const struct night_pass *p, struct err *e)
{
    const int n_processes = p->speed ? n->cli->n_processes : 0, first = p->quality ? 0 : 1;
    const uint64_t t0 = clock_ns();
    char path[NIGHT_PATH], what[200];
    int rc = dir_make(p->folder, e);
    for (int k = first; k <= n_processes && rc == 0; k++) {
        double left = fmax(p->budget_s - (double)(clock_ns() - t0) * 1e-9, 0);
        double mine = left * (k == 0 ? quality_weight / (quality_weight + n_processes) : 1.0 / (n_processes + 1 - k));
        file_of(path, p, model, k);
        if (k > 1 && left <= 0 && !file_exists(path))
            break; /* fewer processes this night: better than none of the next model */
        snprintf(what, sizeof what, "%s of %.100s", k ? "speed" : "quality", n->cli->arg[model]);
        cli_progress(n->cli, k + 1 - first, n_processes + 1 - first, what);
        rc = run_sweep(n, model, p, path, k == 0, mine, e);
    }
    cli_progress_end(n->cli);
    return rc;
}

/* ---- one record a cell ---- */

/* Room for one more, which counts already. */
static struct night_cell *add_cell(struct night_cells *c, struct err *e)
{
    if (c->n == c->cap) {
        int cap = c->cap ? 2 * c->cap : 64;
        struct night_cell *v = mem_resize(c->v, (size_t)cap * sizeof *v);
        if (!v) {
            err_nomem(e, (size_t)cap * sizeof *v, "the cells of a night");
            return NULL;
        }
        c->v = v;
        c->cap = cap;
    }
    return &c->v[c->n++];
}

struct reading {
    struct night_cells found; /* a record a process */
    int model;
    struct err *e;
};

static int take_record(void *arg, const struct record *r)
{
    struct reading *x = arg;
    struct night_cell *c = add_cell(&x->found, x->e);
    if (!c)
        return ERR_NOMEM;
    c->r = *r;
    c->model = x->model;
    return 0;
}

static int read_stores(struct reading *x, const char *folder, const char *prefix)
{
    DIR *d = opendir(folder);
    char path[NIGHT_PATH], start[64];
    int rc = 0;
    snprintf(start, sizeof start, "%sm%%d-", prefix);
    for (struct dirent *f; d && rc == 0 && (f = readdir(d));) {
        size_t n = strlen(f->d_name);
        if (n < 4 || strcmp(f->d_name + n - 3, ".db") != 0 || sscanf(f->d_name, start, &x->model) != 1)
            continue;
        snprintf(path, sizeof path, "%.3500s/%.300s", folder, f->d_name);
        struct store *s;
        rc = store_open(&s, path, x->e);
        if (rc == 0) {
            rc = store_each(s, NULL, NULL, take_record, x, x->e);
            store_close(s);
        }
    }
    if (d)
        closedir(d);
    return rc;
}

static bool same_cell(const struct record *a, const struct record *b)
{
    return !strcmp(a->cell_id, b->cell_id) && !strcmp(a->env_sha256, b->env_sha256);
}

static int merge_cell(struct night_cells *out, const struct record *const *rec, int n, int model, const char *run_id,
                      struct err *e)
{
    struct night_cell *c = add_cell(out, e);
    if (!c)
        return ERR_NOMEM;
    record_merge(&c->r, rec, n);
    memset(c->r.run_id, 0, sizeof c->r.run_id);
    snprintf(c->r.run_id, sizeof c->r.run_id, "%s", run_id);
    record_cell_key(&c->r, c->key);
    c->model = model;
    return 0;
}

int night_collect(struct night_cells *out, const char *folder, const char *prefix, const char *run_id, struct err *e)
{
    struct reading x = {.e = e};
    int rc = read_stores(&x, folder, prefix);
    const struct night_cell *v = x.found.v;
    for (int i = 0; i < x.found.n && rc == 0; i++) {
        const struct record *of[MOST_PROCESSES];
        int n_of = 0;
        bool seen = false;
        for (int k = 0; k < i && !seen; k++)
            seen = same_cell(&v[k].r, &v[i].r);
        for (int k = i; k < x.found.n && !seen; k++)
            if (same_cell(&v[k].r, &v[i].r) && n_of < MOST_PROCESSES)
                of[n_of++] = &v[k].r;
        if (!seen)
            rc = merge_cell(out, of, n_of, v[i].model, run_id, e);
    }
    night_cells_free(&x.found);
    return rc;
}

/* A night's record in the store already? Its runs again ("+1") are later than itself. */
static bool is_of_run(const char *run_id, const char *of)
{
    size_t n = strlen(of);
    return !strncmp(run_id, of, n) && (run_id[n] == 0 || run_id[n] == '+');
}

/* Into the store, but for what is there already; *n_there counts that. */
static int keep_cells(struct night *n, struct night_cells *c, const char *run_id, int *n_there, struct err *e)
{
    struct record *there = mem_alloc(sizeof *there);
    int rc = there ? 0 : err_nomem(e, sizeof *there, "a record");
    for (int i = 0; i < c->n && rc == 0; i++) {
        rc = store_find(n->store, c->v[i].r.cell_id, c->v[i].r.env_sha256, there, e);
        if (rc > 0 && is_of_run(there->run_id, run_id)) {
            ++*n_there;
            rc = 0;
            continue;
        }
        *n_there += rc > 0 && strcmp(there->date, c->v[i].r.date) > 0; /* a later night's: this one is there or late */
        if (rc >= 0 && c->v[i].r.status != STATUS_NOT_REACHED)
            rc = store_put(n->store, &c->v[i].r, e);
        rc = rc > 0 ? 0 : rc;
    }
    mem_free(there);
    return rc;
}

/* Has the night's measuring ended before, so that some of it is in the store? */
static int was_kept(struct night *n, const char *folder, const char *run_id, struct err *e)
{
    struct night_cells c = {0};
    struct record *there = mem_alloc(sizeof *there);
    int rc = there ? night_collect(&c, folder, "", run_id, e) : err_nomem(e, sizeof *there, "a record");
    bool kept = false;
    for (int i = 0; i < c.n && rc >= 0 && !kept; i++) {
        rc = store_find(n->store, c.v[i].r.cell_id, c.v[i].r.env_sha256, there, e);
        kept = rc > 0 && is_of_run(there->run_id, run_id);
    }
    night_cells_free(&c);
    mem_free(there);
    return rc < 0 ? rc : kept;
}

int night_measure(struct night *n, const char *id, double budget_s, struct err *e)
{
    const struct request *req = &n->cli->req;
    char folder[NIGHT_PATH], run_id[48];
    const uint64_t t0 = clock_ns();
    int n_there = 0, n_models = n->cli->n_args;
    snprintf(folder, sizeof folder, "%.3000s/%s", n->data, id);
    snprintf(run_id, sizeof run_id, "nightly-%s", id);
    int rc = was_kept(n, folder, run_id, e);
    bool measured = rc > 0;
    for (int m = 0; m < n_models && rc >= 0 && !measured; m++) {
        double left = fmax(budget_s - (double)(clock_ns() - t0) * 1e-9, 0) / (n_models - m);
        struct night_pass p = {
            .folder = folder, .prefix = "", .quality = !req->no_quality, .speed = !req->no_speed, .budget_s = left};
        struct err why = {0};
        rc = night_run_passes(n, m, &p, &why);
        if (rc == ERR_CANCELLED)
            return err_set(e, rc, "%s", why.text);
        if (rc < 0) { /* the others are measured all the same */
            cli_warn("%s", why.text);
            n->any_failed = true;
            rc = 0;
        }
    }
    night_cells_free(&n->cells);
    if (rc >= 0)
        rc = night_collect(&n->cells, folder, "", run_id, e);
    if (rc == 0)
        rc = keep_cells(n, &n->cells, run_id, &n_there, e);
    if (rc == 0 && n_there && !req->quiet)
        fprintf(stderr, "night %s: %d of %d cells were measured before and are not measured again\n", id, n_there,
                n->cells.n);
    return rc;
}

int64_t night_since(const struct night *n)
{
    int64_t since = 0;
    for (int i = 0; i < n->cells.n; i++) {
        int64_t t;
        const struct record *r = &n->cells.v[i].r;
        if (r->status == STATUS_OK && clock_parse(r->date, &t) && (since == 0 || t < since))
            since = t;
    }
    return since;
}

int night_take_up(struct night *n, struct err *e)
{
    DIR *d = opendir(n->data);
    int rc = 0;
    for (struct dirent *f; d && rc == 0 && (f = readdir(d));) {
        char folder[NIGHT_PATH], run_id[48];
        size_t n_id = strlen(n->id);
        bool tonight = !strncmp(f->d_name, n->id, n_id) && (f->d_name[n_id] == 0 || f->d_name[n_id] == '~');
        snprintf(folder, sizeof folder, "%.3000s/%.200s", n->data, f->d_name);
        if (f->d_name[0] == '.' || tonight || !dir_exists(folder))
            continue;
        struct night_cells c = {0};
        int n_there = 0;
        snprintf(run_id, sizeof run_id, "nightly-%.38s", f->d_name);
        rc = night_collect(&c, folder, "", run_id, e);
        if (rc == 0)
            rc = keep_cells(n, &c, run_id, &n_there, e);
        if (rc == 0 && c.n > n_there && !n->cli->req.quiet)
            fprintf(stderr, "night %s was cut off: the %d cells that it had measured are kept\n", f->d_name,
                    c.n - n_there);
        if (rc == 0)
            temp_remove(folder);
        night_cells_free(&c);
    }
    if (d)
        closedir(d);
    return rc;
}
