/* Described devices: the catalogue, and what follows from a description: usable memory, and the struct probe_device
 * that estimates, vetoes and compatibility take. */
#include "bench/target.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include "base/near.h"
#include "base/words.h"
#include "bench/target_state.h"
#include "datasets/catalogue.h"

static const double gib = 1073741824.0;

void target_unknown(struct target *t)
{
    memset(t, 0, sizeof *t);
    t->memory_bytes = t->usable_bytes = -1;
    t->bandwidth_gb_s = t->fp32_tflops = t->fp16_tflops = t->int8_tops = t->ghz = NAN;
    t->tdp_w = t->battery_wh = t->price_usd = NAN;
    t->cores = -1;
}

/* ---- words ---- */

static const struct {
    const char *text, *arch;
    uint64_t mask;
} isa_words[] = {
#define TARGET_ISA(text, arch, mask) {text, arch, mask},
#include "bench/target_names.def"
#undef TARGET_ISA
};
static const char *const backend_words[] = {"cuda",     "metal",  "rocm", "vulkan", "cpu",
                                            "openvino", "opencl", "rknn", "qnn",    "hexagon"};
static const char *const os_words[] = {"windows", "macos", "linux", "android", "ios", "none"};
enum {
    N_ISA_WORDS = sizeof isa_words / sizeof *isa_words,
    N_BACKENDS = sizeof backend_words / sizeof *backend_words,
    N_OS = sizeof os_words / sizeof *os_words
};

/* The next word of *at into word; false at the end. */
static bool next_word(const char **at, char word[48])
{
    *at += strspn(*at, " ,;+()");
    size_t n = strcspn(*at, " ,;+()");
    snprintf(word, 48, "%.*s", (int)(n < 47 ? n : 47), *at);
    *at += n;
    return n > 0;
}

static int unknown_word(const char *where, const char *what, const char *word, const char *const *names, int n,
                        struct err *e)
{
    char list[256] = "";
    for (int i = 0; i < n; i++)
        snprintf(list + strlen(list), sizeof list - strlen(list), "%s%s", i ? " " : "", names[i]);
    return err_set(e, ERR_USAGE, "%s: the %s %s is not known; give one of: %s", where, what, word, list);
}

int target_set_isa(struct target *t, const char *text, bool strict, const char *where, struct err *e)
{
    char word[48];
    snprintf(t->isa_text, sizeof t->isa_text, "%s", text);
    while (next_word(&text, word)) {
        int i = 0;
        while (i < N_ISA_WORDS && strcasecmp(isa_words[i].text, word) != 0)
            i++;
        if (i == N_ISA_WORDS && !strict)
            continue;
        if (i == N_ISA_WORDS)
            return err_set(e, ERR_USAGE,
                           "%s: the instruction set %s is not known; give some of: avx2 avx_vnni avx512 avx512_vnni "
                           "amx neon dotprod i8mm sve2",
                           where, word);
        if (*t->arch && strcmp(t->arch, isa_words[i].arch) != 0)
            return err_set(e, ERR_USAGE, "%s: %s belongs to %s, but the rest to %s; one device has one of both", where,
                           word, isa_words[i].arch, t->arch);
        snprintf(t->arch, sizeof t->arch, "%s", isa_words[i].arch);
        t->isa |= isa_words[i].mask;
    }
    return 0;
}

int target_set_backends(struct target *t, const char *text, const char *where, struct err *e)
{
    char word[48];
    t->backends[0] = 0;
    while (next_word(&text, word)) {
        int i = 0;
        while (i < N_BACKENDS && strcasecmp(backend_words[i], word) != 0)
            i++;
        if (i == N_BACKENDS)
            return unknown_word(where, "backend", word, backend_words, N_BACKENDS, e);
        size_t n = strlen(t->backends);
        if (!target_has_backend(t, backend_words[i]))
            snprintf(t->backends + n, sizeof t->backends - n, "%s%s", n ? " " : "", backend_words[i]);
    }
    return 0;
}

