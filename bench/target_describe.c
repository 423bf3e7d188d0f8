/* A device from a JSON file or from figures on the command line. A file is what `whichquant probe --json` printed on
 * that machine, or a few lines by hand:
 *   {"name": "my laptop", "class": "laptop", "memory_gib": 16, "bandwidth_gb_s": 76.8, "isa": ["avx2"], "backends":
 * ["cpu"]} */
#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include "base/near.h"
#include "bench/target_state.h"

static const double gib = 1073741824.0;

/* ---- JSON ---- */

static const struct {
    const char *key;
    size_t offset;
} numbers[] = {
    {"bandwidth_gb_s", offsetof(struct target, bandwidth_gb_s)},
    {"fp32_tflops", offsetof(struct target, fp32_tflops)},
    {"fp16_tflops", offsetof(struct target, fp16_tflops)},
    {"int8_tops", offsetof(struct target, int8_tops)},
    {"ghz", offsetof(struct target, ghz)},
    {"tdp_w", offsetof(struct target, tdp_w)},
    {"battery_wh", offsetof(struct target, battery_wh)},
    {"price_usd", offsetof(struct target, price_usd)},
};
static const char *const other_keys[] = {"id",         "name",     "class",      "os",
                                         "isa",        "backends", "source",     "cores",
                                         "memory_gib", "vram_gib", "usable_gib", "bandwidth_measured",
                                         "cpu",        "memory",   "gpus"};
enum { N_NUMBERS = sizeof numbers / sizeof *numbers, N_OTHER = sizeof other_keys / sizeof *other_keys };

static int get_number(double *out, const json_t *j, const char *key, const char *where, struct err *e)
{
    const json_t *v = json_object_get(j, key);
    if (!v || json_is_null(v))
        return 0;
    if (!json_is_number(v))
        return err_set(e, ERR_FORMAT, "%s: \"%s\" must be a number without a unit", where, key);
    *out = json_number_value(v);
    return 0;
}

static int get_bytes(int64_t *out, const json_t *j, const char *key, const char *where, struct err *e)
{
    double v = NAN;
    int rc = get_number(&v, j, key, where, e);
    if (rc == 0 && (v <= 0 || v > 8e9))
        return err_set(e, ERR_USAGE, "%s: \"%s\" of %g is no size in GiB; 8 means 8 GiB", where, key, v);
    if (rc == 0 && !isnan(v))
        *out = (int64_t)(v * gib);
    return rc;
}

/* A text, or a list of texts, as words. */
static int get_words(char *out, size_t cap, const json_t *j, const char *key, const char *where, struct err *e)
{
    const json_t *v = json_object_get(j, key), *item;
    size_t i;
    out[0] = 0;
    if (!v || json_is_null(v))
        return 0;
    if (json_is_string(v)) {
        snprintf(out, cap, "%s", json_string_value(v));
        return 0;
    }
    if (!json_is_array(v))
        return err_set(e, ERR_FORMAT, "%s: \"%s\" must be a text or a list of texts", where, key);
    json_array_foreach(v, i, item)
    {
        if (!json_is_string(item))
            return err_set(e, ERR_FORMAT, "%s: \"%s\" must be a text or a list of texts", where, key);
        snprintf(out + strlen(out), cap - strlen(out), "%s%s", i ? " " : "", json_string_value(item));
    }
    return 0;
}

/* A key that nobody reads is a figure that nobody uses: refused. */
static int check_keys(const json_t *j, const char *where, struct err *e)
{
    const char *known[N_NUMBERS + N_OTHER], *near[1], *key;
    json_t *v;
    int n = 0;
    for (int i = 0; i < N_NUMBERS; i++)
        known[n++] = numbers[i].key;
    for (int i = 0; i < N_OTHER; i++)
        known[n++] = other_keys[i];
    json_object_foreach((json_t *)(uintptr_t)j, key, v)
    {
        bool ok = false;
        for (int i = 0; i < n && !ok; i++)
            ok = !strcmp(key, known[i]);
        if (ok)
            continue;
        bool like = near_names(near, 1, key, known, n) > 0;
        return err_set(e, ERR_FORMAT, "%s: a device has no \"%.40s\"%s%s%s", where, key,
                       like ? "; did you mean \"" : "", like ? near[0] : "", like ? "\"?" : "");
    }
    return 0;
}

