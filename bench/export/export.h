/* Encoded weights as the artifact that a framework loads: one file here per container, one row of exports.def each. */
#ifndef BENCH_EXPORT_EXPORT_H
#define BENCH_EXPORT_EXPORT_H
#include "bench/quant/recipe.h"

struct exporter {
    const char *name;   /* "gguf" */
    const char *suffix; /* of the file's name: ".gguf"; "": a directory */
    const char *doc;
    bool (*takes)(const struct recipe *r);
    /* ERR_UNSUPPORTED with the reason: a model that the container, or the framework's loader, cannot hold. */
    int (*check)(const struct model *m, const struct recipe *r, struct err *e);
    /* Atomic: nothing half-written carries the name. The same input makes the same bytes. */
    int (*write)(const char *path, const struct model *m, const struct weights *w, const struct recipe *r,
                 struct err *e);
};
/* A key that says how a file was made. */
struct export_note {
    const char *key;
    const char *text; /* NULL: value, as f32, or as u32 where it is a count */
    double value;
    bool count;
};
/* GGUF of weights that follow no named format: no file type is claimed, readers find the commonest type themselves. */
int export_gguf_noted(const char *path, const struct model *m, const struct weights *w, const struct export_note *note,
                      int n_notes, struct err *e);
/* Bytes of that file beside its tensors, each of which takes a multiple of 32. */
int64_t export_gguf_header_bytes(const struct model *m, const struct export_note *note, int n_notes);
extern const struct exporter exporter_gguf, exporter_openvino;
extern const struct exporter *const exporters[]; /* NULL-terminated */
/* The container of a format; NULL: none holds it. */
const struct exporter *exporter_find(const struct recipe *r);
#endif
