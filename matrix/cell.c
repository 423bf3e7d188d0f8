/* Why a cell is the pick or is not: its standing, the limits in force with what is to spare, what beats it. */
#include "matrix/cell.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include "base/mem.h"
#include "matrix/cell_parts.h"

/* --- which rows a text names --- */
static bool begins(const char **text, const char *word)
{
    size_t n = strlen(word);
    if (!n || strncasecmp(*text, word, n) != 0)
        return false;
    *text += n;
    return true;
}

/* What may stand behind the format: nothing, @FRAMEWORK, @kv=TYPE, both. */
static bool ends_as(const struct row *r, const char *rest)
{
    bool kv = false;
    while (*rest == '@') {
        rest++;
        if (begins(&rest, "kv=")) {
            if (!begins(&rest, r->kv_type))
                return false;
            kv = true;
        } else if (!begins(&rest, r->framework)) {
            return false;
        }
    }
    return !*rest && (kv || !r->kv_variant);
}

static bool names(const struct row *r, const char *text)
{
    const char *after = text;
    if (begins(&after, r->model) && ends_as(r, after)) /* all of its rows: the one that it would be taken in is first */
        return true;
    for (int model = 0; model < 2; model++)
        for (int scheme = 0; scheme < 2; scheme++) {
            const char *rest = text;
            if (model && (!begins(&rest, r->model) || *rest++ != '/'))
                continue;
            if (begins(&rest, scheme ? format_scheme(r->format) : r->format) && ends_as(r, rest))
                return true;
        }
    return false;
}

int cell_find(const struct decision *d, const char *text, int row[], int most)
{
    int n = 0;
    for (int i = 0; i < d->n_rows; i++)
        if (names(&d->row[i], text)) {
            if (n < most)
                row[n] = i;
            n++;
        }
    return n;
}

/* --- limits --- */
static const char *unit_name(enum rule_unit u)
{
    static const char *const name[] = {"bytes", "nats", "share", "tok/s", "ms", "W", "h"};
    return name[u];
}

static const char *unit_text(struct judge *j, enum rule_unit u, double v)
{
    switch (u) {
    case UNIT_BYTES:
        return say(j, "%s", figure_bytes((int64_t)v).s);
    case UNIT_NATS:
        return say(j, "KLD %s", figure_kld(v).s);
    case UNIT_SHARE:
        return say(j, "%s", figure_percent(v).s);
    case UNIT_TOK_S:
        return say(j, "%s tok/s", figure_rate(v).s);
    case UNIT_MS:
        return say(j, "%s", figure_ms(v).s);
    default:
        return say(j, "%.1f %s", v, unit_name(u));
    }
}

static void add_limit(struct judge *j, struct cell *c, int rule)
{
    struct rule_margin m;
    char why[RULE_WHY] = "";
    const struct row *r = c->row;
    bool figure = rule_margin(j, rule, r, &m), broken = r->ran && rule_broken(j, rule, r, why);
    if ((!figure && !broken) || c->n_limits == (int)(sizeof c->limit / sizeof *c->limit))
        return;
    struct cell_limit *l = &c->limit[c->n_limits++];
    *l = (struct cell_limit){rule_info(rule)->id, rule_info(rule)->limit, "kept", "", NAN, NAN, NAN, ""};
    if (!*l->limit)
        l->limit = "trust";
    if (broken) {
        l->state = rule_kind(rule) == RULE_UNKNOWN ? "unknown" : "broken";
        l->text = keep(j, why);
    }
    if (!figure)
        return;
    l->unit = unit_name(m.unit);
    l->here = m.here;
    l->allowed = m.allowed;
    const char *bound = m.at_least ? "at least" : "at most", *allowed = unit_text(j, m.unit, m.allowed);
    if (!isfinite(m.here)) {
        l->state = "unknown";
        l->text = say(j, "not known here, %s %s", bound, allowed);
        return;
    }
    l->short_by = m.at_least ? m.allowed - m.here : m.here - m.allowed;
    l->text = say(j, "%s, %s %s: %s %s", unit_text(j, m.unit, m.here), bound, allowed,
                  unit_text(j, m.unit, fabs(l->short_by)),
                  !broken      ? "to spare"
                  : m.at_least ? "short"
                               : "over");
}

