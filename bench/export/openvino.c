/* OpenVINO IR as optimum-intel and openvino-genai load it: openvino_model.xml and .bin, openvino_config.json,
 * generation_config.json, config.json and the tokenizer's files. The tokenizer's own graphs (openvino_tokenizer.xml)
 * are made from those by openvino-tokenizers. */
#include <stdio.h>
#include <string.h>
#include "base/os.h"
#include "bench/artifact/hf_write.h"
#include "bench/export/export.h"
#include "bench/export/openvino_graph.h"
#include "bench/quant/recipe_family.h"

/* What NNCF calls a recipe's weights. */
static const struct mode {
    const char *codec;
    int bits, sym, scale;
    const char *name, *dtype;
} modes[] = {
    {"openvino_int", 8, 0, NUMBER_F16, "int8_asym", "int8"},
    {"openvino_int", 8, 1, NUMBER_F16, "int8_sym", "int8"},
    {"openvino_int", 4, 0, NUMBER_F16, "int4_asym", "int4"},
    {"openvino_int", 4, 1, NUMBER_F16, "int4_sym", "int4"},
    {"openvino_int", 3, 1, NUMBER_F16, "int3_sym", "int3"},
    {"openvino_int", 2, 1, NUMBER_F16, "int2_sym", "int2"},
    {"openvino_book", 4, 1, NUMBER_F16, "nf4", "nf4"},
    {"openvino_book", 4, 0, NUMBER_F16, "cb4", "cb4"},
    {"openvino_fp", 4, 0, NUMBER_F16, "fp4", "fp4"},
    {"openvino_fp", 4, 0, NUMBER_E8M0, "mxfp4", "mxfp4"},
    {"openvino_fp", 4, 0, NUMBER_E4M3, "nvfp4", "nvfp4"},
    {"openvino_fp", 8, 0, NUMBER_F16, "fp8_e4m3", "fp8_e4m3"},
    {"openvino_fp", 8, 0, NUMBER_E8M0, "mxfp8_e4m3", "mxfp8_e4m3"},
};

static const struct mode *mode_of(const struct recipe *r)
{
    for (size_t i = 0; i < sizeof modes / sizeof *modes; i++)
        if (strcmp(modes[i].codec, r->codec) == 0 && modes[i].bits == r->par.bits && modes[i].sym == r->par.sym &&
            modes[i].scale == r->par.scale_type)
            return &modes[i];
    return NULL;
}

static bool takes(const struct recipe *r)
{
    return r->family == &family_openvino && mode_of(r);
}

static int check(const struct model *m, const struct recipe *r, struct err *e)
{
    const struct model_desc *d = &m->d;
    (void)r;
    if (!m->gguf || !m->vocab)
        return err_set(e, ERR_UNSUPPORTED, "%s: a shape without weights has nothing to write", d->name);
    if (d->arch->sub_norms)
        return err_set(e, ERR_UNSUPPORTED, "%s: models of the architecture %s are not written as OpenVINO graphs",
                       d->name, d->arch->name);
    if (!d->arch->rope_neox && d->rope_dim != d->head_dim)
        return err_set(e, ERR_UNSUPPORTED,
                       "%s: heads of %d of which %d are rotated in pairs have no OpenVINO graph here", d->name,
                       d->head_dim, d->rope_dim);
    if (d->logit_softcap > 0)
        return err_set(e, ERR_UNSUPPORTED, "%s caps its logits, for which there is no OpenVINO graph here", d->name);
    json_t *tokenizer = NULL;
    int rc = m->folder ? 0 : hf_make_tokenizer(&tokenizer, m->gguf, e);
    json_decref(tokenizer);
    return rc;
}

static void note(struct ir *g, const struct recipe *r)
{
    const struct mode *mode = mode_of(r);
    char group[16], ratio[16];
    snprintf(group, sizeof group, "%d", r->par.group > 0 ? (int)r->par.group : -1);
    snprintf(ratio, sizeof ratio, "%g", r->ratio > 0 ? r->ratio : 1);
    ir_note(g, "nncf/weight_compression/mode", mode->name);
    ir_note(g, "nncf/weight_compression/group_size", group);
    ir_note(g, "nncf/weight_compression/ratio", ratio);
    ir_note(g, "whichquant/format", r->name);
    ir_note(g, "whichquant/version", WHICHQUANT_VERSION);
}

static int write_graph(const char *folder, const struct model *m, const struct weights *w, const struct recipe *r,
                       struct err *e)
{
    struct ir *g;
    int rc = ir_open(&g, folder, "openvino_model", e);
    if (rc)
        return rc;
    rc = ov_decoder(g, m, w, e);
    note(g, r);
    if (rc == 0)
        return ir_finish(g, e);
    ir_abort(g);
    return rc;
}

static json_t *openvino_config(const struct recipe *r)
{
    const struct mode *mode = mode_of(r);
    json_t *o = json_object(), *q = json_object();
    json_put(q, "bits", json_integer(r->par.bits));
    json_put(q, "dtype", json_string(mode->dtype));
    json_put(q, "group_size", json_integer(r->par.group > 0 ? r->par.group : -1));
    json_put(q, "quant_method", json_string("default"));
    json_put(q, "ratio", json_real(r->ratio > 0 ? r->ratio : 1));
    json_put(q, "sym", json_boolean(r->par.sym));
    json_put(o, "dtype", json_string(mode->dtype));
    json_put(o, "quantization_config", q);
    return o;
}

/* config.json is left out where it cannot say what the graph does: the runtime needs none. */
static int write_settings(const char *folder, const struct model *m, const struct recipe *r, struct err *e)
{
    struct err why = {0};
    json_t *config = NULL, *own = openvino_config(r);
    int rc = hf_write_json(folder, "openvino_config.json", own, e);
    json_decref(own);
    if (rc == 0)
        rc = hf_make_config(&config, m->gguf, m->folder, "float32", &why);
    if (rc == 0)
        rc = hf_write_json(folder, "config.json", config, e);
    else if (rc == ERR_UNSUPPORTED)
        rc = 0;
    else if (why.code)
        rc = err_set(e, rc, "%s", why.text);
    json_decref(config);
    return rc ? rc : hf_write_tokenizer(folder, m->gguf, m->folder, e);
}

static int write(const char *path, const struct model *m, const struct weights *w, const struct recipe *r,
                 struct err *e)
{
    struct dir_out dir;
    int rc = dir_out_open(&dir, path, e);
    if (rc)
        return rc;
    rc = write_graph(dir.temp, m, w, r, e);
    if (rc == 0)
        rc = write_settings(dir.temp, m, r, e);
    if (rc == 0)
        return dir_out_commit(&dir, e);
    dir_out_abort(&dir);
    return rc;
}

const struct exporter exporter_openvino = {.name = "openvino",
                                           .suffix = "",
                                           .doc = "the directory that OpenVINO and openvino-genai load",
                                           .takes = takes,
                                           .check = check,
                                           .write = write};
