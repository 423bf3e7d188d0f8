/* GGUF, as llama.cpp loads it: every key of the source kept, file type replaced. */
#include <math.h>
#include <string.h>
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
    return r->gguf_file_type >= 0 || strcmp(r->name, RECIPE_AS_IS) == 0;
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

static const char *const replaced[] = {"general.file_type",
                                       "general.quantization_version",
                                       "general.alignment",
                                       "whichquant.tokenizer.merges",
                                       "whichquant.tokenizer.nfc",
                                       "whichquant.tokenizer.rstrip",
                                       "whichquant.tokenizer.space_prefix",
                                       NULL};
static const char quantization_version[] = "general.quantization_version";
enum {
    QUANTIZATION_VERSION = 2,
    TENSOR_ALIGNMENT = 32,
    MOST_NOTES = 24,
    N_REPLACED = sizeof replaced / sizeof *replaced
};

/* The keys of the source that do not go on: those that are replaced, and what an earlier mix said of itself. */
static void list_skipped(const char *skip[N_REPLACED + MOST_NOTES], const struct export_note *note, int n_notes)
{
    int n = 0;
    for (const char *const *r = replaced; *r; r++)
        skip[n++] = *r;
    for (int i = 0; i < n_notes; i++)
        skip[n++] = note[i].key;
    skip[n] = NULL;
}

static int write_notes(struct gguf_writer *out, const struct export_note *note, int n, struct err *e)
{
    int rc = 0;
    for (int i = 0; i < n && rc == 0; i++)
        rc = note[i].text    ? gguf_writer_str(out, note[i].key, note[i].text, e)
             : note[i].count ? gguf_writer_u32(out, note[i].key, (uint32_t)note[i].value, e)
                             : gguf_writer_f32(out, note[i].key, (float)note[i].value, e);
    return rc;
}

/* file_type -1: none. */
static int write_file(const char *path, const struct model *m, const struct weights *w, int file_type,
                      const struct export_note *note, int n_notes, struct err *e)
{
    const char *skip[N_REPLACED + MOST_NOTES];
    struct gguf_writer *out;
    int rc = gguf_writer_new(&out, path, e);
    if (rc < 0)
        return rc;
    list_skipped(skip, note, n_notes);
    rc = gguf_writer_copy_kv(out, m->gguf, skip, e);
    if (rc == 0)
        rc = gguf_writer_u32(out, quantization_version, QUANTIZATION_VERSION, e);
    if (rc == 0 && file_type >= 0)
        rc = gguf_writer_u32(out, "general.file_type", (uint32_t)file_type, e);
    if (rc == 0)
        rc = write_notes(out, note, n_notes, e);
    if (rc == 0)
        rc = write_tensors(out, m, w, e);
    if (rc == 0)
        return gguf_writer_finish(out, e);
    gguf_writer_abort(out);
    return rc;
}

static int write(const char *path, const struct model *m, const struct weights *w, const struct recipe *r,
                 struct err *e)
{
    int64_t type = r->gguf_file_type;
    if (type < 0 && !gguf_get_i64(m->gguf, "general.file_type", &type))
        type = -1;
    return write_file(path, m, w, (int)type, NULL, 0, e);
}

int export_gguf_noted(const char *path, const struct model *m, const struct weights *w, const struct export_note *note,
                      int n_notes, struct err *e)
{
    if (n_notes >= MOST_NOTES)
        return err_set(e, ERR_USAGE, "%s: %d notes on how it was made are too many", path, n_notes);
    return write_file(path, m, w, -1, note, n_notes, e);
}

/* Length before texts 8, type of a key 4; of an array type and count 12; of a tensor dimensions 4, type 4, offset 8. */
int64_t export_gguf_header_bytes(const struct model *m, const struct export_note *note, int n_notes)
{
    const char *skip[N_REPLACED + MOST_NOTES];
    int64_t bytes = 4 + 4 + 8 + 8 + 8 + (int64_t)strlen(quantization_version) + 4 + 4;
    list_skipped(skip, note, n_notes);
    for (int64_t i = 0; i < m->gguf->n_kv; i++) {
        const struct gguf_kv *kv = &m->gguf->kv[i];
        bool kept = true;
        for (const char *const *s = skip; *s && kept; s++)
            kept = strlen(*s) != kv->key.n || memcmp(*s, kv->key.p, kv->key.n);
        bytes += kept ? 8 + (int64_t)kv->key.n + 4 + (kv->type == GGUF_ARRAY ? 12 : 0) + (int64_t)kv->bytes : 0;
    }
    for (int i = 0; i < n_notes; i++)
        bytes += 8 + (int64_t)strlen(note[i].key) + 4 + (note[i].text ? 8 + (int64_t)strlen(note[i].text) : 4);
    for (int i = 0; i < m->d.n_tensors; i++) {
        const struct gguf_tensor *t = gguf_find_tensor(m->gguf, m->d.tensor[i].name);
        bytes += 8 + (int64_t)strlen(t->name) + 4 + 8LL * t->n_dims + 4 + 8;
    }
    return (bytes + TENSOR_ALIGNMENT - 1) / TENSOR_ALIGNMENT * TENSOR_ALIGNMENT;
}

const struct exporter exporter_gguf = {.name = "gguf",
                                       .suffix = ".gguf",
                                       .doc = "the file that llama.cpp loads",
                                       .takes = takes,
                                       .check = check,
                                       .write = write};
