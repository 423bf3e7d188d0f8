/* What the calibration runs: shapes with few layers whose weights are laid out later, and the list of codecs. */
#include <math.h>
#include <string.h>
#include "base/mem.h"
#include "bench/plan.h"
#include "bench/rates_state.h"
#include "kernels/kernels.h"

enum { SMALL_VOCAB = 512, SHORT_CTX = 64, MOST_TOKENS = 512 };
static const double usual_bytes = 0.56; /* a weight */

/* Formats without packed kernels in a sweep's usual list, or made on request only, that are often published. */
static const char *const also[] = {"gguf/iq4_xs", "gguf/iq4_nl",  "gguf/iq3_m",     "gguf/iq3_xxs",
                                   "gguf/iq2_m",  "gguf/iq2_xxs", "gguf/mxfp4_moe", "gguf/tq2_0"};

double rates_layer_values(const struct model_desc *d)
{
    const double d_q = (double)d->n_head * d->head_dim, d_kv = (double)d->n_head_kv * d->head_dim;
    return 4.0 * d->d_model + 2 * (d_q + d_kv) + 3.0 * d->d_ff;
}

/* As many layers as are half of the buffer in a usual format: two rounds through it never meet the same cache. */
static int open_shape(struct rates_job *j, struct rates_shape *s, const char *id, struct err *e)
{
    const struct shape *real = shape_find(id);
    struct model_desc d = real->d;
    const double d_q = (double)d.n_head * d.head_dim, d_kv = (double)d.n_head_kv * d.head_dim;
    s->layer_weights = d.d_model * (2 * d_q + 2 * d_kv + 3.0 * d.d_ff);
    double layers = ceil(0.5 * (double)j->memory.bytes / (s->layer_weights * usual_bytes));
    d.n_layer = layers < d.n_layer ? (int)layers : d.n_layer;
    d.n_vocab = SMALL_VOCAB;
    int rc = model_from_shape(&s->model, &d, e);
    if (rc == 0)
        rc = weights_new(&s->weights, s->model, e);
    return rc;
}

/* An engine wants weights from the start: the shape's own 16-bit floats, from the buffer. */
static int open_engine(struct rates_job *j, struct rates_shape *s, struct err *e)
{
    struct engine_opts o = {
        .mode = ENGINE_PACKED, .n_ctx = SHORT_CTX, .n_batch = 1, .isa = j->o->isa, .pool = j->o->pool};
    for (int i = 0; i < s->model->d.n_tensors; i++) {
        const struct model_tensor *t = &s->model->d.tensor[i];
        s->weights->act[i] = t->matrix ? act_find(t->src.codec->act) : NULL;
        s->weights->mat[i].plane[PLANE_CODE].p = t->matrix ? j->memory.p : (uint8_t *)(void *)j->ones;
    }
    return engine_new(&s->engine, s->weights, &o, e);
}

int rates_open_shapes(struct rates_job *j, struct err *e)
{
    const size_t threads = (size_t)pool_n_threads(j->o->pool), widest = 16384;
    j->x = mem_alloc_n(MOST_TOKENS * widest, sizeof *j->x);
    j->y = mem_alloc_n(MOST_TOKENS * threads * 64, sizeof *j->y);
    j->ones = mem_alloc_n(widest, sizeof *j->ones);
    j->rows = mem_aligned(MOST_TOKENS * (widest * sizeof(float) / 4 + 4096));
    j->spare = mem_aligned(threads * RATES_SPARE);
    if (!j->x || !j->y || !j->ones || !j->rows || !j->spare)
        return err_nomem(e, MOST_TOKENS * widest * sizeof *j->x, "the calibration");
    for (size_t i = 0; i < widest; i++)
        j->ones[i] = 1;
    for (size_t i = 0; i < MOST_TOKENS * widest; i++)
        j->x[i] = (float)((int)(i % 17) - 8) / 8;
    int rc = 0;
    for (int i = 0; i < RATE_SHAPES && rc == 0; i++) {
        rc = open_shape(j, &j->shape[i], rate_shape_ids[i], e);
        if (rc == 0)
            rc = open_engine(j, &j->shape[i], e);
    }
    return rc;
}

void rates_close_shapes(struct rates_job *j)
{
    for (int i = 0; i < RATE_SHAPES; i++) {
        engine_free(j->shape[i].engine);
        weights_free(j->shape[i].weights);
        model_close(j->shape[i].model);
    }
    void *const buffers[] = {j->x, j->y, j->ones, j->rows, j->spare};
    for (size_t i = 0; i < sizeof buffers / sizeof *buffers; i++)
        mem_free(buffers[i]);
}

static bool same_rate(const struct codec_rate *c, const char *codec, const char *act, const struct qpar *par)
{
    return !strcmp(c->codec, codec) && !strcmp(c->act, act) && !memcmp(&c->par, par, sizeof *par);
}

static void add_tensor(struct machine_rates *out, const struct model_tensor *t, const struct use_assign *a)
{
    const struct kernel *k[2];
    const char *act = a->act ? a->act->name : "f32";
    if (!t->matrix || a->head || out->n_codecs >= RATE_MOST_CODECS || !plan_kernels(k, t, a, out->isa) || !k[0] ||
        !k[1] || !kernel_is_packed(k[0]) || !kernel_is_packed(k[1]))
        return;
    for (int i = 0; i < out->n_codecs; i++)
        if (same_rate(&out->codec[i], a->codec->name, act, &a->par))
            return;
    struct codec_rate *c = &out->codec[out->n_codecs++];
    *c = (struct codec_rate){.par = a->par};
    snprintf(c->codec, sizeof c->codec, "%s", a->codec->name);
    snprintf(c->act, sizeof c->act, "%s", act);
    for (int s = 0; s < RATE_SHAPES; s++)
        c->decode_gb_s[s] = c->prefill_gop_s[s] = INTERVAL_NONE;
}

static bool is_usual(const struct recipe *r)
{
    static const char *const usual[] = {
#define U(container, arch, format) format,
#include "bench/usual.def"
#undef U
    };
    bool named = !r->on_request && strcmp(r->name, "base/f32") != 0 &&
                 (strncmp(r->name, "gguf/", 5) == 0 || strncmp(r->name, "base/", 5) == 0);
    for (size_t i = 0; i < sizeof usual / sizeof *usual; i++)
        named = named || strcmp(r->name, usual[i]) == 0;
    for (size_t i = 0; i < sizeof also / sizeof *also; i++)
        named = named || strcmp(r->name, also[i]) == 0;
    return named;
}

int rates_list_codecs(struct machine_rates *out, const struct model *m, struct err *e)
{
    struct use_assign *a = mem_alloc_n((size_t)m->d.n_tensors, sizeof *a);
    if (!a)
        return err_nomem(e, (unsigned long long)m->d.n_tensors * sizeof *a, "the list of codecs");
    for (int i = 0; i < n_recipes; i++)
        if (is_usual(&recipes[i]) &&
            recipe_assign(&m->d, &recipes[i], NULL, &(struct recipe_known){.importance = true}, a, NULL) == 0)
            for (int t = 0; t < m->d.n_tensors; t++)
                add_tensor(out, &m->d.tensor[t], &a[t]);
    mem_free(a);
    return 0;
}
