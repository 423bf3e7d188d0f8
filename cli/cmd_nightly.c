/* nightly: sweep, gate and dashboard in one command for cron and systemd timers (docs/NIGHTLY.md). */
#include <math.h>
#include <string.h>
#include <time.h>
#include "base/mem.h"
#include "base/os.h"
#include "cli/gate.h"
#include "cli/nightly.h"

static const double usual_budget_s = 3600, measure_share = 0.6; /* the rest is for suspicious cells */
enum { USUAL_PROCESSES = 5, USUAL_KEEP = 30, CLOCK_SLACK_S = 3600 };

/* Of a folder beside the lock, and of one beside the link to the newest. */
static bool is_name(const char *s)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.";
    return *s && *s != '.' && strlen(s) <= 24 && strspn(s, letters) == strlen(s) && strcmp(s, "lock") != 0 &&
           strcmp(s, "latest") != 0;
}

static int take_options(struct night *n, struct err *e)
{
    struct cli *c = n->cli;
    time_t now = (time_t)clock_seconds();
    struct tm tm;
    localtime_r(&now, &tm); /* people name nights by their own calendar */
    strftime(n->id, sizeof n->id, "%Y-%m-%d", &tm);
    if (c->night && !is_name(c->night))
        return err_set(e, ERR_USAGE,
                       "--night %.40s: give at most 24 letters, digits, dots and dashes, not lock or latest", c->night);
    if (c->night)
        snprintf(n->id, sizeof n->id, "%s", c->night);
    if (isnan(c->req.budget_s))
        c->req.budget_s = usual_budget_s;
    c->n_processes = c->n_processes > 0 ? c->n_processes : USUAL_PROCESSES;
    c->keep = c->keep > 0 ? c->keep : USUAL_KEEP;
    if (c->n_processes > 60 || c->n_baseline > 99)
        return err_set(e, ERR_USAGE, "at most 60 --processes and 99 --baseline-now");
    if (c->req.no_speed && c->req.no_quality)
        return err_set(e, ERR_USAGE, "--no-speed and --no-quality leave nothing to measure");
    n->end_ns = clock_ns() + (uint64_t)(c->req.budget_s * 1e9);
    return 0;
}

/* ---- the clock ---- */

static int found_later(void *arg, const struct series *x)
{
    int64_t *latest = arg, t = x->n ? x->p[x->n - 1].time : 0;
    *latest = t > *latest ? t : *latest;
    return 0;
}

/* A board without a clock that remembers starts in the past: what it measures then would stand among old nights. */
static int check_clock(struct night *n, struct err *e)
{
    char now[32], then[32];
    int64_t t = clock_seconds(), latest = 0;
    struct series_filter f = {.env_sha256 = n->cli->device->env_sha256, .since = t + CLOCK_SLACK_S, .newest = 1};
    int rc = series_each(n->store, &f, found_later, &latest, e);
    if (rc < 0 || latest == 0)
        return rc;
    return err_set(e, ERR_DATA,
                   "the clock says %s, but this machine's newest run in the store is of %s: set the clock; nothing was "
                   "measured",
                   clock_format(now, t), clock_format(then, latest));
}

/* ---- what is written ---- */

static int write_records(const struct night *n, const char *dir, struct err *e)
{
    struct sbuf b = {0};
    char path[NIGHT_PATH + 32];
    const struct night_cells *part[] = {&n->cells, &n->again};
    for (int k = 0; k < 2; k++)
        for (int i = 0; i < part[k]->n; i++) {
            json_t *j = record_to_json(&part[k]->v[i].r);
            b.failed |= !j;
            if (j)
                json_print(&b, j, 0);
            sbuf_putc(&b, '\n');
            json_decref(j);
        }
    snprintf(path, sizeof path, "%s/records.jsonl", dir);
    int rc = b.failed ? err_nomem(e, b.n, path) : file_write(path, sbuf_str(&b), b.n, e);
    sbuf_free(&b);
    return rc;
}

