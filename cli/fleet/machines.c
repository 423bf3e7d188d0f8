/* Records into machines, and a decision for each. */
#include "cli/fleet/machines.h"

#include <ctype.h>
#include <math.h>
#include <string.h>
#include <strings.h>
#include "base/mem.h"
#include "base/os.h"
#include "bench/catalogue.h"
#include "cli/fleet/machines_read.h"
#include "cli/job.h"
#include "matrix/choose.h"

/* ---- names ---- */

/* The id as a name of a folder: nothing of it leads elsewhere. */
static void name_folder(struct machine *k, const char *from, int number)
{
    size_t n = 0;
    for (const char *s = from; *s && n < 56; s++, n++) {
        bool plain = isalnum((unsigned char)*s) || *s == '-' || *s == '_' || (*s == '.' && n > 0);
        k->folder[n] = plain ? *s : '_';
    }
    if (number > 1)
        n += (size_t)snprintf(k->folder + n, sizeof k->folder - n, "-%d", number);
    if (n == 0)
        k->folder[n++] = '_';
    k->folder[n] = 0;
}

static bool folder_taken(const struct machines *m, int i)
{
    for (int k = 0; k < i; k++)
        if (strcasecmp(m->of[k]->folder, m->of[i]->folder) == 0)
            return true;
    return false;
}

static bool label_shared(const struct machines *m, int i)
{
    for (int k = 0; k < m->n; k++)
        if (k != i && strcmp(m->of[k]->label, m->of[i]->label) == 0)
            return true;
    return false;
}

/* Twins with one label get the beginning of their id behind it. */
static void name_all(struct machines *m)
{
    for (int i = 0; i < m->n; i++) {
        struct machine *k = m->of[i];
        const bool twin = label_shared(m, i);
        if (twin && *k->id)
            snprintf(k->name, sizeof k->name, "%.90s (%.8s)", k->label, k->id);
        else
            snprintf(k->name, sizeof k->name, "%s", k->label);
        int number = 1;
        do
            name_folder(k, k->described ? k->device : k->name, number++);
        while (folder_taken(m, i));
    }
}

/* ---- what the records know of the machine ---- */

static void note_models(struct machine *k, const struct machine *of)
{
    for (int i = 0; i < of->n_own; i++) {
        const struct catalogue_model *c = catalogue_model_find(of->rec[i].model.name);
        int at = 0;
        while (c && at < k->n_catalogue && strcmp(k->catalogue[at], c->id) != 0)
            at++;
        if (c && at == k->n_catalogue && at < (int)(sizeof k->catalogue / sizeof *k->catalogue))
            k->catalogue[k->n_catalogue++] = c->id;
    }
}

/* A machine of which nothing was measured is asked about what was measured elsewhere, unless models were named. */
static void note_all_models(struct machines *m, const struct cli *c)
{
    for (int i = 0; i < m->n; i++)
        for (int o = 0; o < m->n; o++)
            if (o == i || (m->of[i]->n_own == 0 && c->catalogue.n == 0))
                note_models(m->of[i], m->of[o]);
}

/* What is predicted for a measured machine follows from its fingerprint and the bandwidth that its records saw, or from
 * the table of devices where its name is an id there. */
static void find_target(struct machine *k)
{
    struct err e = {0};
    double gb_s = NAN;
    k->measured = k->n_own > 0;
    for (int i = 0; i < k->n_own; i++)
        gb_s = fmax(gb_s, k->rec[i].speed.bandwidth_gb_s);
    if (k->described)
        return;
    if (k->has_probe) {
        if (!isfinite(k->probe.memory.bandwidth_gb_s))
            k->probe.memory.bandwidth_gb_s = gb_s;
        k->has_target = target_from_probe(&k->target, &k->probe, &e) == 0;
    } else if (target_figures(&k->target, k->device)) {
        k->has_target = target_find(&k->target, k->device, &e) == 0;
    }
}

/* ---- quality that was measured elsewhere ---- */

static bool has_quality(const struct record *r)
{
    return r->status == STATUS_OK && isfinite(r->quality.kld) && !r->model.synthesized;
}

/* Is r's model, or the one that its name leads to, that of q? Other tools' files name models as they like. */
static bool same_weights(const struct record *a, const struct record *b)
{
    if (*a->model.sha256 && *b->model.sha256)
        return strcmp(a->model.sha256, b->model.sha256) == 0;
    if (strcasecmp(a->model.name, b->model.name) == 0)
        return true;
    const struct catalogue_model *x = catalogue_model_find(a->model.name), *y = catalogue_model_find(b->model.name);
    return x && x == y;
}

