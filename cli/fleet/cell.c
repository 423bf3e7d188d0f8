/* The steps of `fleet run-cell`. */
#include "cli/fleet/cell.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/mem.h"
#include "base/os.h"
#include "base/temp.h"
#include "bench/fleet/parts.h"
#include "bench/fleet/sign.h"
#include "bench/store.h"

enum { MOST_ARGV = 48, POLL_MS = 200 };
static const double usual_timeout_s = 1800;

/* At most what fits a child's milliseconds. */
static double timeout_s(const struct cell_run *r)
{
    double planned = json_get_num(r->plan.json, "timeout_s");
    return fmin(r->c->cell_timeout_s > 0 ? r->c->cell_timeout_s : planned > 0 ? planned : usual_timeout_s, 4e6);
}

/* ---- one at a time ---- */

static int wait_for_lock(const struct cell_run *r, struct err *e)
{
    const uint64_t end_ns = clock_ns() + (uint64_t)((timeout_s(r) + 60) * 1e9);
    bool said = r->c->req.quiet;
    while (flock(r->lock, LOCK_EX | LOCK_NB) < 0) {
        if (errno != EWOULDBLOCK && errno != EINTR)
            return err_set(e, ERR_IO, "cannot lock this machine for one cell at a time: %s", strerror(errno));
        if (interrupt_seen())
            return err_set(e, ERR_CANCELLED, "interrupted");
        if (clock_ns() > end_ns)
            return err_set(e, ERR_TIMEOUT,
                           "another cell has been running on this machine for too long; look for a "
                           "whichquant that hangs");
        if (!said)
            fprintf(stderr, "another cell runs on this machine: waiting for it\n");
        said = true;
        clock_sleep_ms(POLL_MS);
    }
    return 0;
}

/* The name is known beforehand, so that what a killed run left is found and removed. */
static int make_work_folder(struct cell_run *r, struct err *e)
{
    if (snprintf(r->work, sizeof r->work, "%s/whichquant-fleet-%u-%.8s", temp_folder(), (unsigned)getuid(),
                 r->machine.id) >= (int)sizeof r->work) {
        r->work[0] = 0; /* its beginning is some other folder */
        return err_set(e, ERR_LIMIT, "TMPDIR is too long a name; set a shorter one");
    }
    temp_remove(r->work);
    if (mkdir(r->work, 0700) == 0)
        return 0;
    int rc = err_set(e, ERR_IO, "cannot make %s: %s; set TMPDIR", r->work, strerror(errno));
    r->work[0] = 0;
    return rc;
}

int cell_lock(struct cell_run *r, struct err *e)
{
    char folder[3600], path[3700];
    r->lock = -1;
    int rc = fleet_state_folder(folder, e);
    if (rc < 0)
        return rc;
    snprintf(path, sizeof path, "%s/cell-%.8s.lock", folder, r->machine.id);
    r->lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (r->lock < 0)
        return err_set(e, ERR_IO, "cannot open %s: %s", path, strerror(errno));
    rc = wait_for_lock(r, e);
    return rc < 0 ? rc : make_work_folder(r, e);
}

void cell_unlock(struct cell_run *r)
{
    temp_remove(r->work);
    if (r->lock >= 0)
        close(r->lock);
    r->lock = -1;
}

/* ---- measuring ---- */

static int add_record(struct cell_run *r, const struct record *rec, struct err *e)
{
    json_t *o = record_to_json(rec);
    if (!o || json_array_append_new(r->records, o) < 0)
        return err_nomem(e, sizeof *rec, "a record");
    if (json_array_size(r->records) == 1 || rec->status == STATUS_OK) {
        snprintf(r->status, sizeof r->status, "%s", record_status_name(rec->status));
        snprintf(r->why, sizeof r->why, "%s", rec->status == STATUS_OK ? "" : rec->reason);
    }
    return 0;
}

struct taking {
    struct cell_run *run;
    struct err *e;
};

static int take_record(void *arg, const struct record *rec)
{
    struct taking *t = arg;
    if (!rec->model.synthesized && strcmp(rec->model.sha256, t->run->model->sha256) != 0)
        return err_set(t->e, ERR_FORMAT, "the model's file changed while it was measured");
    return add_record(t->run, rec, t->e);
}

static int begin_records(struct cell_run *r, struct err *e)
{
    json_decref(r->records);
    r->records = json_array();
    return r->records ? 0 : err_nomem(e, 64, "the records");
}

int cell_without_figures(struct cell_run *r, enum record_status status, const char *why, struct err *e)
{
    struct record *rec = mem_alloc(sizeof *rec);
    int rc = rec ? begin_records(r, e) : err_nomem(e, sizeof *rec, "a record");
    if (rc == 0) {
        record_init(rec);
        record_begin(rec, "", r->c->device);
        snprintf(rec->run_id, sizeof rec->run_id, "%s-%ld", rec->date, (long)getpid());
        snprintf(rec->model.name, sizeof rec->model.name, "%s", r->model->name);
        snprintf(rec->model.sha256, sizeof rec->model.sha256, "%s", r->model->sha256);
        snprintf(rec->format.name, sizeof rec->format.name, "%s", r->cell->format);
        snprintf(rec->framework.name, sizeof rec->framework.name, "%s", r->cell->framework);
        rec->status = status;
        snprintf(rec->reason, sizeof rec->reason, "%s", why);
        record_cell_id(rec);
        rc = add_record(r, rec, e);
    }
    mem_free(rec);
    return rc;
}

