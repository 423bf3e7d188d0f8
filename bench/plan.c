/* Formats of a request into cells. */
#include "bench/plan.h"

#include <stdio.h>
#include <string.h>
#include "bench/quant/algorithm.h"
#include "kernels/kernels.h"

/* Tensor t as its row of the plan says; what multiplies is the head of a tied embedding, where that is stored apart. */
bool plan_kernels(const struct kernel *k[2], const struct model_tensor *t, const struct use_assign *a, uint64_t isa)
{
    struct qmat w;
    const struct codec *c = a->head ? a->head : a->codec;
    if (c->layout(&w, t->src.n, t->src.k, a->head ? &a->head_par : &a->par, NULL))
        return false;
    if (a->algorithm && a->algorithm->layout && a->algorithm->layout(&w, NULL))
        return false;
    k[0] = kernel_find_for(OP_MATVEC, &w, a->act, isa);
    k[1] = kernel_find_for(OP_MATMUL, &w, a->act, isa);
    return true;
}

static bool tensor_is_packed(const struct model_tensor *t, const struct use_assign *a, uint64_t isa)
{
    const struct kernel *k[2];
    return plan_kernels(k, t, a, isa) && k[0] && k[1] && kernel_is_packed(k[0]) && kernel_is_packed(k[1]);
}

static bool has_packed_kernels(const struct model *m, const struct use_assign *a, uint64_t isa)
{
    for (int i = 0; i < m->d.n_tensors; i++)
        if (m->d.tensor[i].matrix && a[i].act && !tensor_is_packed(&m->d.tensor[i], &a[i], isa))
            return false;
    return true;
}

static bool same_tensors(const struct use_assign *a, const struct use_assign *b, int n)
{
    for (int i = 0; i < n; i++)
        if (!assign_same(&a[i], &b[i]))
            return false;
    return true;
}

/* The earlier cell with the very same tensors as cell c, or -1. */
static int find_same(const struct plan *p, int c)
{
    for (int i = 0; i < c; i++)
        if (same_tensors(p->cell[i].assign, p->cell[c].assign, p->model->d.n_tensors))
            return i;
    return -1;
}

/* A shape has nothing to encode, only bytes to move: there it does not matter who would know the importances. */
static bool have_importance(const struct model *m, const struct request *req)
{
    return req->imatrix || req->calibration || !m->vocab;
}

void plan_refuse(struct plan *p, const struct recipe *r, const char *why)
{
    struct plan_cell *c = &p->refused[p->n_refused++];
    *c = (struct plan_cell){.recipe = r, .same_as = -1};
    snprintf(c->why_not, sizeof c->why_not, "%s", why);
}

static int add_cell(struct plan *p, const struct recipe *r, const struct request *req, struct err *e)
{
    struct plan_cell *c = &p->cell[p->n_cells];
    int n = p->model->d.n_tensors;
    c->recipe = r;
    c->same_as = -1;
    c->assign = arena_alloc_n(p->arena, (size_t)n, sizeof *c->assign);
    if (!c->assign)
        return err_nomem(e, (unsigned long long)n * sizeof *c->assign, "the plan");
    struct err why = {0};
    struct recipe_known known = {have_importance(p->model, req), p->cal};
    int rc = recipe_assign(&p->model->d, r, req->numerics, &known, c->assign, &why);
    if (rc == 0)
        rc = recipe_summarize(&p->model->d, c->assign, &c->summary, &why);
    if (rc == ERR_UNSUPPORTED || rc == ERR_MISSING || rc == ERR_LIMIT) {
        plan_refuse(p, r, why.text);
        return 0;
    }
    if (rc < 0)
        return err_set(e, rc, "%s", why.text);
    c->packed = has_packed_kernels(p->model, c->assign, req->isa);
    c->same_as = find_same(p, p->n_cells);
    p->n_cells++;
    return 0;
}

static int add_once(struct plan *p, const struct recipe *r, const struct request *req, struct err *e)
{
    for (int i = 0; i < p->n_cells; i++)
        if (strcmp(p->cell[i].recipe->name, r->name) == 0)
            return 0;
    return add_cell(p, r, req, e);
}

/* Every row of a family, or of all; 0 when the name is neither. */
static int add_group(struct plan *p, const char *group, const struct request *req, struct err *e)
{
    int n = 0;
    for (int i = 0; i < n_recipes; i++) {
        if (!recipe_in_group(&recipes[i], group) || !recipe_is_candidate(&recipes[i], &p->model->d))
            continue;
        int rc = add_once(p, &recipes[i], req, e);
        if (rc < 0)
            return rc;
        n++;
    }
    return n;
}

