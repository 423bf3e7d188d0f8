/* The table of named formats, and what holds for all families: activation rules, sizes, histograms
 * (recipe.h). */
#include "bench/quant/recipe.h"
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include "bench/quant/algorithm.h"
#include "bench/quant/ranges.h"
#include "bench/quant/recipe_family.h"

#define GGUF_TESTS "llama.cpp 0c1e570, tests/golden/test_encoders.c and tests/unit/test_recipes.c"
#define ROW(name_, fam, scheme_, codec_, type_, runtime_, tests_, doc_, asked_)                                        \
    {.name = name_,                                                                                                    \
     .family = &family_##fam,                                                                                          \
     .scheme = scheme_,                                                                                                \
     .codec = codec_,                                                                                                  \
     .gguf_file_type = type_,                                                                                          \
     .framework = runtime_,                                                                                            \
     .on_request = asked_,                                                                                             \
     .verified_by = tests_,                                                                                            \
     .doc = doc_},
#define R(...)          ROW(__VA_ARGS__, false)
#define ON_REQUEST(...) ROW(__VA_ARGS__, true)
/* A row with parameters of its own: what follows are fields of struct recipe. */
#define Q(fam, scheme_, codec_, runtime_, ...)                                                                         \
    {.name = #fam "/" scheme_,                                                                                         \
     .family = &family_##fam,                                                                                          \
     .scheme = scheme_,                                                                                                \
     .codec = codec_,                                                                                                  \
     .gguf_file_type = -1,                                                                                             \
     .framework = runtime_,                                                                                            \
     .on_request = true,                                                                                               \
     __VA_ARGS__},
#define PAR(bits_, sym_, scale_, zero_, group_)                                                                        \
    {                                                                                                                  \
        .bits = bits_, .sym = sym_, .scale_type = NUMBER_##scale_, .zero_type = ZERO_##zero_, .group = group_          \
    }
const struct recipe recipes[] = {
#include "bench/quant/recipes.def"
#include "bench/quant/recipes_mlx.def"
#include "bench/quant/recipes_onnx.def"
#include "bench/quant/recipes_openvino.def"
#include "bench/quant/recipes_torch.def"
};
#undef ROW
#undef R
#undef ON_REQUEST
#undef Q
#undef PAR
const int n_recipes = (int)(sizeof recipes / sizeof *recipes);

static bool same_name(const char *name, size_t n, const char *full)
{
    return strncasecmp(name, full, n) == 0 && full[n] == 0;
}

static const struct qpar *most_used(const struct model *m, const struct codec *c)
{
    const struct model_tensor *best = NULL;
    for (int i = 0; i < m->d.n_tensors; i++) {
        const struct model_tensor *t = &m->d.tensor[i];
        if (t->matrix && t->src.codec == c && (!best || t->src.n * t->src.k > best->src.n * best->src.k))
            best = t;
    }
    static const struct qpar none;
    return best ? &best->src.seg1.q : &none;
}

/* How much of its parameters a row of that codec has; the first of equals is the plain one. */
static int likeness(const struct recipe *r, const struct qpar *q)
{
    bool same = !r->par.bits || (r->par.bits == q->bits && r->par.group == q->group);
    return same ? 1 + (r->par.sym == q->sym) + (r->par.scale_type == q->scale_type) : 0;
}

const struct recipe *recipe_of_source(char name[48], const struct model *m)
{
    const struct codec *c = model_source_codec(&m->d, NULL);
    const struct qpar *q = most_used(m, c);
    const struct recipe *best = NULL;
    const char *family = "gguf";
    int64_t type = -1;
    if (!gguf_get_i64(m->gguf, "general.file_type", &type))
        type = -1;
    for (int i = 0; i < n_recipes; i++) {
        const struct recipe *r = &recipes[i];
        if (type >= 0 && r->gguf_file_type == type)
            best = r;
        if (c->gguf_type >= 0 || strcmp(r->codec, c->name) != 0)
            continue;
        family = r->family->name;
        if (likeness(r, q) > (best ? likeness(best, q) : 0))
            best = r;
    }
    if (best)
        snprintf(name, 48, "%s", best->name);
    else if (strcmp(family, "gguf") == 0 || !q->bits)
        snprintf(name, 48, "%s/%s", family, c->name);
    else if (q->group > 0)
        snprintf(name, 48, "%s/%dbit-g%d", family, q->bits, (int)q->group);
    else
        snprintf(name, 48, "%s/%dbit-channel", family, q->bits);
    return best;
}

