/* tokenize and generate: token ids and greedy text, for checking against other implementations. */
#include <stdlib.h>
#include <string.h>
#include "base/mem.h"
#include "base/os.h"
#include "bench/engine/generate.h"
#include "cli/cli.h"

static json_t *ids_to_json(const int32_t *ids, size_t n)
{
    json_t *a = json_array();
    for (size_t i = 0; i < n; i++)
        json_array_append_new(a, json_integer(ids[i]));
    return a;
}

/* The text of --text FILE or --prompt TEXT; one trailing newline of a file is not part of it. */
static int read_text(const struct cli *c, char **text, size_t *n, struct err *e)
{
    if (!c->text && !c->prompt)
        return err_set(e, ERR_USAGE, "`%s` needs --text FILE or --prompt TEXT", c->command->name);
    if (c->text) {
        int rc = file_read(c->text, (size_t)1 << 30, text, n, e);
        if (rc == 0 && *n > 0 && (*text)[*n - 1] == '\n')
            (*n)--;
        return rc;
    }
    *n = strlen(c->prompt);
    *text = mem_strdup(c->prompt);
    return *text ? 0 : err_nomem(e, *n, "the prompt");
}

static int encode(struct cli *c, struct model *m, int32_t **ids, size_t *n_ids, struct err *e)
{
    char *text;
    size_t n;
    int rc = read_text(c, &text, &n, e);
    if (rc < 0)
        return rc;
    rc = vocab_encode(m->vocab, text, n, true, false, ids, n_ids, e);
    mem_free(text);
    return rc;
}

int cmd_tokenize(struct cli *c)
{
    struct err e = {0};
    struct model *m = NULL;
    int32_t *ids = NULL;
    size_t n = 0;
    int rc = cli_model(&m, c->arg[0], &e);
    if (rc == 0)
        rc = encode(c, m, &ids, &n, &e);
    int code = rc < 0 ? cli_fail(&e) : EXIT_DONE;
    if (rc == 0 && c->json) {
        json_t *o = json_object();
        json_put(o, "ids", ids_to_json(ids, n));
        code = cli_print_json(o);
    } else if (rc == 0) {
        for (size_t i = 0; i < n; i++)
            printf("%d\n", ids[i]);
    }
    mem_free(ids);
    model_close(m);
    return code;
}

static int print_generated(struct cli *c, const struct model *m, const int32_t *ids, int n)
{
    struct sbuf text = {0};
    for (int i = 0; i < n; i++)
        vocab_piece(m->vocab, ids[i], &text);
    int code = EXIT_DONE;
    if (c->json) {
        json_t *o = json_object();
        json_t *t = json_stringn(sbuf_str(&text), text.n); /* NULL when a token ends inside a UTF-8 character */
        json_put(o, "ids", ids_to_json(ids, (size_t)n));
        json_put(o, "text", t ? t : json_null());
        code = cli_print_json(o);
    } else {
        fwrite(sbuf_str(&text), 1, text.n, stdout);
        putchar('\n');
    }
    sbuf_free(&text);
    return code;
}

int cmd_generate(struct cli *c)
{
    struct err e = {0};
    struct model *m = NULL;
    struct weights *w = NULL;
    struct engine *g = NULL;
    int32_t *ids = NULL, *out = NULL;
    size_t n = 0;
    int n_out = 0;
    int rc = cli_pool(c, &e);
    if (rc == 0)
        rc = cli_model(&m, c->arg[0], &e);
    if (rc == 0)
        rc = encode(c, m, &ids, &n, &e);
    if (rc == 0)
        rc = weights_source(&w, m, true, &e);
    if (rc == 0 && !(out = mem_alloc_n((size_t)c->n_predict, sizeof *out)))
        rc = err_nomem(&e, (unsigned long long)c->n_predict * sizeof *out, "the generated tokens");
    int n_ctx = (int)n + c->n_predict;
    struct engine_opts o = {.mode = ENGINE_REFERENCE,
                            .n_ctx = n_ctx,
                            .n_batch = n_ctx < 512 ? n_ctx : 512,
                            .isa = c->req.isa,
                            .pool = c->pool};
    if (rc == 0)
        rc = engine_new(&g, w, &o, &e);
    if (rc == 0)
        rc = generate_greedy(g, m->vocab, ids, (int)n, out, c->n_predict, &n_out, &e);
    int code = rc < 0 ? cli_fail(&e) : print_generated(c, m, out, n_out);
    mem_free(out);
    mem_free(ids);
    engine_free(g);
    weights_free(w);
    model_close(m);
    return code;
}
