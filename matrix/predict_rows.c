/* The published speeds as observations: each with the time that bytes, layers and operations take at the device's peak
 * rates, and the levels of the effects that the fit knows. */
#include <math.h>
#include <stdio.h>
#include <string.h>
#include "datasets/catalogue.h"
#include "matrix/predict_fit.h"

enum family { CPU, APPLE, CARD, IGPU, MOBILE, QUALCOMM, ROCKCHIP };
enum { DECODE = PHASE_DECODE, PREFILL = PHASE_PREFILL };

/* An observation over 0.95 of the bandwidth limit cannot be (a cache, a wrong size or a wrong device) and is left out;
 * below 0.25 something else than memory was in the way, which the fit may explain: it counts half. */
static const double share_hi = 0.95, share_lo = 0.25, suspect_weight = 0.5;

const struct predict_class_row predict_classes[] = {
#define PREDICT_CLASS(name, family) {name, family},
#include "matrix/predict.def"
#undef PREDICT_CLASS
};
const int n_predict_classes = sizeof predict_classes / sizeof *predict_classes;

static const struct {
    int family, phase;
    struct predict_prior prior;
} phases[] = {
#define PREDICT_PHASE(family, phase, bytes, bytes_sd, layer, layer_sd, launch, launch_sd, ops, ops_sd, codec,          \
                      framework, of_class, arch)                                                                       \
    {family,                                                                                                           \
     phase,                                                                                                            \
     {{{bytes, bytes_sd}, {layer, layer_sd}, {launch, launch_sd}, {ops, ops_sd}},                                      \
      {codec, framework, of_class, arch}}},
#include "matrix/predict.def"
#undef PREDICT_PHASE
};
static const struct {
    const char *start, *group;
    double cpu_cost;
} codec_rows[] = {
#define PREDICT_CODEC(start, group, cpu_cost) {start, group, cpu_cost},
#include "matrix/predict.def"
#undef PREDICT_CODEC
};
static const struct {
    const char *name, *as;
    bool launches;
} framework_rows[] = {
#define PREDICT_FRAMEWORK(name, as, launches) {name, as, launches},
#include "matrix/predict.def"
#undef PREDICT_FRAMEWORK
};
static const struct {
    const char *start, *group;
} arch_rows[] = {
#define PREDICT_ARCH(start, group) {start, group},
#include "matrix/predict.def"
#undef PREDICT_ARCH
};
#define COUNT(a) (sizeof(a) / sizeof *(a))

const struct predict_prior *predict_prior(int family, enum predict_phase phase)
{
    for (size_t i = 0; i < COUNT(phases); i++)
        if (phases[i].family == family && phases[i].phase == (int)phase)
            return &phases[i].prior;
    return NULL;
}

/* ---- levels ---- */

int predict_level(const struct name_list *l, const char *name)
{
    for (int i = 0; i < l->n; i++)
        if (!strcmp(l->name[i], name))
            return i;
    return -1;
}

static int level_add(struct name_list *l, const char *name)
{
    int i = predict_level(l, name);
    if (i < 0 && l->n < MAX_NAMES) {
        i = l->n++;
        snprintf(l->name[i], sizeof l->name[i], "%s", name);
    }
    return i;
}

static bool codec_group(const char *codec, const char **group, double *cpu_cost)
{
    const char *name = strchr(codec, '/') ? strchr(codec, '/') + 1 : codec;
    size_t longest = 0;
    for (size_t i = 0; i < COUNT(codec_rows); i++) {
        size_t n = strlen(codec_rows[i].start);
        if (n > longest && !strncmp(name, codec_rows[i].start, n)) {
            longest = n;
            *group = codec_rows[i].group;
            *cpu_cost = codec_rows[i].cpu_cost;
        }
    }
    return longest > 0;
}

static const char *cpu_arch(const struct target *t)
{
    if (t->isa & ISA(AMX_INT8))
        return "amx";
    if (t->isa & ISA(AVX512F))
        return "avx512";
    if (t->isa & ISA(AVX2))
        return "avx2";
    return t->isa & ISA(I8MM) ? "i8mm" : t->isa & ISA(DOTPROD) ? "dotprod" : "plain";
}

static const char *gpu_arch(const struct target *t)
{
    const char *found = NULL;
    for (const char *at = t->isa_text; *at && !found; at++)
        if (at == t->isa_text || strchr(" +;", at[-1]))
            for (size_t i = 0; i < COUNT(arch_rows) && !found; i++)
                if (!strncmp(at, arch_rows[i].start, strlen(arch_rows[i].start)))
                    found = arch_rows[i].group;
    if (!strcmp(t->os, "ios") || !strcmp(t->os, "macos"))
        return found ? found : !strcmp(t->os, "ios") ? "apple-phone" : "apple-mac";
    if (!strcmp(t->arch, "x86_64")) /* beside a CPU on one chip */
        return strstr(t->isa_text, "gfx") ? "rdna-apu" : "intel-igpu";
    return found ? found : !strcmp(t->arch, "arm64") ? "mobile" : "unknown";
}

