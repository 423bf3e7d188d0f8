/* The ways to store each tensor, what is measured of them, and the choice (mix.h). */
#include "bench/quant/mix.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include "base/mem.h"
#include "base/os.h"
#include "bench/quant/mix_probe.h"
#include "bench/quant/recipe_family.h"

enum { FILE_ALIGNMENT = 32 };

/* What llama.cpp computes fast without more than the weights: blocks of 32 and of 256, and f16 for what nothing else
 * fits. iq4 is as good as q4_k in less room and slower; asked for by name. */
static const char *const default_codecs[] = {"q2_k", "q3_k", "q4_k", "q5_k", "q6_k", "q4_0",
                                             "q4_1", "q5_0", "q5_1", "q8_0", "f16"};

static int add_codec(const struct codec *out[], int *n, const char *name, struct err *e)
{
    const char *bare = strncasecmp(name, "gguf/", 5) == 0 ? name + 5 : name;
    const struct codec *c = NULL;
    for (const struct codec *const *p = codecs; *p && !c; p++)
        c = strcasecmp((*p)->name, bare) == 0 ? *p : NULL;
    if (!c || c->gguf_type < 0 || c->measure || c->encode_all || *n >= MIX_MOST_CODECS)
        return err_set(e, ERR_USAGE,
                       "%s is no codec of GGUF tensors: give names such as q4_k,q6_k,q8_0 (`whichquant list codecs`)",
                       name);
    for (int i = 0; i < *n; i++)
        if (out[i] == c)
            return 0;
    out[(*n)++] = c;
    return 0;
}

int mix_codecs(const struct codec *out[MIX_MOST_CODECS], const char *const *names, int n_names, struct err *e)
{
    int n = 0, rc = 0;
    if (n_names == 0) {
        names = default_codecs;
        n_names = (int)(sizeof default_codecs / sizeof *default_codecs);
    }
    for (int i = 0; i < n_names && rc == 0; i++) {
        bool iq4 = strcasecmp(names[i], "iq4") == 0;
        rc = add_codec(out, &n, iq4 ? "iq4_nl" : names[i], e);
        if (rc == 0 && iq4)
            rc = add_codec(out, &n, "iq4_xs", e);
    }
    return rc ? rc : n;
}

/* ---- the forms ---- */

static int by_bytes(const void *a, const void *b)
{
    const struct mix_form *x = a, *y = b;
    return x->bytes != y->bytes ? (x->bytes < y->bytes ? -1 : 1) : strcmp(x->codec->name, y->codec->name);
}

static int64_t file_bytes(const struct qmat *q)
{
    return ((int64_t)qmat_bytes(q) + FILE_ALIGNMENT - 1) / FILE_ALIGNMENT * FILE_ALIGNMENT;
}

static bool can_hold(const struct mix_setup *s, const struct codec *c, const struct model_tensor *t, int i)
{
    bool head = t->use == USE_TOKEN_EMBD || t->use == USE_OUTPUT; /* their inputs are rarely watched */
    return c && (!c->needs_importance || head || (s->cal && s->cal->tensor[i] && s->cal->tensor[i]->importance));
}

static int list_forms(struct mix_tensor *x, const struct mix_setup *s, const struct model_tensor *t, struct err *e)
{
    for (int i = 0; i < s->n_codecs; i++) {
        const struct codec *c = gguf_fitting_codec(s->codec[i], t->src.k);
        bool known = !can_hold(s, c, t, x->tensor);
        for (int k = 0; k < x->n && !known; k++)
            known = x->form[k].codec == c;
        if (known)
            continue;
        struct qmat q;
        int rc = c->layout(&q, t->src.n, t->src.k, NULL, e);
        if (rc)
            return err_context(e, "%s", t->name);
        x->form[x->n++] = (struct mix_form){.codec = c, .bytes = file_bytes(&q), .error = NAN, .kld = NAN};
    }
    if (x->n == 0)
        return err_set(e, ERR_UNSUPPORTED, "none of the codecs asked for can hold %s, rows of %lld%s", t->name,
                       (long long)t->src.k, s->cal ? "" : ", without an importance matrix");
    qsort(x->form, (size_t)x->n, sizeof *x->form, by_bytes);
    return 0;
}

