/* A device that is described instead of observed: by an id of datasets/devices.csv, by a JSON file (what `probe --json`
 * printed elsewhere, or a few lines by hand), or by figures. Order: target_find, or target_from_flags -> read the
 * struct; target.device is what decisions take. Unknown is NaN, -1 or "". */
#ifndef BENCH_TARGET_H
#define BENCH_TARGET_H
#include <stdbool.h>
#include <stdint.h>
#include "base/err.h"
#include "base/json.h"
#include "probe/probe.h"

struct target {
    char id[64], name[128];
    char device_class[32];   /* a row of target_classes.def: "laptop" */
    char os[16];             /* "windows" "macos" "linux" "android" "ios" "none" */
    int64_t memory_bytes;    /* of the label: RAM, or the card's own */
    int64_t usable_bytes;    /* of it for a model and its runtime */
    char usable_rule[256];   /* why, with its source */
    double bandwidth_gb_s;   /* of that memory, peak */
    bool bandwidth_measured; /* by a program, which reaches less than the peak */
    double fp32_tflops, fp16_tflops, int8_tops, ghz, tdp_w, battery_wh, price_usd;
    uint64_t isa;
    char arch[16];     /* "x86_64" "arm64" "riscv64"; "" unknown */
    char backends[64]; /* "cuda vulkan opencl", the fastest first */
    char isa_text[64]; /* as the catalogue says: "armv8.2-a dotprod" */
    char source[512];
    int cores;
    bool microcontroller; /* has no memory for any model of the catalogue */
    struct probe_device device;
};

/* As they were typed; NULL: not said. */
struct target_flags {
    const char *ram, *vram, *bandwidth, *isa, *backend, *device_class, *os, *cores;
    const char *fp16_tflops, *int8_tops, *tdp_w, *battery_wh, *price_usd;
};

/* A catalogue id, else a JSON file; the sentence about an unknown id offers the nearest ones. */
int target_find(struct target *t, const char *id_or_path, struct err *e);
int target_from_flags(struct target *t, const struct target_flags *f, struct err *e);
int target_from_json(struct target *t, const json_t *j, const char *where, struct err *e);
/* This machine, as observed: what the same predictions say of it. */
int target_from_probe(struct target *t, const struct probe_device *d, struct err *e);
/* The figures of a catalogue row alone, without what follows from them; false: no such id. */
bool target_figures(struct target *t, const char *id);
/* Row i of the catalogue; false behind the last. Rows that do not pass the rules are refused by target_find. */
bool target_at(struct target *t, int i, struct err *e);
json_t *target_to_json(const struct target *t);
/* Does it say that it has this backend: "cuda", "cpu"? */
bool target_has_backend(const struct target *t, const char *backend);
/* What the rules of datasets/usable.csv leave of the memory on that system; the rule with its source into t. */
void target_set_usable(struct target *t);
#endif