/* --- beside another row --- */
static struct interval interval_of(double v, double lo, double hi)
{
    return isfinite(v) && !isfinite(lo + hi) ? stats_exact(v) : (struct interval){v, lo, hi};
}

struct dimension {
    const char *figure, *unit, *more, *less; /* how to say that it has more of it */
    bool low_is_better;
};
enum { D_DECODE, D_TTFT, D_KLD, D_SCORE, D_MEMORY, D_ENERGY, N_DIMENSIONS };
static const struct dimension dimensions[N_DIMENSIONS] = {
    [D_DECODE] = {"generation", " tok/s", "faster", "slower", false},
    [D_TTFT] = {"first token", "", "later", "sooner", true},
    [D_KLD] = {"KLD", "", "more", "less", true},
    [D_SCORE] = {"task score", "", "more", "less", false},
    [D_MEMORY] = {"memory", "", "more", "less", true},
    [D_ENERGY] = {"energy a token", " J", "more", "less", true},
};

static struct interval dimension_of(const struct row *r, int k)
{
    struct interval none = INTERVAL_NONE;
    switch (k) {
    case D_DECODE:
        return r->cache_resident ? none : interval_of(r->decode_tok_s, r->decode_tok_s_lo, r->decode_tok_s_hi);
    case D_TTFT:
        return r->cache_resident ? none : interval_of(r->ttft_ms, r->ttft_ms_lo, r->ttft_ms_hi);
    case D_KLD:
        return interval_of(r->kld, r->kld_lo, r->kld_hi);
    case D_SCORE:
        return interval_of(r->task_score, r->task_score_lo, r->task_score_hi);
    case D_MEMORY:
        return r->peak_bytes >= 0 ? stats_exact((double)r->peak_bytes) : none;
    default:
        return interval_of(r->energy_j_per_tok, r->energy_lo, r->energy_hi);
    }
}

static struct figure dimension_figure(int k, double v)
{
    struct figure f;
    switch (k) {
    case D_TTFT:
        return figure_ms(v);
    case D_KLD:
        return figure_kld(v);
    case D_MEMORY:
        return figure_bytes((int64_t)v);
    default:
        f = figure_rate(v);
        return f;
    }
}

/* "8 % slower (4 to 13 %)": of a beside b. */
static const char *by_how_much(struct judge *j, int k, struct interval a, struct interval b)
{
    const struct dimension *m = &dimensions[k];
    bool more = a.v > b.v;
    if (!(a.v > 0) || !(b.v > 0))
        return more ? m->more : m->less;
    if (more ? a.v > 3 * b.v : b.v > 3 * a.v)
        return say(j, "%.3g times as %s", more ? a.v / b.v : b.v / a.v, more ? "much" : "little");
    struct interval q = stats_ratio(a, b);
    double lo = 100 * fabs(more ? q.lo - 1 : 1 - q.hi), hi = 100 * fabs(more ? q.hi - 1 : 1 - q.lo);
    const char *word = more ? m->more : m->less;
    if (q.lo == q.hi)
        return say(j, "%.0f %% %s", 100 * fabs(q.v - 1), word);
    return say(j, "%.0f %% %s (%.0f to %.0f %%)", 100 * fabs(q.v - 1), word, lo, hi);
}

static void compare(struct judge *j, struct cell *c, const struct row *there)
{
    for (int k = 0; k < N_DIMENSIONS; k++) {
        struct interval a = dimension_of(c->row, k), b = dimension_of(there, k);
        if ((!isfinite(a.v) && !isfinite(b.v)) || (k == D_KLD && there->group != c->row->group))
            continue; /* KLD says nothing across models */
        const struct dimension *m = &dimensions[k];
        struct cell_figure *f = &c->beside[c->n_beside++];
        *f = (struct cell_figure){m->figure, "", "unknown", a.v, b.v, 100 * (a.v / b.v - 1)};
        if (!isfinite(a.v) || !isfinite(b.v)) {
            f->percent = NAN;
            f->text = say(j, "%s%s against %s", dimension_figure(k, a.v).s, isfinite(a.v) ? m->unit : "",
                          dimension_figure(k, b.v).s);
            continue;
        }
        bool above = a.lo > b.hi, below = a.hi < b.lo;
        f->verdict = !above && !below ? "tied" : above == m->low_is_better ? "worse" : "better";
        f->text = say(j, "%s%s against %s: %s", dimension_figure(k, a.v).s, m->unit, dimension_figure(k, b.v).s,
                      above || below ? by_how_much(j, k, a, b)
                      : a.v == b.v   ? "the same"
                                     : "the intervals overlap");
    }
}