static int read_texts(struct target *t, const json_t *j, const char *where, struct err *e)
{
    char words[256];
    snprintf(t->id, sizeof t->id, "%s", json_get_str(j, "id", ""));
    snprintf(t->name, sizeof t->name, "%s", json_get_str(j, "name", json_get_str(j, "id", "described device")));
    snprintf(t->source, sizeof t->source, "%s", json_get_str(j, "source", where));
    int rc = *json_get_str(j, "class", "") ? target_set_class(t, json_get_str(j, "class", ""), where, e) : 0;
    if (rc == 0 && *json_get_str(j, "os", ""))
        rc = target_set_os(t, json_get_str(j, "os", ""), where, e);
    if (rc == 0)
        rc = get_words(words, sizeof words, j, "isa", where, e);
    if (rc == 0)
        rc = target_set_isa(t, words, true, where, e);
    if (rc == 0)
        rc = get_words(words, sizeof words, j, "backends", where, e);
    return rc == 0 ? target_set_backends(t, words, where, e) : rc;
}

static int read_flat(struct target *t, const json_t *j, const char *where, struct err *e)
{
    double cores = NAN;
    int rc = check_keys(j, where, e);
    if (rc == 0)
        rc = read_texts(t, j, where, e);
    for (int i = 0; i < N_NUMBERS && rc == 0; i++)
        rc = get_number((double *)((char *)t + numbers[i].offset), j, numbers[i].key, where, e);
    if (rc == 0)
        rc = get_number(&cores, j, "cores", where, e);
    if (rc == 0 && !isnan(cores))
        t->cores = cores >= 1 && cores <= 4096 ? (int)cores : 0;
    if (rc == 0)
        rc = get_bytes(&t->memory_bytes, j, "memory_gib", where, e);
    if (rc == 0)
        rc = get_bytes(&t->memory_bytes, j, "vram_gib", where, e);
    if (rc == 0)
        rc = get_bytes(&t->usable_bytes, j, "usable_gib", where, e);
    if (rc == 0 && t->usable_bytes > 0)
        snprintf(t->usable_rule, sizeof t->usable_rule, "as %s says", where);
    t->bandwidth_measured = json_is_true(json_object_get(j, "bandwidth_measured"));
    if (rc == 0 && t->memory_bytes < 0)
        return err_set(e, ERR_USAGE, "%s: a device needs its memory: \"memory_gib\": 8", where);
    return rc == 0 ? target_complete(t, where, e) : rc;
}

/* ---- observed ---- */

static bool is_apple(const struct probe_device *d)
{
    return strstr(d->cpu.vendor, "Apple") || strstr(d->cpu.brand, "Apple");
}

/* What the observation implies: a phone or a board says so in its system or board name. */
static const char *observed_class(const struct probe_device *d)
{
    if (strstr(d->os.board, "Raspberry Pi") || strstr(d->os.board, "Orange Pi") || strstr(d->os.board, "Radxa"))
        return "sbc";
    if (strstr(d->os.board, "Jetson"))
        return "embedded";
    if (strstr(d->os.name, "Android") || strstr(d->os.name, "iOS"))
        return "phone";
    if (d->power.battery_percent >= 0)
        return "laptop";
    return d->cpu.n_packages > 1 || strstr(d->cpu.brand, "EPYC") || strstr(d->cpu.brand, "Xeon") ? "server-cpu"
                                                                                                 : "desktop";
}

int target_from_probe(struct target *t, const struct probe_device *d, struct err *e)
{
    (void)e;
    target_unknown(t);
    snprintf(t->id, sizeof t->id, "%s", "this-machine");
    snprintf(t->name, sizeof t->name, "%s", *d->cpu.brand ? d->cpu.brand : "unknown CPU");
    snprintf(t->source, sizeof t->source, "%s", d->source);
    snprintf(t->device_class, sizeof t->device_class, "%s", observed_class(d));
    snprintf(t->os, sizeof t->os, "%s", is_apple(d) ? "macos" : "linux");
    snprintf(t->arch, sizeof t->arch, "%s", !strcmp(d->cpu.arch, "aarch64") ? "arm64" : d->cpu.arch);
    snprintf(t->backends, sizeof t->backends, "cpu");
    t->memory_bytes = d->memory.total_bytes;
    t->usable_bytes = d->memory.usable_bytes;
    snprintf(t->usable_rule, sizeof t->usable_rule, "%s",
             "least of memory, what is available now and the container's limit");
    t->bandwidth_measured = isfinite(d->memory.bandwidth_gb_s);
    t->bandwidth_gb_s = t->bandwidth_measured    ? d->memory.bandwidth_gb_s
                        : d->memory.channels > 0 ? d->memory.mt_s * 8 * d->memory.channels / 1000
                                                 : NAN;
    t->ghz = d->cpu.ghz_max;
    t->battery_wh = d->power.battery_wh;
    t->isa = d->cpu.isa_mask;
    t->cores = d->cpu.n_cores;
    t->device = *d;
    return 0;
}

