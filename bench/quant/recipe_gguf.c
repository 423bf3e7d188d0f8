/* The GGUF mixtures: base codec, exceptions by tensor and layer (mix_gguf.def), then smaller blocks where
 * rows do not divide. Which codec a named file gives each tensor is llama-quantize's rule, exactly. */
#include "bench/quant/recipe_family.h"
#include <stdio.h>
#include <string.h>

enum { TIED_OR_OUTPUT = -1 }; /* beside enum tensor_use */
enum when {
    ALWAYS,
    FIRST_2,
    FIRST_4,
    FIRST_8TH,
    FIRST_8TH_WITH_IMPORTANCE,
    FIRST_8TH_WITHOUT_IMPORTANCE,
    MIDDLE, /* all but the first and last eighth */
    FIRST_16TH,
    SPREAD_HALF, /* the first and last eighth, and every third layer between them */
    GQA_4,       /* four or more query heads share a value head */
    MANY_V,      /* that, or a mixture of four or more experts */
    EXPERTS_8,   /* a mixture of eight */
    SPREAD_HALF_EXPERTS_8,
    OF_EXPERTS, /* the matrix itself is one of experts */
};

static const struct mix_rule {
    const char *scheme;
    int use;
    enum when when;
    const char *codec;
} mix_rules[] = {
#define M(scheme, use, when, codec) {scheme, use, when, codec},
#include "bench/quant/mix_gguf.def"
#undef M
};

/* The attn_v matrices of an 80-layer grouped-query model are an eighth of attn_q: more bits there cost
 * little. */
static const struct promotion {
    const char *arch;
    int n_layer;
    bool grouped; /* only with fewer value heads than query heads */
    enum tensor_use use;
    const char *from, *to;
} promotions[] = {
    {"llama", 80, true, USE_ATTN_V, "q3_k", "q5_k"},
    {"llama", 80, true, USE_ATTN_V, "q4_k", "q5_k"},
    {"qwen2", 80, false, USE_ATTN_V, "q3_k", "q5_k"},
    {"qwen2", 80, false, USE_ATTN_V, "q4_k", "q5_k"},
};

/* What takes the place of a codec whose block does not divide the row; f16 where that does not either. NULL: nothing
 * does, the model has no such file. */
static const struct fallback {
    const char *codec, *instead;
} fallbacks[] = {
    {"q2_k", "q4_0"},      {"q3_k", "q4_0"},    {"q4_k", "q5_0"},      {"q5_k", "q5_1"},    {"q6_k", "q8_0"},
    {"iq4_xs", "iq4_nl"},  {"iq3_s", "iq4_nl"}, {"iq3_xxs", "iq4_nl"}, {"iq2_s", "iq4_nl"}, {"iq2_xs", "iq4_nl"},
    {"iq2_xxs", "iq4_nl"}, {"iq1_m", "iq4_nl"}, {"iq1_s", "iq4_nl"},   {"tq1_0", "q4_0"},   {"tq2_0", "q4_0"},
    {"q2_0", "q4_0"},      {"q1_0", NULL},
};

/* Where a tensor stands. Value matrices count those before them, which differs from the layer where not all layers have
 * one; llama-quantize asks for the heads of the first layer. */
struct place {
    const struct model_desc *m;
    const struct model_tensor *t;
    int at, n;
    bool have_importance;
};

static bool shares_values(const struct model_desc *m)
{
    return m->n_head_kv > 0 && m->n_head / m->n_head_kv >= 4;
}

static bool holds(enum when when, const struct place *p)
{
    int n = p->n, at = p->at, eighth = n / 8;
    switch (when) {
    case ALWAYS:
        return true;
    case FIRST_2:
        return at < 2;
    case FIRST_4:
        return at < 4;
    case FIRST_8TH:
        return at < eighth;
    case FIRST_8TH_WITH_IMPORTANCE:
        return at < eighth && p->have_importance;
    case FIRST_8TH_WITHOUT_IMPORTANCE:
        return at < eighth && !p->have_importance;
    case MIDDLE:
        return at >= eighth && at < 7 * n / 8;
    case FIRST_16TH:
        return at < n / 16;
    case SPREAD_HALF:
        return recipe_spread_half(at, n, eighth);
    case GQA_4:
        return shares_values(p->m);
    case MANY_V:
        return shares_values(p->m) || p->m->n_expert >= 4;
    case EXPERTS_8:
        return p->m->n_expert == 8;
    case SPREAD_HALF_EXPERTS_8:
        return p->m->n_expert == 8 && recipe_spread_half(at, n, eighth);
    case OF_EXPERTS:
        return p->t->expert;
    }
    return false;
}

static bool is_head(const struct model_desc *m, const struct model_tensor *t)
{
    return t->use == USE_OUTPUT || (t->use == USE_TOKEN_EMBD && m->tied);
}

