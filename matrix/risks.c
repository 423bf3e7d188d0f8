/* The risks of the pick, each with what to do about it: rows of risks.def. */
#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include "base/mem.h"
#include "bench/target.h"
#include "matrix/judge.h"

static bool same(const char *a, const char *b)
{
    return strcmp(a, b) == 0;
}

struct risk_case {
    const struct judge *j;
    const struct row *pick;
    const struct probe_device *device; /* never NULL here */
    const struct target *target;       /* the same in the catalogue's terms; never NULL */
    char figure[160];                  /* what a function adds to the text; "" nothing */
};

static bool risk_estimated(struct risk_case *c)
{
    static const char *const guessed[] = {"predicted", "published", ""};
    bool speed = false, quality = false;
    for (int i = 0; i < 3; i++) {
        speed |= same(c->pick->speed_from, guessed[i]);
        quality |= same(c->pick->quality_from, guessed[i]);
    }
    return speed && (quality || c->pick->reference);
}
static bool risk_not_served(struct risk_case *c)
{
    return c->pick->stands_in;
}
static bool risk_quality_loss(struct risk_case *c)
{
    return c->pick->kld > 0.3;
}
static bool risk_low_confidence(struct risk_case *c)
{
    return c->pick->low_confidence;
}
static bool risk_dirty(struct risk_case *c)
{
    return c->pick->dirty;
}

static bool risk_requantized(struct risk_case *c)
{
    if (row_is_as_is(c->pick))
        return false;
    for (int i = 0; i < c->j->n_recs; i++)
        if (c->j->recs[i].model.source_quantized && same(c->j->recs[i].model.name, c->pick->model))
            return true;
    return false;
}

static bool risk_tight_memory(struct risk_case *c)
{
    return c->pick->peak_bytes > 0 && c->j->usable_bytes > 0 && c->pick->peak_bytes > c->j->usable_bytes / 10 * 9;
}

static bool risk_repacked_copy(struct risk_case *c)
{
    return same(c->pick->framework, "llama.cpp") && c->pick->weights_bytes > 0 && c->j->usable_bytes > 0 &&
           c->pick->peak_bytes + c->pick->weights_bytes > c->j->usable_bytes;
}

static bool risk_swap(struct risk_case *c)
{
    return risk_tight_memory(c) && c->device->memory.swap_bytes > 0;
}

/* --- heat --- */
static bool risk_throttled(struct risk_case *c)
{
    for (int i = 0; i < c->j->n_recs; i++) {
        uint64_t before = c->j->recs[i].before.throttle_count, after = c->j->recs[i].after.throttle_count;
        if (after != UINT64_MAX && before != UINT64_MAX && after > before)
            return true;
    }
    return false;
}

/* The last third of the repetitions against the first, of the pick's records. */
static bool risk_drift(struct risk_case *c)
{
    static const double tolerated = 0.05;
    for (int i = 0; i < c->j->n_recs; i++) {
        const struct record *r = &c->j->recs[i];
        const struct samples *s = &r->speed.decode_ns;
        int third = s->n / 3;
        if (third < 2 || !same(r->format.name, c->pick->format) || !same(r->framework.name, c->pick->framework))
            continue;
        double rise = stats_median(s->x + s->n - third, third) / stats_median(s->x, third) - 1;
        if (rise > tolerated) {
            snprintf(c->figure, sizeof c->figure, "%.0f %% from the first to the last third", 100 * rise);
            return true;
        }
    }
    return false;
}

static bool risk_hot(struct risk_case *c)
{
    return c->device->thermal.max_c > c->device->thermal.throttle_c - 10;
}

/* "i5-1235U", "5800U", "Core m3-7Y30": a digit, then U or Y: processors of thin laptops. */
static bool is_thin(const char *brand)
{
    for (const char *p = brand; *p; p++)
        if (isdigit((unsigned char)*p) && (p[1] == 'U' || p[1] == 'Y') && !isalpha((unsigned char)p[2]))
            return true;
    return false;
}

static bool risk_no_fan(struct risk_case *c)
{
    static const struct {
        const char *class, *name; /* part of the name; "" any */
        double most_watts;
        const char *what;
    } hardly[] = {{"phone", "", INFINITY, "a phone"},
                  {"sbc", "", INFINITY, "a board: fit a cooler"},
                  {"embedded", "", 15, "a small board: fit a cooler"},
                  {"laptop", "MacBook Air", INFINITY, "a laptop without a fan"},
                  {"laptop", "Surface", INFINITY, "a tablet computer"},
                  {"laptop", "", 17, "a thin laptop"}};
    const struct target *t = c->target;
    for (size_t i = 0; i < sizeof hardly / sizeof *hardly; i++) {
        bool named =
            !*hardly[i].name || strcasestr(t->name, hardly[i].name) || strcasestr(c->device->os.board, hardly[i].name);
        bool cool = !isfinite(hardly[i].most_watts) || t->tdp_w <= hardly[i].most_watts ||
                    (same(t->device_class, "laptop") && !isfinite(t->tdp_w) && is_thin(c->device->cpu.brand));
        if (same(t->device_class, hardly[i].class) && named && cool) {
            snprintf(c->figure, sizeof c->figure, "%s", hardly[i].what);
            return true;
        }
    }
    return false;
}

/* --- battery --- */
static bool risk_battery(struct risk_case *c)
{
    return same(c->device->power.supply, "battery");
}

