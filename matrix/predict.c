/* First form of the prediction: the class's median share of the bandwidth and of the arithmetic rate. */
#include "matrix/predict.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include "base/mem.h"
#include "datasets/catalogue.h"

static const struct {
    const char *backend, *class_name;
} classes[] = {{"cuda", "cuda"},         {"metal", "apple-metal"}, {"vulkan", "vulkan"},
               {"rocm", "rocm"},         {"opencl", "opencl"},     {"openvino", "openvino-gpu"},
               {"rknn", "npu-rockchip"}, {"qnn", "npu-qualcomm"},  {"hexagon", "npu-qualcomm"}};

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
    if (!strcmp(backend, "cpu"))
        return cpu_class(t);
    for (size_t i = 0; i < sizeof classes / sizeof *classes; i++)
        if (!strcmp(classes[i].backend, backend))
            return classes[i].class_name;
    return NULL;
}

enum { MOST = 2048 };
struct shares {
    int n;
    double decode[MOST];
};

static void collect(struct shares *s, const char *class_name)
{
    struct csv c;
    struct target t;
    char last[64] = "";
    bool known = false;
    for (bool more = csv_open(&c, dataset_published_speeds) && csv_next(&c); more; more = csv_next(&c)) {
        if (strcmp(csv_text(&c, "device"), last) != 0) {
            snprintf(last, sizeof last, "%s", csv_text(&c, "device"));
            known = target_find(&t, last, NULL) == 0;
        }
        const char *of = known ? predict_class(&t, csv_text(&c, "backend")) : NULL;
        double share = csv_number(&c, "tok_s") * (csv_number(&c, "read_gb") + csv_number(&c, "kv_gb")) /
                       (known ? t.bandwidth_gb_s : NAN);
        if (of && !strcmp(of, class_name) && share > 0.05 && share < 0.95 && s->n < MOST)
            s->decode[s->n++] = share;
    }
}

void predict_speed(struct predict_speed *out, const struct target *t, const struct predict_work *w)
{
    char backend[48] = "";
    snprintf(backend, sizeof backend, "%.*s", (int)strcspn(t->backends, " "), t->backends);
    const char *class_name = predict_class(t, w->backend && *w->backend ? w->backend : backend);
    struct shares *s = mem_alloc(sizeof *s);
    *out = (struct predict_speed){.decode_tok_s = INTERVAL_NONE, .prefill_tok_s = INTERVAL_NONE};
    if (class_name && s)
        collect(s, class_name);
    if (!class_name || !s || s->n < 8)
        snprintf(out->refused, sizeof out->refused, "too few published figures of this backend: measure one there");
    else if (!isfinite(t->bandwidth_gb_s))
        snprintf(out->refused, sizeof out->refused, "the memory bandwidth would have to be known: --bandwidth GB/s");
    else {
        double tok_s = t->bandwidth_gb_s * 1e9 / (w->read_bytes + w->kv_read_bytes);
        out->decode_tok_s =
            (struct interval){tok_s * stats_median(s->decode, s->n), tok_s * stats_percentile(s->decode, s->n, 0.05),
                              tok_s * stats_percentile(s->decode, s->n, 0.95)};
        snprintf(out->basis, sizeof out->basis, "%s, %d published figures", class_name, s->n);
    }
    mem_free(s);
}
