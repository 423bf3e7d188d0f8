/* The first screen: pick, why and command in the first three lines, then five rows, what would change the answer, and
 * the risks; the rest behind -v. Plain ASCII unless the terminal takes UTF-8; colours only where asked for. */
#include <math.h>
#include <stdio.h>
#include <string.h>
#include "matrix/figures.h"
#include "reports/escape.h"
#include "reports/writers.h"

enum { FEW_ROWS = 5, INDENT = 5, KLD_OF_MODELS = 8 /* give: it orders nothing between models */ };

/* Columns of the table, left to right; the ones with the largest `give` are left out first on a narrow terminal. */
enum text_column {
    C_MARK,
    C_RANK,
    C_MODEL,
    C_FORMAT,
    C_RUNTIME,
    C_SIZE,
    C_DECODE,
    C_PREFILL,
    C_SCORE,
    C_KLD,
    C_TOP,
    C_TASKS,
    C_RAM,
    C_VERDICT,
    N_TEXT_COLUMNS
};
static const struct {
    const char *head;
    bool right;
    int give;
} heads[N_TEXT_COLUMNS] = {
    {"", false, 0},        {"", true, 5},         {"model", false, 0},        {"format", false, 0},
    {"runtime", false, 4}, {"size", true, 3},     {"decode tok/s", false, 0}, {"prefill", true, 6},
    {"score", false, 1},   {"KLD", false, 1},     {"same top", true, 7},      {"tasks", true, 4},
    {"RAM", true, 2},      {"verdict", false, 0},
};
struct text_row {
    char cell[N_TEXT_COLUMNS][96];
    const char *look;
    bool spans; /* could not run: the reason stands where the figures would */
};

static const struct {
    const char *look, *on;
} colors[] = {{"pick", "\033[1;32m"}, {"beaten", "\033[2m"},  {"own", "\033[2m"},     {"over", "\033[33m"},
              {"veto", "\033[33m"},   {"cannot", "\033[31m"}, {"failed", "\033[31m"}, {"unknown", "\033[36m"},
              {"head", "\033[1m"},    {"warn", "\033[33m"},   {"dim", "\033[2m"}};

/* not inline: gcc then compares literals with literals and warns that they differ */
__attribute__((noinline)) static const char *on(const struct report_input *in, const char *look)
{
    for (size_t i = 0; in->color && i < sizeof colors / sizeof colors[0]; i++)
        if (strcmp(colors[i].look, look) == 0)
            return colors[i].on;
    return "";
}
static const char *off(const struct report_input *in, const char *look)
{
    return *on(in, look) ? "\033[0m" : "";
}

static int width_of(const struct report_input *in)
{
    return in->columns > 0 ? in->columns < 40 ? 40 : in->columns : 100;
}

/* --- paragraphs --- */
/* Words of `text` after a label of INDENT columns, wrapped; the text is cleaned for the terminal. */
static void wrapped(struct sbuf *out, const struct report_input *in, const char *name, const char *look,
                    const char *text)
{
    sbuf_printf(out, "%s%-*s%s", on(in, look), INDENT, name, off(in, look));
    text_wrap(out, text, INDENT, width_of(in));
}

/* A command is never broken, so that it can be copied. */
static void unbroken(struct sbuf *out, const struct report_input *in, const char *name, const char *text)
{
    sbuf_printf(out, "%s%-*s%s", on(in, "head"), INDENT, name, off(in, "head"));
    escape_plain(out, text);
    sbuf_putc(out, '\n');
}

/* --- the answer --- */
/* Adds "   part" where it still fits on the line. */
static void add_part(struct sbuf *b, const struct report_input *in, const char *part)
{
    if (*part && text_columns(sbuf_str(b)) + 3 + text_columns(part) + INDENT <= width_of(in))
        sbuf_printf(b, "   %s", part);
}

static void add_figures(struct sbuf *b, const struct report_input *in, const struct row *r)
{
    char part[160];
    struct figure range = figure_range(r->decode_tok_s_lo, r->decode_tok_s_hi);
    if (isfinite(r->decode_tok_s) && !r->cache_resident) {
        snprintf(part, sizeof part, "%s%s tok/s%s%s%s", strcmp(r->speed_from, "predicted") == 0 ? "est. " : "",
                 figure_rate(r->decode_tok_s).s, *range.s ? " (" : "", range.s, *range.s ? ")" : "");
        add_part(b, in, part);
    }
    add_part(b, in, r->weights_bytes >= 0 ? figure_bytes(r->weights_bytes).s : "");
    snprintf(part, sizeof part, "KLD %s", figure_kld(r->kld).s);
    add_part(b, in, isfinite(r->kld) ? part : "");
}

