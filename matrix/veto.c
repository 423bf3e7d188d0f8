/* The vetoes: every rule of rules.def is asked of every row. A rule that cannot be checked, because its
 * figure was not measured, is not broken; the two `unknown` rules name that case where a limit depends on it.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include "bench/quant/recipe.h"
#include "matrix/judge.h"

/* More than this share of the weights in other codecs, and the name is no description of the file. */
static const double max_substituted = 0.5;

static bool broken_own(const struct judge *j, const struct row *r, char why[RULE_WHY])
{
    (void)j;
    snprintf(why, RULE_WHY, "the own engine is evidence: nobody serves from it");
    return r->own;
}

static bool broken_framework(const struct judge *j, const struct row *r, char why[RULE_WHY])
{
    const char *only = j->want->only_framework;
    snprintf(why, RULE_WHY, "only %s was asked for", only ? only : "");
    return only && strcasecmp(only, r->framework) != 0;
}

static bool broken_compat(const struct judge *j, const struct row *r, char why[RULE_WHY])
{
    char reason[160];
    bool ran_here = strcmp(r->speed_from, "measured") == 0; /* a table of machines knows no better */
    if (compat_check(r->framework, r->format, r->backend, ran_here ? NULL : j->device, reason))
        return false;
    snprintf(why, RULE_WHY, "%s", reason);
    return true;
}

static bool broken_memory(const struct judge *j, const struct row *r, char why[RULE_WHY])
{
    if (r->peak_bytes < 0 || j->usable_bytes < 0 || r->peak_bytes <= j->usable_bytes)
        return false;
    snprintf(why, RULE_WHY, "needs %s of memory, %s is usable: %s short", figure_bytes(r->peak_bytes).s,
             figure_bytes(j->usable_bytes).s, figure_bytes(r->peak_bytes - j->usable_bytes).s);
    return true;
}

static bool broken_context(const struct judge *j, const struct row *r, char why[RULE_WHY])
{
    (void)j;
    snprintf(why, RULE_WHY, "its context ends at %d tokens, %lld were asked for", r->n_ctx_train, (long long)r->ctx);
    return r->n_ctx_train > 0 && r->ctx > r->n_ctx_train;
}

static bool broken_vram(const struct judge *j, const struct row *r, char why[RULE_WHY])
{
    int64_t vram = j->want->vram_bytes;
    if (vram < 0 || r->peak_bytes <= vram || strcmp(r->backend, "cpu") == 0 || !*r->backend)
        return false;
    snprintf(why, RULE_WHY, "needs %s of GPU memory, %s is allowed", figure_bytes(r->peak_bytes).s,
             figure_bytes(vram).s);
    return true;
}

static bool broken_disk(const struct judge *j, const struct row *r, char why[RULE_WHY])
{
    int64_t disk = j->want->disk_bytes;
    if (disk < 0 || r->weights_bytes <= disk)
        return false;
    snprintf(why, RULE_WHY, "takes %s of disk, %s is allowed: %s short", figure_bytes(r->weights_bytes).s,
             figure_bytes(disk).s, figure_bytes(r->weights_bytes - disk).s);
    return true;
}

/* `license` is a comma-separated list of names. */
static bool broken_licence(const struct judge *j, const struct row *r, char why[RULE_WHY])
{
    const char *list = j->want->license;
    if (!list || !*list)
        return false;
    for (const char *p = list; *p; p += strcspn(p, ","), p += *p == ',') {
        size_t n = strcspn(p, ",");
        if (n == strlen(r->license) && strncasecmp(p, r->license, n) == 0)
            return false;
    }
    snprintf(why, RULE_WHY, "%s%.100s, asked for was %.100s", *r->license ? "licence " : "its licence is not known",
             r->license, list);
    return true;
}

static bool broken_not_comparable(const struct judge *j, const struct row *r, char why[RULE_WHY])
{
    (void)j;
    snprintf(why, RULE_WHY,
             "not comparable: the source is already quantized on this grid (start from F16, or use --dither)");
    return r->not_comparable;
}

