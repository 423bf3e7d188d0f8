/* The decision as one JSON document, the records one a line, the device. Not measured is null. */
#include <string.h>
#include "base/json.h"
#include "reports/columns.h"
#include "reports/escape.h"
#include "reports/writers.h"

json_t *report_string_json(const char *s)
{
    struct sbuf b = {0};
    if (!s || !*s)
        return json_null();
    escape_plain(&b, s);
    json_t *v = json_string(sbuf_str(&b));
    sbuf_free(&b);
    return v;
}

static json_t *column_json(const void *r, const struct column *c)
{
    switch (c->type) {
    case COLUMN_BOOL:
        return json_boolean(column_bool(r, c));
    case COLUMN_INT:
        return column_int(r, c) == INT64_MIN ? json_null() : json_integer(column_int(r, c));
    case COLUMN_NUM:
        return json_num(column_num(r, c));
    default:
        return report_string_json(column_str(r, c));
    }
}

json_t *columns_json(const void *r, const struct column *c, int n)
{
    json_t *o = json_object();
    for (int i = 0; i < n; i++)
        json_put(o, c[i].name, column_json(r, &c[i]));
    return o;
}

json_t *report_row_json(const struct row *r)
{
    return columns_json(r, columns, n_columns);
}

json_t *report_strings_json(const char *const *s, int n)
{
    json_t *a = json_array();
    for (int i = 0; i < n; i++)
        json_array_append_new(a, report_string_json(s[i]));
    return a;
}

static json_t *risks(const struct decision *d)
{
    json_t *a = json_array();
    for (int i = 0; i < d->n_risks; i++) {
        json_t *o = json_object();
        json_put(o, "id", report_string_json(d->risk[i].id));
        json_put(o, "text", report_string_json(d->risk[i].text));
        json_put(o, "mitigation", report_string_json(d->risk[i].mitigation));
        json_array_append_new(a, o);
    }
    return a;
}

static void put_words(json_t *o, const struct decision *d)
{
    json_put(o, "subject", report_string_json(d->subject));
    json_put(o, "headline", report_string_json(d->headline));
    json_put(o, "reason", report_string_json(d->reason));
    json_put(o, "plain_quality", report_string_json(d->plain_quality));
    json_put(o, "confidence", report_string_json(d->confidence));
    json_put(o, "command", report_string_json(d->command));
    json_put(o, "runner_up", d->runner_up >= 0 ? report_row_json(&d->row[d->runner_up]) : json_null());
    json_put(o, "runner_up_reason", report_string_json(d->runner_up_reason));
    json_put(o, "neighbours", report_strings_json(d->neighbours, d->n_neighbours));
    json_put(o, "changes", report_strings_json(d->changes, d->n_changes));
    json_put(o, "nearest", report_string_json(d->nearest));
    json_put(o, "coverage", report_string_json(d->coverage));
    json_put(o, "kld_limit", json_num(d->kld_limit));
    json_put(o, "kld_limit_asked", json_boolean(d->kld_limit_asked));
    json_put(o, "risks", risks(d));
    json_put(o, "device_class", report_string_json(d->device_class));
    json_put(o, "notes", report_strings_json(d->note, d->n_notes));
}

static json_t *claims(const struct decision *d)
{
    json_t *a = json_array();
    for (int i = 0; i < d->n_claims; i++) {
        const struct claim *c = &d->claim[i];
        json_t *o = json_object();
        json_put(o, "id", report_string_json(c->id));
        json_put(o, "subject", report_string_json(c->subject));
        json_put(o, "what", report_string_json(c->what));
        json_put(o, "claimed", report_string_json(c->claimed));
        json_put(o, "here", report_string_json(c->here));
        json_put(o, "lo", json_num(c->lo));
        json_put(o, "hi", json_num(c->hi));
        json_put(o, "verdict", report_string_json(c->verdict));
        json_put(o, "source", report_string_json(c->source));
        json_array_append_new(a, o);
    }
    return a;
}

int report_json(struct sbuf *out, const struct report_input *in, struct err *e)
{
    const struct decision *d = in->decision;
    json_t *o = json_object(), *rows = json_array();
    for (int i = 0; i < d->n_rows; i++)
        json_array_append_new(rows, report_row_json(&d->row[i]));
    json_put(o, "verdict", report_string_json(d->verdict));
    json_put(o, "recommended", d->recommended >= 0 ? report_row_json(&d->row[d->recommended]) : json_null());
    json_put(o, "binding_limit", report_string_json(d->binding_limit));
    json_put(o, "undecided", report_strings_json(d->undecided, d->n_undecided));
    json_put(o, "exit_code", json_integer(d->exit_code));
    put_words(o, d);
    json_put(o, "rows", rows);
    json_put(o, "claims", claims(d));
    json_put(o, "device", in->device ? probe_to_json(in->device) : json_null());
    json_put(o, "elapsed_s", json_num(in->elapsed_s));
    json_put(o, "tool_version", json_string(WHICHQUANT_VERSION));
    json_print(out, o, 2);
    sbuf_putc(out, '\n');
    json_decref(o);
    return report_end(out, "the JSON document", e);
}

int report_records(struct sbuf *out, const struct report_input *in, struct err *e)
{
    for (int i = 0; i < in->n_records; i++) {
        json_t *r = record_to_json(&in->records[i]);
        if (!r)
            return err_nomem(e, sizeof in->records[i], "a record as JSON");
        json_print(out, r, 0);
        sbuf_putc(out, '\n');
        json_decref(r);
    }
    return report_end(out, "the records", e);
}

int report_device(struct sbuf *out, const struct report_input *in, struct err *e)
{
    json_t *device = in->device ? probe_to_json(in->device) : json_null();
    json_print(out, device, 2);
    sbuf_putc(out, '\n');
    json_decref(device);
    return report_end(out, "the device", e);
}