static int list_tensors(struct mix *x, struct err *e)
{
    const struct model_desc *d = &x->model->d;
    x->tensor = arena_alloc_n(x->arena, (size_t)d->n_tensors, sizeof *x->tensor);
    if (!x->tensor)
        return err_nomem(e, (size_t)d->n_tensors * sizeof *x->tensor, "the ways to store each tensor");
    for (int i = 0; i < d->n_tensors; i++) {
        struct mix_tensor *t = &x->tensor[x->n];
        if (!d->tensor[i].matrix) {
            x->kept_bytes += file_bytes(&d->tensor[i].src);
            continue;
        }
        *t = (struct mix_tensor){.tensor = i, .kld_per_error = NAN};
        int rc = list_forms(t, &x->setup, &d->tensor[i], e);
        if (rc)
            return rc;
        x->least_bytes += t->form[0].bytes;
        x->most_bytes += t->form[t->n - 1].bytes;
        x->n++;
    }
    x->least_bytes += x->kept_bytes;
    x->most_bytes += x->kept_bytes;
    return x->n ? 0 : err_set(e, ERR_UNSUPPORTED, "%s has no matrices to choose a codec for", d->name);
}

int mix_open(struct mix **out, const struct model *m, const struct mix_setup *s, struct err *e)
{
    struct arena *a = arena_new();
    struct mix *x = a ? arena_alloc(a, sizeof *x) : NULL;
    *out = NULL;
    if (!x) {
        arena_free(a);
        return err_nomem(e, sizeof *x, "a mix");
    }
    *x = (struct mix){.model = m, .setup = *s, .arena = a};
    int rc = list_tensors(x, e);
    if (rc) {
        mix_close(x);
        return rc;
    }
    *out = x;
    return 0;
}

void mix_close(struct mix *x)
{
    if (!x)
        return;
    mix_probe_free(x->probe);
    arena_free(x->arena);
}

int mix_memory(const struct model *m, const struct mix_setup *s, int64_t *bytes, struct err *e)
{
    return mix_probe_bytes(m, s, bytes, e);
}

/* ---- the choice ---- */

int mix_choose(struct mix *x, int64_t bytes, struct err *e)
{
    struct arena *a = arena_new();
    struct mix_item *item = a ? arena_alloc_n(a, (size_t)x->n, sizeof *item) : NULL;
    struct mix_option *option = item ? arena_alloc_n(a, (size_t)x->n * MIX_MOST_CODECS, sizeof *option) : NULL;
    int *choice = option ? arena_alloc_n(a, (size_t)x->n, sizeof *choice) : NULL;
    int rc = choice ? 0 : err_nomem(e, (size_t)x->n * MIX_MOST_CODECS * sizeof *option, "the choice of codecs");
    for (int i = 0; i < x->n && rc == 0; i++) {
        item[i] = (struct mix_item){&option[i * MIX_MOST_CODECS], x->tensor[i].n};
        for (int f = 0; f < x->tensor[i].n; f++)
            option[i * MIX_MOST_CODECS + f] = (struct mix_option){x->tensor[i].form[f].bytes, x->tensor[i].form[f].kld};
    }
    if (rc == 0)
        rc = mix_solve(choice, &x->solution, item, x->n, bytes - x->kept_bytes, e);
    if (rc == ERR_LIMIT)
        err_set(e, rc, "%lld bytes of tensors are not enough: the smallest of these codecs take %lld", (long long)bytes,
                (long long)x->least_bytes);
    for (int i = 0; i < x->n && rc == 0; i++)
        x->tensor[i].chosen = choice[i];
    arena_free(a);
    return rc;
}

int64_t mix_bytes(const struct mix *x)
{
    return x->kept_bytes + x->solution.bytes;
}

double mix_kld(const struct mix *x)
{
    return x->solution.cost;
}

int mix_assign(const struct mix *x, struct use_assign a[], struct err *e)
{
    const struct recipe *base = recipe_find("gguf/q8_0"); /* for the activation rules of its family */
    int rc = recipe_assign(&x->model->d, base, NULL, NULL, a, e);
    for (int i = 0; i < x->n && rc == 0; i++) {
        const struct mix_tensor *t = &x->tensor[i];
        struct use_assign *to = &a[t->tensor];
        to->codec = to->wanted = t->form[t->chosen].codec;
        to->act = act_find(to->codec->act);
    }
    return rc;
}
