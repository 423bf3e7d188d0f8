/* CPUID leaves of an x86 CPU, and the check of its model number against its features: hypervisors report the
 * number of an old chip while the instructions are the host's. */
#include "probe/parts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#if HAVE_LIBCPUID
#include <libcpuid/libcpuid.h>
#endif

#define F_SSE     ISA(SSE4_2)
#define F_AVX1    (F_SSE | ISA(AVX) | ISA(F16C))
#define F_HASWELL (F_AVX1 | ISA(AVX2) | ISA(FMA))
#define F_ALDER   (F_HASWELL | ISA(AVX_VNNI))
#define F_SKYLAKE (F_HASWELL | ISA(AVX512F) | ISA(AVX512BW) | ISA(AVX512VL) | ISA(AVX512DQ))
#define F_COOPER  (F_SKYLAKE | ISA(AVX512_VNNI) | ISA(AVX512_BF16))
#define F_ICELAKE (F_SKYLAKE | ISA(AVX512_VNNI) | ISA(AVX512_VBMI))
#define F_ZEN4    (F_ICELAKE | ISA(AVX512_BF16))
#define F_ZEN5    (F_ZEN4 | ISA(AVX_VNNI))
#define F_ANY     UINT64_MAX

static const struct {
    const char *vendor;
    int family, model0, model1;
    const char *codename;
    uint64_t features;
} models[] = {
#define X86_MODEL(vendor, family, m0, m1, codename, set) {vendor, family, m0, m1, codename, F_##set},
#include "probe/cpu_models.def"
#undef X86_MODEL
};

static const struct {
    int bit;
    uint32_t leaf, sub;
    int reg, shift;
} claims[] = {
#define CPUID_BIT(id, leaf, sub, reg, bit) {ISA_BIT_##id, leaf, sub, reg, bit},
#define HWCAP_BIT(id, word, bit)
#include "probe/isa_claims.def"
#undef CPUID_BIT
#undef HWCAP_BIT
};

/* Vendor, numbers and brand; false when there is no CPUID to ask. */
static bool identify(struct probe_device *d, const struct source *s)
{
    uint32_t r[4];
    if (!source_cpuid(s, 0, 0, r))
        return false;
    memcpy(d->cpu.vendor, &r[1], 4);
    memcpy(d->cpu.vendor + 4, &r[3], 4);
    memcpy(d->cpu.vendor + 8, &r[2], 4);
    d->cpu.vendor[12] = 0;
    if (source_cpuid(s, 1, 0, r)) {
        uint32_t family = r[0] >> 8 & 15, model = r[0] >> 4 & 15;
        if (family == 6 || family == 15)
            model |= r[0] >> 12 & 0xf0;
        d->cpu.family = (int)(family == 15 ? family + (r[0] >> 20 & 0xff) : family);
        d->cpu.model = (int)model;
        d->cpu.stepping = (int)(r[0] & 15);
        if (r[2] >> 31)
            snprintf(d->virtualization, sizeof d->virtualization, "unknown hypervisor");
        else
            snprintf(d->virtualization, sizeof d->virtualization, "none");
    }
    char brand[49] = "";
    for (uint32_t i = 0; i < 3 && source_cpuid(s, 0x80000002 + i, 0, r); i++)
        memcpy(brand + 16 * i, r, 16);
    text_copy(d->cpu.brand, sizeof d->cpu.brand, brand);
    return true;
}

static void claim(struct probe_device *d, const struct source *s)
{
    uint32_t r[4], max_sub = source_cpuid(s, 7, 0, r) ? r[0] : 0;
    for (size_t i = 0; i < sizeof claims / sizeof *claims; i++) {
        if (claims[i].leaf == 7 && claims[i].sub > max_sub)
            continue;
        if (source_cpuid(s, claims[i].leaf, claims[i].sub, r) && r[claims[i].reg] >> claims[i].shift & 1)
            d->cpu.isa[claims[i].bit] = ISA_CLAIMED;
    }
}