/* total_bytes of 8 are GiB: the same rules as for a device by hand. */
static int read_probe(struct target *t, const json_t *j, const char *where, struct err *e)
{
    struct probe_device d;
    int rc = probe_from_json(&d, j, where, e);
    if (rc == 0 && d.memory.total_bytes < 0)
        return err_set(e, ERR_USAGE, "%s: a device needs its memory: \"memory\": {\"total_bytes\": 8589934592}", where);
    if (rc < 0)
        return rc;
    for (int i = 0; i < N_ISA; i++)
        d.cpu.isa_mask |= d.cpu.isa[i] != ISA_ABSENT ? UINT64_C(1) << i : 0;
    rc = target_from_probe(t, &d, e);
    snprintf(t->id, sizeof t->id, "%s", "recorded");
    snprintf(t->source, sizeof t->source, "%s", where);
    if (rc == 0 && *json_get_str(j, "name", ""))
        snprintf(t->name, sizeof t->name, "%s", json_get_str(j, "name", ""));
    if (rc == 0 && *json_get_str(j, "class", ""))
        rc = target_set_class(t, json_get_str(j, "class", ""), where, e);
    if (rc == 0)
        rc = target_check(t, where, e);
    if (rc == 0 && d.memory.available_bytes < 0 && d.memory.limit_bytes < 0)
        target_set_usable(t);
    t->device.memory.usable_bytes = t->usable_bytes;
    return rc;
}

int target_from_json(struct target *t, const json_t *j, const char *where, struct err *e)
{
    target_unknown(t);
    if (!json_is_object(j))
        return err_set(e, ERR_FORMAT, "%s: a device is a JSON object with \"memory_gib\" and \"bandwidth_gb_s\"",
                       where);
    return json_is_object(json_object_get(j, "memory")) ? read_probe(t, j, where, e) : read_flat(t, j, where, e);
}

/* ---- figures ---- */

struct unit {
    const char *suffix;
    double factor;
};

static int parse_figure(double *out, const char *flag, const char *text, const struct unit *units, const char *example,
                        struct err *e)
{
    char *end;
    if (!text)
        return 0;
    double v = strtod(text, &end);
    if (end == text || !isfinite(v) || v <= 0)
        return err_set(e, ERR_USAGE, "%s %.40s: give a figure that is more than nothing, such as %s", flag, text,
                       example);
    while (isspace((unsigned char)*end))
        end++;
    for (; units->suffix; units++)
        if (!strcasecmp(units->suffix, end)) {
            *out = v * units->factor;
            return 0;
        }
    return err_set(e, ERR_USAGE, "%s %.40s: the unit %.16s is not known; give it as %s", flag, text, end, example);
}

static const struct unit memory_units[] = {{"", 1},
                                           {"G", 1},
                                           {"GB", 1},
                                           {"GiB", 1},
                                           {"M", 1 / 1024.0},
                                           {"MB", 1 / 1024.0},
                                           {"MiB", 1 / 1024.0},
                                           {"K", 1 / 1048576.0},
                                           {"KB", 1 / 1048576.0},
                                           {"KiB", 1 / 1048576.0},
                                           {"T", 1024},
                                           {"TB", 1024},
                                           {"TiB", 1024},
                                           {NULL, 0}};
static const struct unit rate_units[] = {{"", 1},       {"GB/s", 1},       {"G", 1},        {"MB/s", 1e-3},
                                         {"TB/s", 1e3}, {"Gbit/s", 0.125}, {"Gb/s", 0.125}, {"GiB/s", 1.073741824},
                                         {NULL, 0}};
static const struct unit flops_units[] = {{"", 1}, {"TFLOPS", 1}, {"T", 1}, {"GFLOPS", 1e-3}, {NULL, 0}};
static const struct unit tops_units[] = {{"", 1}, {"TOPS", 1}, {"T", 1}, {"GOPS", 1e-3}, {NULL, 0}};
static const struct unit watt_units[] = {{"", 1}, {"W", 1}, {"mW", 1e-3}, {"kW", 1e3}, {NULL, 0}};
static const struct unit energy_units[] = {{"", 1}, {"Wh", 1}, {"mWh", 1e-3}, {"kWh", 1e3}, {NULL, 0}};
static const struct unit price_units[] = {{"", 1}, {"USD", 1}, {"$", 1}, {NULL, 0}};
static const struct unit count_units[] = {{"", 1}, {NULL, 0}};

static int flag_memory(struct target *t, const struct target_flags *f, struct err *e)
{
    double ram = NAN, vram = NAN;
    int rc = parse_figure(&ram, "--ram", f->ram, memory_units, "8G", e);
    if (rc == 0)
        rc = parse_figure(&vram, "--vram", f->vram, memory_units, "12G", e);
    double have = isnan(vram) ? ram : vram;
    if (rc == 0 && isnan(have))
        return err_set(e, ERR_USAGE, "a described device needs its memory: --ram 8G, or --vram 12G of a graphics card");
    if (rc == 0 && have > 1 << 20)
        return err_set(e, ERR_USAGE, "%s: %g is no size in GiB; with a unit it is clear: 8G, 8192M",
                       isnan(vram) ? "--ram" : "--vram", have);
    if (rc == 0)
        t->memory_bytes = (int64_t)(have * gib);
    return rc;
}

