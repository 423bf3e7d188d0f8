/* A framework that makes logits. */
#include "bench/runners/logits.h"

#include <string.h>
#include "base/mem.h"

struct framework {
    const struct measure_cell *cell;
    struct session *session;
    bool owned;
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
        rc = f->cell->runner->logits(f->session, tokens, n, &f->rows, &f->n_vocab, e);
        if (rc == 0 && n <= f->cell->n_ctx) {
            memcpy(f->asked, tokens, bytes);
            f->n_asked = n;
        }
    }
    *rows = f->rows;
    *n_vocab = f->n_vocab;
    return rc;
}

static int framework_new(struct framework **out, const struct measure_cell *cell, struct err *e)
{
    if (!cell->runner->logits)
        return err_set(e, ERR_UNSUPPORTED, "%s shows no logits", cell->runner->name);
    struct framework *f = mem_alloc(sizeof *f);
    int32_t *asked = f ? mem_alloc_n((size_t)cell->n_ctx, sizeof *asked) : NULL;
    if (!asked) {
        mem_free(f);
        return err_nomem(e, sizeof *f, "a framework");
    }
    f->asked = asked;
    f->cell = cell;
    f->source = (struct eval_source){ask, f};
    record_init(&f->record);
    *out = f;
    return 0;
}

int framework_open(struct framework **out, const struct measure_cell *cell, struct err *e)
{
    struct framework *f = NULL;
    int rc = framework_new(&f, cell, e);
    if (rc < 0)
        return rc;
    rc = cell->runner->open(&f->session, cell, e);
    if (rc < 0) {
        f->session = NULL;
        framework_close(f);
        return rc;
    }
    f->owned = true;
    cell->runner->describe(f->session, &f->record);
    *out = f;
    return 0;
}

int framework_of_session(struct framework **out, const struct measure_cell *cell, struct session *s, struct err *e)
{
    int rc = framework_new(out, cell, e);
    if (rc == 0)
        (*out)->session = s;
    return rc;
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
    if (f && f->owned)
        f->cell->runner->close(f->session);
    if (f)
        mem_free(f->asked);
    mem_free(f);
}
