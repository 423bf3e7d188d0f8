/* The main job: request -> device -> sweep -> decision -> report -> exit code. Also `sweep` (measure only);
 * `decide` and `report` are cmd_decide.c. */
#include <math.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include <stdlib.h>
#include "base/mem.h"
#include "base/os.h"
#include "bench/budget.h"
#include "bench/place.h"
#include "bench/quant/recipe.h"
#include "bench/sweep.h"
#include "cli/job.h"
#include "reports/reports.h"

/* Without --budget an answer is due in a minute. */
static const double default_budget_s = 60, demo_budget_s = 30;

enum { MOST_LIKELY = 5 }; /* formats that are measured first */

static double seconds_since(uint64_t t0)
{
    return (double)(clock_ns() - t0) * 1e-9;
}

static void on_event(void *arg, const struct sweep_event *ev)
{
    const struct job *j = arg;
    double elapsed = seconds_since(j->t0);
    char what[160];
    snprintf(what, sizeof what, "%s, %.0f s", ev->what, elapsed);
    cli_progress(j->cli, ev->done, ev->total, what);
}

static void on_report_warning(void *arg, const char *sentence)
{
    (void)arg;
    cli_warn("%s", sentence);
}

static int keep_records(struct job *j, const struct sweep *s, struct err *e)
{
    struct record *rec = mem_resize(j->rec, (size_t)(j->n_rec + s->n) * sizeof *rec);
    if (!rec)
        return err_nomem(e, (unsigned long long)s->n * sizeof *rec, "the records");
    j->rec = rec;
    memcpy(rec + j->n_rec, s->rec, (size_t)s->n * sizeof *rec);
    j->n_rec += s->n;
    return 0;
}

static void warn_about_source(const struct cli *c, const struct model *m)
{
    bool quantized = false;
    char format[48];
    model_source_codec(&m->d, &quantized);
    recipe_of_source(format, m);
    if (quantized && !c->req.dither)
        cli_warn("%s is already %s: KLD is against that, not the original, and formats on its grid look lossless; "
                 "use an F16 file, or --dither",
                 m->d.name, format);
}

static int dither_source(const struct cli *c, struct model *m, struct err *e)
{
    bool quantized = false;
    model_source_codec(&m->d, &quantized);
    return quantized && c->req.dither ? model_dither(m, c->req.seed, e) : 0;
}

static int read_evaluation_text(struct cli *c, struct sweep_input *in, char **owned, struct err *e)
{
    *owned = NULL;
    in->text = (const char *)default_text;
    in->text_bytes = (size_t)(default_text_end - default_text);
    in->text_name = "the text shipped with whichquant";
    if (!c->text)
        return 0;
    int rc = file_read(c->text, (size_t)1 << 30, owned, &in->text_bytes, e);
    in->text = *owned;
    in->text_name = c->text;
    return rc;
}

/* The answer before anything is measured; what it says is most likely is measured first. */
static int estimate(struct decision **d, struct job *j, const struct model *m, struct sweep_input *in,
                    const char *first[MOST_LIKELY], struct err *e)
{
    struct cli *c = j->cli;
    const double known = c->device->memory.bandwidth_gb_s;
    cli_glance_at_bandwidth(c);
    int rc = matrix_estimate(d, &m->d, c->device, &c->req, e);
    c->device->memory.bandwidth_gb_s = known; /* a glance is no measurement */
    if (rc < 0)
        return rc;
    in->first = first;
    in->n_first = matrix_likely(*d, first, MOST_LIKELY);
    job_draft(j, *d, "nothing measured yet");
    return 0;
}

static void on_look(void *arg, const struct record *rec, int n)
{
    struct job *j = arg;
    struct decision *d = NULL;
    struct err e = {0};
    char stands_on[96];
    int n_formats = 0, n_chunks = 0;
    for (int i = 0; i < n; i++)
        if (rec[i].quality_from == FROM_MEASURED) {
            n_formats++;
            n_chunks = n_chunks && n_chunks < rec[i].quality.n_chunks ? n_chunks : rec[i].quality.n_chunks;
        }
    snprintf(stands_on, sizeof stands_on, "%d format%s, %d chunk%s of text, %.0f s", n_formats,
             n_formats == 1 ? "" : "s", n_chunks, n_chunks == 1 ? "" : "s", seconds_since(j->t0));
    if (matrix_decide(&d, rec, n, &j->known, j->cli->device, &j->cli->req, &e) == 0)
        job_draft(j, d, stands_on);
    decision_free(d);
}