static int flag_figures(struct target *t, const struct target_flags *f, struct err *e)
{
    double cores = NAN;
    int rc = parse_figure(&t->bandwidth_gb_s, "--bandwidth", f->bandwidth, rate_units, "34 or 34GB/s", e);
    if (rc == 0)
        rc = parse_figure(&t->fp16_tflops, "--fp16-tflops", f->fp16_tflops, flops_units, "10", e);
    if (rc == 0)
        rc = parse_figure(&t->int8_tops, "--int8-tops", f->int8_tops, tops_units, "40", e);
    if (rc == 0)
        rc = parse_figure(&t->tdp_w, "--tdp-w", f->tdp_w, watt_units, "15", e);
    if (rc == 0)
        rc = parse_figure(&t->battery_wh, "--battery-wh", f->battery_wh, energy_units, "50", e);
    if (rc == 0)
        rc = parse_figure(&t->price_usd, "--price-usd", f->price_usd, price_units, "500", e);
    if (rc == 0)
        rc = parse_figure(&cores, "--cores", f->cores, count_units, "4", e);
    if (rc == 0 && !isnan(cores))
        t->cores = cores >= 1 && cores <= 4096 && cores == floor(cores) ? (int)cores : 0;
    return rc;
}

/* What the backend, the card or the instruction set implies where no class is given. */
static const char *implied_class(const struct target *t, const struct target_flags *f)
{
    if (f->vram)
        return "consumer-gpu";
    if (!strcmp(t->os, "android") || !strcmp(t->os, "ios"))
        return "phone";
    return !strcmp(t->arch, "x86_64") || target_has_backend(t, "metal") ? "laptop" : "";
}

int target_from_flags(struct target *t, const struct target_flags *f, struct err *e)
{
    target_unknown(t);
    int rc = flag_memory(t, f, e);
    if (rc == 0)
        rc = flag_figures(t, f, e);
    if (rc == 0 && f->isa)
        rc = target_set_isa(t, f->isa, true, "--isa", e);
    if (rc == 0 && f->backend)
        rc = target_set_backends(t, f->backend, "--backend", e);
    if (rc == 0 && f->os)
        rc = target_set_os(t, f->os, "--os", e);
    if (rc == 0)
        rc = target_set_class(t, f->device_class ? f->device_class : implied_class(t, f), "--device-class", e);
    if (rc < 0)
        return rc;
    if (!*t->backends && f->vram)
        return err_set(e, ERR_USAGE, "a graphics card needs its backend: --backend cuda, rocm, vulkan or metal");
    if (!*t->os && target_has_backend(t, "metal"))
        snprintf(t->os, sizeof t->os, "macos");
    snprintf(t->id, sizeof t->id, "%s", "described");
    snprintf(t->source, sizeof t->source, "%s", "figures of the command line");
    int n = snprintf(t->name, sizeof t->name, "%s, %.3g GiB", *t->device_class ? t->device_class : "device",
                     (double)t->memory_bytes / gib);
    if (isfinite(t->bandwidth_gb_s))
        snprintf(t->name + n, sizeof t->name - (size_t)n, ", %.4g GB/s", t->bandwidth_gb_s);
    return target_complete(t, "the described device", e);
}

/* ---- out ---- */

json_t *target_to_json(const struct target *t)
{
    json_t *o = json_object();
    json_put(o, "name", json_string(t->id));
    json_put(o, "title", json_string(t->name));
    json_put(o, "class", json_str_or_null(t->device_class));
    json_put(o, "os", json_str_or_null(t->os));
    json_put(o, "memory_gib", json_num(t->memory_bytes < 0 ? NAN : (double)t->memory_bytes / gib));
    json_put(o, "usable_gib", json_num(t->usable_bytes < 0 ? NAN : (double)t->usable_bytes / gib));
    json_put(o, "usable_rule", json_str_or_null(t->usable_rule));
    for (int i = 0; i < N_NUMBERS; i++) {
        double v;
        memcpy(&v, (const char *)t + numbers[i].offset, sizeof v);
        json_put(o, numbers[i].key, json_num(v));
    }
    json_put(o, "cores", t->cores > 0 ? json_integer(t->cores) : json_null());
    json_put(o, "arch", json_str_or_null(t->arch));
    json_put(o, "isa", json_str_or_null(t->isa_text));
    json_put(o, "backends", json_str_or_null(t->backends));
    json_put(o, "source", json_str_or_null(t->source));
    return o;
}