static int add_named(struct plan *p, const char *const *formats, int n_formats, const struct request *req,
                     struct err *e)
{
    for (int i = 0; i < n_formats; i++) {
        int n = add_group(p, formats[i], req, e);
        if (n < 0)
            return n;
        if (n > 0)
            continue;
        struct recipe *r = arena_alloc(p->arena, sizeof *r);
        int rc = r ? recipe_resolve(r, formats[i], e) : err_nomem(e, sizeof *r, "the plan");
        if (rc == 0)
            rc = add_once(p, r, req, e);
        if (rc < 0)
            return rc;
    }
    return 0;
}

static int add_usual(struct plan *p, const struct request *req, struct err *e)
{
    for (int i = 0; i < n_recipes; i++) {
        bool usual = recipe_is_candidate(&recipes[i], &p->model->d) && !recipes[i].on_request;
        int rc = usual ? add_cell(p, &recipes[i], req, e) : 0;
        if (rc < 0)
            return rc;
    }
    return add_named(p, req->also, req->n_also, req, e);
}

int plan_formats(struct plan **out, const struct model *m, const struct request *req, const struct calibration *cal,
                 struct err *e)
{
    *out = NULL;
    struct arena *a = arena_new();
    struct plan *p = a ? arena_alloc(a, sizeof *p) : NULL;
    size_t most = (size_t)req->n_formats + (size_t)req->n_also + (size_t)n_recipes;
    struct plan_cell *cell = p ? arena_alloc_n(a, most, sizeof *cell) : NULL;
    struct plan_cell *refused = cell ? arena_alloc_n(a, most, sizeof *cell) : NULL;
    if (!refused) {
        arena_free(a);
        return err_nomem(e, most * sizeof *cell, "the plan");
    }
    *p = (struct plan){.model = m, .cal = cal, .cell = cell, .refused = refused, .arena = a};
    int rc = req->n_formats ? add_named(p, req->formats, req->n_formats, req, e) : add_usual(p, req, e);
    if (rc < 0) {
        plan_free(p);
        return rc;
    }
    *out = p;
    return 0;
}

/* How soon a cell is worth its time; less is sooner. */
static int class_of(const struct plan_cell *c)
{
    static const double narrow = 3.5, wide = 9; /* bits per weight of what people run */
    double bits = c->summary.bits_per_weight;
    if (!c->recipe->verified_by)
        return 3;
    return c->packed ? 0 : bits >= narrow && bits <= wide ? 1 : 2;
}

struct turn {
    int class, round; /* round: cells of that class and family before it */
    struct plan_cell cell;
};

static int place_in(const char *const *list, int n, const char *name)
{
    int i = 0;
    while (i < n && strcmp(list[i], name) != 0)
        i++;
    return i;
}

static void set_turn(struct turn *t, const struct plan *p, int i, const char *const *first, int n_first)
{
    t->cell = p->cell[i];
    t->class = class_of(&p->cell[i]);
    t->round = place_in(first, n_first, t->cell.recipe->name);
    if (t->round < n_first) {
        t->class = -1;
        return;
    }
    t->round = 0;
    for (int k = 0; k < i; k++)
        t->round += p->cell[k].recipe->family == t->cell.recipe->family && class_of(&p->cell[k]) == t->class;
}

static bool comes_before(const struct turn *a, const struct turn *b)
{
    return a->class != b->class ? a->class < b->class : a->round < b->round;
}

int plan_order(struct plan *p, const char *const *first, int n_first, struct err *e)
{
    struct turn *t = arena_alloc_n(p->arena, (size_t)p->n_cells + 1, sizeof *t);
    if (!t)
        return err_nomem(e, (unsigned long long)p->n_cells * sizeof *t, "the plan");
    for (int i = 0; i < p->n_cells; i++)
        set_turn(&t[i], p, i, first, n_first);
    for (int i = 1; i < p->n_cells; i++) { /* by insertion: equal ones keep their order */
        struct turn x = t[i];
        int k = i;
        for (; k > 0 && comes_before(&x, &t[k - 1]); k--)
            t[k] = t[k - 1];
        t[k] = x;
    }
    for (int i = 0; i < p->n_cells; i++)
        p->cell[i] = t[i].cell;
    for (int i = 0; i < p->n_cells; i++)
        p->cell[i].same_as = find_same(p, i);
    return 0;
}

void plan_free(struct plan *p)
{
    if (p)
        arena_free(p->arena);
}
