/* The gate's report for other programs: JUnit, github-action-benchmark, Bencher, Apache Otava. */
#include <libxml/xmlwriter.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "matrix/gate_cell.h"
#include "reports/escape.h"
#include "reports/report_gate.h"
#include "reports/writers.h"

/* ---- JUnit ---- */

static void put_attribute(xmlTextWriterPtr w, const char *name, const char *value)
{
    struct sbuf clean = {0};
    escape_plain(&clean, value); /* XML has no place for control characters and broken UTF-8 */
    xmlTextWriterWriteAttribute(w, BAD_CAST name, BAD_CAST sbuf_str(&clean));
    sbuf_free(&clean);
}

static void put_count(xmlTextWriterPtr w, const char *name, int n)
{
    xmlTextWriterWriteFormatAttribute(w, BAD_CAST name, "%d", n);
}

static void put_outcome(xmlTextWriterPtr w, const char *element, const struct gate_cell *c)
{
    struct sbuf b = {0};
    xmlTextWriterStartElement(w, BAD_CAST element);
    sbuf_printf(&b, "%s", *c->reason ? c->reason : gate_verdict_name(c->verdict));
    if (strcmp(element, "failure") == 0)
        sbuf_printf(&b, ": %s, %s, p_adj %.3g", gate_move(c).s, gate_values(c).s, c->p_adjusted);
    put_attribute(w, "message", sbuf_str(&b));
    if (strcmp(element, "skipped") != 0)
        put_attribute(w, "type", gate_verdict_name(c->verdict));
    xmlTextWriterEndElement(w);
    sbuf_free(&b);
}

/* Which element a cell's verdict is; NULL: it passed. */
static const char *outcome(const struct gate_cell *c, const struct gate_policy *p)
{
    bool fails = gate_cell_fails(c, p);
    if (c->verdict == GATE_FAILED)
        return fails ? "error" : "skipped";
    bool passed = c->verdict == GATE_NONE || c->verdict == GATE_IMPROVEMENT;
    return fails ? "failure" : passed ? NULL : "skipped";
}

static void put_case(xmlTextWriterPtr w, const struct gate_cell *c, const struct gate_policy *p)
{
    const char *element = outcome(c, p);
    struct gate_line subject = gate_subject(c);
    xmlTextWriterStartElement(w, BAD_CAST "testcase");
    put_attribute(w, "classname", *subject.s ? subject.s : "gate");
    put_attribute(w, "name", c->id.metric);
    if (element)
        put_outcome(w, element, c);
    xmlTextWriterEndElement(w);
}

static void put_suite(xmlTextWriterPtr w, const struct gate_report *r)
{
    static const char *const element[] = {"failure", "error", "skipped"}, *const attribute[] = {"failures", "errors",
                                                                                                "skipped"};
    xmlTextWriterStartElement(w, BAD_CAST "testsuite");
    put_attribute(w, "name", "whichquant gate");
    put_attribute(w, "timestamp", r->generated_at);
    put_count(w, "tests", r->n);
    for (size_t k = 0; k < sizeof element / sizeof *element; k++) {
        int n = 0;
        for (int i = 0; i < r->n; i++) {
            const char *is = outcome(&r->cell[i], &r->policy);
            n += is && strcmp(is, element[k]) == 0;
        }
        put_count(w, attribute[k], n);
    }
    for (int i = 0; i < r->n; i++)
        put_case(w, &r->cell[i], &r->policy);
    xmlTextWriterEndElement(w);
}

int gate_write_xml(struct sbuf *out, const struct gate_report *r, struct err *e)
{
    xmlBufferPtr b = xmlBufferCreate();
    xmlTextWriterPtr w = b ? xmlNewTextWriterMemory(b, 0) : NULL;
    if (w) {
        xmlTextWriterSetIndent(w, 1);
        xmlTextWriterStartDocument(w, NULL, "UTF-8", NULL);
        xmlTextWriterStartElement(w, BAD_CAST "testsuites");
        put_suite(w, r);
        xmlTextWriterEndDocument(w);
        xmlFreeTextWriter(w);
        sbuf_puts(out, (const char *)xmlBufferContent(b));
    }
    if (b)
        xmlBufferFree(b);
    return w ? report_end(out, "gate.xml", e) : err_nomem(e, 0, "gate.xml");
}

/* ---- figures for trackers ---- */

static bool has_figure(const struct gate_cell *c)
{
    return c->verdict != GATE_FAILED && isfinite(c->current);
}

static json_t *full_name(const struct gate_cell *c)
{
    struct sbuf b = {0};
    sbuf_puts(&b, gate_subject(c).s);
    sbuf_puts(&b, b.n ? " " : "");
    sbuf_puts(&b, c->id.metric);
    json_t *v = report_string_json(sbuf_str(&b));
    sbuf_free(&b);
    return v;
}

static int write_action(struct sbuf *out, const struct gate_report *r, int better, struct err *e)
{
    json_t *a = json_array();
    for (int i = 0; i < r->n; i++) {
        const struct gate_cell *c = &r->cell[i];
        if (!has_figure(c) || c->id.better != better)
            continue;
        json_t *o = json_object();
        char range[64] = "";
        if (isfinite(c->noise))
            snprintf(range, sizeof range, "%.3g", c->noise * c->baseline);
        json_put(o, "name", full_name(c));
        json_put(o, "unit", report_string_json(c->id.unit));
        json_put(o, "value", json_num(c->current));
        if (*range)
            json_put(o, "range", json_string(range));
        json_put(o, "extra", json_string(gate_verdict_name(c->verdict)));
        json_array_append_new(a, o);
    }
    json_print(out, a, 2);
    sbuf_putc(out, '\n');
    json_decref(a);
    return report_end(out, "the figures", e);
}

int gate_write_action_bigger(struct sbuf *out, const struct gate_report *r, struct err *e)
{
    return write_action(out, r, 1, e);
}

int gate_write_action_smaller(struct sbuf *out, const struct gate_report *r, struct err *e)
{
    return write_action(out, r, -1, e);
}

int gate_write_bencher(struct sbuf *out, const struct gate_report *r, struct err *e)
{
    json_t *all = json_object();
    for (int i = 0; i < r->n; i++) {
        const struct gate_cell *c = &r->cell[i];
        if (!has_figure(c))
            continue;
        struct sbuf name = {0};
        escape_plain(&name, *gate_subject(c).s ? gate_subject(c).s : "gate");
        json_t *o = json_object_get(all, sbuf_str(&name)), *m = json_object();
        if (!o)
            json_put(all, sbuf_str(&name), o = json_object());
        json_put(m, "value", json_num(c->current));
        if (isfinite(c->ratio.lo)) {
            json_put(m, "lower_value", json_num(c->baseline * c->ratio.lo));
            json_put(m, "upper_value", json_num(c->baseline * c->ratio.hi));
        }
        struct sbuf metric = {0};
        escape_plain(&metric, c->id.metric);
        json_put(o, sbuf_str(&metric), m);
        sbuf_free(&metric);
        sbuf_free(&name);
    }
    json_print(out, all, 2);
    sbuf_putc(out, '\n');
    json_decref(all);
    return report_end(out, "gate-bencher.json", e);
}
