/* The table of named formats, and what holds for all families: activation rules, sizes, histograms
 * (recipe.h). */
#include "bench/quant/recipe.h"
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include "bench/quant/recipe_family.h"

#define GGUF_TESTS "llama.cpp 0c1e570, tests/golden/test_encoders.c and tests/unit/test_recipes.c"
#define R(name_, fam, scheme_, codec_, type_, runtime_, tests_, doc_)                                        \
    {.name = name_,                                                                                          \
     .family = &family_##fam,                                                                                \
     .scheme = scheme_,                                                                                      \
     .codec = codec_,                                                                                        \
     .gguf_file_type = type_,                                                                                \
     .framework = runtime_,                                                                                  \
     .verified_by = tests_,                                                                                  \
     .doc = doc_},
const struct recipe recipes[] = {
#include "bench/quant/recipes.def"
};
#undef R
const int n_recipes = (int)(sizeof recipes / sizeof *recipes);

const struct recipe *recipe_find(const char *name)
{
    const struct recipe *found = NULL;
    for (int i = 0; i < n_recipes; i++) {
        const char *scheme = strchr(recipes[i].name, '/') + 1;
        if (strcasecmp(recipes[i].name, name) == 0)
            return &recipes[i];
        if (strcasecmp(scheme, name) == 0) {
            if (found)
                return NULL;
            found = &recipes[i];
        }
    }
    return found;
}

/* Plain floats: every matrix in one codec. */
static int assign_base(const struct model_desc *m, const struct recipe *r, bool have_importance,
                       struct use_assign out[], struct err *e)
{
    (void)have_importance, (void)e;
    for (int i = 0; i < m->n_tensors; i++)
        if (m->tensor[i].matrix)
            out[i].codec = out[i].wanted = codec_find(r->codec);
    return 0;
}
const struct recipe_family family_base = {.name = "base", .assign = assign_base};

/* Whose activation rules: the runtime's are those of the codec. */
static const struct numerics {
    const char *name, *act; /* act NULL: what the codec says */
} numerics_table[] = {{"llama.cpp", NULL}, {"weights-only", "f32"}};

int recipe_assign(const struct model_desc *m, const struct recipe *r, const char *numerics, bool have_importance,
                  struct use_assign out[], struct err *e)
{
    const struct numerics *num = NULL;
    for (size_t i = 0; i < sizeof numerics_table / sizeof *numerics_table; i++)
        if (strcmp(numerics_table[i].name, numerics) == 0)
            num = &numerics_table[i];
    if (!num)
        return err_set(e, ERR_USAGE, "numerics \"%s\" is unknown: llama.cpp and weights-only are there",
                       numerics);
    memset(out, 0, (size_t)m->n_tensors * sizeof *out);
    for (int i = 0; i < m->n_tensors; i++)
        out[i].codec = out[i].wanted = m->tensor[i].src.codec;
    int rc = r->family->assign(m, r, have_importance, out, e);
    for (int i = 0; i < m->n_tensors && rc == 0; i++)
        if (m->tensor[i].matrix)
            out[i].act = act_find(num->act ? num->act : out[i].codec->act);
    return rc;
}

static void write_histogram(const struct use_assign *a, int n, char *text, size_t room)
{
    size_t used = 0;
    text[0] = 0;
    for (const struct codec *const *c = codecs; *c; c++) {
        int count = 0;
        for (int i = 0; i < n; i++)
            count += a[i].codec == *c;
        if (count && used < room)
            used += (size_t)snprintf(text + used, room - used, "%s%s:%d", used ? " " : "", (*c)->name, count);
    }
}

int recipe_summarize(const struct model_desc *m, const struct use_assign *a, struct recipe_summary *s,
                     struct err *e)
{
    double weights = 0;
    *s = (struct recipe_summary){0};
    for (int i = 0; i < m->n_tensors; i++) {
        const struct qmat *src = &m->tensor[i].src;
        struct qmat q;
        int rc = a[i].codec->layout(&q, src->n, src->k, &a[i].par, e);
        if (rc)
            return err_context(e, "%s", m->tensor[i].name), rc;
        s->bytes += (int64_t)qmat_bytes(&q);
        weights += (double)src->n * (double)src->k;
        if (a[i].codec != a[i].wanted) {
            s->n_substituted++;
            s->weights_substituted += src->n * src->k;
        }
    }
    s->bits_per_weight = weights > 0 ? 8.0 * (double)s->bytes / weights : NAN;
    write_histogram(a, m->n_tensors, s->histogram, sizeof s->histogram);
    return 0;
}
