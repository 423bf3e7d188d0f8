/* The risks of the pick, each with what to do about it: rows of risks.def. */
#include <math.h>
#include <string.h>
#include "matrix/judge.h"

static bool same(const char *a, const char *b)
{
    return strcmp(a, b) == 0;
}

struct risk_case {
    const struct judge *j;
    const struct row *pick;
    const struct probe_device *device; /* never NULL here */
};

static bool risk_not_served(const struct risk_case *c)
{
    return c->pick->stands_in;
}
static bool risk_quality_loss(const struct risk_case *c)
{
    return c->pick->kld > 0.3;
}
static bool risk_low_confidence(const struct risk_case *c)
{
    return c->pick->low_confidence;
}
static bool risk_dirty(const struct risk_case *c)
{
    return c->pick->dirty;
}

static bool risk_requantized(const struct risk_case *c)
{
    for (int i = 0; i < c->j->n_recs; i++)
        if (c->j->recs[i].model.source_quantized && same(c->j->recs[i].model.name, c->pick->model))
            return true;
    return false;
}

static bool risk_tight_memory(const struct risk_case *c)
{
    return c->pick->peak_bytes > 0 && c->j->usable_bytes > 0 && c->pick->peak_bytes > c->j->usable_bytes / 10 * 9;
}

static bool risk_repacked_copy(const struct risk_case *c)
{
    return same(c->pick->framework, "llama.cpp") && c->pick->weights_bytes > 0 && c->j->usable_bytes > 0 &&
           c->pick->peak_bytes + c->pick->weights_bytes > c->j->usable_bytes;
}

static bool risk_swap(const struct risk_case *c)
{
    return risk_tight_memory(c) && c->device->memory.swap_bytes > 0;
}

static bool risk_throttled(const struct risk_case *c)
{
    for (int i = 0; i < c->j->n_recs; i++) {
        uint64_t before = c->j->recs[i].before.throttle_count, after = c->j->recs[i].after.throttle_count;
        if (after != UINT64_MAX && before != UINT64_MAX && after > before)
            return true;
    }
    return false;
}

static bool risk_hot(const struct risk_case *c)
{
    return c->device->thermal.max_c > c->device->thermal.throttle_c - 10;
}
static bool risk_battery(const struct risk_case *c)
{
    return same(c->device->power.supply, "battery");
}
static bool risk_single_channel(const struct risk_case *c)
{
    return c->device->memory.channels == 1;
}

static bool risk_shared_display(const struct risk_case *c)
{
    for (int i = 0; i < c->device->n_gpus; i++)
        if (!c->device->gpu[i].software && c->device->gpu[i].memory_bytes <= 0 &&
            strstr(c->device->gpu[i].vendor, "Intel"))
            return true;
    return false;
}

static bool risk_isa_unproved(const struct risk_case *c)
{
    for (int i = 0; i < N_ISA; i++)
        if (c->device->cpu.isa[i] == ISA_CLAIMED && same(c->device->source, "this machine"))
            return true;
    return false;
}

static const struct {
    const char *id, *text, *mitigation;
    bool (*applies)(const struct risk_case *);
} risks[] = {
#define X(id, text, mitigation) {#id, text, mitigation, risk_##id},
#include "matrix/risks.def"
#undef X
};

void explain_risks(struct judge *j)
{
    static const struct probe_device unknown = {.thermal = {.max_c = NAN, .throttle_c = NAN}};
    struct decision *d = j->d;
    if (d->recommended < 0)
        return;
    struct risk_case c = {j, &d->row[d->recommended], j->device ? j->device : &unknown};
    for (size_t i = 0; i < sizeof risks / sizeof risks[0]; i++)
        if (risks[i].applies(&c) && d->n_risks < (int)(sizeof d->risk / sizeof d->risk[0]))
            d->risk[d->n_risks++] = (struct risk){risks[i].id, risks[i].text, risks[i].mitigation};
}