/* ---- real frameworks ---- */

struct real {
    struct frameworks found;
    struct sweep_set set[MOST_FRAMEWORKS]; /* by container */
    int n_sets;
    bool looked;
};

static int find_frameworks(struct cli *c, struct real *r, struct err *e)
{
    const struct request *req = &c->req;
    if (r->looked || (req->no_speed && req->n_frameworks == 0))
        return 0;
    r->looked = true;
    cli_progress(c, 0, 0, "looking for frameworks");
    int rc = frameworks_find(&r->found, req, e);
    for (int x = 0; rc == 0 && exporters[x]; x++) {
        struct sweep_set *set = &r->set[r->n_sets];
        for (int i = 0; i < r->found.n; i++)
            if (framework_loads(&r->found.at[i], exporters[x]))
                set->at[set->n++] = &r->found.at[i];
        set->container = exporters[x];
        r->n_sets += set->n > 0;
    }
    return rc;
}

/* Formats that were named are all of interest, as far as the budget goes. */
static bool all_named(const struct request *req)
{
    for (int i = 0; i < req->n_formats; i++)
        if (!recipe_find(req->formats[i]))
            return false;
    return req->n_formats > 0;
}

static int row_of(const struct decision *d, const char *format)
{
    int i = 0;
    while (i < d->n_rows && strcmp(d->row[i].format, format) != 0)
        i++;
    return i;
}

/* Those with the leading formats first: what the budget does not reach is then the least loss. */
static void order_sets(struct real *r, const struct decision *d)
{
    for (int i = 1; i < r->n_sets; i++)
        for (int k = i; k > 0; k--) {
            struct sweep_set *a = &r->set[k - 1], *b = &r->set[k], keep = *a;
            if (!b->n_formats || (a->n_formats && row_of(d, a->formats[0]) <= row_of(d, b->formats[0])))
                break;
            *a = *b;
            *b = keep;
        }
}

/* The formats that lead so far, in the frameworks that load them. t0: when the budget began. */
static int measure_frameworks(struct job *j, const struct sweep_input *in, struct real *r, struct sweep *s, uint64_t t0,
                              struct err *e)
{
    const struct request *req = &j->cli->req;
    struct decision *d = NULL;
    int rc = matrix_decide(&d, s->rec, s->n, &j->known, j->cli->device, req, e), left = 0;
    for (int i = 0; rc == 0 && i < r->n_sets; i++) {
        struct sweep_set *set = &r->set[i];
        set->n_formats = matrix_contenders(d, set->container, all_named(req), set->formats, SWEEP_MOST_FORMATS);
        left += set->n_formats > 0;
    }
    if (rc == 0)
        order_sets(r, d);
    for (int i = 0; rc == 0 && i < r->n_sets && !s->interrupted; i++) {
        double left_s = budget_left_s(req->budget_s, seconds_since(t0));
        if (r->set[i].n_formats == 0)
            continue;
        rc = sweep_real(s, in, &r->set[i], budget_container_s(left_s, left, req->budget_is_default), e);
        left--;
    }
    decision_free(d);
    return rc;
}

static bool has_own_speed(const struct sweep *s, const struct model *m)
{
    for (int i = 0; i < s->n; i++)
        if (s->rec[i].speed_from == FROM_MEASURED && !strcmp(s->rec[i].model.name, m->d.name))
            return true;
    return false;
}