static int cpuinfo_int(const char *text, const char *key)
{
    double v = text_num(text, key);
    return v >= 0 && v < 1e6 ? (int)v : -1;
}

/* What CPUID did not give (a recording without it). */
static void fill_from_cpuinfo(struct probe_device *d, const char *cpuinfo)
{
    if (!d->cpu.vendor[0])
        text_value(cpuinfo, "vendor_id", d->cpu.vendor, sizeof d->cpu.vendor);
    if (!d->cpu.brand[0])
        text_value(cpuinfo, "model name", d->cpu.brand, sizeof d->cpu.brand);
    if (d->cpu.family < 0) {
        d->cpu.family = cpuinfo_int(cpuinfo, "cpu family");
        d->cpu.model = cpuinfo_int(cpuinfo, "model");
        d->cpu.stepping = cpuinfo_int(cpuinfo, "stepping");
    }
    text_value(cpuinfo, "microcode", d->cpu.microcode, sizeof d->cpu.microcode);
}

#if HAVE_LIBCPUID
/* For chips that cpu_models.def lacks (Debian 12's libcpuid takes a Zen 4 for Milan, so our row comes first).
 * libcpuid decodes the leaves that we read; it executes nothing itself. */
static void library_codename(struct probe_device *d, const struct source *s)
{
    struct cpu_raw_data_t raw;
    memset(&raw, 0, sizeof raw);
    for (uint32_t i = 0; i < MAX_CPUID_LEVEL; i++)
        source_cpuid(s, i, 0, raw.basic_cpuid[i]);
    for (uint32_t i = 0; i < MAX_EXT_CPUID_LEVEL; i++)
        source_cpuid(s, 0x80000000 + i, 0, raw.ext_cpuid[i]);
    for (uint32_t i = 0; i < MAX_INTELFN4_LEVEL; i++)
        source_cpuid(s, 4, i, raw.intel_fn4[i]);
    for (uint32_t i = 0; i < MAX_INTELFN11_LEVEL; i++)
        source_cpuid(s, 11, i, raw.intel_fn11[i]);
    for (uint32_t i = 0; i < MAX_AMDFN8000001DH_LEVEL; i++)
        source_cpuid(s, 0x8000001d, i, raw.amd_fn8000001dh[i]);
    struct cpu_id_t id;
    if (raw.basic_cpuid[0][0] && cpu_identify(&raw, &id) == 0 && strncmp(id.cpu_codename, "Unknown", 7) != 0)
        text_copy(d->cpu.codename, sizeof d->cpu.codename, id.cpu_codename);
}
#endif

static void judge_model(struct probe_device *d)
{
    for (size_t i = 0; i < sizeof models / sizeof *models; i++) {
        if (strcmp(models[i].vendor, d->cpu.vendor) != 0 || models[i].family != d->cpu.family ||
            d->cpu.model < models[i].model0 || d->cpu.model > models[i].model1)
            continue;
        char extra[96] = "";
        for (int bit = 0; bit < N_ISA; bit++)
            if (d->cpu.isa[bit] != ISA_ABSENT && !(models[i].features >> bit & 1))
                snprintf(extra + strlen(extra), sizeof extra - strlen(extra), " %s", isa_name(bit));
        d->cpu.model_doubtful = extra[0] != 0;
        if (extra[0])
            device_note(d, "CPU model number %d is that of %s, which has no%s: a hypervisor masks it", d->cpu.model,
                        models[i].codename, extra);
        if (!d->cpu.model_doubtful) /* else the name would follow from a number that is not to be believed */
            snprintf(d->cpu.codename, sizeof d->cpu.codename, "%s", models[i].codename);
        break;
    }
}

void cpu_x86(struct probe_device *d, const struct source *s, const char *cpuinfo)
{
    if (identify(d, s))
        claim(d, s);
    fill_from_cpuinfo(d, cpuinfo);
    judge_model(d);
#if HAVE_LIBCPUID
    if (!d->cpu.codename[0] && !d->cpu.model_doubtful)
        library_codename(d, s);
#endif
}
