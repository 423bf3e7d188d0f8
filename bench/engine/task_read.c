/* Files of multiple-choice tasks in the forms that they are published in (task.h). A form is a row: how to know it, how
 * to read it. Everything in these files is untrusted. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/half.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/os.h"
#include "bench/engine/task.h"

static const size_t most_bytes = (size_t)256 << 20;

struct reading {
    struct task_set *set;
    const char *path;
    const char *text; /* NUL-terminated */
    size_t n;
    int cap, line; /* line: of the item being read, for sentences */
};

static int bad(const struct reading *r, struct err *e, const char *what)
{
    return err_set(e, ERR_FORMAT, "%s, item %d: %s", r->path, r->line, what);
}

static struct task_item *add_item(struct reading *r, int n_choices, struct err *e)
{
    struct task_set *t = r->set;
    if (t->n == r->cap) {
        int cap = r->cap ? 2 * r->cap : 256;
        struct task_item *more = mem_resize(t->item, (size_t)cap * sizeof *more);
        if (!more) {
            err_nomem(e, (size_t)cap * sizeof *more, "the tasks");
            return NULL;
        }
        t->item = more;
        r->cap = cap;
    }
    struct task_item *i = &t->item[t->n];
    *i = (struct task_item){.n_choices = n_choices, .answer = -1};
    if (n_choices < 2 || n_choices > TASK_MOST_CHOICES) {
        bad(r, e, "a task has 2 to 100 choices");
        return NULL;
    }
    i->choice = arena_alloc_n(t->arena, (size_t)n_choices, sizeof *i->choice);
    if (!i->choice) {
        err_nomem(e, (size_t)n_choices * sizeof *i->choice, "the choices of a task");
        return NULL;
    }
    t->n++;
    return i;
}

/* Every item is whole: a context, choices that say something, an answer among them. */
static int check_item(const struct reading *r, const struct task_item *t, struct err *e)
{
    if (!t->context || !*t->context)
        return bad(r, e, "its question is empty");
    for (int i = 0; i < t->n_choices; i++)
        if (!t->choice[i] || !*t->choice[i])
            return bad(r, e, "one of its choices is empty");
    return t->answer >= 0 && t->answer < t->n_choices ? 0 : bad(r, e, "its answer is none of the choices");
}

static const char *keep(const struct reading *r, const char *s)
{
    return s ? arena_strdup(r->set->arena, s) : NULL;
}

static const char *ask(const struct reading *r, const char *question)
{
    return question && *question ? arena_printf(r->set->arena, "Question: %s\nAnswer:", question) : NULL;
}

/* ---- JSON lines ---- */

static int arc_item(struct reading *r, const json_t *o, struct err *e)
{
    const json_t *choices = json_object_get(o, "choices"), *text = json_object_get(choices, "text");
    const json_t *label = json_object_get(choices, "label");
    const char *key = json_get_str(o, "answerKey", "");
    struct task_item *t = add_item(r, (int)json_array_size(text), e);
    if (!t)
        return e->code;
    t->context = ask(r, json_get_str(o, "question", NULL));
    for (int i = 0; i < t->n_choices; i++) {
        const char *name = json_string_value(json_array_get(label, (size_t)i));
        t->choice[i] = keep(r, json_string_value(json_array_get(text, (size_t)i)));
        t->answer = name && strcmp(name, key) == 0 ? i : t->answer;
    }
    return check_item(r, t, e);
}

static int label_of(const json_t *o, const char *key)
{
    const json_t *v = json_object_get(o, key);
    const char *s = json_string_value(v);
    return json_is_integer(v) ? (int)json_integer_value(v) : s && *s ? atoi(s) : -1;
}

static int piqa_item(struct reading *r, const json_t *o, struct err *e)
{
    struct task_item *t = add_item(r, 2, e);
    if (!t)
        return e->code;
    t->context = ask(r, json_get_str(o, "goal", NULL));
    t->choice[0] = keep(r, json_get_str(o, "sol1", NULL));
    t->choice[1] = keep(r, json_get_str(o, "sol2", NULL));
    t->answer = json_object_get(o, "label") ? label_of(o, "label") : 0; /* or from the file beside it */
    return check_item(r, t, e);
}

