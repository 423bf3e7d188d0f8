/* What was asked for on this command line, as arguments of another start of the program. */
#include <math.h>
#include <stddef.h>
#include <string.h>
#include "base/mem.h"
#include "base/sbuf.h"
#include "cli/cli.h"

enum type { FLAG, INT, NUM, TEXT, LIST, LINES, SIZE, TIME, U64 };
static const struct {
    const char *name;
    enum type type;
    size_t at;
    int groups;
} rows[] = {
#define O(name, letter, type, field, groups, metavar, help) {name, type, offsetof(struct cli, field), groups},
#include "cli/options.def"
#undef O
};
enum { N_ROWS = sizeof rows / sizeof *rows };

static int add(struct text_list *out, const char *text, struct err *e)
{
    const char **v = mem_resize(out->v, (size_t)(out->n + 1) * sizeof *v);
    if (v)
        out->v = v;
    if (!v || !(v[out->n] = mem_strdup(text)))
        return err_nomem(e, strlen(text), "a command line");
    out->n++;
    return 0;
}

static int add_both(struct text_list *out, const char *name, const char *value, struct err *e)
{
    char option[64];
    snprintf(option, sizeof option, "--%s", name);
    int rc = add(out, option, e);
    return rc == 0 && value ? add(out, value, e) : rc;
}

static int add_value(struct text_list *out, int i, const void *at, struct err *e)
{
    char text[64];
    int rc = 0;
    switch (rows[i].type) {
    case FLAG:
        return add_both(out, rows[i].name, NULL, e);
    case INT:
        snprintf(text, sizeof text, "%d", *(const int *)at);
        break;
    case U64:
        snprintf(text, sizeof text, "%llu", (unsigned long long)*(const uint64_t *)at);
        break;
    case SIZE:
        snprintf(text, sizeof text, "%lld", (long long)*(const int64_t *)at);
        break;
    case NUM:
    case TIME:
        snprintf(text, sizeof text, "%.17g", *(const double *)at);
        break;
    case TEXT:
        return add_both(out, rows[i].name, *(const char *const *)at, e);
    case LIST:
    case LINES: {
        const struct text_list *l = at;
        for (int k = 0; k < l->n && rc == 0; k++)
            rc = add_both(out, rows[i].name, l->v[k], e);
        return rc;
    }
    }
    return add_both(out, rows[i].name, text, e);
}

static size_t size_of(enum type t)
{
    const bool list = t == LIST || t == LINES;
    return t == FLAG ? sizeof(bool) : t == INT ? sizeof(int) : list ? sizeof(struct text_list) : sizeof(int64_t);
}

/* Two spellings, or one option of several commands. */
static bool was_seen(int i, int groups)
{
    for (int k = 0; k < i; k++)
        if (rows[k].at == rows[i].at && rows[k].groups & groups)
            return true;
    return false;
}

static bool is_one_of(const char *name, const char *const *names)
{
    while (*names && strcmp(name, *names) != 0)
        names++;
    return *names;
}

int cli_repeat_options(const struct cli *c, int groups, const char *const *except, struct text_list *out, struct err *e)
{
    struct cli fresh;
    char word[] = "whichquant", *name = word;
    int rc = cli_parse(&fresh, 1, &name, e);
    for (int i = 0; i < N_ROWS && rc == 0; i++) {
        const char *at = (const char *)c + rows[i].at, *usual = (const char *)&fresh + rows[i].at;
        if (!(rows[i].groups & groups) || was_seen(i, groups) || is_one_of(rows[i].name, except) ||
            !memcmp(at, usual, size_of(rows[i].type)))
            continue;
        rc = add_value(out, i, at, e);
    }
    cli_free_options(&fresh);
    return rc;
}

void cli_free_list(struct text_list *l)
{
    for (int i = 0; i < l->n; i++)
        mem_free((void *)(uintptr_t)l->v[i]);
    mem_free(l->v);
    *l = (struct text_list){0};
}