static void answer_pick(struct sbuf *out, const struct report_input *in)
{
    const struct decision *d = in->decision;
    struct sbuf b = {0};
    escape_plain(&b, d->headline + (strncmp(d->headline, "USE ", 4) == 0 ? 4 : 0));
    add_figures(&b, in, &d->row[d->recommended]);
    sbuf_printf(out, "%s%-*s%s%s\n", on(in, "pick"), INDENT, "USE", sbuf_str(&b), off(in, "pick"));
    out->failed = out->failed || b.failed;
    sbuf_free(&b);
    sbuf_printf(&b, "%s%s%s", d->reason, *d->plain_quality ? "; " : "", d->plain_quality);
    wrapped(out, in, "WHY", "head", sbuf_str(&b));
    out->failed = out->failed || b.failed;
    sbuf_free(&b);
    if (*d->command)
        unbroken(out, in, "RUN", d->command);
}

static void answer(struct sbuf *out, const struct report_input *in)
{
    const struct decision *d = in->decision;
    if (d->recommended >= 0) {
        answer_pick(out, in);
        return;
    }
    bool open = strcmp(d->verdict, "undecided") == 0;
    wrapped(out, in, open ? "OPEN" : "NO", open ? "warn" : "cannot", d->headline);
    if (*d->reason)
        wrapped(out, in, "WHY", "head", d->reason);
    if (*d->nearest)
        wrapped(out, in, "TRY", "head", d->nearest);
}

/* --- the table --- */
static void put_range(char cell[96], const struct report_input *in, double v, double lo, double hi)
{
    double spread = fmax(hi - v, v - lo);
    struct figure half = figure_half(v, spread);
    if (spread > 0.5 * v) /* predicted over models: a range says more than a half-width */
        snprintf(cell, 96, "%s (%s to %s)", figure_kld(v).s, figure_kld(lo).s, figure_kld(hi).s);
    else
        snprintf(cell, 96, "%s%s%s", figure_kld(v).s, !*half.s ? "" : in->utf8 ? " \xc2\xb1" : " +-", half.s);
}

static void put_decode(char cell[96], const struct row *r)
{
    const char *mark = strcmp(r->speed_from, "predicted") == 0 ? "est. "
                       : r->stands_in                          ? "~"
                                                               : "";
    struct figure range = figure_range(r->decode_tok_s_lo, r->decode_tok_s_hi);
    if (r->cache_resident)
        snprintf(cell, 96, "in cache");
    else if (!isfinite(r->decode_tok_s))
        snprintf(cell, 96, "-");
    else
        snprintf(cell, 96, "%s%s%s%s%s", mark, figure_rate(r->decode_tok_s).s, *range.s ? " (" : "", range.s,
                 *range.s ? ")" : "");
}

static void copy_clean(char cell[96], const char *s, int most)
{
    struct sbuf b = {0};
    escape_plain(&b, s);
    int n = 0;
    const char *p = sbuf_str(&b);
    for (int used = 0; *p && n < 90; n++, p++) {
        used += ((unsigned char)*p & 0xc0) != 0x80;
        if (used > most)
            break;
        cell[n] = *p;
    }
    cell[n] = 0;
    sbuf_free(&b);
}

