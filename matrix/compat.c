/* What a framework can run at all: rows of compat.def against a format and a device. */
#include <stdio.h>
#include <string.h>
#include "matrix/judge.h"

static const struct runtime runtimes[] = {
#define X(framework, families, archs, elsewhere, base_bytes, command, device_flags, kv_flags)                          \
    {framework, families, archs, elsewhere, base_bytes, command, device_flags, kv_flags},
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

static bool list_has(const char *list, const char *word, size_t n)
{
    if (strcmp(list, "*") == 0)
        return true;
    for (const char *p = list; p; p = strchr(p, ' ') ? strchr(p, ' ') + 1 : NULL)
        if (strncmp(p, word, n) == 0 && (p[n] == ' ' || p[n] == 0))
            return true;
    return false;
}

bool compat_check(const char *framework, const char *format, const struct probe_device *device, char why[160])
{
    const struct runtime *run = runtime_find(framework);
    if (!run)
        return true; /* nothing is known against it */
    size_t n = strcspn(format, "/");
    if (!list_has(run->families, format, n)) {
        snprintf(why, 160, "%s does not load %.*s formats", framework, (int)n, format);
        return false;
    }
    if (device && *device->cpu.arch && !list_has(run->archs, device->cpu.arch, strlen(device->cpu.arch))) {
        if (*run->elsewhere)
            snprintf(why, 160, "%s", run->elsewhere);
        else
            snprintf(why, 160, "%s has no build for %s", framework, device->cpu.arch);
        return false;
    }
    return true;
}
