/* Why there is no pick: the limit that binds, by how much, and the nearest thing that does fit; or what is not known.
 */
#include <math.h>
#include <string.h>
#include "bench/catalogue.h"
#include "matrix/judge.h"

/* The rule that alone stands in the way, or else the one that most rows break first. */
static int binding_rule(struct judge *j, int *nearest)
{
    int count[N_RULES] = {0}, most = 0;
    for (int k = 0; k < N_RULES; k++) {
        if (rule_kind(k) != RULE_LIMIT && rule_kind(k) != RULE_QUALITY)
            continue;
        *nearest = judge_best(j, UINT64_C(1) << k, k == RULE_max_kld ? NAN : j->d->kld_limit, ANY_GROUP, NULL);
        if (*nearest >= 0)
            return k;
    }
    *nearest = -1;
    for (int i = 0; i < j->d->n_rows; i++)
        if (j->d->row[i].vetoes && !j->d->row[i].own)
            count[__builtin_ctzll(j->d->row[i].vetoes)]++;
    for (int k = 1; k < N_RULES; k++)
        if (count[k] > count[most])
            most = k;
    return count[most] ? most : -1;
}

static double rule_cost(int rule, const struct row *r)
{
    switch (rule) {
    case RULE_max_kld:
        return r->kld;
    case RULE_min_quality:
        return -r->top1_agreement;
    case RULE_min_decode:
        return -r->decode_tok_s;
    case RULE_max_ttft:
        return r->ttft_ms;
    case RULE_disk:
        return (double)r->weights_bytes;
    default:
        return (double)r->peak_bytes;
    }
}

/* Of the first model: the row that breaks the rule by the least. For memory that is the smallest of all; for other
 * limits a row that breaks nothing else comes first. */
static int closest(const struct judge *j, int rule)
{
    const struct decision *d = j->d;
    int best = -1;
    for (int i = 0; i < d->n_rows; i++) {
        const struct row *r = &d->row[i], *b = &d->row[best < 0 ? i : best];
        if (r->own || !(r->vetoes & UINT64_C(1) << rule))
            continue;
        bool alone = rule != RULE_memory && r->vetoes == UINT64_C(1) << rule;
        bool best_alone = rule != RULE_memory && b->vetoes == UINT64_C(1) << rule;
        bool better = r->group != b->group  ? r->group < b->group
                      : alone != best_alone ? alone
                                            : rule_cost(rule, r) < rule_cost(rule, b);
        if (best < 0 || better)
            best = i;
    }
    return best;
}

/* The largest context, halving from the one asked for, at which the row fits. */
static int context_that_fits(const struct judge *j, const struct row *r)
{
    for (int64_t ctx = r->ctx / 2; ctx >= 512 && r->kv_bytes > 0; ctx /= 2)
        if (r->peak_bytes - r->kv_bytes + r->kv_bytes / r->ctx * ctx <= j->usable_bytes)
            return (int)ctx;
    return 0;
}

static bool says(const char *list, const char *word)
{
    return strstr(list, word) != NULL;
}

struct smaller {
    const struct catalogue_model *model; /* NULL: none */
    int64_t bytes;
};

/* The model of the catalogue with most weights under most_b billion that chats, may be used commercially and fits at
 * q4_k_m. */
static struct smaller model_that_fits(const struct judge *j, double most_b)
{
    const struct recipe *r = recipe_find("gguf/q4_k_m");
    const struct catalogue_model *m;
    struct smaller best = {0};
    struct catalogue_cost c;
    for (int i = 0, n = catalogue_models(&m); i < n; i++) {
        bool wanted = says(m[i].tasks, "chat") && !says(m[i].licence, "-nc") && strcmp(m[i].released, "2024") > 0;
        if (!wanted || !(m[i].params_b < most_b) || (best.model && m[i].params_b <= best.model->params_b) ||
            m[i].context < j->want->ctx || catalogue_cost(&c, &m[i], r, NULL, j->want->ctx, NULL) < 0)
            continue;
        int64_t need = c.weights_bytes + c.kv_bytes + c.scratch_bytes;
        if (need <= j->usable_bytes)
            best = (struct smaller){&m[i], need};
    }
    return best;
}

