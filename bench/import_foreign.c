/* Another program's figures out of a CSV, read whole before anything is kept. */
#include "bench/import_foreign.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include "base/mem.h"
#include "base/os.h"
#include "bench/import_state.h"

enum column { METRIC, VALUE, UNIT, BETTER, DATE, COMMIT, N_COLUMNS };
static const struct {
    const char *name;
    enum column column;
} column_names[] = {
    {"metric", METRIC}, {"value", VALUE}, {"unit", UNIT},     {"better", BETTER},
    {"time", DATE},     {"date", DATE},   {"commit", COMMIT}, {"timestamp", DATE},
};
static const struct {
    const char *name;
    int better;
} ways[] = {{"higher", 1}, {"lower", -1}, {"1", 1}, {"+1", 1}, {"-1", -1}};

struct reader {
    const char *where;
    const struct foreign_run *like;
    bool all;
    int place[N_COLUMNS], n_columns, line;
    struct foreign_run *run;
    int n, last, n_ours;
    struct err *e;
};

static int find_columns(struct reader *r, const struct cells *header)
{
    for (int i = 0; i < N_COLUMNS; i++)
        r->place[i] = -1;
    for (int i = 0; i < header->n; i++)
        for (size_t k = 0; k < sizeof column_names / sizeof *column_names; k++) {
            int *place = &r->place[column_names[k].column];
            if (strcasecmp(header->text[i], column_names[k].name) != 0)
                continue;
            if (*place >= 0)
                return err_set(r->e, ERR_FORMAT, "%s: line 1 has the column %s twice", r->where, column_names[k].name);
            *place = i;
        }
    r->n_columns = header->n;
    if (r->place[METRIC] < 0 || r->place[VALUE] < 0 || r->place[BETTER] < 0)
        return err_set(r->e, ERR_FORMAT,
                       "%s: line 1 has no column %s; figures of another program need metric, value and better "
                       "(higher or lower), and may have unit, date and commit",
                       r->where,
                       r->place[METRIC] < 0  ? "metric"
                       : r->place[VALUE] < 0 ? "value"
                                             : "better");
    return 0;
}

bool import_is_foreign(const char *text)
{
    struct cells *header = mem_alloc(sizeof *header);
    struct reader r = {.where = ""};
    struct err ignored;
    r.e = &ignored;
    text += strncmp(text, "\xef\xbb\xbf", 3) ? 0 : 3;
    bool is = header && import_csv_cells(&text, header) && find_columns(&r, header) == 0;
    mem_free(header);
    return is;
}

bool import_date(char out[32], const char *text)
{
    double seconds;
    char *end;
    if (!clock_parse_exact(text, &seconds)) {
        seconds = strtod(text, &end);
        if (end == text || *end)
            return false;
    }
    if (!(seconds >= 0 && seconds < 253402300800.0)) /* the year 10000 */
        return false;
    return *clock_format(out, (int64_t)seconds) != 0;
}

static const char *cell(const struct reader *r, const struct cells *line, enum column c)
{
    return r->place[c] < 0 ? "" : line->text[r->place[c]];
}

static int bad_cell(const struct reader *r, const char *column, const char *text, const char *wanted)
{
    return err_set(r->e, ERR_FORMAT, "%s: line %d, column %s: \"%.40s\" %s", r->where, r->line, column, text, wanted);
}

static int take_text(const struct reader *r, char *out, size_t size, const char *column, const char *text)
{
    for (const char *p = text; *p; p += utf8_length(p))
        if ((unsigned char)*p < ' ' || utf8_length(p) == 0)
            return bad_cell(r, column, text, "holds what is no text");
    if (strlen(text) >= size)
        return bad_cell(r, column, text, "is too long");
    memcpy(out, text, strlen(text) + 1);
    return 0;
}

static int take_better(const struct reader *r, const char *text, int *out)
{
    for (size_t i = 0; i < sizeof ways / sizeof *ways; i++)
        if (!strcasecmp(text, ways[i].name)) {
            *out = ways[i].better;
            return 0;
        }
    return bad_cell(r, "better", text, "is neither higher nor lower");
}

static int take_value(const struct reader *r, const char *text, double *out)
{
    char *end;
    *out = strtod(text, &end);
    return end != text && *end == 0 && isfinite(*out)
               ? 0
               : bad_cell(r, "value", text, "is no number; leave out the rows of what was not measured");
}

/* The run of that date and commit: nearly always that of the row before. */
static int find_run(struct reader *r, const char *date, const char *commit)
{
    for (int i = 0; i < r->n; i++) {
        int at = (r->last + r->n - i) % r->n;
        if (!strcmp(r->run[at].date, date) && !strcmp(r->run[at].commit, commit)) {
            r->last = at;
            return 0;
        }
    }
    if ((r->n & (r->n - 1)) == 0) { /* a power of two: full */
        size_t room = r->n ? 2 * (size_t)r->n : 1;
        struct foreign_run *more = mem_resize(r->run, room * sizeof *more);
        if (!more)
            return err_nomem(r->e, room * sizeof *more, r->where);
        r->run = more;
    }
    r->last = r->n++;
    struct foreign_run *run = &r->run[r->last];
    *run = *r->like;
    run->metric = NULL;
    run->n = 0;
    snprintf(run->date, sizeof run->date, "%s", date);
    snprintf(run->commit, sizeof run->commit, "%s", commit);
    return 0;
}

