/* What the CPU says about itself: vendor, name, model numbers, claimed extensions. CPUID (x86) and the auxiliary
 * vector (ARM) are the source, /proc/cpuinfo confirms and fills in, libcpuid adds the code name.
 * A claim is proved by isa_prove.c afterwards. */
#include "probe/parts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>

#if defined __x86_64__
#define OWN_ARCH "x86_64"
#elif defined __aarch64__
#define OWN_ARCH "aarch64"
#else
#define OWN_ARCH "unknown"
#endif

static const struct {
    int bit, word, shift;
} hwcaps[] = {
#define CPUID_BIT(id, leaf, sub, reg, bit)
#define HWCAP_BIT(id, word, bit) {ISA_BIT_##id, word, bit},
#include "probe/isa_claims.def"
#undef CPUID_BIT
#undef HWCAP_BIT
};

static const struct {
    unsigned implementer;
    const char *name;
} arm_vendors[] = {
#define ARM_VENDOR(implementer, name) {implementer, name},
#define ARM_PART(implementer, part, name)
#include "probe/arm_parts.def"
#undef ARM_VENDOR
#undef ARM_PART
};

static const struct {
    unsigned implementer, part;
    const char *name;
} arm_parts[] = {
#define ARM_VENDOR(implementer, name)
#define ARM_PART(implementer, part, name) {implementer, part, name},
#include "probe/arm_parts.def"
#undef ARM_VENDOR
#undef ARM_PART
};

static unsigned long cpuinfo_num(const char *text, const char *key)
{
    char v[64];
    return text_value(text, key, v, sizeof v) ? strtoul(v, NULL, 0) : 0;
}

static void arm_core_name(char out[48], unsigned implementer, unsigned part)
{
    for (size_t i = 0; i < sizeof arm_parts / sizeof *arm_parts; i++)
        if (arm_parts[i].implementer == implementer && arm_parts[i].part == part) {
            snprintf(out, 48, "%s", arm_parts[i].name);
            return;
        }
    snprintf(out, 48, "ARM 0x%02x part 0x%03x", implementer, part);
}

/* One name per kind of core: "Cortex-A55 + Cortex-A76". */
static void arm_brand(struct probe_device *d, const char *cpuinfo)
{
    for (const char *p = cpuinfo; (p = strstr(p, "CPU implementer")); p += 15) {
        char name[48];
        arm_core_name(name, (unsigned)cpuinfo_num(p, "CPU implementer"), (unsigned)cpuinfo_num(p, "CPU part"));
        size_t n = strlen(d->cpu.brand);
        if (!strstr(d->cpu.brand, name) && n + strlen(name) + 4 < sizeof d->cpu.brand)
            snprintf(d->cpu.brand + n, sizeof d->cpu.brand - n, "%s%s", n ? " + " : "", name);
    }
}

static unsigned long hwcap(const struct source *s, int word)
{
    if (s->live)
        return getauxval(word ? AT_HWCAP2 : AT_HWCAP);
    char text[512], v[64];
    source_read(s, text, sizeof text, "/auxv");
    return text_value(text, word ? "AT_HWCAP2" : "AT_HWCAP", v, sizeof v) ? strtoul(v, NULL, 16) : 0;
}

void cpu_arm(struct probe_device *d, const struct source *s, const char *cpuinfo)
{
    char v[64];
    if (text_value(cpuinfo, "CPU implementer", v, sizeof v)) {
        unsigned implementer = (unsigned)strtoul(v, NULL, 0);
        snprintf(d->cpu.vendor, sizeof d->cpu.vendor, "0x%02x", implementer);
        for (size_t i = 0; i < sizeof arm_vendors / sizeof *arm_vendors; i++)
            if (arm_vendors[i].implementer == implementer)
                snprintf(d->cpu.vendor, sizeof d->cpu.vendor, "%s", arm_vendors[i].name);
        d->cpu.family = (int)cpuinfo_num(cpuinfo, "CPU architecture");
        d->cpu.model = (int)cpuinfo_num(cpuinfo, "CPU part");
        /* variant and revision together are what x86 calls the stepping: r4p1 -> 0x41 */
        d->cpu.stepping = (int)(cpuinfo_num(cpuinfo, "CPU variant") << 4 | cpuinfo_num(cpuinfo, "CPU revision"));
        arm_brand(d, cpuinfo);
    }
    unsigned long word[2] = {hwcap(s, 0), hwcap(s, 1)};
    for (size_t i = 0; i < sizeof hwcaps / sizeof *hwcaps; i++)
        if (word[hwcaps[i].word] >> hwcaps[i].shift & 1)
            d->cpu.isa[hwcaps[i].bit] = ISA_CLAIMED;
}

/* The kernel's own flag names are our names. */
static void claims_from_cpuinfo(struct probe_device *d, const char *cpuinfo)
{
    char flags[8192];
    if (!text_value(cpuinfo, "flags", flags, sizeof flags) && !text_value(cpuinfo, "Features", flags, sizeof flags))
        return;
    for (int i = 0; i < N_ISA; i++)
        if (d->cpu.isa[i] == ISA_ABSENT && text_has_word(flags, isa_name(i)))
            d->cpu.isa[i] = ISA_CLAIMED;
    if (text_has_word(flags, "hypervisor") && !d->virtualization[0])
        snprintf(d->virtualization, sizeof d->virtualization, "unknown hypervisor");
}

void probe_cpu(struct probe_device *d, const struct source *s)
{
    const char *cpuinfo = source_text(s, "/proc/cpuinfo");
    const char *arch = s->live ? OWN_ARCH : "";
    if (!s->live && (strstr(cpuinfo, "vendor_id") || s->n_leaf))
        arch = "x86_64";
    if (!s->live && strstr(cpuinfo, "CPU implementer"))
        arch = "aarch64";
    snprintf(d->cpu.arch, sizeof d->cpu.arch, "%s", arch);
    if (!strcmp(arch, "x86_64"))
        cpu_x86(d, s, cpuinfo);
    if (!strcmp(arch, "aarch64"))
        cpu_arm(d, s, cpuinfo);
    claims_from_cpuinfo(d, cpuinfo);
    if (!*cpuinfo)
        device_note(d, "/proc/cpuinfo could not be read");
}