/* A cell whose speed is known here and whose quality is not. */
static struct record *wants_quality(const struct machine *k, const struct record *q)
{
    struct record *found = NULL;
    for (int i = 0; i < k->n_rec; i++) {
        struct record *r = &k->rec[i];
        if (strcmp(r->format.name, q->format.name) != 0 || !same_weights(r, q))
            continue;
        if (has_quality(r))
            return NULL;
        found = r->status == STATUS_OK && isfinite(r->speed.decode_tok_s.v) ? r : found;
    }
    return found;
}

static int lend(struct machine *k, const struct record *q, const struct record *to, struct err *e)
{
    struct record *rec = mem_resize(k->rec, ((size_t)k->n_rec + 1) * sizeof *rec);
    if (!rec)
        return err_nomem(e, ((size_t)k->n_rec + 1) * sizeof *rec, "the records of a machine");
    const struct record host = rec[to - k->rec];
    k->rec = rec;
    struct record *r = &rec[k->n_rec++];
    *r = *q;
    speed_none(&r->speed);
    r->speed_from = FROM_NOWHERE;
    r->memory.peak_rss_bytes = r->memory.peak_anon_bytes = r->memory.peak_file_bytes = -1;
    r->energy_j_per_tok = NAN;
    memcpy(r->device, host.device, sizeof r->device);
    r->framework = host.framework; /* else it would be a row of a framework that never ran there */
    memcpy(r->framework.numerics, q->framework.numerics, sizeof r->framework.numerics);
    memcpy(r->model.name, host.model.name, sizeof r->model.name);
    memcpy(r->model.sha256, host.model.sha256, sizeof r->model.sha256);
    return 0;
}

/* Quality does not depend on the machine: where only speed was measured, another's counts. */
static int share_quality(struct machines *m, struct err *e)
{
    int rc = 0;
    for (int i = 0; i < m->n; i++)
        for (int o = 0; o < m->n; o++)
            for (int q = 0; o != i && q < m->of[o]->n_own && rc == 0; q++) {
                const struct record *give = &m->of[o]->rec[q];
                const struct record *to = has_quality(give) ? wants_quality(m->of[i], give) : NULL;
                if (to)
                    rc = lend(m->of[i], give, to, e);
            }
    return rc;
}

/* ---- all of them ---- */

static struct machine *add_machine(struct machines *m, struct err *e)
{
    if (m->n == MOST_MACHINES) {
        err_set(e, ERR_USAGE, "more than %d machines; report on fewer at once", MOST_MACHINES);
        return NULL;
    }
    struct machine *k = mem_alloc(sizeof *k);
    if (!k)
        err_nomem(e, sizeof *k, "a machine");
    else
        m->of[m->n++] = k;
    return k;
}

struct machine *machines_find(struct machines *m, const char *id, const char *device, struct err *e)
{
    for (int i = 0; i < m->n; i++)
        if (!m->of[i]->described && strcmp(m->of[i]->id, id) == 0 && (*id || strcmp(m->of[i]->device, device) == 0))
            return m->of[i];
    struct machine *k = add_machine(m, e);
    if (!k)
        return NULL;
    snprintf(k->id, sizeof k->id, "%s", id);
    snprintf(k->device, sizeof k->device, "%s", device);
    snprintf(k->label, sizeof k->label, "%s", *device ? device : id);
    return k;
}

static int add_described(struct machines *m, const char *what, struct err *e)
{
    struct machine *k = add_machine(m, e);
    if (!k)
        return e->code;
    int rc = target_find(&k->target, what, e);
    k->described = k->has_target = true;
    snprintf(k->device, sizeof k->device, "%s", *k->target.id ? k->target.id : k->target.name);
    snprintf(k->label, sizeof k->label, "%s", k->target.name);
    for (int i = 0; rc == 0 && i < m->n - 1; i++)
        if (m->of[i]->described && strcmp(m->of[i]->device, k->device) == 0)
            rc = err_set(e, ERR_USAGE, "%s is named twice; name each device once", k->device);
    return rc;
}

