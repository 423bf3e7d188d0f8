/* The brief's contents (brief.h). */
#include "matrix/brief.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include "base/mem.h"
#include "bench/catalogue.h"
#include "matrix/judge.h"

struct making {
    struct judge j; /* say and keep: strings in the brief's arena */
    struct brief *b;
    const struct decision *d;
    const struct probe_device *device;
    const struct request *req;
};

static void add_pair(struct brief_pair *p, int *n, const char *name, const char *value)
{
    if (*value && *n < MOST_BRIEF_PAIRS)
        p[(*n)++] = (struct brief_pair){name, value};
}

static void add_line(const char **list, int *n, const char *text)
{
    if (*text && *n < MOST_BRIEF_LINES)
        list[(*n)++] = text;
}

/* --- inputs --- */
static void describe_device(struct making *m)
{
    struct brief *b = m->b;
    struct judge *j = &m->j;
    const struct row *r = m->d->n_rows ? &m->d->row[0] : NULL;
    const struct probe_device *v = m->device;
    const char *name = r && *r->device ? r->device : v && *v->cpu.brand ? v->cpu.brand : "unknown";
    int64_t usable = r ? r->usable_bytes : INT64_MIN;
    add_pair(b->device, &b->n_device, "name", name);
    add_pair(b->device, &b->n_device, "class", m->d->device_class);
    if (v) {
        add_pair(b->device, &b->n_device, "processor", v->cpu.brand);
        if (v->cpu.n_cores > 0)
            add_pair(b->device, &b->n_device, "cores", say(j, "%d", v->cpu.n_cores));
        if (v->memory.total_bytes > 0)
            add_pair(b->device, &b->n_device, "memory", say(j, "%s", figure_bytes(v->memory.total_bytes).s));
    }
    add_pair(b->device, &b->n_device, "usable memory", usable >= 0 ? say(j, "%s", figure_bytes(usable).s) : "unknown");
    add_pair(b->device, &b->n_device, "described by", v && *v->source ? v->source : "unknown");
}

static void describe_task(struct making *m)
{
    const struct constraints *w = &m->req->want;
    struct brief *b = m->b;
    add_pair(b->task, &b->n_task, "task", w->task ? w->task : "any");
    add_pair(b->task, &b->n_task, "language", w->language ? w->language : "any");
    add_pair(b->task, &b->n_task, "network", w->offline ? "offline" : "available");
    add_pair(b->task, &b->n_task, "context", say(&m->j, "%d tokens", w->ctx));
    add_pair(b->task, &b->n_task, "prompt", say(&m->j, "%d tokens", w->n_prompt));
    add_pair(b->task, &b->n_task, "objective", objective_name(w->objective));
}

static void describe_constraints(struct making *m)
{
    const struct constraints *w = &m->req->want;
    const struct {
        const char *name, *unit;
        double v;
    } number[] = {{"generation, at least", "tok/s", w->min_decode_tok_s}, {"first token, at most", "s", w->max_ttft_s},
                  {"answers kept, at least", "%", 100 * w->min_quality},  {"power, at most", "W", w->max_watts},
                  {"battery must last, at least", "h", w->battery_hours}, {"battery", "Wh", w->battery_wh}};
    const struct {
        const char *name;
        int64_t bytes;
    } size[] = {
        {"memory, at most", w->ram_bytes}, {"GPU memory, at most", w->vram_bytes}, {"disk, at most", w->disk_bytes}};
    struct brief *b = m->b;
    struct judge *j = &m->j;
    for (size_t i = 0; i < sizeof size / sizeof *size; i++)
        if (size[i].bytes >= 0)
            add_pair(b->constraint, &b->n_constraints, size[i].name, say(j, "%s", figure_bytes(size[i].bytes).s));
    if (isfinite(m->d->kld_limit))
        add_pair(b->constraint, &b->n_constraints, "KLD, at most",
                 say(j, "%.3g%s", m->d->kld_limit, m->d->kld_limit_asked ? "" : " (default)"));
    if (!isfinite(w->min_decode_tok_s) && isfinite(m->d->min_decode_tok_s))
        add_pair(b->constraint, &b->n_constraints, number[0].name,
                 say(j, "%.3g tok/s (default)", m->d->min_decode_tok_s));
    for (size_t i = 0; i < sizeof number / sizeof *number; i++)
        if (isfinite(number[i].v))
            add_pair(b->constraint, &b->n_constraints, number[i].name, say(j, "%g %s", number[i].v, number[i].unit));
    if (w->only_framework)
        add_pair(b->constraint, &b->n_constraints, "framework", w->only_framework);
    if (w->license)
        add_pair(b->constraint, &b->n_constraints, "licence", w->license);
}