static const char *cpu_class(const struct target *t)
{
    if (!strcmp(t->device_class, "phone"))
        return "phone-cpu";
    if (!strcmp(t->device_class, "sbc") || !strcmp(t->device_class, "embedded"))
        return "board-cpu";
    if (!strcmp(t->os, "macos"))
        return "apple-cpu";
    return !strcmp(t->arch, "x86_64") ? "x86-cpu" : !strcmp(t->arch, "arm64") ? "arm-cpu" : NULL;
}

const char *predict_class(const struct target *t, const char *backend)
{
    static const struct {
        const char *backend, *class_name;
    } other[] = {{"metal", "apple-metal"}, {"openvino", "openvino-gpu"}, {"rknn", "npu-rockchip"},
                 {"qnn", "npu-qualcomm"},  {"hexagon", "npu-qualcomm"},  {"gpu", "openvino-gpu"}};
    if (!strcmp(backend, "cpu"))
        return cpu_class(t);
    for (size_t i = 0; i < COUNT(other); i++)
        if (!strcmp(other[i].backend, backend))
            return other[i].class_name;
    for (int i = 0; i < n_predict_classes; i++)
        if (!strcmp(predict_classes[i].name, backend))
            return predict_classes[i].name;
    return NULL;
}

bool predict_place(struct predict_place *p, const struct target *t, const char *backend, const char *codec,
                   const char *framework)
{
    const char *class_name = predict_class(t, backend);
    *p = (struct predict_place){.class_id = -1};
    for (int i = 0; i < n_predict_classes && class_name; i++)
        if (!strcmp(predict_classes[i].name, class_name))
            p->class_id = i;
    p->name[EFFECT_CLASS] = class_name ? class_name : "";
    p->name[EFFECT_FRAMEWORK] = framework;
    for (size_t i = 0; i < COUNT(framework_rows); i++)
        if (!strcmp(framework_rows[i].name, framework)) {
            p->name[EFFECT_FRAMEWORK] = framework_rows[i].as;
            p->launches = framework_rows[i].launches;
        }
    p->name[EFFECT_ARCH] = !strcmp(backend, "cpu") ? cpu_arch(t) : gpu_arch(t);
    return codec_group(codec, &p->name[EFFECT_CODEC], &p->cpu_cost);
}

double predict_rate(const struct target *t, const char *backend, int threads)
{
    if (strcmp(backend, "cpu") != 0)
        return t->fp32_tflops;
    if (t->cores < 1)
        return NAN;
    double lanes = t->isa & ISA(AVX512F)   ? 40
                   : t->isa & ISA(AVX2)    ? 32
                   : t->isa & ISA(I8MM)    ? 32
                   : t->isa & ISA(DOTPROD) ? 16
                                           : 6;
    return (threads > 0 && threads < t->cores ? threads : t->cores) * t->ghz * lanes / 1000;
}

/* ---- rows ---- */

struct reader {
    struct predict_table *t;
    struct target *target; /* of the row's device */
    char last[64];
    bool known;
};

static int device_index(struct reader *r, const char *id)
{
    struct predict_table *t = r->t;
    if (strcmp(r->last, id) != 0) {
        snprintf(r->last, sizeof r->last, "%s", id);
        r->known = target_figures(r->target, id);
    }
    for (int i = 0; i < t->n_devices; i++)
        if (!strcmp(t->device[i], id))
            return i;
    if (t->n_devices == MAX_DEVICES)
        return -1;
    snprintf(t->device[t->n_devices], sizeof t->device[0], "%s", id);
    return t->n_devices++;
}

/* What it takes to judge a row; NULL: all is there. */
static const char *missing(const struct reader *r, const struct observation *o, const struct predict_place *p,
                           bool codec_known)
{
    const struct predict_prior *prior =
        p->class_id < 0 ? NULL : predict_prior(predict_classes[p->class_id].family, o->phase);
    if (!r->known)
        return "device not in the catalogue";
    if (p->class_id < 0)
        return "no class";
    if (!codec_known)
        return "format not stated";
    if (o->phase == PHASE_DECODE && !isfinite(o->bandwidth_gb_s))
        return "bandwidth not known";
    if (prior->term[TERM_OPERATIONS][1] > 0 && !isfinite(o->x[TERM_OPERATIONS]))
        return "arithmetic rate not known";
    if (prior->effect[EFFECT_CODEC] <= 0)
        return "too few devices";
    return o->share > share_hi ? "over the bandwidth limit" : NULL;
}