bool target_has_backend(const struct target *t, const char *backend)
{
    return words_have(t->backends, backend, strlen(backend));
}

int target_set_class(struct target *t, const char *name, const char *where, struct err *e)
{
    static const struct {
        const char *said, *meant;
    } also[] = {{"board", "sbc"},    {"desktop-cpu", "desktop"}, {"server", "server-cpu"},  {"gpu", "consumer-gpu"},
                {"tablet", "phone"}, {"pc", "desktop"},          {"mcu", "microcontroller"}};
    static const char *const names[] = {"phone",          "laptop",     "desktop",      "mini-pc",         "sbc",
                                        "embedded",       "server-cpu", "consumer-gpu", "workstation-gpu", "server-gpu",
                                        "microcontroller"};
    for (size_t i = 0; i < sizeof also / sizeof *also; i++)
        if (!strcmp(also[i].said, name))
            name = also[i].meant;
    if (!target_class_find(name))
        return unknown_word(where, "device class", name, names, sizeof names / sizeof *names, e);
    snprintf(t->device_class, sizeof t->device_class, "%s", name);
    return 0;
}

int target_set_os(struct target *t, const char *name, const char *where, struct err *e)
{
    for (int i = 0; i < N_OS; i++)
        if (!strcmp(os_words[i], name)) {
            snprintf(t->os, sizeof t->os, "%s", name);
            return 0;
        }
    return unknown_word(where, "system", name, os_words, N_OS, e);
}

/* ---- usable memory ---- */

static bool matches(const char *pattern, const char *text)
{
    return !strcmp(pattern, "*") || !strcmp(pattern, text);
}

static bool rule_applies(const struct csv *c, const struct target *t, const char *backend)
{
    double have = (double)t->memory_bytes / gib, least = csv_number(c, "min_gib"), most = csv_number(c, "max_gib");
    return matches(csv_text(c, "class"), t->device_class) && matches(csv_text(c, "os"), t->os) &&
           matches(csv_text(c, "backend"), backend) && !(have <= least) && !(have > most);
}

void target_set_usable(struct target *t)
{
    struct csv c;
    char backend[48] = "";
    const char *at = t->backends;
    next_word(&at, backend);
    t->usable_bytes = -1;
    t->usable_rule[0] = 0;
    if (t->memory_bytes < 0)
        return;
    for (bool more = csv_open(&c, dataset_usable) && csv_next(&c); more; more = csv_next(&c)) {
        if (!rule_applies(&c, t, backend))
            continue;
        double all = (double)t->memory_bytes, share = csv_number(&c, "share") * all,
               rest = all * (1 - csv_number(&c, "less_share")) - csv_number(&c, "less_gib") * gib;
        t->usable_bytes = (int64_t)fmax(0, fmin(share, rest));
        snprintf(t->usable_rule, sizeof t->usable_rule, "%s (%s)", csv_text(&c, "what"), csv_text(&c, "source"));
        return;
    }
}

/* ---- what follows ---- */

static json_t *isa_states(const struct target *t)
{
    json_t *o = json_object();
    for (int i = 0; i < N_ISA; i++)
        if (t->isa >> i & 1)
            json_put(o, isa_name(i), json_string("claimed"));
    return o;
}

/* The word of the table's instructions that says what an NVIDIA GPU computes: "sm_86"; "" none. */
static void find_capability(char out[16], const struct target *t)
{
    char word[48];
    out[0] = 0;
    for (const char *at = t->isa_text; !*out && next_word(&at, word);)
        if (!strncmp(word, "sm_", 3))
            snprintf(out, 16, "%.15s", word);
}

