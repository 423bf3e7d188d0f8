/* quantize: writes what a framework loads of a format, a file or a directory; --dry-run shows what it would hold. */
#include <math.h>
#include <string.h>
#include "base/mem.h"
#include "base/os.h"
#include "bench/engine/eval.h"
#include "bench/producer.h"
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

static int encode_checked(struct cli *c, struct weights **out, struct model *m, struct use_assign *a,
                          const struct calibration *cal, struct err *e)
{
    int rc = model_check_finite(m, e);
    if (rc == 0)
        rc = cli_pool(c, e);
    return rc ? rc : weights_encode(out, m, a, cal, c->req.isa, c->pool, e);
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
        rc = encode_checked(c, &q, m, a, cal, e);
    if (rc == 0)
        rc = out->write(c->req.out_dir, m, q, r, e);
    weights_free(q);
    return rc;
}

/* ---- somebody else's artifact of the same format ---- */

enum { N_COMPARED = 256 }; /* tokens of the text that both are run on */

static int print_comparison(struct cli *c, const struct producer *p, const struct producer_result *r)
{
    if (c->json) {
        json_t *o = json_object();
        json_put(o, "producer", json_string(p->name));
        json_put(o, "version", json_string(r->version));
        json_put(o, "matrices", json_integer(r->n_matrices));
        json_put(o, "unpaired", json_integer(r->n_unpaired));
        json_put(o, "weights", json_integer(r->n_weights));
        json_put(o, "differ", json_integer(r->n_differ));
        json_put(o, "largest", json_num(r->largest));
        json_put(o, "relative", json_num(r->relative));
        json_put(o, "worst", json_str_or_null(*r->worst ? r->worst : NULL));
        json_put(o, "tokens", json_integer(r->n_tokens));
        json_put(o, "kld_ours", json_num(r->kld_ours));
        json_put(o, "kld_its", json_num(r->kld_its));
        json_put(o, "kld_between", json_num(r->kld_between));
        return cli_print_json(o);
    }
    printf("%s %s made %s\n%d matrices, %lld weights decoded: %lld differ", p->name, r->version, c->req.out_dir,
           r->n_matrices, (long long)r->n_weights, (long long)r->n_differ);
    if (r->n_differ)
        printf(", by %.3g at most and %.3g of their size in the mean, most of them in %s", r->largest, r->relative,
               r->worst);
    if (r->n_unpaired)
        printf("; %d matrices are in one of the two alone", r->n_unpaired);
    printf(
        "\nmean KLD from the model in f32, %d tokens in %s: %.6f of ours, %.6f of %s; of the one from the other %.2e\n",
        r->n_tokens, p->runner, r->kld_ours, r->kld_its, p->name, r->kld_between);
    return EXIT_DONE;
}

static int encode_floats(struct cli *c, struct weights **out, struct model *m, struct err *e)
{
    struct recipe floats;
    struct use_assign *a = mem_alloc_n((size_t)m->d.n_tensors, sizeof *a);
    const struct recipe_known nothing = {0};
    if (!a)
        return err_nomem(e, (unsigned long long)m->d.n_tensors * sizeof *a, "the tensor table");
    int rc = recipe_resolve(&floats, "base/f32", e);
    if (rc == 0)
        rc = recipe_assign(&m->d, &floats, NULL, &nothing, a, e);
    if (rc == 0)
        rc = weights_encode(out, m, a, NULL, c->req.isa, c->pool, e);
    mem_free(a);
    return rc;
}

static int produce(struct cli *c, struct model *m, const struct recipe *r, struct use_assign *a,
                   const struct calibration *cal, struct err *e)
{
    const struct producer *p;
    struct producer_result result;
    struct weights *own = NULL, *plain = NULL;
    int32_t *tokens = NULL;
    int64_t n = 0;
    int rc = producer_named(&p, c->producer, e);
    if (rc == 0)
        rc = dir_check_vacant(c->req.out_dir, e);
    if (rc == 0)
        rc = encode_checked(c, &own, m, a, cal, e);
    if (rc == 0)
        rc = encode_floats(c, &plain, m, e);
    if (rc == 0)
        rc = eval_encode(m->vocab, (const char *)default_text, (size_t)(default_text_end - default_text),
                         "the embedded text", N_COMPARED, &tokens, &n, e);
    if (rc == 0)
        rc = producer_run(&result, p, c->req.out_dir, m, own, plain, r, tokens, n < N_COMPARED ? (int)n : N_COMPARED,
                          c->req.threads, e);
    mem_free(tokens);
    weights_free(own);
    weights_free(plain);
    return rc < 0 ? rc : print_comparison(c, p, &result);
}

int cmd_quantize(struct cli *c)
{
    struct err e = {0};
    if (c->target_bytes >= 0 || isfinite(c->target_bpw) || isfinite(c->req.want.max_kld))
        return cli_quantize_mix(c);
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
    if (rc == 0 && !c->req.dither && model_source_codec(&m->d, &quantized) && quantized)
        cli_warn("%s is already quantized: the result carries the errors of both formats", c->arg[0]);
    if (rc == 0 && !(a = mem_alloc_n((size_t)m->d.n_tensors, sizeof *a)))
        rc = err_nomem(&e, (unsigned long long)m->d.n_tensors * sizeof *a, "the tensor table");
    if (rc == 0 && (!c->dry_run || r->metric))
        rc = cli_calibration(c, &cal, m, recipe_statistics(c->req.formats, c->req.n_formats), &e);
    struct recipe_known known = {c->req.imatrix || c->req.calibration, cal};
    if (rc == 0)
        rc = recipe_assign(&m->d, r, NULL, &known, a, &e);
    if (rc == 0 && c->producer && !c->dry_run)
        code = rc = produce(c, m, r, a, cal, &e);
    else if (rc == 0)
        code = print_plan(c, m, r, a);
    if (rc == 0 && !c->producer && code == EXIT_DONE && !c->dry_run)
        rc = encode_and_write(c, m, r, a, cal, &e);
    if (rc < 0)
        code = cli_fail(&e);
    mem_free(a);
    calibration_free(cal);
    model_close(m);
    return code;
}
