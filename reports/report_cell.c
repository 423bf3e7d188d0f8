/* `explain CELL`: one cell of a decision, as text and as JSON. */
#include <math.h>
#include <string.h>
#include "reports/escape.h"
#include "reports/writers.h"

enum { LABEL = 9, NAME = 16 };

static void line(struct sbuf *out, const struct report_input *in, const char *label, const char *text)
{
    sbuf_printf(out, "%-*s", LABEL, label);
    text_wrap(out, text, LABEL, in->columns > 40 ? in->columns : 100);
}

/* "limits   memory          106 MiB, at most 20.0 GiB: 19.9 GiB to spare" */
static void named(struct sbuf *out, const struct report_input *in, const char *label, const char *name,
                  const char *text)
{
    struct sbuf clean = {0};
    escape_plain(&clean, name);
    int indent = LABEL + NAME + 1, room = NAME - text_columns(sbuf_str(&clean));
    sbuf_printf(out, "%-*s%s", LABEL, label, sbuf_str(&clean));
    if (room >= 0)
        sbuf_printf(out, "%*s", room + 1, "");
    else
        sbuf_printf(out, "\n%*s", indent, "");
    text_wrap(out, text, indent, in->columns > 40 ? in->columns : 100);
    out->failed |= clean.failed;
    sbuf_free(&clean);
}

static void print_cures(struct sbuf *out, const struct cell *c, const struct report_input *in)
{
    for (int i = 0; i < c->n_cures; i++) {
        struct sbuf b = {0};
        sbuf_printf(&b, "%s%s%s", c->cure[i].text, *c->cure[i].then ? ": " : "", c->cure[i].then);
        line(out, in, i == 0 ? "cure" : "or", sbuf_str(&b));
        out->failed |= b.failed;
        sbuf_free(&b);
    }
}

int report_cell(struct sbuf *out, const struct cell *c, const struct report_input *in, struct err *e)
{
    line(out, in, "cell", c->headline);
    if (*c->binding)
        named(out, in, "binds", c->binding, c->binding_text);
    for (int i = 0; i < c->n_limits; i++) {
        struct sbuf b = {0};
        sbuf_printf(&b, "%s%s", strcmp(c->limit[i].state, "broken") == 0 ? "BROKEN " : "", c->limit[i].text);
        named(out, in, i == 0 ? "limits" : "", *c->limit[i].limit ? c->limit[i].limit : c->limit[i].rule, sbuf_str(&b));
        sbuf_free(&b);
    }
    print_cures(out, c, in);
    if (c->versus >= 0)
        line(out, in, "beside", c->versus_name);
    for (int i = 0; i < c->n_beside; i++)
        named(out, in, "", c->beside[i].figure, c->beside[i].text);
    if (*c->runner_up)
        line(out, in, "next", c->runner_up);
    if (*c->confidence)
        line(out, in, "sure", c->confidence);
    for (int i = 0; i < c->n_parts; i++)
        named(out, in, i == 0 ? "overlaps" : "", c->part[i].name, c->part[i].text);
    line(out, in, "60 s", c->minute);
    for (int i = 0; i < c->n_others; i++)
        line(out, in, i == 0 ? "also" : "", c->others[i]);
    if (*c->row->command) {
        sbuf_printf(out, "%-*s", LABEL, "run");
        escape_plain(out, c->row->command);
        sbuf_putc(out, '\n');
    }
    return report_end(out, "the explanation", e);
}

static json_t *limits_json(const struct cell *c)
{
    json_t *a = json_array();
    for (int i = 0; i < c->n_limits; i++) {
        const struct cell_limit *l = &c->limit[i];
        json_t *o = json_object();
        json_put(o, "rule", report_string_json(l->rule));
        json_put(o, "limit", report_string_json(l->limit));
        json_put(o, "state", report_string_json(l->state));
        json_put(o, "text", report_string_json(l->text));
        json_put(o, "here", json_num(l->here));
        json_put(o, "allowed", json_num(l->allowed));
        json_put(o, "short_by", json_num(l->short_by));
        json_put(o, "unit", report_string_json(l->unit));
        json_array_append_new(a, o);
    }
    return a;
}

static json_t *beside_json(const struct cell *c)
{
    json_t *a = json_array();
    for (int i = 0; i < c->n_beside; i++) {
        const struct cell_figure *f = &c->beside[i];
        json_t *o = json_object();
        json_put(o, "figure", report_string_json(f->figure));
        json_put(o, "here", json_num(f->here));
        json_put(o, "there", json_num(f->there));
        json_put(o, "percent", json_num(f->percent));
        json_put(o, "verdict", report_string_json(f->verdict));
        json_put(o, "text", report_string_json(f->text));
        json_array_append_new(a, o);
    }
    return a;
}

static json_t *parts_json(const struct cell *c)
{
    json_t *a = json_array();
    for (int i = 0; i < c->n_parts; i++) {
        const struct cell_part *p = &c->part[i];
        json_t *o = json_object();
        json_put(o, "cell", report_string_json(p->name));
        json_put(o, "figure", report_string_json(p->figure));
        json_put(o, "seconds", json_num(p->seconds));
        json_put(o, "times", json_num(isfinite(p->times) ? p->times : NAN));
        json_put(o, "text", report_string_json(p->text));
        json_array_append_new(a, o);
    }
    return a;
}

static json_t *cures_json(const struct cell *c)
{
    json_t *a = json_array();
    for (int i = 0; i < c->n_cures; i++) {
        json_t *o = json_object();
        json_put(o, "change", report_string_json(c->cure[i].text));
        json_put(o, "then", report_string_json(c->cure[i].then));
        json_array_append_new(a, o);
    }
    return a;
}

int report_cell_json(struct sbuf *out, const struct cell *c, const struct report_input *in, struct err *e)
{
    const struct decision *d = in->decision;
    json_t *o = json_object();
    json_put(o, "standing", report_string_json(c->standing));
    json_put(o, "headline", report_string_json(c->headline));
    json_put(o, "row", report_row_json(c->row));
    json_put(o, "binding_limit", report_string_json(c->binding));
    json_put(o, "binding_text", report_string_json(c->binding_text));
    json_put(o, "limits", limits_json(c));
    json_put(o, "cures", cures_json(c));
    json_put(o, "versus", c->versus >= 0 ? report_row_json(&d->row[c->versus]) : json_null());
    json_put(o, "beside", beside_json(c));
    json_put(o, "recommended", d->recommended >= 0 ? report_row_json(&d->row[d->recommended]) : json_null());
    json_put(o, "runner_up", d->runner_up >= 0 ? report_row_json(&d->row[d->runner_up]) : json_null());
    json_put(o, "runner_up_reason", report_string_json(c->runner_up));
    json_put(o, "confidence", report_string_json(c->confidence));
    json_put(o, "overlaps", parts_json(c));
    json_put(o, "one_minute", report_string_json(c->minute));
    json_put(o, "others", report_strings_json(c->others, c->n_others));
    json_print(out, o, 2);
    sbuf_putc(out, '\n');
    json_decref(o);
    return report_end(out, "the JSON document", e);
}