static bool broken_substitution(const struct judge *j, const struct row *r, char why[RULE_WHY])
{
    (void)j;
    snprintf(why, RULE_WHY,
             "%.0f %% of the weights cannot take what the name promises (row lengths) and fell back: the "
             "file is not %s",
             r->share_substituted * 100, format_scheme(r->format));
    return r->share_substituted > max_substituted;
}

static bool broken_unverified(const struct judge *j, const struct row *r, char why[RULE_WHY])
{
    (void)j;
    snprintf(why, RULE_WHY, "unverified: never compared with an independent implementation");
    return r->unverified;
}

/* A model that was trained with three values per weight loses almost nothing in these formats, any other one nearly
 * all. Not measured: nothing speaks for it. */
static bool broken_ternary(const struct judge *j, const struct row *r, char why[RULE_WHY])
{
    static const char *const ternary[] = {"bitnet", "tq1_0", "tq2_0"};
    static const double harmless_kld = 0.1;
    const struct recipe *p = recipe_find(r->format);
    bool is_ternary = false;
    (void)j;
    for (size_t i = 0; p && i < sizeof ternary / sizeof *ternary; i++)
        is_ternary |= strcmp(p->codec, ternary[i]) == 0;
    char measured[64] = "";
    if (isfinite(r->ppl_ratio))
        snprintf(measured, sizeof measured, ": perplexity is %.3g times the reference's", r->ppl_ratio);
    snprintf(why, RULE_WHY,
             "ternary conversion of a model not trained for it is not usable%s; take 2-bit k-type or IQ2 weights, or a "
             "smaller model",
             measured);
    return is_ternary && !(r->kld <= harmless_kld);
}

static bool broken_max_kld(const struct judge *j, const struct row *r, char why[RULE_WHY])
{
    if (!isfinite(j->d->kld_limit) || !isfinite(r->kld) || r->kld <= j->d->kld_limit)
        return false;
    snprintf(why, RULE_WHY, "KLD %s is over the limit of %.3g%s", figure_kld(r->kld).s, j->d->kld_limit,
             j->d->kld_limit_asked ? "" : " (default)");
    return true;
}

static double quality_share(const struct row *r)
{
    return isfinite(r->task_share) ? r->task_share : r->top1_agreement;
}

/* Does the reference itself do better than guessing? Else a share of its right answers says nothing. */
bool row_beats_chance(const struct row *r)
{
    return stats_share(r->task_ref_correct, (int)r->task_items).lo > r->task_chance;
}

static void describe_task(const struct row *r, double least, const char *verdict, char why[RULE_WHY])
{
    snprintf(why, RULE_WHY,
             "%s%s (%s) of the reference's accuracy on %lld tasks (%.40s), %s were asked for; %d answers lost, %d "
             "gained, McNemar p %.2g",
             verdict, figure_percent(r->task_share).s, figure_range(100 * r->task_share_lo, 100 * r->task_share_hi).s,
             (long long)r->task_items, r->task, figure_percent(least).s, r->task_lost, r->task_gained, r->task_p);
}

/* With tasks: all of the share's interval is under the limit. */
static bool broken_min_quality(const struct judge *j, const struct row *r, char why[RULE_WHY])
{
    double least = j->want->min_quality, share = quality_share(r);
    if (!isfinite(least) || !isfinite(share))
        return false;
    if (isfinite(r->task_share)) {
        describe_task(r, least, "keeps ", why);
        return row_beats_chance(r) && r->task_share_hi < least;
    }
    snprintf(why, RULE_WHY, "%s of the reference's answers stay, %s were asked for", figure_percent(share).s,
             figure_percent(least).s);
    return share < least;
}