static void describe_answer(struct making *m)
{
    const struct decision *d = m->d;
    struct brief *b = m->b;
    add_pair(b->answer, &b->n_answer, "verdict", d->verdict);
    add_pair(b->answer, &b->n_answer, "exit code", say(&m->j, "%d", d->exit_code));
    add_pair(b->answer, &b->n_answer, "answer", d->headline);
    add_pair(b->answer, &b->n_answer, "why", d->reason);
    add_pair(b->answer, &b->n_answer, "in words", d->plain_quality);
    add_pair(b->answer, &b->n_answer, "confidence", d->confidence);
    add_pair(b->answer, &b->n_answer, "limit that binds", d->binding_limit);
    add_pair(b->answer, &b->n_answer, "nearest that fits", d->nearest);
    add_pair(b->answer, &b->n_answer, "figures", d->coverage);
}

/* --- choices --- */
static bool several_models(const struct decision *d)
{
    for (int i = 1; i < d->n_rows; i++)
        if (d->row[i].group != d->row[0].group && strcmp(d->row[i].model, d->row[0].model) != 0)
            return true;
    return false;
}

static const char *basis_of(struct making *m, const struct row *r)
{
    const char *speed = *r->speed_from ? r->speed_from : "unknown",
               *kld = *r->quality_from ? r->quality_from : "unknown";
    return strcmp(speed, kld) == 0 ? say(&m->j, "%s", speed) : say(&m->j, "speed %s, quality %s", speed, kld);
}

static void add_choice(struct making *m, const struct row *r)
{
    struct judge *j = &m->j;
    struct figure range = figure_range(r->decode_tok_s_lo, r->decode_tok_s_hi);
    const bool timed = isfinite(r->decode_tok_s) && !r->cache_resident;
    int64_t file = r->download_bytes >= 0 ? r->download_bytes : r->weights_bytes;
    m->b->choice[m->b->n_choices] = (struct brief_choice){
        .row = r,
        .number = say(j, "%d", m->b->n_choices + 1),
        .model = r->model,
        .format = *r->kv_note ? say(j, "%s%s", r->format, r->kv_note) : r->format,
        .framework = r->framework,
        .file = file >= 0 ? say(j, "%s", figure_bytes(file).s) : "",
        .memory = r->peak_bytes >= 0 ? say(j, "%s", figure_bytes(r->peak_bytes).s) : "",
        .speed = !timed ? ""
                        : say(j, "%s%s%s%s", figure_rate(r->decode_tok_s).s, *range.s ? " (" : "", range.s,
                              *range.s ? ")" : ""),
        .first_token = isfinite(r->ttft_ms) && !r->cache_resident ? say(j, "%s", figure_ms(r->ttft_ms).s) : "",
        .kld = isfinite(r->kld) ? say(j, "%s", figure_kld(r->kld).s) : "",
        .score = isfinite(r->task_score) ? say(j, "%s", figure_score(r->task_score).s) : "",
        .basis = basis_of(m, r),
        .why = r->reason,
    };
    m->b->n_choices++;
}

static bool chosen(const struct brief *b, const struct row *r, bool by_model)
{
    for (int i = 0; i < b->n_choices; i++) {
        const struct row *c = b->choice[i].row;
        if (c == r || (by_model ? strcmp(c->model, r->model) == 0
                                : strcmp(c->format, r->format) == 0 && c->kv_variant == r->kv_variant))
            return true;
    }
    return false;
}

/* The pick, the runner-up, then the next of another model or format that nothing beats. */
static void choose_rows(struct making *m)
{
    const struct decision *d = m->d;
    const bool by_model = several_models(d);
    if (d->recommended < 0)
        return;
    add_choice(m, &d->row[d->recommended]);
    for (int pass = 0; pass < 2; pass++)
        for (int i = 0; i < d->n_rows && m->b->n_choices < MOST_BRIEF_CHOICES; i++) {
            const struct row *r = &d->row[i];
            bool beaten = strcmp(r->verdict, "dominated") == 0;
            bool stands = row_eligible(r, 0) && (!d->across || r->lead);
            if (!r->own && stands && beaten == (pass == 1) && !chosen(m->b, r, by_model))
                add_choice(m, r);
        }
}

/* --- steps --- */
int brief_split_commands(struct arena *a, const char *line, const char *command[], int most)
{
    int n = 0;
    char quote = 0;
    const char *from = line;
    for (const char *p = line;; p++) {
        bool end = !*p, joint = !quote && strncmp(p, " && ", 4) == 0;
        if (end || joint) {
            char *copy = n < most && p > from ? arena_alloc(a, (size_t)(p - from) + 1) : NULL;
            if (copy)
                command[n++] = memcpy(copy, from, (size_t)(p - from));
            if (end)
                return n;
            from = p + 4;
            p += 3;
        } else if (quote ? *p == quote : *p == '\'' || *p == '"') {
            quote = quote ? 0 : *p;
        } else if (*p == '\\' && quote != '\'' && p[1]) {
            p++;
        }
    }
}

