/* Sentences of a fleet's report: what all machines can run, and what an upgrade would buy. */
#include <math.h>
#include <string.h>
#include "matrix/figures.h"
#include "reports/fleet_parts.h"

static struct sbuf *add(struct sentences *s, const char *label)
{
    static struct sbuf beyond; /* never filled: there is room for all that is said */
    if (s->n == MOST_SENTENCES)
        return &beyond;
    s->label[s->n] = label;
    return &s->of[s->n++];
}

void sentences_free(struct sentences *s)
{
    for (int i = 0; i < s->n; i++)
        sbuf_free(&s->of[i]);
    s->n = 0;
}

static void add_speed(struct sbuf *b, const struct interval *v, const char *from)
{
    struct figure range = figure_range(v->lo, v->hi);
    sbuf_printf(b, "%s%s tok/s%s%s%s", strcmp(from, "measured") == 0 ? "" : "est. ", figure_rate(v->v).s,
                *range.s ? " (" : "", range.s, *range.s ? ")" : "");
}

static void add_key(struct sbuf *b, const struct standard_key *k)
{
    if (*k->model)
        sbuf_printf(b, "%s in ", k->model);
    sbuf_puts(b, k->format);
}

/* The speed on the slowest machine. */
static void add_least(struct sbuf *b, const struct standard_key *k)
{
    add_speed(b, &k->decode, k->row[k->binding]->speed_from);
}

/* ---- what all can run ---- */

static void say_answer(struct sentences *out, const struct standard *s, const struct procurement *p)
{
    const struct standard_key *k = &s->key[s->best];
    struct sbuf *b = add(out, s->kind == STANDARD_MODEL ? "All" : "One format");
    add_key(b, k);
    sbuf_printf(b, s->n_machines > 1 ? " runs on all %d machines: at least " : " runs: ", s->n_machines);
    add_least(b, k);
    if (s->n_machines > 1)
        sbuf_printf(b, ", on the slowest, %s", p->row[k->binding].name);
    if (s->kind == STANDARD_FORMAT) {
        sbuf_puts(b, "; each runs its own model");
        return;
    }
    if (isfinite(k->score))
        sbuf_printf(b, "; task score %s", figure_score(k->score).s);
}

static void say_ties(struct sentences *out, const struct standard *s)
{
    enum { MOST = 4 };
    if (s->n_tied < 2)
        return;
    struct sbuf *b = add(out, "Tied");
    int n = 0;
    sbuf_puts(b, "the intervals do not tell it from ");
    for (int i = 1; i < s->n_keys; i++) {
        if (!s->key[i].tied || n++ >= MOST)
            continue;
        sbuf_puts(b, n > 1 ? ", " : "");
        add_key(b, &s->key[i]);
        sbuf_printf(b, " (%s)", figure_rate(s->key[i].decode.v).s);
    }
    if (s->n_tied - 1 > MOST)
        sbuf_printf(b, " and %d more", s->n_tied - 1 - MOST);
    if (s->surest != s->best) {
        sbuf_puts(b, "; by the lower ends the surest is ");
        add_key(b, &s->key[s->surest]);
        sbuf_printf(b, ": %s or more", figure_rate(s->key[s->surest].decode.lo).s);
    }
}

/* The machines on which the key does not run, with the reason of the first. */
static void say_missing(struct sbuf *b, const struct standard *s, const struct standard_key *k,
                        const struct procurement *p)
{
    int n = 0;
    const char *why = "";
    for (int m = 0; m < s->n_machines; m++) {
        if (k->row[m])
            continue;
        if (n++ == 0)
            why = standard_why_not(k, m, p->row[m].decision);
        if (n <= 3)
            sbuf_printf(b, "%s%s", n > 1 ? ", " : "", p->row[m].name);
    }
    if (n > 3)
        sbuf_printf(b, " and %d more", n - 3);
    sbuf_printf(b, " (%s)", why);
}

static void say_none(struct sentences *out, const struct standard *s, const struct procurement *p)
{
    struct sbuf *b = add(out, "All");
    const struct standard_key *k = s->n_keys ? &s->key[0] : NULL;
    if (!k) {
        sbuf_puts(b, "nothing runs within these limits on any machine");
        return;
    }
    if (k->n_run < s->n_machines) {
        sbuf_printf(b, "no model in one format runs within these limits on all %d machines; nearest: ", s->n_machines);
        add_key(b, k);
        sbuf_printf(b, " on %d, not on ", k->n_run);
        say_missing(b, s, k, p);
        return;
    }
    add_key(b, k);
    sbuf_printf(b, " runs on all %d machines, but its speed is known on %d of them only", s->n_machines, k->n_timed);
}