static int hellaswag_item(struct reading *r, const json_t *o, struct err *e)
{
    const json_t *endings = json_object_get(o, "endings");
    const char *activity = json_get_str(o, "activity_label", NULL), *ctx = json_get_str(o, "ctx", NULL);
    struct task_item *t = add_item(r, (int)json_array_size(endings), e);
    if (!t)
        return e->code;
    t->context = activity && ctx ? arena_printf(r->set->arena, "%s: %s", activity, ctx) : keep(r, ctx);
    for (int i = 0; i < t->n_choices; i++)
        t->choice[i] = keep(r, json_string_value(json_array_get(endings, (size_t)i)));
    t->answer = label_of(o, "label");
    return check_item(r, t, e);
}

/* "The trophy does not fit because _ is too big." with the words for the gap. */
static int gap_item(struct reading *r, const char *sentence, const char *one, const char *two, int answer,
                    struct err *e)
{
    const char *gap = sentence ? strchr(sentence, '_') : NULL;
    struct task_item *t = add_item(r, 2, e);
    if (!t)
        return e->code;
    if (!gap)
        return bad(r, e, "its sentence has no gap (_)");
    t->context = arena_printf(r->set->arena, "%.*s", (int)(gap - sentence), sentence);
    t->tail = keep(r, gap + 1);
    t->choice[0] = keep(r, one);
    t->choice[1] = keep(r, two);
    t->answer = answer - 1;
    return check_item(r, t, e);
}

static int winogrande_item(struct reading *r, const json_t *o, struct err *e)
{
    return gap_item(r, json_get_str(o, "sentence", NULL), json_get_str(o, "option1", NULL),
                    json_get_str(o, "option2", NULL), label_of(o, "answer"), e);
}

static const struct json_form {
    const char *name, *key;
    int (*item)(struct reading *, const json_t *, struct err *);
} json_forms[] = {{"arc", "choices", arc_item},
                  {"piqa", "goal", piqa_item},
                  {"hellaswag", "endings", hellaswag_item},
                  {"winogrande", "option1", winogrande_item}};

static int read_json_lines(struct reading *r, struct err *e)
{
    const struct json_form *form = NULL;
    for (const char *p = r->text; *p;) {
        size_t n = strcspn(p, "\n");
        json_t *o = NULL;
        r->line++;
        int rc = n ? json_parse(&o, p, n, r->path, e) : 0;
        for (size_t i = 0; i < sizeof json_forms / sizeof *json_forms && !form && rc == 0; i++)
            form = json_object_get(o, json_forms[i].key) ? &json_forms[i] : NULL;
        if (rc == 0 && n)
            rc = form ? form->item(r, o, e) : bad(r, e, "JSON of no known form (ARC, PIQA, HellaSwag, Winogrande)");
        json_decref(o);
        if (rc < 0)
            return rc;
        p += n + (p[n] == '\n');
    }
    snprintf(r->set->form, sizeof r->set->form, "%s", form ? form->name : "");
    return 0;
}

/* PIQA keeps its answers in a file beside: one label a line. */
static int read_labels(struct reading *r, struct err *e)
{
    size_t stem = strlen(r->path) - strlen(".jsonl");
    char *path = arena_printf(r->set->arena, "%.*s-labels.lst", (int)stem, r->path), *text;
    if (strcmp(r->set->form, "piqa") || !path || !file_exists(path))
        return 0;
    int rc = file_read(path, most_bytes, &text, NULL, e), n = 0;
    if (rc < 0)
        return rc;
    for (const char *p = text; *p && n < r->set->n; n++) {
        r->set->item[n].answer = atoi(p);
        r->line = n + 1;
        if (rc == 0)
            rc = check_item(r, &r->set->item[n], e);
        p += strcspn(p, "\n");
        p += *p == '\n';
    }
    mem_free(text);
    return rc ? rc : n == r->set->n ? 0 : err_set(e, ERR_FORMAT, "%s has %d labels for %d items", path, n, r->set->n);
}