static void fill_row(struct text_row *t, const struct report_input *in, const struct row *r)
{
    memset(t, 0, sizeof *t);
    t->look = verdict_look(r);
    t->spans = !r->ran;
    snprintf(t->cell[C_MARK], 96, "%s", r->recommended ? ">" : t->spans ? "!" : "");
    snprintf(t->cell[C_RANK], 96, "%lld", (long long)r->rank);
    if (*r->model_class) /* of the catalogue: rows are of many models */
        copy_clean(t->cell[C_MODEL], r->model, 24);
    char format[96];
    bool gguf = strncmp(r->format, "gguf/", 5) == 0;
    snprintf(format, sizeof format, "%s%s", gguf ? r->format + 5 : r->format, r->kv_note);
    copy_clean(t->cell[C_FORMAT], format, 40);
    copy_clean(t->cell[C_RUNTIME], row_place(r).s, 40);
    if (t->spans)
        return;
    snprintf(t->cell[C_SIZE], 96, "%s", figure_bytes(r->weights_bytes).s);
    put_decode(t->cell[C_DECODE], r);
    snprintf(t->cell[C_PREFILL], 96, "%s", r->cache_resident ? "-" : figure_rate(r->prefill_tok_s).s);
    if (isfinite(r->task_score))
        snprintf(t->cell[C_SCORE], 96, "%.0f (%.0f-%.0f)", 100 * r->task_score, 100 * r->task_score_lo,
                 100 * r->task_score_hi);
    if (r->reference)
        snprintf(t->cell[C_KLD], 96, "reference");
    else
        put_range(t->cell[C_KLD], in, r->kld, r->kld_lo, r->kld_hi);
    snprintf(t->cell[C_TOP], 96, "%s", figure_percent(r->top1_agreement).s);
    snprintf(t->cell[C_TASKS], 96, "%s", figure_percent(r->task_share).s);
    snprintf(t->cell[C_RAM], 96, "%s", figure_bytes(r->peak_bytes).s);
    snprintf(t->cell[C_VERDICT], 96, "%s", verdict_label(r));
}

static bool known_anywhere(const struct text_row *t, int n, int c)
{
    for (int i = 0; i < n; i++)
        if (!t[i].spans && strcmp(t[i].cell[c], "-") != 0 && *t[i].cell[c])
            return true;
    return false;
}

/* Where there are several, rows cannot be told apart without. */
static bool several(const struct text_row *t, int n, enum text_column c)
{
    for (int i = 1; i < n; i++)
        if (strcmp(t[i].cell[c], t[0].cell[c]) != 0)
            return true;
    return false;
}

static int fit_columns(const struct text_row *t, int n, int width, int col[N_TEXT_COLUMNS])
{
    const bool runtimes = several(t, n, C_RUNTIME);
    int total = 0;
    for (int c = 0; c < N_TEXT_COLUMNS; c++) {
        col[c] = text_columns(heads[c].head);
        for (int i = 0; i < n; i++)
            if (text_columns(t[i].cell[c]) > col[c])
                col[c] = text_columns(t[i].cell[c]);
        if ((c > C_RUNTIME && c < C_VERDICT && !known_anywhere(t, n, c)) || (c == C_MODEL && !several(t, n, c)))
            col[c] = 0;
        total += col[c] ? col[c] + 2 : 0;
    }
    for (int give = 9; give > 0 && total > width; give--)
        for (int c = 0; c < N_TEXT_COLUMNS; c++)
            if ((c == C_KLD && col[C_MODEL] ? KLD_OF_MODELS : heads[c].give) == give && col[c] &&
                !(c == C_RUNTIME && runtimes))
                total -= col[c] + 2, col[c] = 0;
    return total;
}

static void pad(struct sbuf *out, const char *s, int width, bool right)
{
    int gap = width - text_columns(s);
    sbuf_printf(out, "%*s%s%*s", right && gap > 0 ? gap : 0, "", s, !right && gap > 0 ? gap : 0, "");
}

static void print_line(struct sbuf *out, const struct report_input *in, const struct text_row *t, const int col[],
                       const char *reason)
{
    struct sbuf b = {0};
    for (int c = 0; c < N_TEXT_COLUMNS; c++) {
        if (!col[c])
            continue;
        if (t->spans && c >= C_SIZE) {
            escape_plain(&b, reason);
            break;
        }
        pad(&b, t->cell[c], col[c], heads[c].right);
        sbuf_puts(&b, "  ");
    }
    size_t n = b.n;
    while (n > 0 && b.p[n - 1] == ' ')
        n--;
    sbuf_printf(out, "%s%.*s%s\n", on(in, t->look), (int)n, sbuf_str(&b), off(in, t->look));
    out->failed = out->failed || b.failed;
    sbuf_free(&b);
}

