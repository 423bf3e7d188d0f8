/* decide, report: the answer from records that are there, of the store or of a file, measuring nothing. */
#include <string.h>
#include "base/mem.h"
#include "base/os.h"
#include "bench/frameworks.h"
#include "bench/import.h"
#include "cli/job.h"

struct stored {
    struct job *job;
    const struct model *model; /* NULL: every model */
};

/* Records come oldest first: a later one of the same cell takes the place of the earlier. */
static int take_record(void *arg, const struct record *r)
{
    struct stored *s = arg;
    struct job *j = s->job;
    if (s->model && !r->model.synthesized && strcmp(r->model.sha256, s->model->sha256))
        return 0;
    for (int i = 0; i < j->n_rec; i++)
        if (!strcmp(j->rec[i].cell_id, r->cell_id)) {
            j->rec[i] = *r;
            return 0;
        }
    struct record *rec = mem_resize(j->rec, (size_t)(j->n_rec + 1) * sizeof *rec);
    if (!rec)
        return 1;
    j->rec = rec;
    rec[j->n_rec++] = *r;
    return 0;
}

/* A model with speeds of its own needs no stand-in shapes. */
static void drop_stand_ins(struct job *j)
{
    bool own_speed = false;
    for (int i = 0; i < j->n_rec; i++)
        own_speed |= !j->rec[i].model.synthesized && j->rec[i].speed_from == FROM_MEASURED;
    int n = 0;
    for (int i = 0; i < j->n_rec; i++)
        if (!own_speed || !j->rec[i].model.synthesized)
            j->rec[n++] = j->rec[i];
    j->n_rec = n;
}

/* The machine: this one, a recorded one, or with records of a file the one that they name, if it is this one. */
static int take_device(struct job *j, struct err *e)
{
    struct cli *c = j->cli;
    if (!c->from)
        return cli_device(c, e);
    c->device = mem_alloc(sizeof *c->device);
    int rc = c->device ? cli_read_device(c->device, c->from, e) : err_nomem(e, sizeof *c->device, "the device");
    if (rc == 0)
        c->req.isa = c->device->cpu.isa_mask;
    return rc;
}

static int load_file(struct stored *s, const char *path, struct err *e)
{
    struct record *rec = NULL;
    int n = 0, rc = import_file(path, NULL, &rec, &n, e);
    for (int i = 0; i < n && rc == 0; i++)
        rc = take_record(s, &rec[i]);
    struct cli *c = s->job->cli;
    if (rc == 0 && !c->from && c->device && n > 0 && strcmp(rec[0].hw_sha256, c->device->hw_sha256)) {
        mem_free(c->device); /* another machine's: what it has is not known */
        c->device = NULL;
    }
    mem_free(rec);
    return rc;
}

struct place { /* a framework that records name: is it here still? */
    char name[48], why[160];
    bool here;
    int n;
};

static struct place *place_of(struct place *p, int *n, const char *name)
{
    for (int i = 0; i < *n; i++)
        if (!strcmp(p[i].name, name))
            return &p[i];
    if (*n == MOST_FRAMEWORKS)
        return NULL;
    struct place *x = &p[(*n)++];
    *x = (struct place){0};
    snprintf(x->name, sizeof x->name, "%s", name);
    x->here = framework_is_here(name, x->why);
    return x;
}

/* A framework that was removed since leaves no rows: what it reached here nobody can have now. */
static void drop_removed(struct job *j)
{
    struct place at[MOST_FRAMEWORKS];
    int n_places = 0, n = 0;
    for (int i = 0; i < j->n_rec; i++) {
        struct place *p = place_of(at, &n_places, j->rec[i].framework.name);
        if (p)
            p->n++;
        if (!p || p->here)
            j->rec[n++] = j->rec[i];
    }
    j->n_rec = n;
    for (int i = 0; i < n_places; i++)
        if (!at[i].here)
            cli_warn("%d measurements of %s are left out: it is not here now (%s)", at[i].n, at[i].name, at[i].why);
}

static int load_store(struct stored *s, struct err *e)
{
    struct job *j = s->job;
    const struct probe_device *d = j->cli->device;
    int rc = store_open(&j->store, j->cli->req.store_path, e);
    if (rc == 0)
        rc = factors_load(&j->known, j->store, d, e);
    if (rc == 0)
        rc = store_each(j->store, d->env_sha256, NULL, take_record, s, e);
    if (rc == 0 && !j->cli->from)
        drop_removed(j);
    return rc;
}

int job_load(struct job *j, const char *model, struct err *e)
{
    struct cli *c = j->cli;
    struct model *m = NULL;
    struct stored s = {.job = j};
    int rc = take_device(j, e);
    if (rc == 0 && model)
        rc = cli_model(&m, model, e);
    if (rc == 0 && m)
        rc = model_hash(m, e);
    s.model = m;
    if (rc == 0)
        rc = c->records ? load_file(&s, c->records, e) : load_store(&s, e);
    if (rc > 0)
        rc = err_nomem(e, (unsigned long long)j->n_rec * sizeof *j->rec, "the records");
    if (rc == 0 && m)
        drop_stand_ins(j);
    if (rc == 0 && j->n_rec == 0)
        rc = c->records
                 ? err_set(e, ERR_MISSING, "%s has no measurements of %s", c->records, model ? model : "a model")
                 : err_set(e, ERR_MISSING, "no measurements of this machine in %s; run `whichquant MODEL.gguf` first",
                           store_path(j->store));
    model_close(m);
    return rc;
}

void job_free(struct job *j)
{
    store_close(j->store);
    factors_free(&j->known);
    mem_free(j->rec);
}

int cmd_decide(struct cli *c)
{
    struct err e = {0};
    struct job j = {.cli = c, .t0 = clock_ns()};
    if (cli_wants_comparison(c))
        return cli_compare(c);
    if (c->target || c->described.bandwidth || c->catalogue.n)
        return cli_choose(c);
    int rc = job_load(&j, c->n_args ? c->arg[0] : NULL, &e);
    int code = rc < 0 ? cli_fail(&e) : job_report(&j);
    job_free(&j);
    return code;
}