static bool broken_undecided_quality(const struct judge *j, const struct row *r, char why[RULE_WHY])
{
    double least = j->want->min_quality;
    if (!isfinite(least) || !isfinite(r->task_share) || r->reference)
        return false;
    if (row_beats_chance(r))
        describe_task(r, least, "too few tasks to tell: ", why);
    else
        snprintf(why, RULE_WHY,
                 "the reference has %d of %lld tasks (%.40s) right, no better than guessing: take easier ones",
                 r->task_ref_correct, (long long)r->task_items, r->task);
    return !row_beats_chance(r) || (r->task_share_lo < least && r->task_share_hi >= least);
}

static bool broken_min_decode(const struct judge *j, const struct row *r, char why[RULE_WHY])
{
    double least = j->min_decode_tok_s;
    if (!isfinite(least) || !isfinite(r->decode_tok_s) || r->decode_tok_s >= least)
        return false;
    snprintf(why, RULE_WHY, "%s tok/s, %s were asked for", figure_rate(r->decode_tok_s).s, figure_rate(least).s);
    return true;
}

static bool broken_max_ttft(const struct judge *j, const struct row *r, char why[RULE_WHY])
{
    double most_ms = j->want->max_ttft_s * 1000;
    if (!isfinite(most_ms) || !isfinite(r->ttft_ms) || r->ttft_ms <= most_ms)
        return false;
    snprintf(why, RULE_WHY, "%s to the first token, %s were asked for", figure_ms(r->ttft_ms).s, figure_ms(most_ms).s);
    return true;
}

static double row_watts(const struct row *r)
{
    return r->energy_j_per_tok * r->decode_tok_s;
}

static bool broken_max_watts(const struct judge *j, const struct row *r, char why[RULE_WHY])
{
    double watts = row_watts(r);
    if (!isfinite(j->want->max_watts) || !isfinite(watts) || watts <= j->want->max_watts)
        return false;
    snprintf(why, RULE_WHY, "draws %.1f W, %.1f W were asked for", watts, j->want->max_watts);
    return true;
}

double judge_battery_wh(const struct judge *j)
{
    return isfinite(j->want->battery_wh) ? j->want->battery_wh : j->device ? j->device->power.battery_wh : NAN;
}

static bool broken_battery(const struct judge *j, const struct row *r, char why[RULE_WHY])
{
    double hours = judge_battery_wh(j) / row_watts(r);
    if (!isfinite(j->want->battery_hours) || !isfinite(hours) || hours >= j->want->battery_hours)
        return false;
    snprintf(why, RULE_WHY, "empties the battery in %.1f h, %.1f h were asked for", hours, j->want->battery_hours);
    return true;
}

static bool broken_unknown_quality(const struct judge *j, const struct row *r, char why[RULE_WHY])
{
    bool kld = !isfinite(r->kld) && (isfinite(j->d->kld_limit) || j->want->objective == OBJECTIVE_QUALITY);
    bool share = !isfinite(quality_share(r)) && isfinite(j->want->min_quality);
    snprintf(why, RULE_WHY, "%s", *r->remark ? r->remark : "its quality was not measured");
    return kld || share;
}

static bool broken_unknown_speed(const struct judge *j, const struct row *r, char why[RULE_WHY])
{
    bool decode = !isfinite(r->decode_tok_s) && isfinite(j->want->min_decode_tok_s);
    bool ttft = !isfinite(r->ttft_ms) && isfinite(j->want->max_ttft_s);
    snprintf(why, RULE_WHY, "its speed was not measured");
    return decode || ttft;
}

static const struct {
    enum rule_kind kind;
    bool (*broken)(const struct judge *, const struct row *, char[RULE_WHY]);
} rules[N_RULES] = {
#define R(kind, id, limit, verdict, doc) {RULE_##kind, broken_##id},
#include "matrix/rules.def"
#undef R
};
static const struct rule_info infos[N_RULES] = {
#define R(kind, id, limit, verdict, doc) {#id, limit, verdict, doc},
#include "matrix/rules.def"
#undef R
};

int matrix_rules(const struct rule_info **out)
{
    *out = infos;
    return N_RULES;
}

const struct rule_info *rule_info(int rule)
{
    return &infos[rule];
}

