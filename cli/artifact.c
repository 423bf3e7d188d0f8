/* Artifacts of formats for a while, and a framework that makes logits of one. */
#include "cli/artifact.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/mem.h"
#include "base/os.h"

/* ---- files for a while ---- */

int artifact_check(const struct runner *runner, const struct recipe *r, struct err *e)
{
    const struct exporter *x = exporter_find(r);
    if (x && (!runner->containers || runner_loads(runner, x->name))) /* one on PATH says so itself */
        return 0;
    return err_set(e, ERR_UNSUPPORTED, "%s is not written in a form that %s loads (%s)", r->name, runner->name,
                   runner->containers ? runner->containers : "unknown");
}

int artifact_write(char path[300], const struct runner *runner, const struct model *m, const struct weights *w,
                   const struct recipe *r, struct err *e)
{
    const struct exporter *x = exporter_find(r);
    const char *tmp = getenv("TMPDIR");
    path[0] = 0;
    if (artifact_check(runner, r, e) < 0)
        return ERR_UNSUPPORTED;
    int rc = x->check ? x->check(m, r, e) : 0;
    if (rc < 0)
        return rc;
    char dir[256];
    snprintf(dir, sizeof dir, "%.200s/whichquant-XXXXXX", tmp && *tmp ? tmp : "/tmp");
    if (!mkdtemp(dir))
        return err_set(e, ERR_IO, "cannot make a temporary folder for the framework's files; set TMPDIR");
    snprintf(path, 300, "%s/model%s", dir, x->suffix);
    rc = x->write(path, m, w, r, e);
    if (rc < 0) {
        artifact_remove(path);
        path[0] = 0;
    }
    return rc;
}

static void remove_files(const char *folder)
{
    DIR *d = opendir(folder);
    for (struct dirent *f; d && (f = readdir(d));)
        if (strcmp(f->d_name, ".") != 0 && strcmp(f->d_name, "..") != 0)
            unlinkat(dirfd(d), f->d_name, 0);
    if (d)
        closedir(d);
    rmdir(folder);
}

void artifact_remove(const char *path)
{
    char dir[300];
    if (!path[0])
        return;
    if (dir_exists(path))
        remove_files(path);
    else
        unlink(path);
    snprintf(dir, sizeof dir, "%s", path);
    *strrchr(dir, '/') = 0;
    rmdir(dir);
}

/* ---- a framework that makes logits ---- */

struct framework {
    const struct runner *runner;
    struct measure_cell cell;
    struct session *session;
    struct record record; /* what it says of itself */
    struct eval_source source;
    int32_t *asked; /* [n_asked] the tokens of rows: a chunk is scored in pieces */
    int n_asked, n_vocab;
    const float *rows;
};

static int ask(void *arg, const int32_t *tokens, int n, const float **rows, int *n_vocab, struct err *e)
{
    struct framework *f = arg;
    size_t bytes = (size_t)n * sizeof *tokens;
    int rc = 0;
    if (n != f->n_asked || memcmp(tokens, f->asked, bytes) != 0) {
        f->n_asked = 0;
        rc = f->runner->logits(f->session, tokens, n, &f->rows, &f->n_vocab, e);
        if (rc == 0 && n <= f->cell.n_ctx) {
            memcpy(f->asked, tokens, bytes);
            f->n_asked = n;
        }
    }
    *rows = f->rows;
    *n_vocab = f->n_vocab;
    return rc;
}

int framework_open(struct framework **out, struct cli *c, const char *name, const char *artifact, int n_ctx,
                   struct err *e)
{
    const struct runner *r;
    int rc = runner_named(&r, name, e);
    if (rc < 0)
        return rc;
    if (!r->logits)
        return err_set(e, ERR_UNSUPPORTED, "%s shows no logits", name);
    struct framework *f = mem_alloc(sizeof *f);
    int32_t *asked = f ? mem_alloc_n((size_t)n_ctx, sizeof *asked) : NULL;
    if (!asked) {
        mem_free(f);
        return err_nomem(e, sizeof *f, "a framework");
    }
    f->asked = asked;
    f->runner = r;
    f->cell = (struct measure_cell){.runner = r,
                                    .model_path = artifact,
                                    .threads = c->req.threads,
                                    .n_ctx = n_ctx,
                                    .device = c->backend,
                                    .settings = c->settings.v,
                                    .n_settings = c->settings.n};
    f->source = (struct eval_source){ask, f};
    record_init(&f->record);
    rc = r->open(&f->session, &f->cell, e);
    if (rc < 0) {
        f->session = NULL;
        framework_close(f);
        return rc;
    }
    r->describe(f->session, &f->record);
    *out = f;
    return 0;
}

const struct eval_source *framework_source(const struct framework *f)
{
    return &f->source;
}

const char *framework_version(const struct framework *f)
{
    return f->record.framework.version;
}

void framework_close(struct framework *f)
{
    if (f && f->session)
        f->runner->close(f->session);
    if (f)
        mem_free(f->asked);
    mem_free(f);
}