static enum tensor_use use_for_rules(const struct model_tensor *t)
{
    return t->use == USE_ATTN_QKV ? USE_ATTN_V : t->use; /* as delicate as its V */
}

static bool rule_matches(const struct mix_rule *r, const char *scheme, const struct place *p)
{
    bool use = r->use == TIED_OR_OUTPUT ? is_head(p->m, p->t) : r->use == (int)use_for_rules(p->t);
    return use && (strcmp(r->scheme, "*") == 0 || strcmp(r->scheme, scheme) == 0) && holds(r->when, p);
}

static const char *mixed_codec(const struct recipe *r, const struct place *where)
{
    const struct model_desc *m = where->m;
    const struct model_tensor *t = where->t;
    const char *codec = r->codec;
    for (size_t i = 0; i < sizeof mix_rules / sizeof *mix_rules; i++)
        if (rule_matches(&mix_rules[i], r->scheme, where)) {
            codec = mix_rules[i].codec;
            break;
        }
    bool coarse = strncmp(r->scheme, "iq1", 3) == 0 || strncmp(r->scheme, "iq2", 3) == 0; /* they are not promoted */
    for (size_t i = 0; !coarse && i < sizeof promotions / sizeof *promotions; i++) {
        const struct promotion *p = &promotions[i];
        if (p->use == t->use && strcmp(p->arch, m->arch->name) == 0 && p->n_layer == m->n_layer &&
            (!p->grouped || m->n_head != m->n_head_kv) && strcmp(p->from, codec) == 0)
            return p->to;
    }
    return codec;
}

/* NULL where llama-quantize knows none. */
const struct codec *gguf_fitting_codec(const struct codec *wanted, int64_t k)
{
    const struct codec *c = wanted;
    if (k % c->block == 0)
        return c;
    for (size_t i = 0; i < sizeof fallbacks / sizeof *fallbacks; i++)
        if (strcmp(fallbacks[i].codec, wanted->name) == 0)
            c = fallbacks[i].instead ? codec_find(fallbacks[i].instead) : NULL;
    return !c || k % c->block == 0 ? c : codec_find("f16");
}

static int check_codec(const struct model_tensor *t, const struct recipe *r, const struct use_assign *a,
                       bool have_importance, struct err *e)
{
    if (!a->codec)
        return err_set(e, ERR_UNSUPPORTED,
                       "%s: rows of %lld in %s do not divide into blocks of %d of %s, which has no "
                       "substitute",
                       r->name, (long long)t->src.k, t->name, a->wanted->block, a->wanted->name);
    if (a->codec->needs_importance && !have_importance && t->use != USE_TOKEN_EMBD && t->use != USE_OUTPUT)
        return err_set(e, ERR_UNSUPPORTED,
                       "%s needs an importance matrix for %s (%s): give --imatrix FILE, or "
                       "--calibration TEXT to compute one",
                       r->name, t->name, a->codec->name);
    return 0;
}

static int assign(const struct model_desc *m, const struct recipe *r, const struct recipe_known *known,
                  struct use_assign out[], struct err *e)
{
    int n_values = 0, at_value = 0;
    for (int i = 0; i < m->n_tensors; i++)
        n_values += use_for_rules(&m->tensor[i]) == USE_ATTN_V;
    for (int i = 0; i < m->n_tensors; i++) {
        const struct model_tensor *t = &m->tensor[i];
        if (!t->matrix)
            continue;
        bool value = use_for_rules(t) == USE_ATTN_V;
        const struct place where = {m, t, value ? at_value++ : t->layer, value ? n_values : m->n_layer,
                                    known->importance};
        out[i].wanted = codec_find(mixed_codec(r, &where));
        bool odd_head = is_head(m, t) && t->src.k % codec_find(r->codec)->block; /* what the base type cannot hold */
        out[i].codec = gguf_fitting_codec(odd_head ? codec_find("q8_0") : out[i].wanted, t->src.k);
        int rc = check_codec(t, r, &out[i], known->importance, e);
        if (rc < 0)
            return rc;
        if (out[i].codec != out[i].wanted)
            snprintf(out[i].why, sizeof out[i].why, "rows of %lld do not divide into blocks of %d: %s instead of %s",
                     (long long)t->src.k, out[i].wanted->block, out[i].codec->name, out[i].wanted->name);
    }
    return 0;
}

bool recipe_needs_importance(const struct recipe *r)
{
    if (r->family != &family_gguf)
        return false;
    bool needs = codec_find(r->codec)->needs_importance;
    for (size_t i = 0; i < sizeof mix_rules / sizeof *mix_rules && !needs; i++)
        needs = strcmp(mix_rules[i].scheme, r->scheme) == 0 && codec_find(mix_rules[i].codec)->needs_importance;
    return needs;
}

const struct recipe_family family_gguf = {.name = "gguf", .assign = assign};
