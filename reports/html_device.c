/* The device in report.html: its fingerprint, memory, bandwidth and instructions, and what of the rows it can and
 * cannot run. */
#include <math.h>
#include <string.h>
#include "matrix/figures.h"
#include "reports/escape.h"
#include "reports/html_parts.h"
#include "reports/writers.h"

/* --- the machine: one function an entry; nothing added = not known --- */
static void fact_processor(struct sbuf *b, const struct probe_device *p)
{
    sbuf_puts(b, p->cpu.brand);
    if (*p->cpu.codename)
        sbuf_printf(b, "%s%s", b->n ? ", " : "", p->cpu.codename);
    if (*p->cpu.arch)
        sbuf_printf(b, "%s%s", b->n ? ", " : "", p->cpu.arch);
}

static void fact_cores(struct sbuf *b, const struct probe_device *p)
{
    if (p->cpu.n_cores > 0)
        sbuf_printf(b, "%d cores, %d threads", p->cpu.n_cores, p->cpu.n_threads);
    if (p->cpu.n_usable > 0)
        sbuf_printf(b, "%s%d usable", b->n ? ", " : "", p->cpu.n_usable);
}

static void add_isa(struct sbuf *b, const struct probe_device *p, enum isa_state state)
{
    for (int i = 0; i < N_ISA; i++)
        if (p->cpu.isa[i] == state)
            sbuf_printf(b, "%s%s", b->n ? " " : "", isa_name(i));
}

static void fact_isa(struct sbuf *b, const struct probe_device *p)
{
    add_isa(b, p, ISA_PROVED);
}

static void fact_claimed(struct sbuf *b, const struct probe_device *p)
{
    add_isa(b, p, ISA_CLAIMED);
}

static void fact_memory(struct sbuf *b, const struct probe_device *p)
{
    if (p->memory.total_bytes > 0)
        sbuf_printf(b, "%s", figure_bytes(p->memory.total_bytes).s);
    if (*p->memory.kind)
        sbuf_printf(b, " %s", p->memory.kind);
    if (p->memory.channels > 0)
        sbuf_printf(b, ", %d channels", p->memory.channels);
    if (p->memory.mt_s > 0)
        sbuf_printf(b, ", %.0f MT/s", p->memory.mt_s);
}

static void fact_usable(struct sbuf *b, const struct probe_device *p)
{
    if (p->memory.usable_bytes > 0)
        sbuf_puts(b, figure_bytes(p->memory.usable_bytes).s);
    if (p->memory.limit_bytes > 0)
        sbuf_printf(b, ", limited to %s", figure_bytes(p->memory.limit_bytes).s);
}

static void fact_swap(struct sbuf *b, const struct probe_device *p)
{
    if (p->memory.swap_bytes > 0)
        sbuf_puts(b, figure_bytes(p->memory.swap_bytes).s);
}

static void fact_bandwidth(struct sbuf *b, const struct probe_device *p)
{
    if (p->memory.bandwidth_gb_s > 0)
        sbuf_printf(b, "%s GB/s", figure_rate(p->memory.bandwidth_gb_s).s);
}

static void add_accelerators(struct sbuf *b, const struct probe_accel *a, int n)
{
    for (int i = 0; i < n; i++) {
        sbuf_printf(b, "%s%s", i ? "; " : "", a[i].name);
        if (a[i].memory_bytes > 0)
            sbuf_printf(b, ", %s", figure_bytes(a[i].memory_bytes).s);
        if (*a[i].api)
            sbuf_printf(b, " (%s)", a[i].api);
        sbuf_puts(b, a[i].software ? ", computed by the CPU" : "");
    }
}

static void fact_gpus(struct sbuf *b, const struct probe_device *p)
{
    add_accelerators(b, p->gpu, p->n_gpus);
}

static void fact_npus(struct sbuf *b, const struct probe_device *p)
{
    add_accelerators(b, p->npu, p->n_npus);
}