static int sweep_model(struct job *j, struct real *real, const char *name, struct err *e)
{
    struct cli *c = j->cli;
    struct model *m = NULL;
    struct sweep *s = NULL;
    struct calibration *calib = NULL;
    struct kv_peaks *peaks = NULL;
    char *text = NULL;
    struct request req = c->req;
    struct sweep_input in = {
        .req = &req, .device = c->device, .pool = c->pool, .store = j->store, .on_event = on_event, .arg = j};
    const char *first[MOST_LIKELY];
    struct decision *early = NULL;
    const uint64_t t0 = j->n_rec > 0 ? clock_ns() : j->t0; /* each further model has a budget of its own */
    int rc = cli_model(&m, name, e);
    if (rc == 0) {
        warn_about_source(c, m);
        rc = estimate(&early, j, m, &in, first, e);
    }
    if (!c->req.quiet && j->answers)
        in.on_look = on_look;
    if (rc == 0)
        rc = find_frameworks(c, real, e);
    if (rc == 0 && !c->req.demo)
        req.n_also =
            frameworks_usual(&real->found, c->device->cpu.arch, req.also, (int)(sizeof req.also / sizeof *req.also));
    if (rc == 0)
        rc = model_check_finite(m, e);
    if (rc == 0)
        rc = dither_source(c, m, e);
    in.model = m;
    if (rc == 0)
        rc = read_evaluation_text(c, &in, &text, e);
    snprintf(in.run_id, sizeof in.run_id, "%s", j->run_id);
    if (rc == 0)
        rc = cli_calibration(c, &calib, m, recipe_statistics(c->req.formats, c->req.n_formats), e);
    in.calib = calib;
    if (rc == 0)
        rc = cli_kv_peaks(c, &peaks, m, e);
    in.kv_peaks = peaks;
    req.budget_s =
        budget_left_s(req.budget_s, seconds_since(t0)) * (c->req.demo ? 1 : 1 - budget_real_share(real->n_sets));
    if (rc == 0)
        rc = sweep_run(&s, &in, e);
    if (rc == 0 && !s->interrupted && !c->req.no_quality)
        rc = sweep_kv(s, &in, e);
    if (rc == 0 && real->n_sets && !s->interrupted && (req.n_frameworks || has_own_speed(s, m)))
        rc = measure_frameworks(j, &in, real, s, t0, e);
    cli_progress_end(c);
    if (rc == 0)
        rc = keep_records(j, s, e);
    if (rc == 0 && s->interrupted)
        cli_warn("interrupted: the answer stands on what was measured so far; --resume goes on");
    sweep_free(s);
    decision_free(early);
    calibration_free(calib);
    kv_peaks_free(peaks);
    mem_free(text);
    model_close(m);
    return rc;
}

static const char *stdout_form(const struct cli *c)
{
    return c->json ? "json" : c->csv ? "csv" : c->md ? "md" : c->brief ? "brief" : "text";
}

static int print_report(struct cli *c, const struct report_input *in)
{
    struct err e = {0};
    struct sbuf b = {0};
    int rc = writer_find(stdout_form(c))->write(&b, in, &e);
    if (rc == 0 && b.failed)
        rc = err_nomem(&e, b.n, "the report");
    if (rc == 0)
        fwrite(sbuf_str(&b), 1, b.n, stdout);
    sbuf_free(&b);
    return rc < 0 ? cli_fail(&e) : cli_flush();
}

static int strict_code(const struct cli *c, const struct job *j, const struct decision *d)
{
    if (!c->req.strict || d->exit_code)
        return d->exit_code;
    if (!strcmp(d->verdict, "tie") || !strcmp(d->verdict, "undecided"))
        return EXIT_UNDECIDED;
    for (int i = 0; i < j->n_rec; i++)
        if (j->rec[i].status != STATUS_OK && j->rec[i].status != STATUS_UNSUPPORTED &&
            j->rec[i].status != STATUS_NOT_REACHED)
            return EXIT_SOME_FAILED;
    return EXIT_DONE;
}

void job_input(const struct job *j, const struct decision *d, struct report_input *in)
{
    const struct cli *c = j->cli;
    const char *no_color = getenv("NO_COLOR"), *term = getenv("TERM"), *lang = getenv("LC_ALL");
    if (!lang || !*lang)
        lang = getenv("LANG");
    *in = (struct report_input){
        .decision = d,
        .device = c->device,
        .target = j->target,
        .request = &c->req,
        .records = j->rec,
        .n_records = j->n_rec,
        .elapsed_s = seconds_since(j->t0),
        .verbose = c->req.verbose,
        .color = !c->no_color && isatty(1) && !(no_color && *no_color) && !getenv("CI") && term && strcmp(term, "dumb"),
        .utf8 = isatty(1) && lang && (strstr(lang, "UTF-8") || strstr(lang, "utf8")),
    };
    struct winsize w = {0};
    if (isatty(1) && ioctl(1, TIOCGWINSZ, &w) == 0)
        in->columns = w.ws_col;
}

