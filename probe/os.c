/* Kernel release, distribution, C library and board. Never the host's name: uname is read for its release only. */
#include "probe/parts.h"

#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>
#if defined __GLIBC__
#include <gnu/libc-version.h>
#endif

/* What makers leave in DMI fields that they did not fill. */
static const char *const placeholders[] = {"To Be Filled",
                                           "System Product Name",
                                           "System manufacturer",
                                           "Default string",
                                           "Not Applicable",
                                           "Not Specified",
                                           "O.E.M",
                                           "INVALID"};

static void read_dmi(char *out, size_t cap, const struct source *s, const char *field)
{
    char text[96];
    out[0] = 0;
    if (source_read(s, text, sizeof text, "/sys/class/dmi/id/%s", field) <= 0)
        return;
    for (size_t i = 0; i < sizeof placeholders / sizeof *placeholders; i++)
        if (strstr(text, placeholders[i]))
            return;
    text_copy(out, cap, text);
}

static void board(struct probe_device *d, const struct source *s)
{
    char text[96], maker[48], product[48];
    if (source_read(s, text, sizeof text, "/proc/device-tree/model") > 0 ||
        source_read(s, text, sizeof text, "/sys/firmware/devicetree/base/model") > 0) {
        text_copy(d->os.board, sizeof d->os.board, text);
        return;
    }
    read_dmi(maker, sizeof maker, s, "sys_vendor");
    read_dmi(product, sizeof product, s, "product_name");
    bool repeats = !strncmp(product, maker, strlen(maker)); /* "Google" "Google Compute Engine" */
    snprintf(d->os.board, sizeof d->os.board, "%s%s%s", repeats ? "" : maker, repeats || !product[0] ? "" : " ",
             product);
}

static void unquote(char *s)
{
    size_t n = strlen(s);
    if (n >= 2 && (s[0] == '"' || s[0] == '\'') && s[n - 1] == s[0]) {
        memmove(s, s + 1, n - 2);
        s[n - 2] = 0;
    }
}

void probe_os(struct probe_device *d, const struct source *s)
{
    struct utsname u;
    char text[128];
    if (source_read(s, text, sizeof text, "/proc/sys/kernel/osrelease") > 0)
        text_copy(d->os.kernel, sizeof d->os.kernel, text);
    else if (s->live && uname(&u) == 0)
        text_copy(d->os.kernel, sizeof d->os.kernel, u.release);
    const char *release = source_text(s, "/etc/os-release");
    if (!*release)
        release = source_text(s, "/usr/lib/os-release");
    text_value(release, "PRETTY_NAME", d->os.name, sizeof d->os.name);
    unquote(d->os.name);
#if defined __GLIBC__
    if (s->live)
        snprintf(d->os.libc, sizeof d->os.libc, "glibc %s", gnu_get_libc_version());
#endif
    if (!s->live && source_read(s, text, sizeof text, "/libc") > 0) /* what a recording was told */
        text_copy(d->os.libc, sizeof d->os.libc, text);
    board(d, s);
}
