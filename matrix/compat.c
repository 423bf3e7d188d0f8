/* What a framework can run at all: datasets/compatibility.csv against a format and a device; and how it is started
 * (compat.def). */
#include <stdio.h>
#include <string.h>
#include "base/words.h"
#include "datasets/catalogue.h"
#include "matrix/judge.h"

static const struct runtime runtimes[] = {
#define X(framework, base_bytes, packed_copies, token_bytes, command, device_flags, kv_flags)                          \
    {framework, base_bytes, packed_copies, token_bytes, command, device_flags, kv_flags},
#include "matrix/compat.def"
#undef X
};

const struct runtime *runtime_find(const char *framework)
{
    for (size_t i = 0; i < sizeof runtimes / sizeof runtimes[0]; i++)
        if (strcmp(runtimes[i].framework, framework) == 0)
            return &runtimes[i];
    return NULL;
}

/* "*" is every word; a word that is not known is let through. */
static bool list_has(const char *list, const char *word, size_t n)
{
    return n == 0 || strcmp(list, "*") == 0 || words_have(list, word, n);
}

/* A described device says one of these words; what was probed is a distribution's name. */
static const char *system_of(const struct probe_device *d)
{
    static const char *const others[] = {"windows", "macos", "android", "ios", "none"};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        if (strcmp(d->os.name, others[i]) == 0)
            return others[i];
    return *d->os.name ? "linux" : "";
}

static bool at_home(const struct csv *c, const struct probe_device *d)
{
    const char *os = system_of(d);
    return list_has(csv_text(c, "arch"), d->cpu.arch, strlen(d->cpu.arch)) &&
           list_has(csv_text(c, "os"), os, strlen(os));
}

static int capability_of(const char *text)
{
    const char *sm = strstr(text, "sm_");
    int n = 0;
    return sm && sscanf(sm, "sm_%5d", &n) == 1 ? n : 0;
}

/* Is the GPU of an older kind than the row needs? Only where both are known. */
static bool too_old(const struct csv *c, const struct probe_device *d, char why[160])
{
    const char *needs = csv_text(c, "needs");
    const int least = capability_of(needs), has = d->n_gpus > 0 ? capability_of(d->gpu[0].capability) : 0;
    if (least == 0 || has == 0 || has >= least)
        return false;
    snprintf(why, 160, "%s needs a GPU of compute capability %d.%d, this one has %d.%d", csv_text(c, "framework"),
             least / 10, least % 10, has / 10, has % 10);
    return true;
}

/* Rows of other frameworks are passed over unread: a choice among all models asks thousands of times. */
static bool next_of(struct csv *c, const char *framework)
{
    const size_t n = strlen(framework);
    while (*c->at && (strncmp(c->at, framework, n) || c->at[n] != ','))
        c->at = strchr(c->at, '\n') ? strchr(c->at, '\n') + 1 : "";
    return *c->at && csv_next(c);
}

bool compat_check(const char *framework, const char *format, const char *backend, const struct probe_device *device,
                  char why[160])
{
    const int n = (int)strcspn(format, "/");
    bool known = false, loads = false, drives = false;
    struct csv c;
    for (bool more = csv_open(&c, dataset_compatibility); more && next_of(&c, framework);) {
        known = true;
        if (!list_has(csv_text(&c, "families"), format, (size_t)n))
            continue;
        loads = true;
        if (device && *backend && strcmp(csv_text(&c, "backend"), backend) != 0)
            continue;
        drives = true;
        if (device && !at_home(&c, device))
            continue;
        if (device && strcmp(backend, "cuda") == 0 && too_old(&c, device, why))
            return false;
        snprintf(why, 160, "%s", csv_text(&c, "note"));
        return strcmp(csv_text(&c, "support"), "no") != 0;
    }
    if (!known)
        return true; /* nothing is known against it */
    if (!loads)
        snprintf(why, 160, "%s does not load %.*s formats", framework, n, format);
    else if (!drives)
        snprintf(why, 160, "%s does not run %.*s formats on %s", framework, n, format, backend);
    else
        snprintf(why, 160, "%s has no build for %s %s", framework, system_of(device), device->cpu.arch);
    return false;
}