static void read_row(struct reader *r, struct observation *o, const struct csv *c)
{
    const char *backend = csv_text(c, "backend");
    double kv = csv_number(c, "kv_gb"), threads = csv_number(c, "threads"), layers = csv_number(c, "n_layer");
    struct predict_place p;
    o->device = device_index(r, csv_text(c, "device"));
    const struct target *t = r->target;
    bool codec_known = predict_place(&p, t, backend, csv_text(c, "codec"), csv_text(c, "framework"));
    o->phase = strcmp(csv_text(c, "phase"), "prefill") ? PHASE_DECODE : PHASE_PREFILL;
    o->tok_s = csv_number(c, "tok_s");
    o->params_b = csv_number(c, "params_b");
    o->active_b = csv_number(c, "active_b");
    o->bandwidth_gb_s = r->known ? t->bandwidth_gb_s : NAN;
    double read_gb = csv_number(c, "read_gb"), rate = predict_rate(t, backend, isnan(threads) ? 0 : (int)threads);
    o->share = o->phase == PHASE_DECODE ? o->tok_s * read_gb / o->bandwidth_gb_s : NAN;
    o->x[TERM_BYTES] = (read_gb + (isfinite(kv) ? kv : 0)) / o->bandwidth_gb_s;
    o->x[TERM_LAYERS] = layers * 1e-6;
    o->x[TERM_LAUNCHES] = p.launches ? layers * 1e-6 : 0;
    o->x[TERM_OPERATIONS] = csv_number(c, "ops_g") * 1e-3 / rate * (strcmp(backend, "cpu") ? 1 : p.cpu_cost);
    o->class_id = p.class_id;
    o->suspect = o->share > share_hi || o->share < share_lo;
    o->why_not = o->device < 0 ? "too many devices" : missing(r, o, &p, codec_known);
    o->weight = o->why_not ? 0 : o->suspect ? suspect_weight : 1;
    o->ln_error = NAN;
    o->many_cores = t->cores >= 8;
    snprintf(o->format, sizeof o->format, "%s", csv_text(c, "codec"));
    snprintf(o->backend, sizeof o->backend, "%s", backend);
    for (int e = 0; e < N_EFFECTS && !o->why_not; e++)
        o->level[e] = level_add(&r->t->names[e], p.name[e]);
}

static int count_rows(const char *text)
{
    struct csv c;
    int n = 0;
    for (bool more = csv_open(&c, text) && csv_next(&c); more; more = csv_next(&c))
        n++;
    return n;
}

/* The usual arithmetic of a class where a device does not say its own: proportional to its bandwidth. */
static void usual_rates(struct predict_table *t)
{
    double v[MAX_DEVICES];
    for (int k = 0; k < n_predict_classes; k++) {
        int n = 0, last = -1;
        for (int i = 0; i < t->n; i++) {
            const struct observation *o = &t->row[i];
            double ratio = o->x[TERM_BYTES] / o->x[TERM_OPERATIONS];
            if (o->class_id != k || o->why_not || o->phase != PHASE_DECODE || o->device == last || !isfinite(ratio) ||
                n == MAX_DEVICES)
                continue;
            last = o->device;
            v[n++] = ratio;
        }
        t->rate_per_gb_s[k] = stats_median(v, n);
    }
}

/* One weight for a device with many rows: as the square root of their number. */
static void share_weights(struct predict_table *t)
{
    for (int i = 0; i < t->n; i++) {
        int n = 0;
        for (int j = 0; j < t->n; j++)
            n += t->row[j].device == t->row[i].device && t->row[j].phase == t->row[i].phase && !t->row[j].why_not &&
                 predict_classes[t->row[j].class_id].family == predict_classes[t->row[i].class_id].family;
        if (n > 0)
            t->row[i].weight /= sqrt(n);
    }
}

struct predict_table *predict_table_new(const char *speeds)
{
    struct arena *arena = arena_new();
    struct predict_table *t = arena ? arena_alloc(arena, sizeof *t) : NULL;
    struct target *target = mem_alloc(sizeof *target);
    int most = count_rows(speeds);
    struct csv c;
    if (t) {
        t->arena = arena;
        t->row = arena_alloc_n(arena, (size_t)most + 1, sizeof *t->row);
        t->device = arena_alloc_n(arena, MAX_DEVICES, sizeof *t->device);
    }
    if (!t || !t->row || !t->device || !target) {
        arena_free(arena);
        mem_free(target);
        return NULL;
    }
    struct reader r = {.t = t, .target = target};
    for (bool more = csv_open(&c, speeds) && csv_next(&c); more && t->n < most; more = csv_next(&c))
        read_row(&r, &t->row[t->n++], &c);
    mem_free(target);
    share_weights(t);
    usual_rates(t);
    return t;
}

void predict_table_free(struct predict_table *t)
{
    if (t)
        arena_free(t->arena);
}
