/* Reading under a root: text files, folders, and the CPUID leaves, executed or recorded. */
#include "probe/source.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/mem.h"
#if defined __x86_64__
#include <cpuid.h>
#endif

#define SCRATCH_BYTES ((size_t)4 << 20) /* /proc/cpuinfo of 1024 CPUs, pci.ids; untouched pages cost nothing */

/* Lines as the cpuid program prints them raw: "0x00000007 0x00: eax=0x... ebx=0x... ecx=0x... edx=0x..." */
static void load_leaves(struct source *s)
{
    for (char *line = source_text(s, "/cpuid"); line && *line;) {
        char *end = strchr(line, '\n');
        if (end)
            *end = 0;
        uint32_t v[6];
        if (sscanf(line, " 0x%x 0x%x: eax=0x%x ebx=0x%x ecx=0x%x edx=0x%x", v, v + 1, v + 2, v + 3, v + 4, v + 5) ==
                6 &&
            s->n_leaf < (int)(sizeof s->leaf / sizeof *s->leaf)) {
            s->leaf[s->n_leaf].leaf = v[0];
            s->leaf[s->n_leaf].sub = v[1];
            memcpy(s->leaf[s->n_leaf++].reg, v + 2, sizeof s->leaf[0].reg);
        }
        line = end ? end + 1 : NULL;
    }
}

int source_open(struct source *s, const char *root, struct err *e)
{
    memset(s, 0, sizeof *s);
    s->root = root ? root : "";
    s->live = *s->root == 0;
    s->scratch = mem_alloc(SCRATCH_BYTES);
    if (!s->scratch)
        return err_nomem(e, SCRATCH_BYTES, "reading /proc and /sys");
    s->n_scratch = SCRATCH_BYTES;
    if (!s->live)
        load_leaves(s);
    return 0;
}

void source_close(struct source *s)
{
    mem_free(s->scratch);
    s->scratch = NULL;
}

static bool full_path(const struct source *s, char out[512], const char *fmt, va_list ap)
{
    int n = snprintf(out, 512, "%s", s->root);
    if (n < 0 || n >= 512)
        return false;
    int m = vsnprintf(out + n, 512 - (size_t)n, fmt, ap);
    return m >= 0 && n + m < 512;
}

/* O_NONBLOCK: a FIFO in a recorded tree must not hang us. */
static int slurp(const char *path, char *out, size_t cap)
{
    out[0] = 0;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0)
        return -1;
    size_t n = 0;
    while (n + 1 < cap) {
        ssize_t got = read(fd, out + n, cap - 1 - n);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0 && n == 0) {
            close(fd);
            return -1;
        }
        if (got <= 0)
            break;
        n += (size_t)got;
    }
    close(fd);
    out[n] = 0;
    for (size_t i = 0; i < n; i++)
        if (out[i] == 0)
            out[i] = '\n'; /* device-tree lists and environ separate with NUL */
    return (int)n;
}

int source_read(const struct source *s, char *out, size_t cap, const char *fmt, ...)
{
    char path[512];
    out[0] = 0;
    va_list ap;
    va_start(ap, fmt);
    bool ok = full_path(s, path, fmt, ap);
    va_end(ap);
    int n = ok ? slurp(path, out, cap) : -1;
    while (n > 0 && isspace((unsigned char)out[n - 1]))
        out[--n] = 0;
    for (int i = 0; i < n; i++)
        if ((out[i] < ' ' && out[i] != '\n' && out[i] != '\t') || out[i] == 127 || (unsigned char)out[i] > 127)
            out[i] = '?';
    return n;
}

double source_num(const struct source *s, const char *fmt, ...)
{
    char path[512], text[64];
    va_list ap;
    va_start(ap, fmt);
    bool ok = full_path(s, path, fmt, ap);
    va_end(ap);
    if (!ok || slurp(path, text, sizeof text) <= 0)
        return NAN;
    char *end;
    double v = strtod(text, &end);
    return end == text || !isfinite(v) ? NAN : v;
}

char *source_text(const struct source *s, const char *fmt, ...)
{
    char path[512];
    s->scratch[0] = 0;
    va_list ap;
    va_start(ap, fmt);
    if (full_path(s, path, fmt, ap))
        slurp(path, s->scratch, SCRATCH_BYTES);
    va_end(ap);
    return s->scratch;
}

bool source_has(const struct source *s, const char *fmt, ...)
{
    char path[512];
    va_list ap;
    va_start(ap, fmt);
    bool ok = full_path(s, path, fmt, ap);
    va_end(ap);
    return ok && access(path, F_OK) == 0;
}