static void say_dropped(struct sentences *out, const struct standard *s, const struct procurement *p)
{
    const struct standard_key *g = &s->gained;
    if (s->dropped < 0)
        return;
    struct sbuf *b = add(out, "Without");
    sbuf_printf(b, "%s: ", p->row[s->dropped].name);
    add_key(b, g);
    sbuf_puts(b, ", at least ");
    add_least(b, g);
    sbuf_printf(b, " on %s", p->row[g->binding].name);
    if (s->kind == STANDARD_MODEL && isfinite(g->score))
        sbuf_printf(b, "; task score %s", figure_score(g->score).s);
}

/* The answer for a format alone says more only where it lets machines run different models. */
void standard_say(struct sentences *s, const struct fleet_need *n)
{
    bool several = false;
    memset(s, 0, sizeof *s);
    if (n->model.best < 0)
        say_none(s, &n->model, &n->table);
    else {
        say_answer(s, &n->model, &n->table);
        say_ties(s, &n->model);
    }
    say_dropped(s, &n->model, &n->table);
    for (int i = 1; i < n->model.n_keys; i++)
        several = several || strcmp(n->model.key[i].model, n->model.key[0].model) != 0;
    if (several && n->model.n_machines > 1 && n->format.best >= 0) {
        say_answer(s, &n->format, &n->table);
        say_ties(s, &n->format);
    }
}

/* ---- upgrades ---- */

static bool has_upgrade(const struct procured *r)
{
    return r->more_usable_bytes >= 0 || isfinite(r->more_bandwidth_gb_s);
}

bool upgrades_any(const struct procurement *p)
{
    for (int i = 0; i < p->n; i++)
        if (has_upgrade(&p->row[i]) || (!*p->row[i].format && *p->row[i].more_note))
            return true;
    return false;
}

static void say_memory(struct sbuf *b, const struct procured *r)
{
    const struct interval v = {r->more_memory_tok_s, r->more_memory_tok_s_lo, r->more_memory_tok_s_hi};
    sbuf_printf(b, "%s of usable memory: a better choice starts to fit", figure_bytes(r->more_usable_bytes).s);
    if (!isfinite(r->more_memory_gib))
        return;
    sbuf_printf(b, "; with %.0f GiB: %s", r->more_memory_gib, r->more_memory_choice);
    if (isfinite(v.v)) {
        sbuf_puts(b, ", ");
        add_speed(b, &v, "predicted");
    }
}

static void say_bandwidth(struct sbuf *b, const struct procured *r)
{
    const double lo = r->more_bandwidth_gb_s_lo, hi = r->more_bandwidth_gb_s_hi;
    sbuf_printf(b, "est. %s GB/s of memory bandwidth", figure_rate(r->more_bandwidth_gb_s).s);
    if (isfinite(lo) && isfinite(hi))
        sbuf_printf(b, " (%s to %s)", figure_rate(lo).s, figure_rate(hi).s);
    else if (isfinite(lo))
        sbuf_printf(b, " (%s or more)", figure_rate(lo).s);
    sbuf_printf(b, ": %s becomes fast enough", r->more_bandwidth_choice);
}

void upgrades_say(struct sentences *s, const struct procured *r)
{
    memset(s, 0, sizeof *s);
    if (r->more_usable_bytes >= 0)
        say_memory(add(s, "memory"), r);
    if (isfinite(r->more_bandwidth_gb_s))
        say_bandwidth(add(s, "bandwidth"), r);
    if (s->n == 0 && !*r->format && *r->more_note)
        sbuf_puts(add(s, ""), r->more_note);
}

/* ---- in short ---- */

void choice_say(struct sbuf *b, const struct procured *r)
{
    if (!*r->format) {
        sbuf_printf(b, "%s%s%s", strcmp(r->verdict, "undecided") == 0 ? "undecided" : "none",
                    *r->binding_limit ? ": " : "", r->binding_limit);
        return;
    }
    sbuf_printf(b, "%s %s", r->model, format_scheme(r->format));
    if (isfinite(r->decode_tok_s))
        sbuf_printf(b, ", %s%s", strcmp(r->speed_from, "measured") == 0 ? "" : "est. ", figure_rate(r->decode_tok_s).s);
}

void fleet_title(struct sbuf *b, const struct fleet *f)
{
    int measured = 0;
    for (int i = 0; i < f->n_machines; i++)
        measured += fleet_is_measured(f, i);
    sbuf_printf(b, "%d machine%s: %d measured, %d predicted", f->n_machines, f->n_machines == 1 ? "" : "s", measured,
                f->n_machines - measured);
}