static json_t *accelerators(const struct target *t, const char *backend)
{
    char capability[16];
    json_t *list = json_array(), *o = json_object();
    find_capability(capability, t);
    json_put(o, "capability", json_str_or_null(*capability ? capability : NULL));
    json_put(o, "name", json_string(t->name));
    json_put(o, "api", json_string(backend));
    json_put(o, "memory_bytes", t->memory_bytes < 0 ? json_null() : json_integer(t->memory_bytes));
    json_array_append_new(list, o);
    return list;
}

/* Through the same reader as a recorded device, so that nothing is unset. */
static int fill_device(struct target *t, const char *where, struct err *e)
{
    char backend[48] = "";
    const char *at = t->backends;
    next_word(&at, backend);
    json_t *root = json_object(), *cpu = json_object(), *memory = json_object();
    json_put(cpu, "brand", json_string(t->name));
    json_put(cpu, "arch", json_str_or_null(t->arch));
    json_put(cpu, "cores", t->cores > 0 ? json_integer(t->cores) : json_null());
    json_put(cpu, "ghz_max", json_num(t->ghz));
    json_put(cpu, "isa", isa_states(t));
    json_put(memory, "total_bytes", t->memory_bytes < 0 ? json_null() : json_integer(t->memory_bytes));
    json_put(memory, "available_bytes", t->usable_bytes < 0 ? json_null() : json_integer(t->usable_bytes));
    json_put(memory, "bandwidth_gb_s", json_num(t->bandwidth_measured ? t->bandwidth_gb_s : NAN));
    json_put(memory, "peak_gb_s", json_num(t->bandwidth_gb_s));
    json_put(root, "cpu", cpu);
    json_put(root, "memory", memory);
    json_t *os = json_object();
    json_put(os, "name", json_str_or_null(t->os));
    json_put(root, "os", os);
    if (*backend && strcmp(backend, "cpu") != 0)
        json_put(root, "gpus", accelerators(t, backend));
    int rc = probe_from_json(&t->device, root, where, e);
    json_decref(root);
    t->device.cpu.isa_mask = t->isa;
    snprintf(t->device.source, sizeof t->device.source, "described");
    return rc;
}

int target_complete(struct target *t, const char *where, struct err *e)
{
    if (!*t->os)
        snprintf(t->os, sizeof t->os, "%s", target_class_find(t->device_class)->os);
    if (!*t->backends)
        snprintf(t->backends, sizeof t->backends, "%s", strcmp(t->device_class, "microcontroller") ? "cpu" : "");
    t->microcontroller = !strcmp(t->device_class, "microcontroller");
    int rc = target_check(t, where, e);
    if (rc < 0)
        return rc;
    if (t->usable_bytes < 0)
        target_set_usable(t);
    return fill_device(t, where, e);
}

/* ---- the catalogue ---- */

static int read_figures(struct target *t, const struct csv *c, struct err *e)
{
    const char *id = csv_text(c, "id");
    double memory = csv_number(c, "memory_gib"), cores = csv_number(c, "cores");
    target_unknown(t);
    snprintf(t->id, sizeof t->id, "%s", id);
    snprintf(t->name, sizeof t->name, "%s", csv_text(c, "name"));
    snprintf(t->source, sizeof t->source, "%s", csv_text(c, "source"));
    t->memory_bytes = memory > 0 && memory < 1e6 ? (int64_t)(memory * gib) : -1;
    t->bandwidth_gb_s = csv_number(c, "bandwidth_gb_s");
    t->fp32_tflops = csv_number(c, "fp32_tflops");
    t->fp16_tflops = csv_number(c, "fp16_tflops");
    t->int8_tops = csv_number(c, "int8_tops");
    t->tdp_w = csv_number(c, "tdp_w");
    t->battery_wh = csv_number(c, "battery_wh");
    t->price_usd = csv_number(c, "price_usd");
    t->ghz = csv_number(c, "ghz");
    t->cores = cores >= 1 && cores < 1e6 ? (int)cores : -1;
    int rc = target_set_class(t, csv_text(c, "class"), id, e);
    if (rc == 0)
        rc = target_set_os(t, csv_text(c, "os"), id, e);
    if (rc == 0)
        rc = target_set_isa(t, csv_text(c, "isa"), false, id, e);
    if (rc == 0)
        rc = target_set_backends(t, csv_text(c, "backends"), id, e);
    return rc;
}