int job_show(struct job *j, struct decision *d)
{
    struct cli *c = j->cli;
    struct err e = {0};
    struct report_input in;
    job_input(j, d, &in);
    job_clear_draft(j);
    int code = print_report(c, &in), rc = 0;
    if (c->req.out_dir)
        rc = out_write(c, &in, on_report_warning, &e);
    if (rc < 0)
        code = cli_fail(&e);
    if (code == EXIT_DONE)
        code = interrupt_seen() ? EXIT_INTERRUPTED : strict_code(c, j, d);
    return code;
}

int job_report(struct job *j)
{
    struct cli *c = j->cli;
    struct err e = {0};
    struct decision *d = NULL;
    if (matrix_decide(&d, j->rec, j->n_rec, &j->known, c->device, &c->req, &e) < 0)
        return cli_fail(&e);
    int code = job_show(j, d);
    decision_free(d);
    return code;
}

static int measure_all(struct job *j, struct err *e)
{
    struct cli *c = j->cli;
    struct real *real = mem_alloc(sizeof *real);
    int rc = real ? 0 : err_nomem(e, sizeof *real, "the frameworks");
    for (int i = 0; i < c->req.n_models && rc == 0 && !interrupt_seen(); i++)
        rc = sweep_model(j, real, c->req.models[i], e);
    mem_free(real);
    return rc;
}

static int run(struct cli *c, bool report)
{
    struct err e = {0};
    struct job j = {.cli = c, .t0 = clock_ns(), .answers = report};
    static const char *const embedded[] = {"default"};
    clock_iso8601(j.run_id);
    snprintf(j.run_id + strlen(j.run_id), sizeof j.run_id - strlen(j.run_id), "-%ld", (long)getpid());
    if (c->req.n_models == 0) {
        c->req.demo = true;
        c->req.models = embedded;
        c->req.n_models = 1;
    }
    c->req.budget_is_default = isnan(c->req.budget_s);
    if (c->req.budget_is_default)
        c->req.budget_s = c->req.demo ? demo_budget_s : default_budget_s;
    int rc = place_check(&c->req, &e);
    if (rc == 0)
        rc = cli_pool(c, &e);
    if (rc == 0 && c->req.out_dir)
        rc = out_prepare(c->req.out_dir, &e);
    if (rc == 0)
        rc = store_open(&j.store, c->req.store_path, &e);
    if (rc == 0)
        rc = factors_load(&j.known, j.store, c->device, &e);
    if (rc == 0)
        rc = measure_all(&j, &e);
    int code = rc < 0 ? cli_fail(&e) : report ? job_report(&j) : EXIT_DONE;
    store_close(j.store);
    factors_free(&j.known);
    mem_free(j.rec);
    return code;
}

static int estimate_only(struct cli *c)
{
    struct err e = {0};
    struct model *m = NULL;
    struct decision *d = NULL;
    int rc = cli_device(c, &e), code = EXIT_FAILED;
    if (rc == 0 && c->req.out_dir)
        rc = out_prepare(c->req.out_dir, &e);
    if (rc == 0)
        rc = cli_model_header(&m, c->req.n_models ? c->req.models[0] : "default", &e);
    if (rc == 0)
        rc = matrix_estimate(&d, &m->d, c->device, &c->req, &e);
    if (rc == 0) {
        struct report_input in = {.decision = d, .device = c->device, .request = &c->req, .verbose = c->req.verbose};
        code = print_report(c, &in);
        if (c->req.out_dir && (rc = out_write(c, &in, on_report_warning, &e)) < 0)
            code = cli_fail(&e);
        code = code ? code : d->exit_code;
    } else {
        code = cli_fail(&e);
    }
    decision_free(d);
    model_close(m);
    return code;
}

int cmd_run(struct cli *c)
{
    if (cli_wants_choice(c))
        return cli_choose(c);
    return c->req.estimate ? estimate_only(c) : run(c, true);
}

int cmd_sweep(struct cli *c)
{
    return run(c, false);
}
