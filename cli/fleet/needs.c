/* Every source becomes words, "--ctx 8192", and those go through the table of options. */
#include "cli/fleet/needs.h"

#include <ctype.h>
#include <math.h>
#include <string.h>
#include "base/mem.h"
#include "base/os.h"
#include "datasets/catalogue.h"
#include "matrix/choose.h"
#include "matrix/figures.h"

enum { MOST_WORDS = 64, MOST_BYTES = 1 << 20 };

/* Words at blanks, in place; quotes keep blanks within a word. -1: too many, or a quote that stays open. */
static int split(char *text, const char *word[MOST_WORDS])
{
    int n = 0;
    for (char *p = text; *p;) {
        while (isspace((unsigned char)*p))
            p++;
        if (!*p)
            break;
        if (n == MOST_WORDS)
            return -1;
        char *to = p, quote = 0;
        for (word[n++] = p; *p && (quote || !isspace((unsigned char)*p)); p++) {
            if (quote ? *p == quote : *p == '"' || *p == '\'')
                quote = quote ? 0 : *p;
            else
                *to++ = *p;
        }
        if (quote)
            return -1;
        p += *p != 0;
        *to = 0;
    }
    return n;
}

/* ---- in words ---- */

static void add(struct sbuf *b, const char *text)
{
    sbuf_printf(b, "%s%s", b->n ? ", " : "", text);
}

static void describe(struct need *s, bool predicts)
{
    const struct constraints *w = &s->req.want;
    char t[96];
    struct sbuf b = {0};
    snprintf(t, sizeof t, "context %d", w->ctx);
    add(&b, t);
#define LIMIT(is, ...)                                                                                                 \
    if (is) {                                                                                                          \
        snprintf(t, sizeof t, __VA_ARGS__);                                                                            \
        add(&b, t);                                                                                                    \
    }
    LIMIT(isfinite(w->min_decode_tok_s), "at least %.4g tok/s", w->min_decode_tok_s)
    LIMIT(predicts && !isfinite(w->min_decode_tok_s) && w->objective == OBJECTIVE_BALANCED,
          "predicted machines at least %d tok/s where they can (default)", DEFAULT_MIN_DECODE)
    LIMIT(isfinite(w->max_ttft_s), "first token within %s", figure_ms(w->max_ttft_s * 1000).s)
    LIMIT(isfinite(w->max_kld), "KLD under %.3g", w->max_kld)
    LIMIT(!isfinite(w->max_kld) && w->objective == OBJECTIVE_BALANCED, "KLD under %.3g (default)", DEFAULT_MAX_KLD)
    LIMIT(isfinite(w->min_quality), "%s of the quality", figure_percent(w->min_quality).s)
    LIMIT(w->ram_bytes >= 0, "%s of memory", figure_bytes(w->ram_bytes).s)
    LIMIT(w->vram_bytes >= 0, "%s of GPU memory", figure_bytes(w->vram_bytes).s)
    LIMIT(w->disk_bytes >= 0, "%s of disk", figure_bytes(w->disk_bytes).s)
    LIMIT(isfinite(w->max_watts), "at most %.4g W", w->max_watts)
    LIMIT(isfinite(w->battery_hours), "%.3g h on battery", w->battery_hours)
    LIMIT(w->license != NULL, "licence %.40s", w->license)
    LIMIT(w->task != NULL, "for %.40s", w->task)
    LIMIT(w->language != NULL, "in %.20s", w->language)
    LIMIT(w->objective != OBJECTIVE_BALANCED, "objective %s", objective_name(w->objective))
#undef LIMIT
    snprintf(s->limits, sizeof s->limits, "%s", sbuf_str(&b));
    sbuf_free(&b);
}

/* ---- one set ---- */

static int add_need(struct needs *out, const struct cli *base, const char *name, const char *words, const char *where,
                    struct err *e)
{
    const char *word[MOST_WORDS];
    size_t length = strlen(name);
    if (out->n == MOST_NEEDS)
        return err_set(e, ERR_USAGE, "%s: more than %d sets of limits; compare fewer at once", where, MOST_NEEDS);
    struct need *s = &out->need[out->n];
    if (length == 0 || length >= sizeof s->name)
        return err_set(e, ERR_USAGE,
                       "%s: a set of limits needs a name of at most %zu letters, such as 'chat: --ctx 8192'", where,
                       sizeof s->name - 1);
    for (int i = 0; i < out->n; i++)
        if (strcasecmp(out->need[i].name, name) == 0)
            return err_set(e, ERR_USAGE, "%s: the set %s is there twice; give each its own name", where, name);
    *s = (struct need){.words = mem_strdup(words)};
    if (!s->words)
        return err_nomem(e, strlen(words), "the sets of limits");
    out->n++;
    snprintf(s->name, sizeof s->name, "%s", name);
    int n = split(s->words, word);
    if (n < 0)
        return err_set(e, ERR_USAGE, "%s, %s: a quote stays open, or there are more than %d words", where, name,
                       MOST_WORDS);
    struct cli c = *base;
    int rc = cli_parse_limits(&c, word, n, e);
    if (rc < 0)
        return err_context(e, "%s, %s", where, name);
    s->req = c.req;
    describe(s, base->targets.n > 0);
    return 0;
}