enum rule_kind rule_kind(int rule)
{
    return rules[rule].kind;
}

bool rule_broken(const struct judge *j, int rule, const struct row *r, char why[RULE_WHY])
{
    return rules[rule].broken(j, r, why);
}

static double known_bytes(int64_t n)
{
    return n >= 0 ? (double)n : NAN;
}

bool rule_margin(const struct judge *j, int rule, const struct row *r, struct rule_margin *m)
{
    const struct constraints *w = j->want;
    bool on_gpu = *r->backend && strcmp(r->backend, "cpu") != 0;
    const double peak = known_bytes(r->peak_bytes), disk = known_bytes(r->weights_bytes), watts = row_watts(r);
    const double nan = NAN;
    const struct rule_margin all[N_RULES] = {
        [RULE_memory] = {peak, known_bytes(j->usable_bytes), false, UNIT_BYTES, w->ram_bytes >= 0 ? "--ram" : ""},
        [RULE_vram] = {peak, on_gpu ? known_bytes(w->vram_bytes) : nan, false, UNIT_BYTES, "--vram"},
        [RULE_disk] = {disk, known_bytes(w->disk_bytes), false, UNIT_BYTES, "--disk"},
        [RULE_max_kld] = {r->kld, j->d->kld_limit, false, UNIT_NATS, "--max-kld"},
        [RULE_min_quality] = {quality_share(r), w->min_quality, true, UNIT_SHARE, "--min-quality"},
        [RULE_min_decode] = {r->decode_tok_s, j->min_decode_tok_s, true, UNIT_TOK_S, "--min-decode"},
        [RULE_max_ttft] = {r->ttft_ms, w->max_ttft_s * 1000, false, UNIT_MS, "--max-ttft"},
        [RULE_max_watts] = {watts, w->max_watts, false, UNIT_WATTS, "--max-watts"},
        [RULE_battery] = {judge_battery_wh(j) / watts, w->battery_hours, true, UNIT_HOURS, "--battery-hours"},
    };
    *m = all[rule];
    return m->option && isfinite(m->allowed);
}

void judge_vetoes(struct judge *j)
{
    for (int i = 0; i < j->d->n_rows; i++) {
        struct row *r = &j->d->row[i];
        char why[RULE_WHY], first[RULE_WHY] = "";
        r->vetoes = 0;
        r->veto = "";
        for (int k = 0; k < N_RULES; k++) {
            if (!r->ran || !rules[k].broken(j, r, why))
                continue;
            if (!r->vetoes) {
                r->veto = infos[k].id;
                memcpy(first, why, sizeof first);
            }
            r->vetoes |= UINT64_C(1) << k;
        }
        if (!r->ran)
            continue;
        int rule = r->vetoes ? __builtin_ctzll(r->vetoes) : -1;
        r->verdict = rule < 0 ? "ok" : infos[rule].verdict;
        r->reason = keep(j, first);
    }
}

const char *rule_relaxed(struct judge *j, int rule, const struct row *r)
{
    const struct constraints *w = j->want;
    switch (rule) {
    case RULE_memory:
        return say(j, "with %s more memory", figure_bytes(r->peak_bytes - j->usable_bytes).s);
    case RULE_vram:
        return say(j, "with %s more GPU memory", figure_bytes(r->peak_bytes - w->vram_bytes).s);
    case RULE_disk:
        return say(j, "with %s more disk", figure_bytes(r->weights_bytes - w->disk_bytes).s);
    case RULE_max_kld:
        return say(j, "with KLD up to %s", figure_kld(r->kld).s);
    case RULE_min_quality:
        return say(j, "with %s of the answers kept", figure_percent(quality_share(r)).s);
    case RULE_min_decode:
        return say(j, "content with %s tok/s", figure_rate(r->decode_tok_s).s);
    case RULE_max_ttft:
        return say(j, "with %s to the first token", figure_ms(r->ttft_ms).s);
    case RULE_max_watts:
        return say(j, "with %.1f W", row_watts(r));
    default:
        return "";
    }
}
