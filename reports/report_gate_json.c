/* gate.json: everything that was decided, and on what. A field that is not known is null; new fields may come, those
 * that are there stay as they are while "schema" is 1. */
#include <math.h>
#include <string.h>

#include "base/json.h"
#include "matrix/gate_cell.h"
#include "reports/report_gate.h"
#include "reports/writers.h"

enum { GATE_SCHEMA = 1 };

static json_t *point_json(const struct point *p)
{
    if (!p->time && !p->run)
        return json_null();
    json_t *o = json_object();
    json_put(o, "run", json_integer(p->run));
    json_put(o, "commit", report_string_json(p->commit));
    json_put(o, "date", report_string_json(gate_time(p->time).s));
    json_put(o, "value", json_num(p->value));
    return o;
}

static json_t *bounds_json(struct interval i)
{
    json_t *a = json_array();
    json_array_append_new(a, json_num(i.lo));
    json_array_append_new(a, json_num(i.hi));
    return a;
}

static json_t *kind_json(unsigned kind)
{
    return json_string(kind == GATE_SPEED ? "speed" : kind == GATE_QUALITY ? "quality" : "memory");
}

static void put_identity(json_t *o, const struct gate_cell *c)
{
    json_put(o, "key", report_string_json(c->id.key));
    json_put(o, "device", report_string_json(c->id.device));
    json_put(o, "model", report_string_json(c->id.model));
    json_put(o, "format", report_string_json(c->id.format));
    json_put(o, "framework", report_string_json(c->id.framework));
    json_put(o, "workload", report_string_json(c->id.workload));
    json_put(o, "metric", report_string_json(c->id.metric));
    json_put(o, "unit", report_string_json(c->id.unit));
    json_put(o, "better", json_string(c->id.better > 0 ? "higher" : "lower"));
    json_put(o, "kind", kind_json(c->kind));
}

static void put_figures(json_t *o, const struct gate_cell *c)
{
    json_put(o, "baseline_median", json_num(c->baseline));
    json_put(o, "current_median", json_num(c->current));
    json_put(o, "ratio", json_num(c->ratio.v));
    json_put(o, "ci99", bounds_json(c->ratio));
    json_put(o, "delta_nats", json_num(c->delta.v));
    json_put(o, "delta_ci99", bounds_json(c->delta));
    json_put(o, "p", json_num(c->p));
    json_put(o, "p_adj", json_num(c->p_adjusted));
    json_put(o, "effect_pct", json_num(100 * c->effect));
    json_put(o, "noise_mad_pct", json_num(100 * c->noise));
    json_put(o, "n_base", json_integer(c->n_base));
    json_put(o, "n_new", json_integer(c->n_new));
    json_put(o, "reruns", json_integer(c->n_reruns));
}

static json_t *range_json(const struct gate_cell *c)
{
    json_t *o = json_object();
    json_put(o, "good", report_string_json(c->last_good.commit));
    json_put(o, "bad", report_string_json(c->first_bad.commit));
    return o;
}

static json_t *cell_json(const struct gate_cell *c)
{
    json_t *o = json_object();
    put_identity(o, c);
    json_put(o, "verdict", json_string(gate_verdict_name(c->verdict)));
    json_put(o, "reason", report_string_json(c->reason));
    json_put(o, "method", json_string(gate_method_name(c->method)));
    put_figures(o, c);
    json_put(o, "first_seen", point_json(&c->first_bad));
    json_put(o, "suspect_range", range_json(c));
    json_put(o, "change", report_string_json(c->change));
    json_put(o, "state", *c->change ? json_string(change_state_name(c->state)) : json_null());
    json_put(o, "note", report_string_json(c->note));
    json_put(o, "artifact_sha256", report_string_json(c->artifact_sha256));
    json_put(o, "engine_sha256", report_string_json(c->engine_sha256));
    json_put(o, "fingerprint", report_string_json(c->id.env_sha256));
    json_put(o, "link", report_string_json(c->link));
    return o;
}

/* Where the new level begins among the runs that the store shows of the series. */
static int change_index(const struct gate_cell *c)
{
    int i = 0;
    while (i < c->n_history && c->history[i].time < c->first_bad.time)
        i++;
    return i;
}