/* 'NAME: LIMITS' */
static int add_line(struct needs *out, const struct cli *base, const char *line, struct err *e)
{
    char name[64];
    size_t n = strcspn(line, ":");
    if (!line[n] || n >= sizeof name)
        return err_set(e, ERR_USAGE,
                       "--need '%.60s': give a name, a colon and limits, such as 'chat: --ctx 8192 "
                       "--min-decode 15'",
                       line);
    while (n > 0 && isspace((unsigned char)line[n - 1]))
        n--;
    const char *start = line + strspn(line, " \t");
    snprintf(name, sizeof name, "%.*s", start < line + n ? (int)(line + n - start) : 0, start);
    return add_need(out, base, name, strchr(line, ':') + 1, "--need", e);
}

/* ---- files ---- */

static void add_word(struct sbuf *b, const char *key, const char *value)
{
    const char quote = strchr(value, '"') ? '\'' : '"';
    sbuf_printf(b, "--%s %c%s%c ", key, quote, value, quote);
}

static int read_csv(struct needs *out, const struct cli *base, const char *text, const char *where, struct err *e)
{
    struct csv c;
    int rc = 0;
    if (strncmp(text, "\xef\xbb\xbf", 3) == 0)
        text += 3;
    if (!csv_open(&c, text) || strcmp(c.head.n ? c.head.field[0] : "", "name") != 0)
        return err_set(e, ERR_FORMAT,
                       "%s: the first line must be name and limits, such as name,ctx,min-decode,max-ttft", where);
    while (rc == 0 && csv_next(&c)) {
        struct sbuf b = {0};
        if (c.row.n > c.head.n)
            rc = err_set(e, ERR_FORMAT, "%s, %.40s: %d fields under %d columns", where, c.row.field[0], c.row.n,
                         c.head.n);
        for (int i = 1; i < c.row.n && rc == 0; i++)
            if (*c.row.field[i])
                add_word(&b, c.head.field[i], c.row.field[i]);
        if (rc == 0)
            rc = b.failed ? err_nomem(e, b.n, where) : add_need(out, base, c.row.field[0], sbuf_str(&b), where, e);
        sbuf_free(&b);
    }
    while (*c.at == '\n' || *c.at == '\r')
        c.at++;
    return rc == 0 && *c.at ? err_set(e, ERR_FORMAT, "%s: too many or too long fields after %d sets", where, out->n)
                            : rc;
}

static int read_object(struct needs *out, const struct cli *base, const char *name, const json_t *o, const char *where,
                       struct err *e)
{
    struct sbuf b = {0};
    const char *key;
    json_t *v;
    int rc = json_is_object(o)
                 ? 0
                 : err_set(e, ERR_FORMAT, "%s: a set of limits is an object, such as {\"ctx\": 8192}", where);
    json_object_foreach((json_t *)(uintptr_t)o, key, v)
    {
        if (strcmp(key, "name") == 0 || json_is_null(v) || json_is_false(v))
            continue;
        char number[32];
        if (json_is_number(v))
            snprintf(number, sizeof number, "%.15g", json_number_value(v));
        if (json_is_true(v))
            sbuf_printf(&b, "--%s ", key);
        else if (json_is_string(v) || json_is_number(v))
            add_word(&b, key, json_is_string(v) ? json_string_value(v) : number);
        else
            rc = err_set(e, ERR_FORMAT, "%s, %.40s: \"%.40s\" must be a number or a text", where, name, key);
    }
    if (rc == 0)
        rc = b.failed ? err_nomem(e, b.n, where) : add_need(out, base, name, sbuf_str(&b), where, e);
    sbuf_free(&b);
    return rc;
}

/* [{"name": "chat", "ctx": 8192}, ...] or {"chat": {"ctx": 8192}, ...} */
static int read_json(struct needs *out, const struct cli *base, const char *text, const char *where, struct err *e)
{
    json_t *j, *v;
    size_t i;
    const char *key;
    int rc = json_parse(&j, text, strlen(text), where, e);
    if (rc < 0)
        return rc;
    json_array_foreach(j, i, v)
    {
        if (rc == 0)
            rc = read_object(out, base, json_is_object(v) ? json_get_str(v, "name", "") : "", v, where, e);
    }
    if (json_is_object(j))
        json_object_foreach(j, key, v)
        {
            if (rc == 0)
                rc = read_object(out, base, key, v, where, e);
        }
    json_decref(j);
    return rc;
}

static int read_file(struct needs *out, const struct cli *base, const char *path, struct err *e)
{
    char *text;
    size_t size;
    int rc = file_read(path, MOST_BYTES, &text, &size, e);
    if (rc < 0)
        return rc;
    const char *start = text + strspn(text, " \t\r\n");
    const int before = out->n;
    if (strlen(text) != size)
        rc = err_set(e, ERR_FORMAT, "%s holds zero bytes: it is no text", path);
    else
        rc = *start == '[' || *start == '{' ? read_json(out, base, start, path, e) : read_csv(out, base, text, path, e);
    mem_free(text);
    if (rc == 0 && out->n == before)
        rc = err_set(e, ERR_FORMAT,
                     "%s holds no set of limits; a row looks like chat,8192,15 under name,ctx,min-decode", path);
    return rc;
}

int needs_make(struct needs *out, const struct cli *c, struct err *e)
{
    int rc = 0;
    *out = (struct needs){0};
    for (int i = 0; i < c->needs.n && rc == 0; i++)
        rc = add_line(out, c, c->needs.v[i], e);
    if (rc == 0 && c->needs_file)
        rc = read_file(out, c, c->needs_file, e);
    if (rc == 0 && out->n == 0) {
        out->n = 1;
        out->need[0].req = c->req;
        describe(&out->need[0], c->targets.n > 0);
    }
    if (rc < 0)
        needs_free(out);
    return rc;
}

void needs_free(struct needs *n)
{
    for (int i = 0; i < n->n; i++)
        mem_free(n->need[i].words);
    n->n = 0;
}
