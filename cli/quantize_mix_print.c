/* What `quantize` with a target prints: the codec of each tensor, bytes, the predicted and the verified divergence. */
#include <math.h>
#include "cli/quantize_mix.h"

enum { FEW_CHUNKS = 10 };

static double bits_of(const struct mix_job *j, const struct mix_tensor *t)
{
    const struct qmat *src = &j->model->d.tensor[t->tensor].src;
    return 8.0 * (double)t->form[t->chosen].bytes / ((double)src->n * (double)src->k);
}

static json_t *describe_tensor(const struct mix_job *j, const struct mix_tensor *t)
{
    const struct mix_form *f = &t->form[t->chosen];
    json_t *o = json_object();
    json_put(o, "name", json_string(j->model->d.tensor[t->tensor].name));
    json_put(o, "codec", json_string(f->codec->name));
    json_put(o, "bytes", json_integer(f->bytes));
    json_put(o, "bpw", json_num(bits_of(j, t)));
    json_put(o, "kld", json_num(f->kld));
    json_put(o, "kld_from", json_string(f->measured ? "measured" : t->probed ? "error" : "neighbours"));
    return o;
}

static json_t *describe(const struct mix_job *j, const struct recipe_summary *s)
{
    const struct mix *x = j->mix;
    json_t *o = json_object(), *tensors = json_array();
    json_put(o, "target", json_string(j->target_text));
    json_put(o, "file_bytes", json_integer(j->header_bytes + mix_bytes(x)));
    json_put(o, "header_bytes", json_integer(j->header_bytes));
    json_put(o, "effective_bpw", json_num(s->bits_per_weight));
    json_put(o, "histogram", json_string(s->histogram));
    json_put(o, "predicted_kld", json_num(mix_kld(x)));
    json_put(o, "least_kld", json_num(x->solution.bound));
    json_put(o, "measurements", json_integer(x->n_probes));
    json_put(o, "measurements_wanted", json_integer(x->n_wanted));
    json_put(o, "out_of_time", json_boolean(x->out_of_time));
    json_put(o, "kld", json_num(j->weights ? j->q.kld : NAN));
    json_put(o, "kld_err", json_num(j->weights ? j->q.kld_err : NAN));
    json_put(o, "kld_lo", json_num(j->weights ? j->q.kld_lo : NAN));
    json_put(o, "kld_hi", json_num(j->weights ? j->q.kld_hi : NAN));
    json_put(o, "chunks", json_integer(j->weights ? j->q.n_chunks : 0));
    json_put(o, "text", json_string(j->text_name));
    json_put(o, "text_sha256", json_string(j->text_sha256));
    json_put(o, "seconds", json_num((double)(clock_ns() - j->start_ns) / 1e9));
    json_put(o, "tensors", tensors);
    for (int i = 0; i < x->n; i++)
        json_array_append_new(tensors, describe_tensor(j, &x->tensor[i]));
    return o;
}

static void print_tensors(const struct mix_job *j)
{
    printf("%-32s %-8s %12s %8s %14s\n", "tensor", "codec", "bytes", "bits", "KLD alone");
    for (int i = 0; i < j->mix->n; i++) {
        const struct mix_tensor *t = &j->mix->tensor[i];
        const struct mix_form *f = &t->form[t->chosen];
        printf("%-32s %-8s %12lld %8.3f %13.3e%s\n", j->model->d.tensor[t->tensor].name, f->codec->name,
               (long long)f->bytes, bits_of(j, t), f->kld,
               f->measured ? ""
               : t->probed ? " ~"
                           : " ?");
    }
    puts("~ from the error of its outputs and the measured divergence of another codec there; ? of other layers");
}

int mix_print(struct mix_job *j)
{
    const struct mix *x = j->mix;
    struct recipe_summary s;
    struct err e = {0};
    if (recipe_summarize(&j->model->d, j->assign, &s, &e) < 0)
        return cli_fail(&e);
    if (j->c->json)
        return cli_print_json(describe(j, &s));
    if (j->c->dry_run || j->c->req.verbose)
        print_tensors(j);
    const int64_t bytes = j->header_bytes + mix_bytes(x);
    printf("%s: %lld bytes with %lld of metadata, %.3f bits per weight (%s)\n", j->model->d.name, (long long)bytes,
           (long long)j->header_bytes, s.bits_per_weight, s.histogram);
    if (j->target != TARGET_KLD)
        printf("target %s: %lld bytes are left\n", j->target_text, (long long)(j->target_bytes - bytes));
    printf("predicted KLD %.5f, the sum over tensors; %d of %d measurements%s\n", mix_kld(x), x->n_probes, x->n_wanted,
           x->out_of_time ? ": the budget ended them" : "");
    if (j->weights)
        printf(
            "verified KLD %.5f +- %.5f (95 %%: %.5f to %.5f%s), %d chunks of %d tokens that nothing was measured on, "
            "%s\n",
            j->q.kld, j->q.kld_err, j->q.kld_lo, j->q.kld_hi,
            j->q.n_chunks < FEW_CHUNKS ? ", of few chunks: low confidence" : "", j->q.n_chunks, j->setup.n_ctx,
            j->text_name);
    return EXIT_DONE;
}