static json_t *changes_json(const struct gate_report *r)
{
    json_t *a = json_array();
    for (int i = 0; i < r->n; i++) {
        const struct gate_cell *c = &r->cell[i];
        if (!*c->change)
            continue;
        json_t *o = json_object();
        json_put(o, "id", json_string(c->change));
        json_put(o, "cell", report_string_json(c->id.key));
        json_put(o, "metric", report_string_json(c->id.metric));
        json_put(o, "state", json_string(change_state_name(c->state)));
        json_put(o, "index", c->first_bad.time ? json_integer(change_index(c)) : json_null());
        json_put(o, "before", json_num(c->baseline));
        json_put(o, "after", json_num(c->current));
        json_put(o, "p", json_num(c->p));
        json_array_append_new(a, o);
    }
    return a;
}

static json_t *policy_json(const struct gate_policy *p)
{
    static const struct {
        unsigned bit;
        const char *name;
    } kinds[] = {{GATE_SPEED, "speed"}, {GATE_QUALITY, "quality"}, {GATE_MEMORY, "memory"}, {GATE_MISSING, "missing"}};
    json_t *o = json_object(), *fail = json_array();
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (p->fail_on & kinds[i].bit)
            json_array_append_new(fail, json_string(kinds[i].name));
    json_put(o, "alpha", json_num(1 - p->ci_level));
    json_put(o, "q", json_num(p->q));
    json_put(o, "min_effect", json_num(p->min_effect));
    json_put(o, "reruns", json_integer(p->n_reruns));
    json_put(o, "window", json_integer(p->window));
    json_put(o, "min_runs", json_integer(p->min_runs));
    json_put(o, "max_ln_ppl", json_num(p->max_ln_ppl));
    json_put(o, "seed", json_integer((json_int_t)p->seed));
    json_put(o, "fail_on", fail);
    return o;
}

static json_t *baseline_json(const struct gate_report *r)
{
    json_t *o = json_object();
    bool ab = strcmp(r->kind, "ab") == 0;
    json_put(o, "kind", json_string(ab ? "command" : "history"));
    json_put(o, "from", report_string_json(gate_time(r->from).s));
    json_put(o, "to", report_string_json(gate_time(r->to).s));
    json_put(o, "runs", json_integer(r->n_runs));
    if (ab) {
        json_put(o, "a", report_string_json(r->a));
        json_put(o, "b", report_string_json(r->b));
    }
    return o;
}

static json_t *summary_json(const struct gate_report *r)
{
    json_t *o = json_object();
    json_put(o, "verdict", json_string(r->failed ? "fail" : "pass"));
    json_put(o, "cells", json_integer(r->n));
    json_put(o, "tested", json_integer(r->n_tested));
    for (enum gate_verdict v = 0; v < N_GATE_VERDICTS; v++) { /* two verdicts may count as one */
        const char *name = gate_verdict_counted(v);
        json_t *before = json_object_get(o, name);
        json_put(o, name, json_integer(r->count[v] + (before ? json_integer_value(before) : 0)));
    }
    return o;
}

int gate_write_json(struct sbuf *out, const struct gate_report *r, struct err *e)
{
    json_t *o = json_object(), *tool = json_object(), *cells = json_array();
    json_put(tool, "name", json_string("whichquant"));
    json_put(tool, "version", json_string(WHICHQUANT_VERSION));
    json_put(tool, "commit", report_string_json(program_commit()));
    for (int i = 0; i < r->n; i++)
        json_array_append_new(cells, cell_json(&r->cell[i]));
    json_put(o, "schema", json_integer(GATE_SCHEMA));
    json_put(o, "tool", tool);
    json_put(o, "generated_at", json_string(r->generated_at));
    json_put(o, "baseline", baseline_json(r));
    json_put(o, "policy", policy_json(&r->policy));
    json_put(o, "summary", summary_json(r));
    json_put(o, "cells", cells);
    json_put(o, "changes", changes_json(r));
    json_print(out, o, 2);
    sbuf_putc(out, '\n');
    json_decref(o);
    return report_end(out, "the gate's report", e);
}