/* ---- text forms ---- */

/* The next line in the arena, without its end; NULL at the end of the text. */
static char *next_line(const struct reading *r, const char **p)
{
    size_t n = strcspn(*p, "\n");
    if (!**p)
        return NULL;
    char *line = arena_printf(r->set->arena, "%.*s", (int)n, *p);
    *p += n + ((*p)[n] == '\n');
    if (line && n && line[n - 1] == '\r')
        line[n - 1] = 0;
    return line;
}

static int read_six_lines(struct reading *r, struct err *e)
{
    const char *p = r->text;
    for (char *context; (context = next_line(r, &p));) {
        const char *gold = next_line(r, &p);
        struct task_item *t = add_item(r, 4, e);
        r->line++;
        if (!t)
            return e->code;
        t->context = context;
        t->answer = gold && *gold ? atoi(gold) : -1;
        for (int i = 0; i < 4; i++)
            t->choice[i] = next_line(r, &p);
        int rc = check_item(r, t, e);
        if (rc < 0)
            return rc;
    }
    return 0;
}

/* One cell of a line, ended in place; quotes may surround it, a doubled one stands for itself. */
static char *cell(char **p, char separator)
{
    bool quoted = **p == '"';
    char *from = *p + quoted, *out = from, *s = from;
    for (; *s && (quoted || *s != separator); s++) {
        if (quoted && *s == '"' && *++s != '"')
            break;
        *out++ = *s;
    }
    while (*s && *s != separator)
        s++;
    *p = s + (*s == separator);
    *out = 0;
    return from;
}

static int read_winogrande_csv(struct reading *r, struct err *e)
{
    const char *p = r->text;
    for (char *line; (line = next_line(r, &p));) {
        r->line++;
        if (!*line || strncmp(line, "index,", 6) == 0)
            continue;
        char *c[5];
        for (int i = 0; i < 5; i++)
            c[i] = cell(&line, ',');
        int rc = gap_item(r, c[1], c[2], c[3], atoi(c[4]), e);
        if (rc < 0)
            return rc;
    }
    return 0;
}

/* "(A) make calls (B) quit eating out": the marks in order, a choice up to the next one. */
static int split_choices(struct reading *r, const char *s, const char *stem, char key, struct err *e)
{
    const char *at[9], *p = s;
    int n = 0;
    for (char mark[] = "(A)"; n < 8 && (at[n] = strstr(p, mark)); n++, mark[1]++)
        p = at[n] + 3;
    at[n] = s + strlen(s);
    struct task_item *t = add_item(r, n, e);
    if (!t)
        return e->code;
    t->context = stem;
    for (int i = 0; i < n; i++) {
        const char *from = at[i] + 3 + (at[i][3] == ' '), *to = at[i + 1];
        while (to > from && to[-1] == ' ')
            to--;
        t->choice[i] = arena_printf(r->set->arena, "%.*s", (int)(to - from), from);
    }
    t->answer = key - 'A';
    return check_item(r, t, e);
}

static int read_openbookqa_tsv(struct reading *r, struct err *e)
{
    const char *p = r->text;
    for (char *line; (line = next_line(r, &p));) {
        if (r->line++ == 0 || !*line)
            continue;
        char *c[5];
        for (int i = 0; i < 5; i++)
            c[i] = cell(&line, '\t');
        int rc = split_choices(r, c[2], c[1], c[4][0], e);
        if (rc < 0)
            return rc;
    }
    return 0;
}

/* ---- llama-perplexity's binary form: u32 n, u32 place[n] (of each task behind this table), then per task a question
 * and two lists of answers with labels, the first of which counts; a string is u32 length and bytes ---- */

struct bytes {
    const uint8_t *p;
    size_t left;
};

static bool take_u32(struct bytes *b, uint32_t *v)
{
    if (b->left < 4)
        return false;
    *v = rd_u32le(b->p);
    b->p += 4;
    b->left -= 4;
    return true;
}

