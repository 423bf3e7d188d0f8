/* The directory that ONNX Runtime GenAI loads: model.onnx with model.onnx.data, genai_config.json, tokenizer files. */
#include <string.h>
#include "base/json.h"
#include "base/os.h"
#include "base/sbuf.h"
#include "bench/artifact/hf_write.h"
#include "bench/export/export.h"
#include "bench/export/onnx_graph.h"

static bool takes(const struct recipe *r)
{
    return strcmp(r->family->name, "onnx") == 0;
}

static int check_tokenizer(const struct model *m, struct err *e)
{
    json_t *tokenizer = NULL;
    int rc = m->folder ? 0 : hf_make_tokenizer(&tokenizer, m->gguf, e);
    json_decref(tokenizer);
    return rc;
}

static int check(const struct model *m, const struct recipe *r, struct err *e)
{
    const struct model_desc *d = &m->d;
    if (!m->gguf || !m->vocab)
        return err_set(e, ERR_UNSUPPORTED, "%s: a shape without weights has nothing to write", d->name);
    if (!onnx_genai_type(d->arch))
        return err_set(e, ERR_UNSUPPORTED, "ONNX Runtime GenAI has no decoder for models of architecture %s",
                       d->arch->name);
    if (r->par.scale_type != NUMBER_F32 || (r->high_codec && r->high.scale_type != NUMBER_F32))
        return err_set(e, ERR_UNSUPPORTED,
                       "%s: MatMulNBits wants scales of the type of its activations, which are f32 on the CPU",
                       r->name);
    if (d->head_dim % 16 || d->rope_dim % 16)
        return err_set(
            e, ERR_UNSUPPORTED,
            "%s: GroupQueryAttention rotates heads of a multiple of 16 only, and these are %d wide, of which "
            "%d are rotated",
            d->name, d->head_dim, d->rope_dim);
    return check_tokenizer(m, e);
}

static int write_graph(const char *path, const struct model *m, const struct weights *w, struct err *e)
{
    struct onnx_graph g = {.m = m, .weights = w, .names = arena_new()};
    int rc = g.names ? onnx_writer_new(&g.w, path, m->d.arch->name, e) : err_nomem(e, sizeof g, "an ONNX graph");
    if (rc == 0) {
        onnx_decoder(&g);
        rc = onnx_writer_finish(g.w, e);
    }
    arena_free(g.names);
    return rc;
}

static int write_in(const char *folder, const struct model *m, const struct weights *w, struct err *e)
{
    struct sbuf graph = {0}, config = {0};
    sbuf_printf(&graph, "%s/model.onnx", folder);
    sbuf_printf(&config, "%s/genai_config.json", folder);
    int rc = graph.failed || config.failed ? err_nomem(e, graph.n, folder) : 0;
    if (rc == 0)
        rc = write_graph(sbuf_str(&graph), m, w, e);
    if (rc == 0)
        rc = onnx_write_config(sbuf_str(&config), m, e);
    if (rc == 0)
        rc = hf_write_tokenizer(folder, m->gguf, m->folder, e);
    sbuf_free(&graph);
    sbuf_free(&config);
    return rc;
}

static int write(const char *path, const struct model *m, const struct weights *w, const struct recipe *r,
                 struct err *e)
{
    struct dir_out d;
    (void)r;
    int rc = dir_out_open(&d, path, e);
    if (rc == 0)
        rc = write_in(d.temp, m, w, e);
    if (rc == 0)
        return dir_out_commit(&d, e);
    dir_out_abort(&d);
    return rc;
}

const struct exporter exporter_onnx = {.name = "onnx",
                                       .suffix = "",
                                       .doc = "the directory that ONNX Runtime GenAI loads",
                                       .takes = takes,
                                       .check = check,
                                       .write = write};