static double class_watts(const char *class, const char **source)
{
    static const struct {
        const char *class;
        double watts;
        const char *source;
    } power[] = {
#define X(class, watts, source) {class, watts, source},
#include "matrix/class_power.def"
#undef X
    };
    for (size_t i = 0; i < sizeof power / sizeof *power; i++)
        if (same(power[i].class, class)) {
            *source = power[i].source;
            return power[i].watts;
        }
    return NAN;
}

static bool risk_battery_hours(struct risk_case *c)
{
    double wh = judge_battery_wh(c->j), watts = c->pick->energy_j_per_tok * c->pick->decode_tok_s;
    const char *source = *c->pick->energy_from ? c->pick->energy_from : "measured";
    if (!isfinite(wh))
        wh = c->target->battery_wh;
    if (!isfinite(watts) && isfinite(c->target->tdp_w)) {
        watts = c->target->tdp_w;
        source = "design power";
    }
    if (!isfinite(watts))
        watts = class_watts(c->target->device_class, &source);
    if (!isfinite(wh) || !isfinite(watts) || !(watts > 0))
        return false;
    snprintf(c->figure, sizeof c->figure, "%.1f h of generating without a pause: %.3g Wh at %.3g W, %s", wh / watts, wh,
             watts, source);
    return true;
}

/* --- memory and instructions --- */
static bool risk_single_channel(struct risk_case *c)
{
    return c->device->memory.channels == 1;
}

static bool risk_shared_display(struct risk_case *c)
{
    static const char *const inside[] = {"Intel", "AMD", "Apple", "ARM", "Qualcomm", "Broadcom", "Imagination"};
    for (int i = 0; i < c->device->n_gpus; i++)
        for (size_t k = 0; k < sizeof inside / sizeof *inside; k++)
            if (!c->device->gpu[i].software && c->device->gpu[i].memory_bytes <= 0 &&
                strcasestr(c->device->gpu[i].vendor, inside[k]))
                return true;
    return same(c->target->device_class, "phone") || target_has_backend(c->target, "metal");
}

/* Known to be there, or known to be absent: nothing at all known is no risk of this kind. */
static bool risk_isa_missing(struct risk_case *c)
{
    static const struct {
        const char *arch;
        uint64_t need;
        const char *what;
    } fast[] = {{"x86_64", ISA(AVX2) | ISA(FMA), "no AVX2 with FMA"},
                {"arm64", ISA(DOTPROD), "no dot products (asimddp)"}};
    const struct target *t = c->target;
    bool on_cpu = same(c->pick->backend, "cpu") || !*c->pick->backend;
    uint64_t have = t->isa | c->device->cpu.isa_mask;
    for (size_t i = 0; i < sizeof fast / sizeof *fast; i++)
        if (on_cpu && have && same(t->arch, fast[i].arch) && (have & fast[i].need) != fast[i].need) {
            snprintf(c->figure, sizeof c->figure, "%s", fast[i].what);
            return true;
        }
    return false;
}

static bool risk_isa_unproved(struct risk_case *c)
{
    for (int i = 0; i < N_ISA; i++)
        if (c->device->cpu.isa[i] == ISA_CLAIMED && same(c->device->source, "this machine"))
            return true;
    return false;
}

/* --- what it is for --- */
static bool risk_language(struct risk_case *c)
{
    const char *code = c->j->want->language;
    if (!code || strncasecmp(code, "en", strcspn(code, "-")) == 0 || c->j->req->text_path || c->pick->reference)
        return false;
    snprintf(c->figure, sizeof c->figure, "asked for: %.20s", code);
    return true;
}

static bool risk_task(struct risk_case *c)
{
    const char *task = c->j->want->task;
    if (!task || isfinite(c->pick->task_score))
        return false;
    snprintf(c->figure, sizeof c->figure, "%.20s", task);
    return true;
}

static const struct {
    const char *id, *text, *mitigation;
    bool (*applies)(struct risk_case *);
} risks[] = {
#define X(id, text, mitigation) {#id, text, mitigation, risk_##id},
#include "matrix/risks.def"
#undef X
};

/* The device in the catalogue's terms; NULL without memory. */
static const struct target *target_of(struct judge *j, const struct probe_device *device)
{
    struct target *t = j->target ? NULL : arena_alloc(j->arena, sizeof *t);
    if (j->target)
        return j->target;
    if (!t || target_from_probe(t, device, NULL) < 0) {
        j->failed = true;
        return NULL;
    }
    if (!j->device)
        t->device_class[0] = 0;
    return t;
}

void explain_risks(struct judge *j)
{
    static const struct probe_device unknown = {.thermal = {.max_c = NAN, .throttle_c = NAN},
                                                .power = {.battery_wh = NAN, .battery_percent = -1}};
    struct decision *d = j->d;
    struct risk_case c = {.j = j, .device = j->device ? j->device : &unknown};
    c.target = target_of(j, c.device);
    if (!c.target)
        return;
    d->device_class = keep(j, c.target->device_class);
    if (d->recommended < 0)
        return;
    c.pick = &d->row[d->recommended];
    for (size_t i = 0; i < sizeof risks / sizeof risks[0]; i++) {
        c.figure[0] = 0;
        if (!risks[i].applies(&c) || d->n_risks == (int)(sizeof d->risk / sizeof d->risk[0]))
            continue;
        const char *text = *c.figure ? say(j, "%s (%s)", risks[i].text, c.figure) : risks[i].text;
        d->risk[d->n_risks++] = (struct risk){risks[i].id, text, risks[i].mitigation};
    }
}
