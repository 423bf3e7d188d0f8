/* quantize: writes what a framework loads of a format, a file or a directory; --dry-run shows what it would hold. */
#include <string.h>
#include "base/mem.h"
#include "base/os.h"
#include "bench/export/export.h"
#include "cli/cli.h"

static json_t *describe_tensor(const struct model_tensor *t, const struct use_assign *a)
{
    json_t *o = json_object();
    json_put(o, "name", json_string(t->name));
    json_put(o, "codec", json_string(a->codec->name));
    json_put(o, "wanted", json_string(a->wanted->name));
    json_put(o, "bits", a->par.bits ? json_integer(a->par.bits) : json_null());
    json_put(o, "group", a->par.bits ? json_integer(a->par.group) : json_null());
    json_put(o, "head", json_str_or_null(a->head ? a->head->name : NULL));
    json_put(o, "activations", json_str_or_null(a->act ? a->act->name : NULL));
    json_put(o, "why", json_str_or_null(a->why));
    return o;
}

static int print_plan(struct cli *c, const struct model *m, const struct recipe *r, const struct use_assign *a)
{
    struct recipe_summary s;
    struct err e = {0};
    if (recipe_summarize(&m->d, a, &s, &e) < 0)
        return cli_fail(&e);
    json_t *o = json_object(), *tensors = json_array();
    json_put(o, "format", json_string(r->name));
    json_put(o, "bytes", json_integer(s.bytes));
    json_put(o, "effective_bpw", json_num(s.bits_per_weight));
    json_put(o, "histogram", json_string(s.histogram));
    json_put(o, "substitutions", json_integer(s.n_substituted));
    json_put(o, "tensors", tensors);
    for (int i = 0; i < m->d.n_tensors; i++)
        json_array_append_new(tensors, describe_tensor(&m->d.tensor[i], &a[i]));
    if (c->json)
        return cli_print_json(o);
    json_decref(o);
    printf("%s of %s: %lld bytes, %.3f bits per weight (%s)\n", r->name, m->d.name, (long long)s.bytes,
           s.bits_per_weight, s.histogram);
    for (int i = 0; i < m->d.n_tensors; i++)
        if (a[i].wanted != a[i].codec)
            printf("  substituted %-32s %s instead of %s: %s\n", m->d.tensor[i].name, a[i].codec->name,
                   a[i].wanted->name, a[i].why);
    return EXIT_DONE;
}

static int encode_and_write(struct cli *c, struct model *m, const struct recipe *r, struct use_assign *a,
                            const struct calibration *cal, struct err *e)
{
    struct weights *q = NULL;
    const struct exporter *out = exporter_find(r);
    int rc = out->check(m, r, e);
    if (rc == 0 && !out->suffix[0])
        rc = dir_check_vacant(c->req.out_dir, e);
    if (rc == 0)
        rc = model_check_finite(m, e);
    if (rc == 0)
        rc = cli_pool(c, e);
    if (rc == 0)
        rc = weights_encode(&q, m, a, cal, c->req.isa, c->pool, e);
    if (rc == 0)
        rc = out->write(c->req.out_dir, m, q, r, e);
    weights_free(q);
    return rc;
}

int cmd_quantize(struct cli *c)
{
    struct err e = {0};
    if (c->formats.n != 1 || (!c->req.out_dir && !c->dry_run)) {
        cli_warn("quantize needs one -f FORMAT and -o OUT (or --dry-run); `whichquant list formats` names them");
        return EXIT_USAGE;
    }
    struct recipe format, *r = &format;
    if (recipe_resolve(r, c->formats.v[0], &e) < 0)
        return cli_fail(&e);
    if (!exporter_find(r) && !c->dry_run) {
        cli_warn("%s is a format of which no file can be written yet; --dry-run shows what it would hold", r->name);
        return EXIT_USAGE;
    }
    struct model *m = NULL;
    struct use_assign *a = NULL;
    struct calibration *cal = NULL;
    int code = EXIT_FAILED, rc = cli_model(&m, c->arg[0], &e);
    bool quantized = false;
    if (rc == 0 && c->req.dither)
        rc = model_dither(m, c->req.seed, &e);
    if (rc == 0 && !c->req.dither && model_source_codec(m, &quantized) && quantized)
        cli_warn("%s is already quantized: the result carries the errors of both formats", c->arg[0]);
    if (rc == 0 && !(a = mem_alloc_n((size_t)m->d.n_tensors, sizeof *a)))
        rc = err_nomem(&e, (unsigned long long)m->d.n_tensors * sizeof *a, "the tensor table");
    if (rc == 0 && (!c->dry_run || r->metric))
        rc = cli_calibration(c, &cal, m, recipe_statistics(c->req.formats, c->req.n_formats), &e);
    struct recipe_known known = {c->req.imatrix || c->req.calibration, cal};
    if (rc == 0)
        rc = recipe_assign(&m->d, r, NULL, &known, a, &e);
    if (rc == 0)
        code = print_plan(c, m, r, a);
    if (rc == 0 && code == EXIT_DONE && !c->dry_run)
        rc = encode_and_write(c, m, r, a, cal, &e);
    if (rc < 0)
        code = cli_fail(&e);
    mem_free(a);
    calibration_free(cal);
    model_close(m);
    return code;
}
