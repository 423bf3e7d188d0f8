/* Where the probe reads: this machine, or a recorded one under a folder. One scratch buffer serves all
 * larger files, so reading can never run out of memory; small values come through the stack.
 * Order: source_open -> read, list, cpuid -> source_close. Absent, unreadable and malformed all look the
 * same to the caller: -1, NaN or an empty string. */
#ifndef PROBE_SOURCE_H
#define PROBE_SOURCE_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/err.h"

#define MAX_CPUS 1024

struct source {
    const char *root; /* "" for this machine */
    bool live;        /* may execute CPUID, system calls, drivers */
    char *scratch;    /* source_text's buffer */
    size_t n_scratch;
    int n_leaf; /* the recorded CPUID leaves (root/cpuid) */
    struct {
        uint32_t leaf, sub, reg[4];
    } leaf[160];
};

int source_open(struct source *s, const char *root, struct err *e);
void source_close(struct source *s);

/* One small file without the white space at its end, unprintable bytes replaced; its length, or -1 and "". */
int source_read(const struct source *s, char *out, size_t cap, const char *path, ...)
    __attribute__((format(printf, 4, 5)));
/* The first number of a file; NaN when there is none. */
double source_num(const struct source *s, const char *path, ...) __attribute__((format(printf, 2, 3)));
/* A whole file in the scratch buffer (cut at its size); "" when unreadable. Valid until the next call. */
char *source_text(const struct source *s, const char *path, ...) __attribute__((format(printf, 2, 3)));
bool source_has(const struct source *s, const char *path, ...) __attribute__((format(printf, 2, 3)));

struct name_list {
    int n;
    char name[1024][64];
};
/* The names in a folder that start with prefix, in natural order (cpu2 before cpu10), none when unreadable. */
void source_list(const struct source *s, struct name_list *l, const char *prefix, const char *path, ...)
    __attribute__((format(printf, 4, 5)));
/* EAX EBX ECX EDX of a leaf: executed here, looked up in a recording. False when it does not exist. */
bool source_cpuid(const struct source *s, uint32_t leaf, uint32_t sub, uint32_t reg[4]);

/* The value after "key :" or "key=" at a line's start; false and "" when there is none. */
bool text_value(const char *text, const char *key, char *out, size_t cap);
double text_num(const char *text, const char *key);
/* Copies with the ends trimmed, runs of blanks joined and everything unprintable replaced by '?'. */
void text_copy(char *out, size_t cap, const char *s);
/* True when one of the blank-separated words of s is w. */
bool text_has_word(const char *s, const char *w);

struct cpu_set {
    uint64_t bit[MAX_CPUS / 64];
};
/* "0-3,8" -> bits; what is malformed or beyond MAX_CPUS is left out. */
void cpu_set_parse(struct cpu_set *c, const char *list);
int cpu_set_count(const struct cpu_set *c);
static inline bool cpu_set_has(const struct cpu_set *c, int i)
{
    return i >= 0 && i < MAX_CPUS && (c->bit[i / 64] >> (i % 64) & 1);
}
static inline void cpu_set_add(struct cpu_set *c, int i)
{
    if (i >= 0 && i < MAX_CPUS)
        c->bit[i / 64] |= UINT64_C(1) << (i % 64);
}
#endif
