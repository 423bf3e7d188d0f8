/* A row by itself: unknown at first, its memory from its parts, the command line that runs it. */
#include <ctype.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include "base/mem.h"
#include "base/sbuf.h"
#include "base/shell.h"
#include "bench/quant/recipe.h"
#include "matrix/judge.h"

const char *keep(struct judge *j, const char *s)
{
    if (!s || !*s)
        return "";
    const char *copy = arena_strdup(j->arena, s);
    if (!copy)
        j->failed = true;
    return copy ? copy : "";
}

const char *say(struct judge *j, const char *fmt, ...)
{
    struct sbuf b = {0};
    char line[1024];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(line, sizeof line, fmt, ap);
    va_end(ap);
    sbuf_puts(&b, line);
    const char *s = keep(j, sbuf_str(&b));
    sbuf_free(&b);
    return s;
}

static void row_init(struct row *r)
{
    *r = (struct row){.veto = "",
                      .remark = "",
                      .histogram = "",
                      .substitutions = "",
                      .kernels = "",
                      .license = "",
                      .speed_note = "",
                      .quality_of = "",
                      .kv_note = ""};
#define X(type, name, doc) r->name = UNKNOWN_##type;
#include "matrix/columns.def"
#undef X
    r->timed_s = r->prefill_lo = r->prefill_hi = r->bandwidth_share = r->energy_lo = r->energy_hi = r->task_chance =
        NAN;
    r->scratch_bytes = r->runtime_bytes = r->read_bytes = INT64_MIN;
}

struct row *row_add(struct judge *j)
{
    struct decision *d = j->d;
    struct row *grown = mem_resize(d->row, ((size_t)d->n_rows + 1) * sizeof *grown);
    if (!grown) {
        j->failed = true;
        return NULL;
    }
    d->row = grown;
    struct row *r = &d->row[d->n_rows++];
    row_init(r);
    return r;
}

static bool elsewhere(const struct row *r)
{
    return *r->backend && (strcmp(r->backend, "cpu") != 0 || r->gpu_layers > 0);
}

struct row_place row_place(const struct row *r)
{
    struct row_place p;
    char layers[32] = "";
    if (r->gpu_layers > 0)
        snprintf(layers, sizeof layers, "%lld layer%s on ", (long long)r->gpu_layers, r->gpu_layers > 1 ? "s" : "");
    if (elsewhere(r))
        snprintf(p.s, sizeof p.s, "%.40s, %s%.24s", r->framework, layers, r->backend);
    else
        snprintf(p.s, sizeof p.s, "%.90s", r->framework);
    return p;
}

bool row_is_as_is(const struct row *r)
{
    return strcmp(r->format, RECIPE_AS_IS) == 0;
}

const char *row_format_said(const struct row *r)
{
    return row_is_as_is(r) ? "the file as it is" : r->format;
}

/* "qwen3-0.6b-Q4_K_M.gguf", the name under which such files are found on the web; a directory has no suffix. */
static void artifact_name(const struct row *r, const char *model, char name[160])
{
    int n = 0;
    for (const char *c = model; *c && n < 64; c++) {
        char safe = isalnum((unsigned char)*c) || strchr("._-", *c) ? *c : '-';
        if (safe != '-' || n == 0 || name[n - 1] != '-')
            name[n++] = safe;
    }
    while (n > 0 && (name[0] == '-' || name[0] == '.'))
        memmove(name, name + 1, (size_t)--n);
    if (n == 0)
        n = snprintf(name, 160, "model");
    const char *scheme = row_is_as_is(r) ? "" : format_scheme(r->format); /* a file that somebody has */
    if (*scheme)
        name[n++] = '-';
    for (const char *c = scheme; *c && n < 148; c++)
        name[n++] = isalnum((unsigned char)*c) ? (char)toupper((unsigned char)*c) : strchr("._-", *c) ? *c : '-';
    const struct recipe *recipe = recipe_find(r->format);
    const struct exporter *x = recipe ? exporter_find(recipe) : NULL;
    snprintf(name + n, 160 - (size_t)n, "%s", x ? x->suffix : ".gguf");
}

static void expand(struct sbuf *b, const char *template, const struct row *r, const char *file)
{
    for (const char *c = template; *c;) {
        if (strncmp(c, "{file}", 6) == 0)
            sbuf_add_shell(b, file), c += 6;
        else if (strncmp(c, "{threads}", 9) == 0)
            sbuf_printf(b, "%lld", (long long)r->threads), c += 9;
        else if (strncmp(c, "{ctx}", 5) == 0)
            sbuf_printf(b, "%lld", (long long)r->ctx), c += 5;
        else if (strncmp(c, "{backend}", 9) == 0)
            sbuf_add_shell(b, r->backend), c += 9;
        else if (strncmp(c, "{layers}", 8) == 0 && r->gpu_layers > 0)
            sbuf_printf(b, "%lld", (long long)r->gpu_layers), c += 8;
        else if (strncmp(c, "{layers}", 8) == 0)
            sbuf_puts(b, "all"), c += 8;
        else if (strncmp(c, "{k}", 3) == 0)
            sbuf_add(b, r->kv_type, strcspn(r->kv_type, "/")), c += 3;
        else if (strncmp(c, "{v}", 3) == 0)
            sbuf_puts(b, strchr(r->kv_type, '/') ? strchr(r->kv_type, '/') + 1 : r->kv_type), c += 3;
        else
            sbuf_putc(b, *c++);
    }
}

const char *row_kv_flags(struct judge *j, const struct row *r)
{
    const struct runtime *run = runtime_find(r->framework);
    if (!run || !*r->kv_type || strcmp(r->kv_type, "f16") == 0)
        return "";
    struct sbuf b = {0};
    expand(&b, run->kv_flags, r, "");
    j->failed = j->failed || b.failed;
    const char *s = keep(j, sbuf_str(&b));
    sbuf_free(&b);
    return s;
}

/* What the weights were encoded with here, the file is to be made with. */
static void add_encoding(struct sbuf *b, const struct request *req, bool dithered)
{
    const char *const option[] = {" --imatrix ", " --calibration "}, *const value[] = {req->imatrix, req->calibration};
    for (int i = 0; i < 2; i++)
        if (value[i]) {
            sbuf_puts(b, option[i]);
            sbuf_add_shell(b, value[i]);
        }
    if (dithered)
        sbuf_puts(b, " --dither");
    if (dithered && req->seed)
        sbuf_printf(b, " --seed %llu", (unsigned long long)req->seed);
}

const char *row_command(struct judge *j, const struct row *r, const char *model, const char *path)
{
    const struct runtime *run = runtime_find(r->framework);
    if (!run || !*run->command || r->threads < 1)
        return "";
    char name[160];
    artifact_name(r, model, name);
    struct sbuf b = {0};
    if (path && !r->reference) {
        sbuf_puts(&b, "whichquant quantize ");
        sbuf_add_shell(&b, path);
        sbuf_puts(&b, " -f ");
        sbuf_add_shell(&b, r->format);
        add_encoding(&b, j->req, r->dithered);
        sbuf_printf(&b, " -o %s && ", name);
    }
    expand(&b, run->command, r, path && r->reference ? path : name);
    if (elsewhere(r))
        expand(&b, run->device_flags, r, "");
    const char *kv = row_kv_flags(j, r);
    if (*kv)
        sbuf_printf(&b, " %s", kv);
    j->failed = j->failed || b.failed;
    const char *s = keep(j, sbuf_str(&b));
    sbuf_free(&b);
    return s;
}
