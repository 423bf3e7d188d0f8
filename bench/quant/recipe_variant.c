/* Variants of a named format: name@key=value,key=value. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "bench/quant/recipe_family.h"

static int set_number(struct recipe *r, const char *value)
{
    static const char *const name[] = {[NUMBER_F32] = "f32", [NUMBER_F16] = "f16", [NUMBER_BF16] = "bf16"};
    for (uint8_t i = 0; i < sizeof name / sizeof *name; i++) {
        if (strcmp(value, name[i]))
            continue;
        if (r->par.scale_type > NUMBER_BF16)
            return -1;
        r->par.scale_type = i;
        r->high.scale_type = r->high.scale_type > NUMBER_BF16 ? r->high.scale_type : i;
        return 0;
    }
    return -1;
}

static int set_act(struct recipe *r, const char *value)
{
    const struct act *a = act_find(value);
    if (!a || a->scope == ACT_FIXED) /* fixed: only rows that say how the grid is found */
        return -1;
    if (r->high_act) /* one choice for both: that of a runtime in bf16, or without int8 */
        r->high_act = strcmp(a->name, "bf16") == 0 ? "openvino_i8_bf16" : NULL;
    r->act = a->name;
    return 0;
}

static int set_dtype(struct recipe *r, const char *value)
{
    return set_number(r, value) || set_act(r, value);
}

/* accuracy_level of MatMulNBits: 4 makes activations int8, in the blocks of the weights. */
static int set_accuracy(struct recipe *r, const char *value)
{
    char name[16];
    if (strcmp(value, "4") != 0)
        return strcmp(value, "0") == 0 ? set_act(r, "f32") : -1;
    snprintf(name, sizeof name, "i8_%d", (int)r->par.group);
    return set_act(r, name);
}

static int set_ratio(struct recipe *r, const char *value)
{
    char *end;
    double ratio = strtod(value, &end);
    if (*end || !(ratio > 0 && ratio <= 1) || !r->high_codec)
        return -1;
    r->ratio = ratio;
    return 0;
}

static int set_bpw(struct recipe *r, const char *value)
{
    char *end;
    double bpw = strtod(value, &end);
    if (*end || !(bpw >= 2 && bpw <= 8) || r->bpw <= 0)
        return -1;
    r->bpw = bpw;
    r->par = (struct qpar){.bits = (uint8_t)bpw, .group = 128}; /* until the algorithm has chosen */
    return 0;
}

static int set_alpha(struct recipe *r, const char *value)
{
    char *end;
    double alpha = strtod(value, &end);
    if (*end || !(alpha > 0 && alpha <= 1) || !(r->alpha > 0))
        return -1;
    r->alpha = alpha;
    return 0;
}

static int set_metric(struct recipe *r, const char *value)
{
    bool weights = strcmp(value, "weights") == 0;
    r->metric = weights ? NULL : openvino_metric(value);
    return weights || r->metric ? 0 : -1;
}

static int set_layers(struct recipe *r, const char *value)
{
    r->mix = "all";
    return strcmp(value, "all") == 0 ? 0 : -1;
}

static const struct key {
    const char *name, *family, *values;
    int (*set)(struct recipe *r, const char *value); /* -1: no such value */
} keys[] = {
    {"act", NULL, "an activation rule such as f32, f16, bf16, i8_32", set_act},
    {"acc", "onnx", "0 or 4", set_accuracy},
    {"scale", "onnx", "f32, f16 or bf16", set_number},
    {"dtype", "mlx", "f32, f16 or bf16", set_dtype},
    {"ratio", "openvino", "more than 0, at most 1", set_ratio},
    {"bpw", "exl2", "2 to 8 bits per weight", set_bpw},
    {"smooth", "openvino", "more than 0, at most 1", set_alpha},
    {"metric", "openvino", "weights, max-variance, mean-variance, magnitude or hessian", set_metric},
    {"layers", "openvino", "all", set_layers},
};
enum { N_KEYS = sizeof keys / sizeof *keys };

static int apply(struct recipe *r, const char *name, const char *key, const char *value, struct err *e)
{
    for (int i = 0; i < N_KEYS; i++) {
        if (strcmp(keys[i].name, key) || (keys[i].family && strcmp(keys[i].family, r->family->name)))
            continue;
        return keys[i].set(r, value) == 0
                   ? 0
                   : err_set(e, ERR_USAGE, "format %s: %s takes %s, not %s", name, key, keys[i].values, value);
    }
    return err_set(e, ERR_USAGE, "format %s: %s formats have no variant %s", name, r->family->name, key);
}

int recipe_resolve(struct recipe *out, const char *name, struct err *e)
{
    char text[128];
    const struct recipe *r = recipe_find(name);
    const char *at = strchr(name, '@');
    if (!r)
        return err_set(e, ERR_USAGE, "unknown format %s; `whichquant list formats` names them", name);
    *out = *r;
    if (!at)
        return 0;
    out->name = name;
    if (snprintf(text, sizeof text, "%s", at + 1) >= (int)sizeof text)
        return err_set(e, ERR_USAGE, "format %s: too many variants", name);
    char *rest = text;
    for (char *key = strtok_r(text, ",", &rest); key; key = strtok_r(NULL, ",", &rest)) {
        char *value = strchr(key, '=');
        if (!value)
            return err_set(e, ERR_USAGE, "format %s: %s stands without a value: give key=value", name, key);
        *value++ = 0;
        int rc = apply(out, name, key, value, e);
        if (rc)
            return rc;
    }
    return 0;
}
