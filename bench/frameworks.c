/* Which frameworks are there. */
#include "bench/frameworks.h"

#include <stdio.h>
#include <string.h>

static bool is_named(const struct request *req, const struct runner *r)
{
    for (int i = 0; i < req->n_frameworks; i++)
        if (!strcmp(req->frameworks[i], r->name))
            return true;
    return false;
}

/* Named ones must be there; of the others a broken one is none. */
static int look(struct frameworks *f, const struct runner *r, bool named, struct err *e)
{
    struct framework_found *at = &f->at[f->n];
    struct err why = {0};
    *at = (struct framework_found){.runner = r};
    if (!r->real || f->n == MOST_FRAMEWORKS - 1)
        return 0;
    if (r->served || r->own_files)
        return named ? err_set(e, ERR_USAGE,
                               "--framework %s: it takes no model files of ours; `whichquant bench %s` measures it",
                               r->name, r->served ? "--endpoint URL" : "FILE")
                     : 0;
    int rc = r->detect(r, &at->info, &why);
    if (rc == 0 && at->info.found)
        f->n++;
    else if (named)
        return err_set(e, rc < 0 ? rc : ERR_MISSING, "--framework %s: %s; `whichquant doctor` says how to get it",
                       r->name, rc < 0 ? why.text : at->info.note);
    return 0;
}

int frameworks_find(struct frameworks *f, const struct request *req, struct err *e)
{
    int rc = 0, state = 0;
    const struct runner *r;
    f->n = 0;
    for (int i = 0; i < req->n_frameworks && rc == 0; i++)
        rc = runner_named(&r, req->frameworks[i], e);
    for (int i = 0; runners[i] && rc == 0; i++)
        if (!req->n_frameworks || is_named(req, runners[i]))
            rc = look(f, runners[i], req->n_frameworks > 0, e);
    while (rc == 0 && (r = runner_on_path(&state)))
        if (!req->n_frameworks || is_named(req, r))
            rc = look(f, r, req->n_frameworks > 0, e);
    return rc;
}

bool framework_is_here(const char *name, char why[160])
{
    const struct runner *r = runner_find(name);
    struct runner_info info = {0};
    struct err e = {0};
    if (r && (!r->real || r->served))
        return true;
    int rc = r ? r->detect(r, &info, &e) : err_set(&e, ERR_MISSING, "no whichquant-runner-%s on PATH", name);
    snprintf(why, 160, "%s", rc < 0 ? e.text : info.note);
    return rc == 0 && info.found;
}

bool framework_loads(const struct framework_found *f, const struct exporter *x)
{
    const struct runner said = {.containers = f->info.containers};
    if (f->runner->containers)
        return runner_loads(f->runner, x->name);
    return !f->info.containers[0] || runner_loads(&said, x->name);
}

int frameworks_usual(const struct frameworks *f, const char *arch, const char *formats[], int most)
{
    static const struct {
        const char *container, *arch, *format;
    } usual[] = {
#define U(container, arch, format) {container, arch, format},
#include "bench/usual.def"
#undef U
    };
    int n = 0;
    for (size_t i = 0; i < sizeof usual / sizeof *usual; i++) {
        const struct recipe *r = recipe_find(usual[i].format);
        bool here = !strcmp(usual[i].arch, "*") || !strcmp(usual[i].arch, arch), loaded = false;
        for (int k = 0; k < f->n && r; k++) /* one on PATH that takes anything is no reason */
            loaded |= (f->at[k].runner->containers || f->at[k].info.containers[0]) &&
                      framework_loads(&f->at[k], exporter_find(r));
        if (here && loaded && n < most)
            formats[n++] = usual[i].format;
    }
    return n;
}