static void fact_battery(struct sbuf *b, const struct probe_device *p)
{
    if (p->power.battery_wh > 0)
        sbuf_printf(b, "%.0f Wh", p->power.battery_wh);
}

static void fact_system(struct sbuf *b, const struct probe_device *p)
{
    sbuf_puts(b, p->os.name);
    if (*p->os.kernel)
        sbuf_printf(b, "%sLinux %s", b->n ? ", " : "", p->os.kernel);
    if (*p->virtualization && strcmp(p->virtualization, "none") != 0)
        sbuf_printf(b, "%svirtual machine: %s", b->n ? ", " : "", p->virtualization);
    if (*p->container && strcmp(p->container, "none") != 0)
        sbuf_printf(b, "%scontainer: %s", b->n ? ", " : "", p->container);
}

static void fact_board(struct sbuf *b, const struct probe_device *p)
{
    sbuf_puts(b, p->os.board);
}

static void fact_hardware(struct sbuf *b, const struct probe_device *p)
{
    sbuf_puts(b, p->hw_sha256);
}

static void fact_environment(struct sbuf *b, const struct probe_device *p)
{
    sbuf_puts(b, p->env_sha256);
}

static const struct {
    const char *name;
    void (*add)(struct sbuf *b, const struct probe_device *p);
} machine_facts[] = {
    {"Processor", fact_processor},
    {"Board", fact_board},
    {"Cores", fact_cores},
    {"Instructions, executed", fact_isa},
    {"Claimed, not executed", fact_claimed},
    {"Memory", fact_memory},
    {"Usable by a program", fact_usable},
    {"Swap", fact_swap},
    {"Memory bandwidth, read", fact_bandwidth},
    {"GPU", fact_gpus},
    {"NPU", fact_npus},
    {"Battery", fact_battery},
    {"System", fact_system},
    {"Hardware fingerprint", fact_hardware},
    {"Environment fingerprint", fact_environment},
};

static void machine(struct sbuf *out, const struct probe_device *p)
{
    sbuf_puts(out, "<dl class=\"facts\">\n");
    for (size_t i = 0; i < sizeof machine_facts / sizeof machine_facts[0]; i++) {
        struct sbuf b = {0};
        machine_facts[i].add(&b, p);
        html_entry_and_free(out, machine_facts[i].name, &b);
    }
    for (int i = 0; i < p->n_notes; i++)
        html_entry(out, "Note", p->note[i]);
    sbuf_puts(out, "</dl>\n");
}

/* --- a machine that is described --- */
static void entry_number(struct sbuf *out, const char *name, double v, const char *unit)
{
    struct sbuf b = {0};
    if (v > 0 && isfinite(v))
        sbuf_printf(&b, "%s %s", figure_rate(v).s, unit);
    html_entry_and_free(out, name, &b);
}

static void described(struct sbuf *out, const struct target *t)
{
    struct sbuf usable = {0};
    sbuf_puts(out, "<dl class=\"facts\">\n");
    html_entry(out, "Device", t->name);
    html_entry(out, "Class", t->device_class);
    html_entry(out, "System", t->os);
    html_entry(out, "Memory", figure_bytes(t->memory_bytes).s);
    if (t->usable_bytes >= 0)
        sbuf_printf(&usable, "%s%s%s", figure_bytes(t->usable_bytes).s, *t->usable_rule ? ": " : "", t->usable_rule);
    html_entry_and_free(out, "Usable for a model", &usable);
    entry_number(out, t->bandwidth_measured ? "Memory bandwidth, measured" : "Memory bandwidth, peak",
                 t->bandwidth_gb_s, "GB/s");
    html_entry(out, "Processor", t->arch);
    html_entry(out, "Instructions", t->isa_text);
    html_entry(out, "Backends", t->backends);
    entry_number(out, "Arithmetic, fp16", t->fp16_tflops, "TFLOPS");
    entry_number(out, "Arithmetic, int8", t->int8_tops, "TOPS");
    entry_number(out, "Design power", t->tdp_w, "W");
    entry_number(out, "Battery", t->battery_wh, "Wh");
    html_entry(out, "Source", t->source);
    sbuf_puts(out, "</dl>\n");
}