const struct recipe *recipe_find(const char *name)
{
    const struct recipe *found = NULL;
    int n_found = 0;
    size_t n = strcspn(name, "@");
    for (int i = 0; i < n_recipes; i++) {
        if (same_name(name, n, recipes[i].name))
            return &recipes[i];
        if (!same_name(name, n, strchr(recipes[i].name, '/') + 1))
            continue;
        if (recipes[i].framework && strcmp(recipes[i].framework, "llama.cpp") == 0)
            return &recipes[i]; /* its names are the usual ones where families share one */
        n_found++;
        found = &recipes[i];
    }
    return n_found == 1 ? found : NULL;
}

bool recipe_in_group(const struct recipe *r, const char *group)
{
    return strcasecmp(group, "all") == 0 || strcasecmp(group, r->family->name) == 0;
}

bool recipe_is_candidate(const struct recipe *r, const struct model_desc *m)
{
    bool quantized = false;
    if (strcmp(r->name, RECIPE_AS_IS) == 0)
        return model_source_codec(m, &quantized)->gguf_type >= 0 && quantized;
    return strcmp(r->name, "base/f32") != 0;
}

unsigned recipe_needs(const struct recipe *r)
{
    return (r->algorithm ? algorithm_find(r->algorithm)->needs : 0) | (r->metric ? CALIB_SAMPLES : 0) |
           (r->range ? range_rule_find(r->range)->needs : 0);
}

unsigned recipe_statistics(const char *const *names, int n)
{
    unsigned want = CALIB_SQUARES;
    struct recipe r;
    for (int i = 0; i < n; i++) {
        if (recipe_find(names[i]) && recipe_resolve(&r, names[i], NULL) == 0)
            want |= recipe_needs(&r);
        for (int j = 0; j < n_recipes; j++)
            want |= recipe_in_group(&recipes[j], names[i]) ? recipe_needs(&recipes[j]) : 0;
    }
    return want;
}

bool recipe_spread_half(int layer, int n_layer, int first)
{
    return layer < n_layer / 8 || layer >= 7 * n_layer / 8 || (layer - first) % 3 == 2;
}

void recipe_put(struct use_assign *a, const char *codec, const struct qpar *par)
{
    a->codec = a->wanted = codec_find(codec);
    a->par = par ? *par : (struct qpar){0};
}

/* Plain floats, every matrix in one codec; or in that of the file. */
static int assign_base(const struct model_desc *m, const struct recipe *r, const struct recipe_known *known,
                       struct use_assign out[], struct err *e)
{
    const bool as_is = strcmp(r->name, RECIPE_AS_IS) == 0;
    (void)known;
    for (int i = 0; i < m->n_tensors; i++) {
        if (m->tensor[i].matrix && !as_is)
            out[i].codec = out[i].wanted = codec_find(r->codec);
        if (as_is && out[i].codec->gguf_type < 0)
            return err_set(e, ERR_UNSUPPORTED, "%s is %s here, which no GGUF file holds: what made it runs it as it is",
                           m->tensor[i].name, out[i].codec->name);
    }
    return 0;
}
const struct recipe_family family_base = {.name = "base", .assign = assign_base};

/* The frameworks whose arithmetic is known, and their unquantized KV cache. OpenVINO's default is u8 on x86: an axis of
 * its own. */
static const struct numerics {
    const char *name;
    struct kv_pair kv;
} numerics_table[] = {
    {"llama.cpp", KV_BOTH(F16)},   {"weights-only", KV_BOTH(F32)}, {"mlx", KV_BOTH(F16)},
    {"onnxruntime", KV_BOTH(F32)}, {"openvino", KV_BOTH(F32)},
};

const char *recipe_numerics(const struct recipe *r, const char *asked)
{
    return asked ? asked : r->framework;
}

struct kv_pair numerics_kv(const char *numerics)
{
    for (size_t i = 0; i < sizeof numerics_table / sizeof *numerics_table; i++)
        if (strcmp(numerics_table[i].name, numerics) == 0)
            return numerics_table[i].kv;
    return KV_BOTH(F16);
}

/* MLX keeps keys and values in the model's own float type. */
struct kv_pair recipe_kv(const struct recipe *r, const char *asked)
{
    struct err e;
    struct kv_pair kv;
    const char *numerics = recipe_numerics(r, asked);
    bool follows = strcmp(numerics, "mlx") == 0 && r->act;
    return follows && kv_parse(&kv, r->act, &e) == 0 ? kv : numerics_kv(numerics);
}