static void table(struct sbuf *out, const struct report_input *in)
{
    enum { MOST = 200 };
    static const struct text_row empty;
    const struct decision *d = in->decision;
    struct text_row head = empty, t[MOST];
    int n = 0, left_out = 0, index[MOST];
    for (int i = 0; i < d->n_rows; i++) {
        if (n == MOST || (!in->verbose && (d->row[i].own || n == FEW_ROWS))) {
            left_out += !d->row[i].own;
            continue;
        }
        index[n] = i;
        fill_row(&t[n++], in, &d->row[i]);
    }
    if (!n)
        return;
    int col[N_TEXT_COLUMNS];
    fit_columns(t, n, width_of(in), col);
    head.look = "head";
    for (int c = 0; c < N_TEXT_COLUMNS; c++)
        snprintf(head.cell[c], 96, "%s", heads[c].head);
    print_line(out, in, &head, col, "");
    const char *model = "";
    for (int i = 0; i < n; i++) {
        const struct row *r = &d->row[index[i]];
        if (i > 0 && in->verbose && !col[C_MODEL] && strcmp(r->model, model) != 0)
            wrapped(out, in, "", "dim", r->model);
        model = r->model;
        char why[400];
        snprintf(why, sizeof why, "%s: %s", verdict_label(r), r->reason);
        print_line(out, in, &t[i], col, why);
        if (in->verbose && *r->reason && r->ran && !r->recommended)
            wrapped(out, in, "", "dim", r->reason);
    }
    if (left_out)
        sbuf_printf(out, "%s   %d more with -v%s\n", on(in, "dim"), left_out, off(in, "dim"));
}

/* --- the rest --- */
static void title(struct sbuf *out, const struct report_input *in)
{
    const struct decision *d = in->decision;
    struct sbuf b = {0};
    report_title(&b, in);
    if (*d->coverage)
        sbuf_printf(&b, "; %s", d->coverage);
    if (isfinite(in->elapsed_s) && in->elapsed_s >= 1)
        sbuf_printf(&b, "; %.0f s", in->elapsed_s);
    sbuf_putc(out, '\n');
    wrapped(out, in, "", "dim", sbuf_str(&b));
    sbuf_free(&b);
}

static void lines(struct sbuf *out, const struct report_input *in, const char *name, const char *const *s, int n)
{
    for (int i = 0; i < n; i++)
        wrapped(out, in, i ? "" : name, "head", s[i]);
}

/* What is said of these formats beside what was found; what nothing here can tell is left to the other reports. */
static void claims(struct sbuf *out, const struct report_input *in)
{
    const struct decision *d = in->decision;
    bool first = true;
    for (int i = 0; i < d->n_claims; i++) {
        const struct claim *c = &d->claim[i];
        char text[400];
        if (!isfinite(c->lo))
            continue;
        snprintf(text, sizeof text, "%s, %s: claimed %s, here %s: %s", c->subject, c->what, c->claimed, c->here,
                 c->verdict);
        wrapped(out, in, first ? "said" : "", "head", text);
        first = false;
    }
}

static void rest(struct sbuf *out, const struct report_input *in)
{
    const struct decision *d = in->decision;
    if (*d->confidence || d->n_neighbours + d->n_changes + d->n_risks + d->n_notes > 0)
        sbuf_putc(out, '\n');
    if (*d->confidence)
        wrapped(out, in, "sure", "head", d->confidence);
    lines(out, in, "else", d->neighbours, d->n_neighbours);
    lines(out, in, "if", d->changes, in->verbose ? d->n_changes : d->n_changes < 2 ? d->n_changes : 2);
    if (in->verbose && *d->runner_up_reason)
        wrapped(out, in, "2nd", "head", d->runner_up_reason);
    for (int i = 0; i < d->n_risks && (in->verbose || i < 3); i++) {
        char text[400];
        snprintf(text, sizeof text, "%s: %s", d->risk[i].text, d->risk[i].mitigation);
        wrapped(out, in, "!", "warn", text);
    }
    if (in->verbose)
        lines(out, in, "open", d->undecided, d->n_undecided);
    if (in->verbose)
        claims(out, in);
    lines(out, in, "note", d->note, in->verbose ? d->n_notes : d->n_notes < 3 ? d->n_notes : 3);
}

int report_text(struct sbuf *out, const struct report_input *in, struct err *e)
{
    answer(out, in);
    if (in->decision->n_rows)
        title(out, in);
    table(out, in);
    rest(out, in);
    return report_end(out, "the screen", e);
}