/* In a process of its own: what the page takes is no matter of the night's. */
static int write_dashboard(const struct night *n, const char *dir, struct err *e)
{
    char path[NIGHT_PATH + 32], last[400];
    snprintf(path, sizeof path, "%s/dashboard.html", dir);
    const char *const argv[] = {"/proc/self/exe",
                                "dashboard",
                                "--store",
                                n->cli->req.store_path ? n->cli->req.store_path : store_path(n->store),
                                "-o",
                                path,
                                "-q",
                                NULL};
    struct child_result r;
    int rc = child_run(&(struct child_cmd){.argv = argv, .timeout_ms = 600000}, &r, e);
    if (rc < 0)
        return rc;
    night_last_sentence(last, sizeof last, r.err);
    if (r.exit_code != 0)
        rc = err_set(e, ERR_IO, "no dashboard tonight: %s", last);
    child_result_free(&r);
    return rc;
}

/* Said, and part of the exit code; the gate's word stands all the same. */
static void note_failure(struct night *n, int rc, const struct err *e)
{
    if (rc == 0)
        return;
    cli_warn("%s", e->text);
    n->any_failed = true;
}

static void write_night(struct night *n, struct night_out *out)
{
    struct err e = {0};
    note_failure(n, write_records(n, out->temp, &e), &e);
    note_failure(n, write_dashboard(n, out->temp, &e), &e);
    int rc = night_out_commit(out, n->id, n->cli->keep, &e);
    note_failure(n, rc, &e);
    if (rc == 0 && !n->cli->req.quiet)
        fprintf(stderr, "night %s: %s/latest/\n", n->id, out->dir);
}

/* ---- the night ---- */

static int judge(struct night *n, int *code, struct err *e)
{
    struct cli *c = n->cli;
    struct gate_policy p;
    struct gate_hooks hooks = {.rerun = night_rerun, .arg = n};
    struct night_out out = {.dir = ""};
    int rc = cli_gate_policy(c, &p, e);
    p.since = night_since(n);
    n->n_turns = p.n_reruns;
    if (rc == 0 && p.since == 0)
        rc = err_set(e, ERR_DATA, "nothing was measured tonight, so there is nothing to judge");
    if (rc == 0 && c->req.out_dir)
        rc = night_out_open(&out, c->req.out_dir, e);
    if (rc < 0)
        return rc;
    const bool quiet = c->req.quiet;
    c->req.quiet = true; /* the folder has another name when it is complete */
    *code = cli_gate(c, n->store, &p, &hooks, stdout, *out.temp ? out.temp : NULL);
    c->req.quiet = quiet;
    rc = night_keep_reruns(n, e);
    if (rc == 0 && *code != EXIT_FAILED)
        rc = night_find_changes(n, p.min_effect, e);
    if (*out.temp && *code != EXIT_FAILED && rc == 0)
        write_night(n, &out);
    night_out_abort(&out);
    return rc;
}

/* So that a fresh machine has what nights are compared with. */
static int measure_baseline(struct night *n, struct err *e)
{
    int rc = 0;
    for (int i = 0; i < n->cli->n_baseline && rc == 0; i++) {
        char id[sizeof n->id + 16];
        snprintf(id, sizeof id, "%s~b%d", n->id, i + 1);
        if (!n->cli->req.quiet)
            fprintf(stderr, "baseline: run %d of %d\n", i + 1, n->cli->n_baseline);
        rc = night_measure(n, id, night_left_s(n) / (n->cli->n_baseline - i + 1), e);
    }
    return rc;
}

static int whole_night(struct night *n, int *code, struct err *e)
{
    int rc = take_options(n, e);
    if (rc == 0)
        rc = night_lock(n, e);
    if (rc == 0)
        rc = night_open(n, e);
    if (rc == 0)
        rc = check_clock(n, e);
    if (rc == 0)
        rc = night_take_up(n, e);
    if (rc == 0)
        rc = measure_baseline(n, e);
    if (rc == 0)
        rc = night_measure(n, n->id, night_left_s(n) * measure_share, e);
    return rc == 0 ? judge(n, code, e) : rc;
}

int cmd_nightly(struct cli *c)
{
    struct err e = {0};
    struct night n = {.cli = c, .lock = -1};
    int code = EXIT_DONE, rc = whole_night(&n, &code, &e);
    if (rc < 0)
        code = cli_fail(&e);
    else if (interrupt_seen())
        code = EXIT_INTERRUPTED;
    else if (code == EXIT_DONE && n.any_failed)
        code = EXIT_FAILED;
    night_close(&n);
    night_unlock(&n);
    return code;
}