/* --- standing --- */
static int first_veto(const struct row *r)
{
    return r->vetoes ? __builtin_ctzll(r->vetoes) : -1;
}

static const char *standing_of(const struct decision *d, const struct row *r, int pick)
{
    int rule = first_veto(r);
    if (pick >= 0 && r == &d->row[pick])
        return "pick";
    if (!r->ran)
        return strcmp(r->verdict, "failed") == 0 ? "failed" : "cannot run";
    if (rule >= 0 && rule_kind(rule) == RULE_TRUST)
        return "never recommended";
    if (rule >= 0)
        return rule_kind(rule) == RULE_UNKNOWN ? "not known" : "over a limit";
    if (strcmp(r->verdict, "dominated") == 0)
        return "beaten";
    return pick >= 0 && r->rank == d->row[pick].rank ? "tied" : "behind";
}

static void say_headline(struct judge *j, struct cell *c, int pick)
{
    const struct decision *d = j->d;
    const char *name =
        d->across ? row_name(j, c->row) : say(j, "%s%s on %s", c->row->format, c->row->kv_note, c->row->framework);
    const char *than = pick >= 0 ? row_name(j, &d->row[pick]) : "";
    bool fewer = pick >= 0 && d->row[pick].weights_bytes <= c->row->weights_bytes;
    if (strcmp(c->standing, "pick") == 0)
        c->headline = say(j, "%s is the pick: %s", name, d->recommended == pick ? d->reason : "best of its model");
    else if (strcmp(c->standing, "tied") == 0)
        c->headline = say(j, "%s ties with the pick %s: their intervals overlap, and the pick %s", name, than,
                          d->across ? "comes first by its score"
                          : fewer   ? "takes fewer bytes"
                                    : "is the better by its point and in quality");
    else if (strcmp(c->standing, "behind") == 0)
        c->headline =
            say(j, "%s keeps every limit and nothing beats it on all counts, but for the objective %s %s%s", name,
                objective_name(j->want->objective), pick >= 0 ? "it is behind " : "it has no figure", than);
    else
        c->headline = say(j, "%s is not the pick: %s", name, *c->row->reason ? c->row->reason : c->standing);
}

static int beaten_by(const struct decision *d, const struct row *r)
{
    for (int i = 0; i < d->n_rows; i++)
        if (d->row[i].on_front && (d->across || d->row[i].group == r->group) && row_beaten(r, &d->row[i]))
            return i;
    return -1;
}

/* Of the pick: the limit that keeps a better row out. */
static void bind_pick(struct judge *j, struct cell *c)
{
    for (int k = 0; k < N_RULES; k++) {
        if (rule_kind(k) != RULE_LIMIT && rule_kind(k) != RULE_QUALITY)
            continue;
        int i = judge_best(j, UINT64_C(1) << k, k == RULE_max_kld ? NAN : j->d->kld_limit, cell_group(j, c->row), NULL);
        if (i < 0 || i == c->index)
            continue;
        char why[RULE_WHY] = "";
        rule_broken(j, k, &j->d->row[i], why);
        c->binding = rule_info(k)->limit;
        c->binding_text = say(j, "it keeps out %s: %s", row_short(j, &j->d->row[i]), why);
        return;
    }
}

static void bind(struct judge *j, struct cell *c)
{
    for (int k = 0; k < N_RULES; k++)
        add_limit(j, c, k);
    if (strcmp(c->standing, "pick") == 0)
        bind_pick(j, c);
    for (int i = 0; i < c->n_limits && !*c->binding; i++)
        if (strcmp(c->limit[i].state, "kept") != 0 && c->row->vetoes) {
            c->binding = c->limit[i].limit;
            c->binding_text = c->limit[i].text;
        }
}