static const char *title_of(const char *command)
{
    static const struct {
        const char *begins, *title;
    } titles[] = {{"hf download ", "Download the model"},    {"ollama pull ", "Download the model"},
                  {"whichquant quantize ", "Make the file"}, {"llama-server -hf ", "Download and run it"},
                  {"ollama run ", "Download and run it"},    {"whichquant bench ", "Run it"}};
    for (size_t i = 0; i < sizeof titles / sizeof *titles; i++)
        if (strncmp(command, titles[i].begins, strlen(titles[i].begins)) == 0)
            return titles[i].title;
    return "Run it";
}

static void add_step(struct making *m, const char *title, const char *command, const char *text)
{
    if (m->b->n_steps < MOST_BRIEF_STEPS)
        m->b->step[m->b->n_steps++] = (struct brief_step){title, command, text};
}

static void plan_steps(struct making *m)
{
    const struct decision *d = m->d;
    const char *command[4];
    if (d->recommended < 0)
        return;
    const struct row *r = &d->row[d->recommended];
    int n = brief_split_commands(m->b->arena, r->command, command, 4);
    bool named_file = n > 0 && strstr(r->command, "whichquant quantize ") == NULL &&
                      strstr(r->command, " -hf ") == NULL && strncmp(r->command, "ollama ", 7) != 0 &&
                      strncmp(r->command, "hf ", 3) != 0;
    if (named_file && !r->reference)
        add_step(m, "Get the file", "",
                 say(&m->j, "Fetch %s as %s, or make it: whichquant quantize MODEL -f %s -o FILE", r->model, r->format,
                     r->format));
    for (int i = 0; i < n; i++)
        add_step(m, title_of(command[i]), command[i], "");
    if (n == 0)
        add_step(m, "Run it", "", say(&m->j, "No command line of %s is known for %s", r->framework, r->format));
    if (strcmp(r->speed_from, "measured") != 0)
        add_step(m, "Check the figures on the device", "",
                 "They were not measured there: run whichquant with the file on it before relying on them");
}

/* --- what else --- */
static void list_alternatives(struct making *m)
{
    const struct decision *d = m->d;
    struct brief *b = m->b;
    if (*d->nearest)
        add_line(b->alternative, &b->n_alternatives, say(&m->j, "Nearest that fits: %s", d->nearest));
    for (int i = 0; i < d->n_neighbours; i++)
        add_line(b->alternative, &b->n_alternatives, d->neighbours[i]);
    for (int i = 0; i < d->n_changes; i++)
        add_line(b->alternative, &b->n_alternatives, d->changes[i]);
    if (d->exit_code == 4 && !m->req->want.offline)
        add_line(b->alternative, &b->n_alternatives, "The cloud: a model on a server, over the network");
}

static void list_notes(struct making *m)
{
    const struct decision *d = m->d;
    struct brief *b = m->b;
    add_line(b->note, &b->n_notes,
             "Nothing is pruned or distilled here; existing distilled and pruned models are catalogue rows.");
    for (int i = 0; i < b->n_choices; i++) {
        const struct catalogue_model *c = catalogue_model_find(b->choice[i].model);
        if (c && *c->made_by)
            add_line(b->note, &b->n_notes, say(&m->j, "%s: %s", c->id, c->made_by));
    }
    for (int i = 0; i < d->n_notes; i++)
        add_line(b->note, &b->n_notes, d->note[i]);
    for (int i = 0; i < d->n_undecided; i++)
        add_line(b->note, &b->n_notes, say(&m->j, "Left open: %s", d->undecided[i]));
}

int brief_make(struct brief **out, const struct decision *d, const struct probe_device *device,
               const struct request *req, struct err *e)
{
    struct arena *a = arena_new();
    struct brief *b = a ? arena_alloc(a, sizeof *b) : NULL;
    if (!b) {
        arena_free(a);
        return err_nomem(e, sizeof *b, "the brief");
    }
    b->arena = a;
    struct making m = {.j = {.arena = a, .req = req, .want = &req->want}, .b = b, .d = d, .device = device, .req = req};
    const char *name = d->n_rows && *d->row[0].device ? d->row[0].device : device ? device->cpu.brand : "";
    const char *subject = d->across && several_models(d) ? "the catalogue's models" : d->subject;
    b->title = say(&m.j, "%s%s%s", *subject ? subject : "whichquant", *name ? " on " : "", name);
    describe_device(&m);
    describe_task(&m);
    describe_constraints(&m);
    describe_answer(&m);
    choose_rows(&m);
    plan_steps(&m);
    list_alternatives(&m);
    list_notes(&m);
    if (m.j.failed) {
        arena_free(a);
        return err_nomem(e, sizeof *b, "the brief");
    }
    *out = b;
    return 0;
}

void brief_free(struct brief *b)
{
    if (b)
        arena_free(b->arena);
}