static const char *take_string(const struct reading *r, struct bytes *b)
{
    uint32_t n;
    if (!take_u32(b, &n) || n > b->left)
        return NULL;
    char *s = arena_alloc(r->set->arena, (size_t)n + 1);
    if (s)
        memcpy(s, b->p, n);
    b->p += n;
    b->left -= n;
    return s;
}

static int binary_item(struct reading *r, struct bytes b, struct err *e)
{
    uint32_t n = 0, label = 0;
    const char *question = take_string(r, &b);
    if (!question || !take_u32(&b, &n) || n > TASK_MOST_CHOICES)
        return bad(r, e, "it ends in the middle, or is no multiple-choice file of llama-perplexity");
    struct task_item *t = add_item(r, (int)n, e);
    if (!t)
        return e->code;
    t->context = question;
    for (uint32_t i = 0; i < n; i++)
        if (!(t->choice[i] = take_string(r, &b)))
            return bad(r, e, "it ends in the middle");
    for (uint32_t i = 0; i < n; i++) {
        if (!take_u32(&b, &label))
            return bad(r, e, "it ends in the middle");
        t->answer = label == 1 && t->answer < 0 ? (int)i : t->answer;
    }
    return check_item(r, t, e);
}

static int read_binary(struct reading *r, struct err *e)
{
    struct bytes all = {(const uint8_t *)r->text, r->n}, table;
    uint32_t n = 0, place;
    if (!take_u32(&all, &n) || n == 0 || n > all.left / 4)
        return err_set(e, ERR_FORMAT, "%s is no multiple-choice file that this program knows", r->path);
    table = all;
    all.p += (size_t)n * 4;
    all.left -= (size_t)n * 4;
    for (uint32_t i = 0; i < n; i++) {
        r->line = (int)i + 1;
        if (!take_u32(&table, &place) || place > all.left)
            return bad(r, e, "its place lies behind the end of the file");
        int rc = binary_item(r, (struct bytes){all.p + place, all.left - place}, e);
        if (rc < 0)
            return rc;
    }
    return 0;
}

/* ---- which form ---- */

static bool ends_in(const struct reading *r, const char *suffix)
{
    size_t n = strlen(r->path), k = strlen(suffix);
    return n > k && strcmp(r->path + n - k, suffix) == 0;
}

static int read_jsonl(struct reading *r, struct err *e)
{
    int rc = read_json_lines(r, e);
    return rc ? rc : read_labels(r, e);
}

static const struct form {
    const char *suffix, *name;
    int (*read)(struct reading *, struct err *);
} forms[] = {{".jsonl", "", read_jsonl},
             {".tsv", "openbookqa", read_openbookqa_tsv},
             {".csv", "winogrande", read_winogrande_csv},
             {".txt", "hellaswag", read_six_lines},
             {".bin", "llama.cpp", read_binary}};

int task_read(struct task_set **out, const char *path, struct err *e)
{
    char *text = NULL;
    struct arena *a = arena_new();
    struct task_set *t = a ? arena_alloc(a, sizeof *t) : NULL;
    struct reading r = {.set = t, .path = path};
    const struct form *form = NULL;
    *out = NULL;
    if (!t) {
        arena_free(a);
        return err_nomem(e, sizeof *t, "the tasks");
    }
    t->arena = a;
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++)
        form = ends_in(&r, forms[i].suffix) ? &forms[i] : form;
    int rc = form ? file_read(path, most_bytes, &text, &r.n, e)
                  : err_set(e, ERR_USAGE, "%s: tasks are read from .jsonl, .tsv, .csv, .txt and .bin files", path);
    if (rc == 0) {
        r.text = text;
        snprintf(t->form, sizeof t->form, "%s", form->name);
        rc = form->read(&r, e);
    }
    if (rc == 0 && t->n == 0)
        rc = err_set(e, ERR_FORMAT, "%s has no tasks", path);
    mem_free(text);
    if (rc < 0) {
        task_free(t);
        return rc;
    }
    *out = t;
    return 0;
}

void task_free(struct task_set *t)
{
    if (!t)
        return;
    mem_free(t->item);
    arena_free(t->arena);
}