static void set_versus(struct judge *j, struct cell *c, int pick)
{
    const struct decision *d = j->d;
    c->versus = strcmp(c->standing, "beaten") == 0 ? beaten_by(d, c->row) : pick;
    if (c->versus == c->index || c->versus < 0)
        c->versus = d->recommended == c->index ? d->runner_up : -1;
    if (c->versus < 0)
        return;
    const struct row *v = &d->row[c->versus];
    const char *what = c->versus == pick                    ? "the pick "
                       : c->versus == d->runner_up          ? "the runner-up "
                       : strcmp(c->standing, "beaten") == 0 ? "what beats it: "
                                                            : "";
    c->versus_name =
        d->across ? say(j, "%s%s", what, row_name(j, v)) : say(j, "%s%s on %s", what, v->format, v->framework);
    compare(j, c, v);
}

/* The same format on other frameworks and of other models; of many models, the other formats of this one. */
static void list_others(struct judge *j, struct cell *c)
{
    const struct decision *d = j->d;
    for (int i = 0; i < d->n_rows && c->n_others < (int)(sizeof c->others / sizeof *c->others); i++) {
        const struct row *r = &d->row[i];
        bool same_model = strcmp(r->model, c->row->model) == 0, same_format = strcmp(r->format, c->row->format) == 0;
        if (i == c->index || r->own || !(d->across ? same_model : same_format))
            continue;
        c->others[c->n_others++] = say(j, "%s%s%s on %s%s: %s", same_model ? "" : r->model, same_model ? "" : "/",
                                       r->format, r->framework, r->kv_note, r->verdict);
    }
}

static int open_judge(struct judge *j, struct arena *a, const struct decision *d, int row,
                      const struct probe_device *device, const struct request *req)
{
    size_t n = (size_t)d->n_rows + 1;
    struct decision *copy = arena_alloc(a, sizeof *copy);
    *j = (struct judge){.arena = a, .d = copy, .req = req, .want = &req->want, .device = device};
    j->unbeaten = arena_alloc(a, n);
    j->stands = arena_alloc(a, n);
    if (!copy || !j->unbeaten || !j->stands)
        return ERR_NOMEM;
    *copy = *d; /* rows are shared: nothing here writes to them */
    j->usable_bytes = d->row[row].usable_bytes;
    j->across = d->across;
    j->min_decode_tok_s = d->min_decode_tok_s;
    j->by_size = judge_by_size(j);
    j->usual_kv = d->recommended >= 0 && !d->row[d->recommended].kv_variant && req->want.objective != OBJECTIVE_MEMORY;
    return 0;
}

int cell_explain(struct cell **out, const struct decision *d, int row, const struct probe_device *device,
                 const struct request *req, struct err *e)
{
    struct judge j;
    struct arena *a = arena_new();
    struct cell *c = a ? arena_alloc(a, sizeof *c) : NULL;
    if (!c || open_judge(&j, a, d, row, device, req) < 0) {
        arena_free(a);
        return err_nomem(e, sizeof *c, "the explanation");
    }
    *c = (struct cell){.arena = a, .index = row, .row = &d->row[row], .versus = -1};
    c->binding = c->binding_text = c->versus_name = c->runner_up = c->confidence = c->minute = "";
    int pick = d->recommended;
    if (pick >= 0 && !d->across && d->row[pick].group != c->row->group)
        pick = judge_best(&j, 0, d->kld_limit, c->row->group, NULL);
    c->standing = standing_of(d, c->row, pick);
    say_headline(&j, c, pick);
    bind(&j, c);
    set_versus(&j, c, pick);
    cell_cure(&j, c, pick);
    cell_overlaps(&j, c, pick);
    list_others(&j, c);
    if (d->runner_up >= 0)
        c->runner_up = d->runner_up_reason;
    c->confidence = d->confidence;
    if (j.failed) {
        arena_free(a);
        return err_nomem(e, sizeof *c, "the explanation");
    }
    *out = c;
    return 0;
}

void cell_free(struct cell *c)
{
    if (c)
        arena_free(c->arena);
}