static int read_row(struct target *t, const struct csv *c, struct err *e)
{
    int rc = read_figures(t, c, e);
    return rc == 0 ? target_complete(t, csv_text(c, "id"), e) : rc;
}

bool target_figures(struct target *t, const char *id)
{
    struct csv c;
    for (bool more = csv_open(&c, dataset_devices) && csv_next(&c); more; more = csv_next(&c))
        if (!strcmp(csv_text(&c, "id"), id))
            return read_figures(t, &c, NULL) == 0;
    return false;
}

bool target_at(struct target *t, int i, struct err *e)
{
    struct csv c;
    bool more = csv_open(&c, dataset_devices) && csv_next(&c);
    for (; more && i > 0; i--)
        more = csv_next(&c);
    if (more && read_row(t, &c, e) < 0)
        target_unknown(t);
    return more;
}

static int find_row(struct target *t, const char *id, bool *found, struct err *e)
{
    struct csv c;
    for (bool more = csv_open(&c, dataset_devices) && csv_next(&c); more; more = csv_next(&c))
        if (!strcasecmp(csv_text(&c, "id"), id)) {
            *found = true;
            return read_row(t, &c, e);
        }
    *found = false;
    return 0;
}

/* In the catalogue's words, where people usually write it shorter; false: it is not one of those. */
static bool long_form(const char *id, char out[80])
{
    static const struct {
        const char *written, *meant;
    } forms[] = {{"rpi", "raspberry-pi-"}, {"pi-", "raspberry-pi-"}, {"geforce-", ""}, {"macbook-", "apple-"}};
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++)
        if (!strncasecmp(id, forms[i].written, strlen(forms[i].written))) {
            snprintf(out, 80, "%s%s", forms[i].meant, id + strlen(forms[i].written));
            return true;
        }
    return false;
}

static int unknown_device(const char *id, struct err *e)
{
    enum { MOST = 512, ID = 64 };
    static const int most_offered = 3;
    char text[MOST][ID], list[200] = "", form[80];
    const char *names[MOST], *near[3];
    struct csv c;
    int n = 0;
    for (bool more = csv_open(&c, dataset_devices) && csv_next(&c); more && n < MOST; more = csv_next(&c), n++) {
        snprintf(text[n], ID, "%s", csv_text(&c, "id"));
        names[n] = text[n];
    }
    int found = near_names(near, most_offered, long_form(id, form) ? form : id, names, n);
    for (int i = 0; i < found; i++)
        snprintf(list + strlen(list), sizeof list - strlen(list), "%s%s", i ? ", " : "", near[i]);
    return err_set(
        e, ERR_USAGE,
        "the device %.60s is not in the catalogue and no file%s%s%s; `whichquant list devices` shows all, or "
        "describe it with --ram and --bandwidth",
        id, found ? " (did you mean " : "", list, found ? "?)" : "");
}

int target_find(struct target *t, const char *id_or_path, struct err *e)
{
    bool found;
    size_t n = strlen(id_or_path);
    bool is_path = strchr(id_or_path, '/') || (n > 5 && !strcmp(id_or_path + n - 5, ".json"));
    int rc = is_path ? 0 : find_row(t, id_or_path, &found, e);
    if (!is_path)
        return rc < 0 || found ? rc : unknown_device(id_or_path, e);
    json_t *j;
    rc = json_read_file(&j, id_or_path, e);
    if (rc == 0) {
        rc = target_from_json(t, j, id_or_path, e);
        json_decref(j);
    }
    return rc;
}
