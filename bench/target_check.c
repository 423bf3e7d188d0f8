/* Plausibility of a described device: each figure against what is possible in its class, in the unit that is asked for.
 * Outside of it the units that people mistake for it are tried, and named where one fits. */
#include <math.h>
#include <stdio.h>
#include <string.h>
#include "bench/target_state.h"

static const struct target_class classes[] = {
#define TARGET_CLASS(...) {__VA_ARGS__},
#include "bench/target_classes.def"
#undef TARGET_CLASS
};

const struct target_class *target_class_find(const char *name)
{
    for (size_t i = 0; i < sizeof classes / sizeof *classes; i++)
        if (!strcmp(classes[i].name, name))
            return &classes[i];
    return NULL;
}

struct mistake {
    const char *unit;
    double factor; /* what a figure in that unit is times to be in ours */
};
struct figure {
    const char *name, *unit;
    struct mistake mistake[4]; /* the likeliest first */
};
static const double gib = 1073741824.0;
static const struct figure memory_figure = {
    "memory", "GiB", {{"MiB", 1 / 1024.0}, {"bytes", 1 / 1073741824.0}, {"KiB", 1 / 1048576.0}}};
static const struct figure memory_bytes = {
    "memory", "GiB", {{"GiB", 1073741824.0}, {"MiB", 1048576.0}, {"KiB", 1024.0}}};
static const struct figure bandwidth_figure = {
    "bandwidth", "GB/s", {{"Gbit/s", 1 / 8.0}, {"MB/s", 1e-3}, {"Mbit/s", 1e-3 / 8}, {"bytes/s", 1e-9}}};
static const struct figure fp32_figure = {"fp32 speed", "TFLOPS", {{"GFLOPS", 1e-3}, {"MFLOPS", 1e-6}}};
static const struct figure fp16_figure = {
    "fp16 speed", "TFLOPS", {{"GFLOPS", 1e-3}, {"MFLOPS", 1e-6}, {"FLOPS", 1e-12}}};
static const struct figure int8_figure = {"int8 speed", "TOPS", {{"GOPS", 1e-3}, {"OPS", 1e-12}}};
static const struct figure power_figure = {"power", "W", {{"mW", 1e-3}}};
static const struct figure battery_figure = {"battery", "Wh", {{"mAh at 3.85 V", 3.85e-3}, {"mWh", 1e-3}}};

/* Probable: where the figure would be usual, to choose among mistakes. */
static int check_figure(const struct figure *f, double v, double lo, double hi, const struct target_class *c,
                        const char *where, struct err *e)
{
    if (isnan(v) || (v >= lo && v <= hi && v > 0))
        return 0;
    if (!(v > 0) || isinf(v))
        return err_set(e, ERR_USAGE, "%s: a %s of %g %s is no size; give one that is more than nothing", where, f->name,
                       v, f->unit);
    for (int i = 0; i < 4 && f->mistake[i].unit; i++) {
        double as = v * f->mistake[i].factor;
        if (as >= lo && as <= hi)
            return err_set(e, ERR_USAGE,
                           "%s: a %s of %g %s is not possible for %s (%g to %g); if it is %g %s, give %.4g %s", where,
                           f->name, v, f->unit, c->article, lo, hi, v, f->mistake[i].unit, as, f->unit);
    }
    return err_set(e, ERR_USAGE, "%s: a %s of %g %s is not possible for %s (%g to %g %s)", where, f->name, v, f->unit,
                   c->article, lo, hi, f->unit);
}

static int check_memory(const struct target *t, const struct target_class *c, const char *where, struct err *e)
{
    if (t->memory_bytes < 0)
        return 0;
    double v = (double)t->memory_bytes / gib, lo = c->gib_lo;
    if (v >= lo && v <= c->gib_hi && v > 0)
        return v >= 1.0 / (1 << 20) || c->gib_lo > 0 || !strcmp(c->name, "microcontroller")
                   ? 0
                   : err_set(e, ERR_USAGE, "%s: %lld bytes of memory are less than any device has; give bytes, not GiB",
                             where, (long long)t->memory_bytes);
    if (v < lo)
        for (int i = 0; memory_bytes.mistake[i].unit; i++) {
            double as = v * memory_bytes.mistake[i].factor;
            if (as >= fmax(lo, 0.25) && as <= c->gib_hi)
                return err_set(e, ERR_USAGE, "%s: %lld bytes of memory are too few for %s; if it is %s, give %.4g GiB",
                               where, (long long)t->memory_bytes, c->article, memory_bytes.mistake[i].unit, as);
        }
    return check_figure(&memory_figure, v, lo, c->gib_hi, c, where, e);
}