/* A large one that only just fits is slow: one of 1 to 2 billion stands beside it. */
static const char *nearest_for_memory(struct judge *j, const struct row *smallest)
{
    int ctx = context_that_fits(j, smallest);
    const char *cloud = j->want->offline ? "" : ", or the cloud";
    if (ctx)
        return say(j, "%s with a context of %d instead of %lld", row_name(j, smallest), ctx, (long long)smallest->ctx);
    struct smaller best = model_that_fits(j, INFINITY), small = model_that_fits(j, 2.5);
    bool both = small.model && small.model != best.model && small.model->params_b >= 1;
    const char *also = both ? say(j, "; of 1 to 2 B: %s, about %s", small.model->id, figure_bytes(small.bytes).s) : "";
    if (best.model)
        return say(j, "a smaller model: %s at gguf/q4_k_m needs about %s%s%s", best.model->id,
                   figure_bytes(best.bytes).s, also, cloud);
    return say(j, "a machine with %s of free memory%s", figure_bytes(smallest->peak_bytes).s, cloud);
}

void explain_nothing_fits(struct judge *j)
{
    struct decision *d = j->d;
    int nearest, rule = binding_rule(j, &nearest);
    if (rule < 0) {
        d->headline = say(j, "Nothing can be recommended for %s: no cell could be run", d->subject);
        d->reason = d->n_rows ? d->row[0].reason : "";
        return;
    }
    int near = closest(j, rule);
    const struct row *c = &d->row[near >= 0 ? near : nearest];
    d->binding_limit = rule_info(rule)->limit;
    d->subject = c->model;
    if (rule == RULE_memory) {
        d->headline =
            say(j, "This device cannot run %s even at the smallest format: %s needs %s, %s is usable (%s short)",
                c->model, c->format, figure_bytes(c->peak_bytes).s, figure_bytes(j->usable_bytes).s,
                figure_bytes(c->peak_bytes - j->usable_bytes).s);
        d->reason = "every format needs more memory than a program can use here";
        d->nearest = nearest_for_memory(j, c);
        return;
    }
    if (rule_kind(rule) == RULE_TRUST) {
        d->headline = say(j, "Nothing can be recommended for %s: %s", c->model, c->reason);
        return;
    }
    d->headline = say(j, "Nothing that runs here meets the limit on %s; the closest is %s: %s", d->binding_limit,
                      row_name(j, c), c->reason);
    d->nearest = row_short(j, c);
}

void explain_undecided(struct judge *j)
{
    static const char *const figure[N_OBJECTIVES] = {"quality", "quality", "speed", "memory", "energy per token"};
    struct decision *d = j->d;
    const struct row *gate = NULL;    /* the first that a gate asked for cannot judge */
    const struct row *untimed = NULL; /* the first that only lacks a speed which a limit needs */
    bool tried = false;
    for (int i = 0; i < d->n_rows; i++) {
        const struct row *r = &d->row[i];
        tried = tried || (r->ran && !r->own);
        if (!gate && !r->own && r->vetoes && __builtin_ctzll(r->vetoes) == RULE_undecided_quality)
            gate = r;
        if (!untimed && !r->own && r->vetoes == RULE_BIT(unknown_speed))
            untimed = r;
    }
    if (!d->n_rows)
        d->headline = "Nothing was measured, so nothing is recommended";
    else if (!tried)
        d->headline = say(j, "No cell could be run, so nothing is recommended: %s", d->row[0].reason);
    else if (gate)
        d->headline = say(j, "Undecided: of %s, %s", row_name(j, gate), gate->reason);
    else if (untimed)
        d->headline =
            say(j, "Undecided: of what keeps the other limits, such as %s, no %s was measured: %s needs it",
                row_name(j, untimed), isfinite(untimed->decode_tok_s) ? "time to the first token" : "speed",
                isfinite(untimed->decode_tok_s) ? "--max-ttft" : "a limit");
    else
        d->headline =
            say(j, "Undecided: no row has a measured %s, which the answer depends on", figure[j->want->objective]);
    d->binding_limit = "";
}
