/* GGUF, as llama.cpp loads it: every key of the source kept, file type replaced. */
#include <math.h>
#include "bench/engine/arch.h"
#include "bench/export/export.h"

static int write_tensors(struct gguf_writer *out, const struct model *m, const struct weights *w, struct err *e)
{
    int rc = 0;
    for (int i = 0; rc == 0 && i < m->d.n_tensors; i++) {
        const struct gguf_tensor *t = gguf_find_tensor(m->gguf, m->d.tensor[i].name);
        rc = gguf_writer_tensor(out, t->name, (uint32_t)w->mat[i].codec->gguf_type, t->n_dims, t->ne, e);
    }
    if (rc == 0)
        rc = gguf_writer_begin(out, e);
    for (int i = 0; rc == 0 && i < m->d.n_tensors; i++)
        rc = gguf_writer_data(out, w->mat[i].plane[PLANE_CODE].p, w->mat[i].plane[PLANE_CODE].bytes, e);
    return rc;
}

static bool takes(const struct recipe *r)
{
    return r->gguf_file_type >= 0;
}

static int check(const struct model *m, const struct recipe *r, struct err *e)
{
    (void)r;
    if (!m->gguf)
        return err_set(e, ERR_UNSUPPORTED, "%s: a shape without weights has nothing to write", m->d.name);
    if (fabs(m->d.attn_scale / arch_attn_scale(&m->d) - 1) > 1e-5)
        return err_set(e, ERR_UNSUPPORTED,
                       "%s scales its attention by %g: llama.cpp takes %g for every %s and would answer otherwise",
                       m->d.name, m->d.attn_scale, arch_attn_scale(&m->d), m->d.arch->name);
    return 0;
}

static int write(const char *path, const struct model *m, const struct weights *w, const struct recipe *r,
                 struct err *e)
{
    static const char *const replaced[] = {"general.file_type",
                                           "general.quantization_version",
                                           "general.alignment",
                                           "whichquant.tokenizer.merges",
                                           "whichquant.tokenizer.nfc",
                                           "whichquant.tokenizer.rstrip",
                                           "whichquant.tokenizer.space_prefix",
                                           NULL};
    struct gguf_writer *out;
    int rc = gguf_writer_new(&out, path, e);
    if (rc < 0)
        return rc;
    rc = gguf_writer_copy_kv(out, m->gguf, replaced, e);
    if (rc == 0)
        rc = gguf_writer_u32(out, "general.quantization_version", 2, e);
    if (rc == 0)
        rc = gguf_writer_u32(out, "general.file_type", (uint32_t)r->gguf_file_type, e);
    if (rc == 0)
        rc = write_tensors(out, m, w, e);
    if (rc == 0)
        return gguf_writer_finish(out, e);
    gguf_writer_abort(out);
    return rc;
}

const struct exporter exporter_gguf = {.name = "gguf",
                                       .suffix = ".gguf",
                                       .doc = "the file that llama.cpp loads",
                                       .takes = takes,
                                       .check = check,
                                       .write = write};