/* The metric of the run in hand, as the row describes it; a new one where it is not there. */
static int find_metric(struct reader *r, const struct foreign *row, struct foreign **out)
{
    struct foreign_run *run = &r->run[r->last];
    struct foreign *m = (struct foreign *)(uintptr_t)run->metric;
    for (int i = 0; i < run->n; i++)
        if (!strcmp(m[i].metric, row->metric)) {
            *out = &m[i];
            if (strcmp(m[i].unit, row->unit) != 0)
                return bad_cell(r, "unit", row->unit, "is not the unit that the same metric has above");
            return m[i].better == row->better ? 0
                                              : bad_cell(r, "better", row->better > 0 ? "higher" : "lower",
                                                         "contradicts the same metric above");
        }
    if ((run->n & (run->n - 1)) == 0) {
        size_t room = run->n ? 2 * (size_t)run->n : 1;
        m = mem_resize(m, room * sizeof *m);
        if (!m)
            return err_nomem(r->e, room * sizeof *m, r->where);
        run->metric = m;
    }
    *out = &m[run->n++];
    **out = *row;
    return 0;
}

static int take_row(struct reader *r, const struct cells *line)
{
    struct foreign row = {.n = 0};
    char date[32], commit[sizeof r->like->commit];
    double value;
    if (line->n != r->n_columns)
        return err_set(r->e, ERR_FORMAT, "%s: line %d has %d cells where the header has %d", r->where, r->line, line->n,
                       r->n_columns);
    const char *name = cell(r, line, METRIC), *when = cell(r, line, DATE);
    if (!*name)
        return bad_cell(r, "metric", name, "is no name");
    if (!r->all && import_csv_knows(name)) {
        r->n_ours++;
        return 0;
    }
    int rc = take_text(r, row.metric, sizeof row.metric, "metric", name);
    if (rc == 0)
        rc = take_value(r, cell(r, line, VALUE), &value);
    if (rc == 0)
        rc = take_text(r, row.unit, sizeof row.unit, "unit", cell(r, line, UNIT));
    if (rc == 0)
        rc = take_better(r, cell(r, line, BETTER), &row.better);
    if (rc == 0)
        rc = take_text(r, commit, sizeof commit, "commit", cell(r, line, COMMIT));
    if (rc == 0 && *when && !import_date(date, when))
        rc = bad_cell(r, "date", when, "is no time; give 2026-11-22, 2026-11-22T03:15:00Z or seconds since 1970");
    if (rc == 0)
        rc = find_run(r, *when ? date : r->like->date, commit);
    struct foreign *m = NULL;
    if (rc == 0)
        rc = find_metric(r, &row, &m);
    if (rc == 0 && m->n == RECORD_MAX_SAMPLES)
        rc = err_set(r->e, ERR_LIMIT, "%s: line %d: more than %d values of %s in one run; give runs their dates",
                     r->where, r->line, RECORD_MAX_SAMPLES, row.metric);
    if (rc == 0)
        m->value[m->n++] = value;
    return rc;
}

static int count_lines(const char *from, const char *to)
{
    int n = 0;
    for (; from < to; from++)
        n += *from == '\n';
    return n;
}

static int read_rows(struct reader *r, const char *p, struct cells *c)
{
    const char *start = p;
    if (!import_csv_cells(&p, c))
        return err_set(r->e, ERR_FORMAT, "%s is empty", r->where);
    int rc = find_columns(r, c), n_rows = 0;
    r->line = 1;
    while (rc == 0) {
        r->line += count_lines(start, p);
        start = p;
        if (!import_csv_cells(&p, c))
            break;
        if (c->n == 1 && !c->text[0][0])
            continue;
        rc = take_row(r, c);
        n_rows++;
    }
    return rc == 0 && n_rows == 0 ? err_set(r->e, ERR_FORMAT, "%s has a header and no rows", r->where) : rc;
}

int import_foreign(const char *text, const char *where, const struct foreign_run *like, bool all,
                   struct foreign_run **out, int *n, int *n_ours, struct err *e)
{
    struct reader r = {.where = where, .like = like, .all = all, .e = e};
    struct cells *c = mem_alloc(sizeof *c);
    text += strncmp(text, "\xef\xbb\xbf", 3) ? 0 : 3;
    int rc = c ? read_rows(&r, text, c) : err_nomem(e, sizeof *c, where);
    mem_free(c);
    if (rc < 0) {
        import_foreign_free(r.run, r.n);
        r.run = NULL;
        r.n = 0;
    }
    *out = r.run;
    *n = r.n;
    *n_ours = r.n_ours;
    return rc;
}

void import_foreign_free(struct foreign_run *r, int n)
{
    for (int i = 0; i < n; i++)
        mem_free((void *)(uintptr_t)r[i].metric);
    mem_free(r);
}