/* --- what it can and cannot run --- */
static void verdicts(struct sbuf *out, const struct grid *g)
{
    html_table_begin(out, "What the device can and cannot run", "verdicts");
    sbuf_puts(out, "<thead><tr><th scope=\"col\" class=\"text\">verdict</th><th scope=\"col\">rows</th><th "
                   "scope=\"col\">share</th></tr></thead>\n<tbody>\n");
    for (int i = 0; i < N_VERDICTS; i++) {
        const struct verdict_count *c = &g->count[i];
        if (!c->n)
            continue;
        sbuf_printf(out,
                    "<tr><th scope=\"row\">%s</th><td><data data-total=\"rows\" data-verdict=\"%s\" "
                    "value=\"%d\">%d</data></td><td><data data-total=\"share\" data-verdict=\"%s\" "
                    "value=\"%.6f\">%s</data></td></tr>\n",
                    c->words, c->verdict, c->n, c->n, c->verdict, c->share, figure_percent(c->share).s);
    }
    sbuf_printf(out,
                "</tbody>\n<tfoot><tr><th scope=\"row\">all</th><td><data data-total=\"rows\" value=\"%d\">%d</data>"
                "</td><td>100 %%</td></tr></tfoot>\n</table>\n</div>\n",
                g->n_rows, g->n_rows);
}

/* "The largest that runs: gguf/q4_k_m of Qwen3-8B, 4.7 GiB, 7.10 tok/s." */
static void extreme(struct sbuf *out, const char *words, const struct row *r)
{
    struct sbuf b = {0};
    sbuf_printf(&b, "%s of %s, %s", r->format, r->model, figure_bytes(r->weights_bytes).s);
    if (isfinite(r->decode_tok_s) && !r->cache_resident)
        sbuf_printf(&b, ", %s tok/s", figure_rate(r->decode_tok_s).s);
    if (row_outcome(r) != OUTCOME_RUNS && *r->reason)
        sbuf_printf(&b, ": %s", r->reason);
    html_entry_and_free(out, words, &b);
}

static bool said_before(const struct decision *d, int i)
{
    for (int k = 0; k < i; k++)
        if (row_outcome(&d->row[k]) == row_outcome(&d->row[i]) && strcmp(d->row[k].reason, d->row[i].reason) == 0)
            return true;
    return false;
}

/* Why rows cannot run, each reason once. */
static void reasons(struct sbuf *out, const struct decision *d)
{
    enum { MOST = 8 };
    int n = 0;
    for (int i = 0; i < d->n_rows && n < MOST; i++) {
        const struct row *r = &d->row[i];
        if (r->own || strcmp(r->verdict, "unsupported") != 0 || said_before(d, i))
            continue;
        html_entry(out, r->framework, r->reason);
        n++;
    }
}

void html_device(struct sbuf *out, const struct report_input *in, const struct grid *g)
{
    const struct decision *d = in->decision;
    if (!in->device && !in->target && !g->n_rows)
        return;
    sbuf_puts(out, "<section id=\"device\">\n<h2>The device</h2>\n<div class=\"pair\">\n<div>\n");
    if (in->target)
        described(out, in->target);
    else if (in->device)
        machine(out, in->device);
    sbuf_puts(out, "</div>\n<div>\n");
    if (g->n_rows) {
        verdicts(out, g);
        sbuf_puts(out, "<dl class=\"facts\">\n");
        if (g->largest >= 0)
            extreme(out, "Largest that runs", &d->row[g->largest]);
        if (g->smallest >= 0)
            extreme(out, "Smallest that does not fit", &d->row[g->smallest]);
        reasons(out, d);
        sbuf_puts(out, "</dl>\n");
    }
    sbuf_puts(out, "</div>\n</div>\n</section>\n");
}
