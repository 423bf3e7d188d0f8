/* What was asked for on this command line, as arguments of another start of the program. */
#include <string.h>
#include "cli/options.h"

static int add_both(struct text_list *out, const char *name, const char *value, struct err *e)
{
    char option[64];
    snprintf(option, sizeof option, "--%s", name);
    int rc = option_list_add(out, option, strlen(option), e);
    return rc == 0 && value ? option_list_add(out, value, strlen(value), e) : rc;
}

static int add_value(struct text_list *out, const struct option_row *o, const void *at, struct err *e)
{
    char text[64];
    int rc = 0;
    switch (o->type) {
    case FLAG:
        return add_both(out, o->name, NULL, e);
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
        return add_both(out, o->name, *(const char *const *)at, e);
    case LIST:
    case LINES: {
        const struct text_list *l = at;
        for (int k = 0; k < l->n && rc == 0; k++)
            rc = add_both(out, o->name, l->v[k], e);
        return rc;
    }
    }
    return add_both(out, o->name, text, e);
}

static size_t size_of(enum option_type t)
{
    const bool list = t == LIST || t == LINES;
    return t == FLAG ? sizeof(bool) : t == INT ? sizeof(int) : list ? sizeof(struct text_list) : sizeof(int64_t);
}

/* Two spellings, or one option of several commands. */
static bool was_seen(int i, int groups)
{
    for (int k = 0; k < i; k++)
        if (option_rows[k].at == option_rows[i].at && option_rows[k].groups & groups)
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
    for (int i = 0; i < n_option_rows && rc == 0; i++) {
        const struct option_row *o = &option_rows[i];
        const char *at = (const char *)c + o->at, *usual = (const char *)&fresh + o->at;
        if (!(o->groups & groups) || was_seen(i, groups) || is_one_of(o->name, except) ||
            !memcmp(at, usual, size_of(o->type)))
            continue;
        rc = add_value(out, o, at, e);
    }
    cli_free_options(&fresh);
    return rc;
}
