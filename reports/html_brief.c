/* The brief in report.html: what was asked, two or three choices beside each other, the steps with their commands. */
#include "matrix/brief.h"
#include "reports/escape.h"
#include "reports/html_parts.h"

static void asked(struct sbuf *out, const char *title, const struct brief_pair *p, int n)
{
    if (n == 0)
        return;
    sbuf_printf(out, "<div><h3>%s</h3>\n<dl class=\"facts\">\n", title);
    for (int i = 0; i < n; i++)
        if (*p[i].value) {
            html_text(out, "<dt>", p[i].name, "</dt>");
            html_text(out, "<dd>", p[i].value, "</dd>\n");
        }
    sbuf_puts(out, "</dl></div>\n");
}

static void choices(struct sbuf *out, const struct brief *f)
{
    static const char *const columns[] = {"model", "format",      "runtime", "memory",
                                          "tok/s", "first token", "KLD",     "task score"};
    enum { N = sizeof columns / sizeof columns[0] };
    if (f->n_choices == 0)
        return;
    html_table_begin(out, "Choices", "brief");
    sbuf_puts(out, "<thead><tr>");
    for (int c = 0; c < N; c++)
        sbuf_printf(out, "<th scope=\"col\"%s>%s</th>", c < 3 ? " class=\"text\"" : "", columns[c]);
    sbuf_puts(out, "<th scope=\"col\" class=\"text\">why</th></tr></thead>\n<tbody>\n");
    for (int i = 0; i < f->n_choices; i++) {
        const struct brief_choice *k = &f->choice[i];
        const char *const cell[N] = {k->model, k->format,      k->framework, k->memory,
                                     k->speed, k->first_token, k->kld,       k->score};
        for (int c = 0; c < N; c++)
            html_text(out,
                      c == 0  ? "<tr><th scope=\"row\">"
                      : c < 3 ? "<td class=\"text\">"
                              : "<td>",
                      *cell[c] ? cell[c] : "-", c == 0 ? "</th>" : "</td>");
        html_text(out, "<td class=\"text words\">", k->why, "</td></tr>\n");
    }
    html_table_end(out);
}

static void steps(struct sbuf *out, const struct brief *f)
{
    if (f->n_steps == 0)
        return;
    sbuf_puts(out, "<h3>Steps</h3>\n<ol class=\"steps-to-take\">\n");
    for (int i = 0; i < f->n_steps; i++) {
        html_text(out, "<li>", f->step[i].title, "");
        if (*f->step[i].command)
            html_text(out, "<div class=\"command\"><pre tabindex=\"0\"><code>", f->step[i].command,
                      "</code></pre></div>");
        else
            html_text(out, "<p class=\"lead\">", f->step[i].text, "</p>");
        sbuf_puts(out, "</li>\n");
    }
    sbuf_puts(out, "</ol>\n");
}

int html_brief(struct sbuf *out, const struct report_input *in, struct err *e)
{
    struct brief *f = NULL;
    int rc = brief_make(&f, in->decision, in->device, in->request, e);
    if (rc < 0)
        return rc;
    sbuf_puts(out, "<section id=\"brief\">\n<h2>The brief</h2>\n<div class=\"pair\">\n");
    asked(out, "Task", f->task, f->n_task);
    asked(out, "Limits", f->constraint, f->n_constraints);
    sbuf_puts(out, "</div>\n");
    choices(out, f);
    steps(out, f);
    brief_free(f);
    sbuf_puts(out, "</section>\n");
    return 0;
}