/* Records of this machine, told by its hardware's hash: what it has is known without a file that says so. */
static int know_this(struct machines *m, struct cli *c, struct err *e)
{
    int rc = 0;
    for (int i = 0; i < m->n && rc == 0; i++) {
        struct machine *k = m->of[i];
        if (k->has_probe || k->n_own == 0 || !*k->rec[0].hw_sha256 || (rc = cli_device(c, e)) < 0)
            continue;
        k->has_probe = strcmp(k->rec[0].hw_sha256, c->device->hw_sha256) == 0;
        if (k->has_probe)
            k->probe = *c->device;
    }
    return rc;
}

int machines_load(struct machines *m, struct cli *c, const char *const *paths, int n_paths, struct err *e)
{
    int rc = 0;
    *m = (struct machines){0};
    for (int i = 0; i < n_paths && rc == 0; i++)
        rc = machines_read(m, c, paths[i], e);
    for (int i = 0; i < m->n; i++)
        m->of[i]->n_own = m->of[i]->n_rec;
    if (rc == 0)
        rc = know_this(m, c, e);
    if (rc == 0)
        rc = share_quality(m, e);
    for (int i = 0; i < c->targets.n && rc == 0; i++)
        rc = add_described(m, c->targets.v[i], e);
    note_all_models(m, c);
    for (int i = 0; i < m->n && rc == 0; i++)
        find_target(m->of[i]);
    if (rc == 0)
        name_all(m);
    return rc;
}

/* ---- decisions ---- */

static bool was_measured(const struct machines *m, const char *model)
{
    for (int i = 0; i < m->n; i++)
        for (int r = 0; r < m->of[i]->n_own; r++)
            if (strcasecmp(m->of[i]->rec[r].model.name, model) == 0)
                return true;
    return false;
}

int machines_models(const struct machines *m, int i, const struct cli *c, const char *models[MOST_MODELS])
{
    const struct machine *k = m->of[i];
    int n = 0;
    for (int a = 0; a < k->n_catalogue; a++)
        models[n++] = k->catalogue[a];
    for (int a = 0; a < c->catalogue.n && k->n_catalogue == 0 && n < MOST_MODELS; a++)
        if (catalogue_model_find(c->catalogue.v[a]) || !was_measured(m, c->catalogue.v[a]))
            models[n++] = c->catalogue.v[a];
    return n;
}

/* Under the limits of a set, with the models of the catalogue that the report is about. */
static int choose_for(struct decision **out, struct machines *m, int i, struct cli *c, const struct need *need,
                      struct err *e)
{
    const struct request was = c->req;
    const struct text_list catalogue = c->catalogue;
    const char *models[MOST_MODELS];
    const int n = machines_models(m, i, c, models);
    if (n == 0 && catalogue.n > 0)
        return err_set(e, ERR_USAGE, "nothing is predicted: %.60s is none of the catalogue's models", catalogue.v[0]);
    c->req = need->req;
    c->catalogue = (struct text_list){models, n};
    int rc = cli_choose_for(c, &m->of[i]->target, out, e);
    c->req = was;
    c->catalogue = catalogue;
    return rc;
}

int machines_decide(struct decision **out, struct machines *m, int i, struct cli *c, const struct need *need,
                    struct err *e)
{
    struct machine *k = m->of[i];
    const bool predict = k->described || (!k->measured && k->has_target);
    if (predict)
        return choose_for(out, m, i, c, need, e);
    return matrix_decide(out, k->rec, k->n_rec, NULL,
                         k->has_probe    ? &k->probe
                         : k->has_target ? &k->target.device
                                         : NULL,
                         &need->req, e);
}

int machines_predict(struct decision **out, struct machines *m, int i, struct cli *c, const struct need *need,
                     char why[160], struct err *e)
{
    struct machine *k = m->of[i];
    *out = NULL;
    why[0] = 0;
    if (!k->has_target)
        snprintf(why, 160, "nothing is predicted: its memory and bandwidth are not known");
    else if (k->measured && k->n_catalogue == 0 && c->catalogue.n == 0)
        snprintf(why, 160, "nothing is predicted: its models are none of the catalogue's");
    if (*why)
        return 0;
    return choose_for(out, m, i, c, need, e);
}

void machines_free(struct machines *m)
{
    for (int i = 0; i < m->n; i++) {
        mem_free(m->of[i]->rec);
        mem_free(m->of[i]->served);
        mem_free(m->of[i]);
    }
    m->n = 0;
}
