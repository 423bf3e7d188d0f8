/* brief.md: device, task, constraints -> two or three choices, risks, steps with commands, in headings and tables that
 * never change (docs/BRIEF.md), so that a program can read it. Every string is escaped; commands stand in fences. */
#include <math.h>
#include <string.h>
#include "matrix/brief.h"
#include "matrix/figures.h"
#include "reports/escape.h"
#include "reports/writers.h"

/* --- tables --- */
static void head(struct sbuf *b, const char *title, const char *const *columns, int n)
{
    sbuf_printf(b, "\n## %s\n\n|", title);
    for (int i = 0; i < n; i++)
        sbuf_printf(b, " %s |", columns[i]);
    sbuf_puts(b, "\n|");
    for (int i = 0; i < n; i++)
        sbuf_puts(b, "---|");
    sbuf_putc(b, '\n');
}

static void cells(struct sbuf *b, const char *const *text, int n)
{
    sbuf_putc(b, '|');
    for (int i = 0; i < n; i++) {
        sbuf_putc(b, ' ');
        escape_markdown(b, *text[i] ? text[i] : "-");
        sbuf_puts(b, " |");
    }
    sbuf_putc(b, '\n');
}

static void pair(struct sbuf *b, const char *name, const char *value)
{
    cells(b, (const char *const[]){name, value}, 2);
}

static void pairs(struct sbuf *b, const char *title, const char *name, const char *value, const struct brief_pair *p,
                  int n)
{
    head(b, title, (const char *const[]){name, value}, 2);
    for (int i = 0; i < n; i++)
        pair(b, p[i].name, p[i].value);
    if (n == 0)
        pair(b, "none", "");
}

static void choices(struct sbuf *b, const struct brief *f)
{
    static const char *const columns[] = {"#",     "model",       "format", "framework",  "file",  "memory",
                                          "tok/s", "first token", "KLD",    "task score", "basis", "why"};
    enum { N = sizeof columns / sizeof *columns };
    head(b, "Choices", columns, N);
    for (int i = 0; i < f->n_choices; i++) {
        const struct brief_choice *c = &f->choice[i];
        cells(b,
              (const char *const[]){c->number, c->model, c->format, c->framework, c->file, c->memory, c->speed,
                                    c->first_token, c->kld, c->score, c->basis, c->why},
              N);
    }
    if (f->n_choices == 0)
        cells(b, (const char *const[]){"none", "", "", "", "", "", "", "", "", "", "", ""}, N);
}

static void risks(struct sbuf *b, const struct decision *d)
{
    head(b, "Risks", (const char *const[]){"risk", "what it is", "what to do"}, 3);
    for (int i = 0; i < d->n_risks; i++)
        cells(b, (const char *const[]){d->risk[i].id, d->risk[i].text, d->risk[i].mitigation}, 3);
    if (d->n_risks == 0)
        cells(b, (const char *const[]){"none", "", ""}, 3);
}

/* A fence longer than any run of backticks inside. */
static void fence(struct sbuf *b, const char *command)
{
    int run = 0, longest = 2;
    for (const char *c = command; *c; c++) {
        run = *c == '`' ? run + 1 : 0;
        longest = run > longest ? run : longest;
    }
    for (int line = 0; line < 2; line++) {
        for (int i = 0; i <= longest; i++)
            sbuf_putc(b, '`');
        sbuf_puts(b, line == 0 ? "sh\n" : "\n");
        if (line == 0) {
            escape_plain(b, command);
            sbuf_putc(b, '\n');
        }
    }
}

/* Text that begins a line of its own: what would start a list, a rule or a block of code there is taken apart. */
static void opening(struct sbuf *b, const char *s)
{
    size_t digits;
    s += strspn(s, " \t\r\n");
    digits = strspn(s, "0123456789");
    if (*s && strchr("-+=", *s))
        sbuf_putc(b, '\\');
    else if (digits && s[digits] && strchr(".)", s[digits])) {
        sbuf_add(b, s, digits);
        sbuf_putc(b, '\\');
        s += digits;
    }
    escape_markdown(b, *s ? s : "-");
}

static void steps(struct sbuf *b, const struct brief *f)
{
    sbuf_puts(b, "\n## Steps\n");
    for (int i = 0; i < f->n_steps; i++) {
        sbuf_printf(b, "\n### %d. ", i + 1);
        escape_markdown(b, f->step[i].title);
        sbuf_puts(b, "\n\n");
        if (*f->step[i].command)
            fence(b, f->step[i].command);
        else
            opening(b, f->step[i].text), sbuf_putc(b, '\n');
    }
    if (f->n_steps == 0)
        sbuf_puts(b, "\nnone\n");
}

static void bullets(struct sbuf *b, const char *title, const char *const *s, int n)
{
    sbuf_printf(b, "\n## %s\n\n", title);
    for (int i = 0; i < n; i++) {
        sbuf_puts(b, "- ");
        opening(b, s[i]);
        sbuf_putc(b, '\n');
    }
    if (n == 0)
        sbuf_puts(b, "- none\n");
}

int report_brief(struct sbuf *out, const struct report_input *in, struct err *e)
{
    const struct decision *d = in->decision;
    struct brief *f = NULL;
    int rc = brief_make(&f, d, in->device, in->request, e);
    if (rc < 0)
        return rc;
    sbuf_puts(out, "# Brief: ");
    escape_markdown(out, f->title);
    sbuf_putc(out, '\n');
    pairs(out, "Device", "property", "value", f->device, f->n_device);
    pairs(out, "Task", "input", "value", f->task, f->n_task);
    pairs(out, "Constraints", "limit", "asked", f->constraint, f->n_constraints);
    pairs(out, "Answer", "field", "value", f->answer, f->n_answer);
    choices(out, f);
    risks(out, d);
    steps(out, f);
    bullets(out, "Alternatives", f->alternative, f->n_alternatives);
    bullets(out, "Notes", f->note, f->n_notes);
    brief_free(f);
    return report_end(out, "the brief", e);
}