static int check_numerics(const struct recipe *r, const char *asked, struct err *e)
{
    bool known = strcmp(asked, r->framework) == 0;
    for (size_t i = 0; i < sizeof numerics_table / sizeof *numerics_table; i++)
        known |= strcmp(numerics_table[i].name, asked) == 0;
    if (!known)
        return err_set(e, ERR_USAGE,
                       "numerics \"%s\" is unknown: give weights-only or a framework (llama.cpp, mlx, onnxruntime, "
                       "openvino)",
                       asked);
    if (strcmp(asked, r->framework) && strcmp(asked, "weights-only"))
        return err_set(e, ERR_UNSUPPORTED, "%s has the arithmetic of %s, not of %s: give that or weights-only", r->name,
                       r->framework, asked);
    return 0;
}

static const struct act *act_of(const struct recipe *r, const struct use_assign *a, bool weights_only)
{
    if (weights_only)
        return act_find("f32");
    return a->act ? a->act : act_find(r->act ? r->act : a->head ? a->head->act : a->codec->act);
}

/* What the recipe needs to know of the activations, against what there is or will be. */
static int check_known(const struct recipe *r, const struct recipe_known *known, struct err *e)
{
    unsigned needs = recipe_needs(r);
    bool lacks = known->cal && (needs & ~known->cal->have);
    if (!needs || (known->importance && !lacks))
        return 0;
    return err_set(e, ERR_MISSING,
                   "%s needs statistics of what flows into the model%s: give --calibration TEXT, a text like those "
                   "that the model will read",
                   r->name, lacks ? " that an importance matrix does not have" : "");
}

int recipe_assign(const struct model_desc *m, const struct recipe *r, const char *numerics,
                  const struct recipe_known *known, struct use_assign out[], struct err *e)
{
    static const struct recipe_known nothing;
    known = known ? known : &nothing;
    numerics = recipe_numerics(r, numerics);
    int rc = check_numerics(r, numerics, e);
    if (rc == 0)
        rc = check_known(r, known, e);
    if (rc)
        return rc;
    memset(out, 0, (size_t)m->n_tensors * sizeof *out);
    for (int i = 0; i < m->n_tensors; i++)
        out[i].codec = out[i].wanted = m->tensor[i].src.codec;
    rc = r->family->assign(m, r, known, out, e);
    for (int i = 0; i < m->n_tensors && rc == 0; i++)
        if (m->tensor[i].matrix) {
            out[i].act = act_of(r, &out[i], strcmp(numerics, "weights-only") == 0);
            out[i].range = out[i].act->scope == ACT_FIXED ? range_rule_find(r->range) : NULL;
        }
    return rc;
}

static void write_histogram(const struct use_assign *a, int n, char *text, size_t room)
{
    size_t used = 0;
    text[0] = 0;
    for (const struct codec *const *c = codecs; *c; c++) {
        int count = 0;
        for (int i = 0; i < n; i++)
            count += (a[i].codec == *c) + (a[i].head == *c);
        if (count && used < room)
            used += (size_t)snprintf(text + used, room - used, "%s%s:%d", used ? " " : "", (*c)->name, count);
    }
}

bool assign_same(const struct use_assign *a, const struct use_assign *b)
{
    return a->codec == b->codec && !memcmp(&a->par, &b->par, sizeof a->par) && a->act == b->act &&
           a->range == b->range && a->head == b->head && !memcmp(&a->head_par, &b->head_par, sizeof a->head_par) &&
           a->algorithm == b->algorithm && a->alpha == b->alpha && a->bpw == b->bpw;
}

int recipe_summarize(const struct model_desc *m, const struct use_assign *a, struct recipe_summary *s, struct err *e)
{
    double weights = 0;
    *s = (struct recipe_summary){0};
    for (int i = 0; i < m->n_tensors; i++) {
        const struct qmat *src = &m->tensor[i].src;
        struct qmat q, head = {0};
        int rc = a[i].codec->layout(&q, src->n, src->k, &a[i].par, e);
        if (rc == 0 && a[i].head)
            rc = a[i].head->layout(&head, src->n, src->k, &a[i].head_par, e);
        if (rc)
            return err_context(e, "%s", m->tensor[i].name), rc;
        s->bytes += (int64_t)(qmat_bytes(&q) + qmat_bytes(&head));
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
