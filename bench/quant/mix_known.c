/* What was measured of a model's tensors, in a file: another target then takes seconds (mix.h). */
#include <math.h>
#include <string.h>
#include "base/json.h"
#include "base/mem.h"
#include "base/os.h"
#include "bench/quant/mix.h"

static const char format_key[] = "whichquant_mix_measurements";
enum { FORMAT = 1 };

static json_t *identity_of(const struct mix *x, const struct mix_identity *id)
{
    json_t *o = json_object();
    json_put(o, format_key, json_integer(FORMAT));
    json_put(o, "model_sha256", json_string(x->model->sha256));
    json_put(o, "dither_seed", id->dithered ? json_integer((json_int_t)id->seed) : json_null());
    json_put(o, "text_sha256", json_string(id->text_sha256));
    json_put(o, "importance_sha256", json_string(x->setup.cal ? x->setup.cal->sha256 : ""));
    json_put(o, "n_ctx", json_integer(x->setup.n_ctx));
    json_put(o, "chunks", json_integer(x->setup.n_chunks));
    return o;
}

static json_t *forms_of(const struct mix_tensor *t)
{
    json_t *all = json_array();
    for (int f = 0; f < t->n; f++) {
        json_t *o = json_object();
        json_put(o, "codec", json_string(t->form[f].codec->name));
        json_put(o, "error", json_num(t->form[f].error));
        json_put(o, "kld", json_num(t->form[f].measured ? t->form[f].kld : NAN));
        json_array_append_new(all, o);
    }
    return all;
}

int mix_known_write(const struct mix *x, const char *path, const struct mix_identity *id, struct err *e)
{
    json_t *o = identity_of(x, id), *tensors = json_array();
    struct sbuf b = {0};
    json_put(o, "tensors", tensors);
    for (int i = 0; i < x->n; i++) {
        json_t *t = json_object();
        json_put(t, "name", json_string(x->model->d.tensor[x->tensor[i].tensor].name));
        json_put(t, "forms", forms_of(&x->tensor[i]));
        json_array_append_new(tensors, t);
    }
    json_print(&b, o, 1);
    json_decref(o);
    int rc = b.failed ? err_nomem(e, b.n, "the measurements of a mix") : file_write(path, b.p, b.n, e);
    sbuf_free(&b);
    return rc;
}

static struct mix_tensor *tensor_named(struct mix *x, const char *name)
{
    for (int i = 0; name && i < x->n; i++)
        if (strcmp(x->model->d.tensor[x->tensor[i].tensor].name, name) == 0)
            return &x->tensor[i];
    return NULL;
}

static void take_forms(struct mix_tensor *t, const json_t *forms)
{
    size_t at;
    json_t *o;
    json_array_foreach(forms, at, o)
    {
        const char *codec = json_get_str(o, "codec", "");
        const double error = json_get_num(o, "error"), kld = json_get_num(o, "kld");
        for (int f = 0; f < t->n; f++) {
            if (strcmp(t->form[f].codec->name, codec) != 0)
                continue;
            t->form[f].error = error >= 0 ? error : NAN;
            t->form[f].measured = kld >= 0 && isfinite(t->form[f].error);
            t->form[f].kld = t->form[f].measured ? kld : NAN;
        }
    }
}

static int check_identity(const json_t *file, const json_t *mine, const char *path, struct err *e)
{
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)mine, key, value)
    {
        if (!json_equal(json_object_get(file, key), value))
            return err_set(e, ERR_USAGE,
                           "%s does not go with this run, its %s is another: give another path to --measurements, or "
                           "remove the file",
                           path, key);
    }
    return 0;
}

int mix_known_read(struct mix *x, const char *path, const struct mix_identity *id, struct err *e)
{
    json_t *file = NULL, *mine = identity_of(x, id), *t;
    size_t at;
    int rc = file_exists(path) ? json_read_file(&file, path, e) : 0;
    if (rc == 0 && file)
        rc = check_identity(file, mine, path, e);
    if (rc == 0)
        json_array_foreach(json_object_get(file, "tensors"), at, t)
        {
            struct mix_tensor *to = tensor_named(x, json_get_str(t, "name", NULL));
            if (to)
                take_forms(to, json_object_get(t, "forms"));
        }
    json_decref(file);
    json_decref(mine);
    return rc;
}