/* All of the memory so many times a second: no memory of that kind is so fast, and Gbit/s look like that. */
static int check_proportion(const struct target *t, const struct target_class *c, const char *where, struct err *e)
{
    double reads_s = t->bandwidth_gb_s * 1e9 / (double)t->memory_bytes, hi = c->reads_s_hi;
    if (!*c->name && !target_has_backend(t, "cuda") && !target_has_backend(t, "rocm"))
        hi = 25;
    if (!(t->memory_bytes > 0) || !(reads_s > hi))
        return 0;
    return err_set(
        e, ERR_USAGE,
        "%s: %g GB/s with %.3g GiB of memory would read all of it %.0f times a second, which no memory of %s "
        "does; if it is %g Gbit/s, give %.4g GB/s",
        where, t->bandwidth_gb_s, (double)t->memory_bytes / gib, reads_s, c->article, t->bandwidth_gb_s,
        t->bandwidth_gb_s / 8);
}

static int check_contradictions(const struct target *t, const struct target_class *c, const char *where, struct err *e)
{
    if (t->usable_bytes > t->memory_bytes && t->memory_bytes > 0)
        return err_set(e, ERR_USAGE, "%s: %.3g GiB usable of %.3g GiB of memory; give no more than there is", where,
                       (double)t->usable_bytes / gib, (double)t->memory_bytes / gib);
    if (!strcmp(t->arch, "x86_64") && target_has_backend(t, "metal") && strcmp(t->os, "macos") != 0)
        return err_set(e, ERR_USAGE,
                       "%s: Metal runs on Apple's systems, not with x86 instructions on %s; leave one out", where,
                       *t->os ? t->os : "another system");
    if (!strcmp(c->name, "phone") && target_has_backend(t, "cuda"))
        return err_set(e, ERR_USAGE, "%s: no phone has CUDA; leave the backend or the class out", where);
    if (!strcmp(t->os, "ios") && *c->name && strcmp(c->name, "phone") != 0)
        return err_set(e, ERR_USAGE, "%s: iOS runs on phones, not on %s; leave one out", where, c->article);
    if (t->cores == 0 || t->cores > 4096)
        return err_set(e, ERR_USAGE, "%s: %d cores; give 1 to 4096", where, t->cores);
    return 0;
}

int target_check(const struct target *t, const char *where, struct err *e)
{
    const struct target_class *c = target_class_find(t->device_class);
    int rc = check_memory(t, c, where, e);
    if (rc == 0)
        rc = check_figure(&bandwidth_figure, t->bandwidth_gb_s, c->gb_s_lo, c->gb_s_hi, c, where, e);
    if (rc == 0)
        rc = check_proportion(t, c, where, e);
    if (rc == 0)
        rc = check_figure(&fp32_figure, t->fp32_tflops, 1e-3, c->fp16_hi, c, where, e);
    if (rc == 0)
        rc = check_figure(&fp16_figure, t->fp16_tflops, 1e-3, c->fp16_hi, c, where, e);
    if (rc == 0)
        rc = check_figure(&int8_figure, t->int8_tops, 1e-3, c->tops_hi, c, where, e);
    if (rc == 0)
        rc = check_figure(&power_figure, t->tdp_w, 1e-3, c->watt_hi, c, where, e);
    if (rc == 0)
        rc = check_figure(&battery_figure, t->battery_wh, 1e-3, !strcmp(c->name, "phone") ? 60 : 2000, c, where, e);
    if (rc == 0 && (t->price_usd < 0 || isinf(t->price_usd)))
        rc = err_set(e, ERR_USAGE, "%s: a price of %g USD is none; give 0 or more", where, t->price_usd);
    return rc == 0 ? check_contradictions(t, c, where, e) : rc;
}
