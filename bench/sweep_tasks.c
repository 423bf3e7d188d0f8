/* Task accuracy in the sweep: the reference answers once, each encoded format answers the same items; one record a
 * format, found again by --resume. */
#include <string.h>
#include "base/mem.h"
#include "bench/sweep.h"

struct sweep_tasks {
    const struct sweep_input *in;
    struct tasks *tasks;
    int *ref, *answer, n_ref; /* [tasks->n] */
    int n_ctx;
    char what[96];
};

static void on_item(void *arg, int done, int n)
{
    const struct sweep_tasks *t = arg;
    sweep_tell(t->in, t->what, done, n);
}

static int ask(struct sweep_tasks *t, const struct weights *w, const char *format, struct kv_pair kv, int *answer,
               uint64_t deadline_ns, struct err *e)
{
    struct engine *g = NULL;
    snprintf(t->what, sizeof t->what, "tasks of %s", format);
    int n = sweep_engine(&g, t->in, w, kv, t->n_ctx, t->n_ctx, e);
    if (n == 0)
        n = tasks_ask(t->tasks, g, t->in->model->vocab, answer, deadline_ns, on_item, t, e);
    engine_free(g);
    return n;
}

int sweep_tasks_open(struct sweep_tasks **out, const struct sweep_input *in, uint64_t deadline_ns, struct err *e)
{
    const struct request *req = in->req;
    struct sweep_tasks *t = mem_alloc(sizeof *t);
    struct weights *w = NULL;
    *out = t;
    if (!t)
        return err_nomem(e, sizeof *t, "the tasks");
    t->in = in;
    int rc = tasks_read(&t->tasks, req->tasks, req->n_tasks, req->n_items, e);
    if (rc == 0)
        rc = t->n_ctx = tasks_context(t->tasks, in->model->vocab, req->n_ctx_eval, e);
    if (rc > 0) {
        t->ref = mem_alloc_n(2 * (size_t)t->tasks->n + 1, sizeof *t->ref);
        t->answer = t->ref ? t->ref + t->tasks->n : NULL;
        rc = t->ref ? weights_source(&w, in->model, false, e) : err_nomem(e, (size_t)t->tasks->n * 8, "the answers");
    }
    if (rc == 0)
        rc = t->n_ref = ask(t, w, "the reference", KV_BOTH(F32), t->ref, deadline_ns, e);
    weights_free(w);
    return rc < 0 ? rc : 0;
}

void sweep_tasks_close(struct sweep_tasks *t)
{
    if (!t)
        return;
    tasks_free(t->tasks);
    mem_free(t->ref);
    mem_free(t);
}

static void draft(struct sweep_tasks *t, struct record *r, const struct plan_cell *c)
{
    record_init(r);
    sweep_describe(r, t->in, t->in->model, c);
    snprintf(r->workload.text_sha256, sizeof r->workload.text_sha256, "%s", t->tasks->sha256);
    r->workload.n_tokens = t->n_ref; /* items: a shorter set is another cell */
    record_cell_id(r);
}

/* A format that gives NaN has that in its quality record; here it is just not measured. */
static int score_cell(struct sweep *s, struct sweep_tasks *t, const struct plan_cell *c, const struct weights *w,
                      uint64_t deadline_ns, struct err *e)
{
    struct record r, stored;
    draft(t, &r, c);
    if (t->in->req->resume && t->in->store && store_find(t->in->store, r.cell_id, r.env_sha256, &stored, e) > 0)
        return sweep_keep(s, t->in->store, &stored, e);
    int n = ask(t, w, c->recipe->name, recipe_kv(c->recipe, r.framework.numerics), t->answer, deadline_ns, e);
    if (n == ERR_DATA)
        return 0;
    if (n <= 0)
        return n;
    task_compare(&r.task, t->tasks, t->ref, t->answer, n < t->n_ref ? n : t->n_ref);
    r.task_from = FROM_MEASURED;
    return sweep_keep(s, t->in->store, &r, e);
}

/* The time that is left, shared by as many formats as are left. */
static uint64_t share_of(uint64_t end_ns, int n_left)
{
    uint64_t now = clock_ns();
    return end_ns == 0 ? 0 : end_ns > now ? now + (end_ns - now) / (uint64_t)n_left : now;
}

int sweep_tasks_group(struct sweep *s, struct sweep_tasks *t, const struct plan *p, struct weights *const *w, int c0,
                      int c1, uint64_t end_ns, struct err *e)
{
    int rc = 0, n_left = 0;
    for (int c = c0; c < c1; c++)
        n_left += w[c] != NULL;
    for (int c = c0; c < c1 && rc == 0; c++)
        if (w[c])
            rc = score_cell(s, t, &p->cell[c], w[c], share_of(end_ns, n_left--), e);
    return rc;
}