/* Digits compare as numbers. */
static int natural_order(const void *pa, const void *pb)
{
    const char *a = pa, *b = pb;
    while (*a && *b) {
        if (isdigit((unsigned char)*a) && isdigit((unsigned char)*b)) {
            char *ea, *eb;
            unsigned long x = strtoul(a, &ea, 10), y = strtoul(b, &eb, 10);
            if (x != y)
                return x < y ? -1 : 1;
            a = ea;
            b = eb;
        } else if (*a != *b) {
            return (unsigned char)*a < (unsigned char)*b ? -1 : 1;
        } else {
            a++, b++;
        }
    }
    return (*a != 0) - (*b != 0);
}

void source_list(const struct source *s, struct name_list *l, const char *prefix, const char *fmt, ...)
{
    char path[512];
    l->n = 0;
    va_list ap;
    va_start(ap, fmt);
    bool ok = full_path(s, path, fmt, ap);
    va_end(ap);
    DIR *d = ok ? opendir(path) : NULL;
    if (!d)
        return;
    for (struct dirent *de; l->n < 1024 && (de = readdir(d));)
        if (de->d_name[0] != '.' && strlen(de->d_name) < sizeof l->name[0] &&
            !strncmp(de->d_name, prefix, strlen(prefix)))
            strcpy(l->name[l->n++], de->d_name);
    closedir(d);
    qsort(l->name, (size_t)l->n, sizeof l->name[0], natural_order);
}

bool source_cpuid(const struct source *s, uint32_t leaf, uint32_t sub, uint32_t reg[4])
{
    memset(reg, 0, 4 * sizeof *reg);
#if defined __x86_64__
    if (s->live) {
        bool above = leaf >= 0x40000000 && leaf < 0x80000000; /* hypervisor leaves: the caller checked the bit */
        if (!above && __get_cpuid_max(leaf & 0x80000000, NULL) < leaf)
            return false;
        __cpuid_count(leaf, sub, reg[0], reg[1], reg[2], reg[3]);
        return true;
    }
#endif
    for (int i = 0; i < s->n_leaf; i++)
        if (s->leaf[i].leaf == leaf && s->leaf[i].sub == sub) {
            memcpy(reg, s->leaf[i].reg, 4 * sizeof *reg);
            return true;
        }
    return false;
}

static void copy_n(char *out, size_t cap, const char *s, size_t n_in)
{
    size_t n = 0;
    bool gap = false;
    for (size_t i = 0; i < n_in && s[i] && n + 1 < cap; i++) {
        unsigned char c = (unsigned char)s[i];
        if (isspace(c)) {
            gap = n > 0;
            continue;
        }
        if (gap && n + 2 < cap)
            out[n++] = ' ';
        gap = false;
        out[n++] = c < ' ' || c >= 127 ? '?' : (char)c;
    }
    out[n] = 0;
}

void text_copy(char *out, size_t cap, const char *s)
{
    copy_n(out, cap, s, strlen(s));
}

bool text_value(const char *text, const char *key, char *out, size_t cap)
{
    size_t n_key = strlen(key);
    out[0] = 0;
    for (const char *line = text; line && *line;) {
        const char *end = strchr(line, '\n');
        if (!strncmp(line, key, n_key)) {
            const char *p = line + n_key + strspn(line + n_key, " \t");
            if (*p == ':' || *p == '=') {
                copy_n(out, cap, p + 1, end ? (size_t)(end - p - 1) : strlen(p + 1));
                return true;
            }
        }
        line = end ? end + 1 : NULL;
    }
    return false;
}

double text_num(const char *text, const char *key)
{
    char v[64], *end;
    if (!text_value(text, key, v, sizeof v))
        return NAN;
    double x = strtod(v, &end);
    return end == v || !isfinite(x) ? NAN : x;
}

bool text_has_word(const char *s, const char *w)
{
    size_t n = strlen(w);
    for (const char *p = s; (p = strstr(p, w)); p += n)
        if ((p == s || isspace((unsigned char)p[-1])) && (!p[n] || isspace((unsigned char)p[n])))
            return true;
    return false;
}

void cpu_set_parse(struct cpu_set *c, const char *list)
{
    memset(c, 0, sizeof *c);
    for (const char *p = list; *p;) {
        char *end;
        long a = strtol(p, &end, 10), b = a;
        if (end == p)
            return;
        if (*end == '-') {
            p = end + 1;
            b = strtol(p, &end, 10);
            if (end == p)
                return;
        }
        for (long i = a; a >= 0 && i <= b && i < MAX_CPUS; i++)
            cpu_set_add(c, (int)i);
        if (*end != ',')
            return;
        p = end + 1;
    }
}

int cpu_set_count(const struct cpu_set *c)
{
    int n = 0;
    for (size_t i = 0; i < MAX_CPUS / 64; i++)
        n += __builtin_popcountll(c->bit[i]);
    return n;
}