static int make_argv(const struct cell_run *r, const char *program, const char *store, const char *argv[MOST_ARGV],
                     struct err *e)
{
    size_t n = 0, n_cell = json_array_size(r->cell->argv);
    if (n_cell + 6 > MOST_ARGV)
        return err_set(e, ERR_FORMAT, "the cell's command line is too long");
    argv[n++] = program;
    for (size_t i = 0; i < n_cell; i++) {
        const char *word = json_string_value(json_array_get(r->cell->argv, i));
        argv[n++] = strcmp(word, "{model}") == 0 ? r->model_path : word;
    }
    argv[n++] = "--store";
    argv[n++] = store;
    argv[n++] = "-q";
    argv[n] = NULL;
    return 0;
}

/* How it ended, where it left no records. */
static int say_how_it_ended(struct cell_run *r, const struct child_result *ran, struct err *e)
{
    char last[160], why[256];
    text_last_line(last, sizeof last, ran->err);
    enum record_status status = STATUS_FAILED;
    if (ran->too_large) {
        status = STATUS_CANNOT_RUN;
        snprintf(why, sizeof why, "takes more than %.2f GiB of memory", (double)r->memory_bytes / 0x1p30);
    } else if (ran->timed_out) {
        status = STATUS_TIMED_OUT;
        snprintf(why, sizeof why, "not done after %.0f s", timeout_s(r));
    } else if (ran->signal == SIGKILL) {
        status = STATUS_CRASHED;
        snprintf(why, sizeof why, "killed by the system (signal 9), most likely for lack of memory");
    } else if (ran->signal) {
        status = STATUS_CRASHED;
        snprintf(why, sizeof why, "crashed (signal %d); it said: %s", ran->signal, last);
    } else {
        const char *said = strncmp(last, "whichquant: ", 12) ? last : last + 12;
        snprintf(why, sizeof why, "exit code %d: %s", ran->exit_code, said);
    }
    return cell_without_figures(r, status, why, e);
}

static int take_records(struct cell_run *r, const char *path, struct err *e)
{
    struct store *s = NULL;
    struct taking t = {.run = r, .e = e};
    int rc = begin_records(r, e);
    if (rc == 0 && file_exists(path))
        rc = store_open(&s, path, e);
    if (s)
        rc = store_each(s, NULL, NULL, take_record, &t, e);
    store_close(s);
    return rc;
}

int cell_measure(struct cell_run *r, struct err *e)
{
    char store[420];
    const char *argv[MOST_ARGV], *self = getenv("WHICHQUANT_SELF");
    struct child_result ran = {0};
    const struct child_cmd cmd = {
        .argv = argv, .timeout_ms = (unsigned)(timeout_s(r) * 1e3), .max_memory_bytes = r->memory_bytes};
    snprintf(store, sizeof store, "%s/store.db", r->work);
    int rc = make_argv(r, self ? self : "/proc/self/exe", store, argv, e); /* its file may be another by now */
    setenv("TMPDIR", r->work, 1); /* what the child leaves there is removed, whatever becomes of it */
    if (rc == 0)
        rc = child_run(&cmd, &ran, e);
    if (rc == 0 && interrupt_seen())
        rc = err_set(e, ERR_CANCELLED, "interrupted: this cell has no result");
    if (rc == 0)
        rc = take_records(r, store, e);
    if (rc == 0 && json_array_size(r->records) == 0)
        rc = say_how_it_ended(r, &ran, e);
    child_result_free(&ran);
    return rc;
}

/* ---- writing ---- */

/* Signed beside, before either has its final name: a result never stands there unsigned. */
static int write_signature(const struct cell_run *r, const char *name, const struct sbuf *text, struct err *e)
{
    char path[520], to[4500], *sig = NULL;
    size_t n;
    snprintf(path, sizeof path, "%s/%s", r->work, name);
    int rc = file_write(path, text->p, text->n, e);
    if (rc == 0)
        rc = fleet_sign(path, r->c->fleet.sign_key, e);
    strcat(path, ".sig");
    if (rc == 0)
        rc = file_read(path, 1 << 16, &sig, &n, e);
    snprintf(to, sizeof to, "%s.sig", r->path);
    if (rc == 0)
        rc = file_write(to, sig, n, e);
    mem_free(sig);
    return rc;
}

int cell_write(struct cell_run *r, struct err *e)
{
    struct fleet_result out = {.machine = r->machine, .records = r->records};
    struct sbuf text = {0};
    char name[96];
    snprintf(out.plan_sha256, sizeof out.plan_sha256, "%s", r->plan.sha256);
    snprintf(out.cell, sizeof out.cell, "%s", r->cell->id);
    snprintf(out.status, sizeof out.status, "%s", r->status);
    clock_iso8601(out.measured_at);
    out.fingerprint = probe_to_json(r->c->device);
    int rc = out.fingerprint ? fleet_result_text(&out, &text, name, e) : err_nomem(e, 4096, "the fingerprint");
    if (rc == 0)
        rc = dir_make(r->folder, e);
    snprintf(r->path, sizeof r->path, "%s/%s", r->folder, name);
    if (rc == 0 && r->c->fleet.sign_key)
        rc = write_signature(r, name, &text, e);
    if (rc == 0)
        rc = file_write(r->path, text.p, text.n, e);
    json_decref(out.fingerprint);
    sbuf_free(&text);
    return rc;
}
