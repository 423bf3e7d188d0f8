/* The reader of value tables: RFC 4180 cells, one pass, then each series sorted by time where it was not. */
#include "bench/values.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include "base/json.h"
#include "base/mem.h"
#include "base/os.h"

enum { MOST_CELL = sizeof((struct values *)0)->name };
enum column { TIME, VALUE, SERIES, N_COLUMNS };
static const char *const column_names[N_COLUMNS] = {"time", "value", "series"};

struct reader {
    struct value_table *t;
    const char *p, *end, *where;
    struct err *e;
    int line, row_line; /* now; where the row in hand began */
    char separator;
    int place[N_COLUMNS]; /* of that column in a row; -1: there is none */
    char cell[N_COLUMNS][MOST_CELL];
    int n_cells;
    bool dates, times_known; /* what the first time was */
    int *room;               /* [t->n] rows that fit */
    int last;                /* series of the row before */
};

/* One cell into out, cut at its size and without spaces around it; the reader stands on what ended it. */
static void read_cell(struct reader *r, char out[MOST_CELL])
{
    while (r->p < r->end && (*r->p == ' ' || (*r->p == '\t' && r->separator != '\t')))
        r->p++;
    bool quoted = r->p < r->end && *r->p == '"';
    size_t n = 0;
    for (r->p += quoted; r->p < r->end; r->p++) {
        if (quoted ? *r->p == '"' && (++r->p == r->end || *r->p != '"') : *r->p == r->separator || *r->p == '\n')
            break; /* a doubled quote stands for itself */
        r->line += *r->p == '\n';
        if (n + 1 < MOST_CELL)
            out[n++] = *r->p;
    }
    while (r->p < r->end && *r->p != r->separator && *r->p != '\n')
        r->p++;
    while (n > 0 && strchr(" \t\r", out[n - 1]))
        n--;
    out[n] = 0;
}

static void read_row(struct reader *r, void (*take)(struct reader *, int, const char *))
{
    char cell[MOST_CELL];
    r->row_line = r->line;
    for (r->n_cells = 0;; r->p++) {
        read_cell(r, cell);
        take(r, r->n_cells++, cell);
        if (r->p == r->end || *r->p == '\n')
            break;
    }
    if (r->p < r->end)
        r->p++;
    r->line++;
}

static void take_name(struct reader *r, int at, const char *cell)
{
    for (int c = 0; c < N_COLUMNS; c++)
        if (r->place[c] < 0 && !strcasecmp(cell, column_names[c]))
            r->place[c] = at;
}

static void take_cell(struct reader *r, int at, const char *cell)
{
    for (int c = 0; c < N_COLUMNS; c++)
        if (r->place[c] == at)
            memcpy(r->cell[c], cell, strlen(cell) + 1);
}

static int read_header(struct reader *r)
{
    if (r->end - r->p >= 3 && !memcmp(r->p, "\xef\xbb\xbf", 3))
        r->p += 3;
    size_t n = strcspn(r->p, "\n");
    r->separator = memchr(r->p, ',', n) ? ',' : memchr(r->p, ';', n) ? ';' : memchr(r->p, '\t', n) ? '\t' : ',';
    for (int c = 0; c < N_COLUMNS; c++)
        r->place[c] = -1;
    read_row(r, take_name);
    if (r->place[VALUE] < 0)
        return err_set(r->e, ERR_FORMAT,
                       "%s: line 1 has no column \"value\"; the header needs time,value and may "
                       "have series",
                       r->where);
    r->t->timed = r->place[TIME] >= 0;
    return 0;
}

static bool read_number(const char *s, double *out)
{
    char *end;
    *out = strtod(s, &end);
    return end != s && *end == 0;
}

static int read_time(struct reader *r, struct value_row *row)
{
    const char *s = r->cell[TIME];
    snprintf(row->when, sizeof row->when, "%.31s", s);
    bool date = clock_parse_exact(s, &row->time), number = !date && read_number(s, &row->time) && isfinite(row->time);
    if (!date && !number)
        return err_set(r->e, ERR_FORMAT,
                       "%s: line %d: \"%.40s\" is no time; give a date such as 2026-11-22 or "
                       "2026-11-22T03:15:00Z, or a number",
                       r->where, r->row_line, s);
    if (r->times_known && date != r->dates)
        return err_set(r->e, ERR_FORMAT, "%s: line %d: the time \"%.40s\" is a %s where the first one was a %s",
                       r->where, r->row_line, s, date ? "date" : "number", date ? "number" : "date");
    r->dates = date;
    r->times_known = true;
    return 0;
}

static bool is_missing(const char *s)
{
    static const char *const words[] = {"", "nan", "na", "n/a", "null", "none", "-"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (!strcasecmp(s, words[i]))
            return true;
    return false;
}

static int read_value(struct reader *r, struct value_row *row)
{
    const char *s = r->cell[VALUE];
    if (is_missing(s)) {
        row->value = NAN;
        if (r->t->n_missing++ == 0)
            r->t->first_missing = r->row_line;
        return 0;
    }
    if (!read_number(s, &row->value))
        return err_set(r->e, ERR_DATA, "%s: line %d: \"%.40s\" is no number; leave a missing value empty", r->where,
                       r->row_line, s);
    if (!isfinite(row->value))
        return err_set(r->e, ERR_DATA, "%s: line %d: the value is %.40s; leave a missing value empty", r->where,
                       r->row_line, s);
    return 0;
}

static int more_series(struct reader *r, const char *name)
{
    struct value_table *t = r->t;
    json_t *utf8 = json_string(name);
    json_decref(utf8);
    if (!utf8 || strlen(name) == MOST_CELL - 1) /* cut: another name may begin alike */
        return err_set(r->e, ERR_FORMAT, "%s: line %d: the name of the series is %s", r->where, r->row_line,
                       utf8 ? "too long" : "not UTF-8");
    if ((t->n & (t->n - 1)) == 0) { /* a power of two: full */
        size_t n = t->n ? 2 * (size_t)t->n : 1;
        struct values *series = mem_resize(t->series, n * sizeof *series);
        t->series = series ? series : t->series;
        int *room = series ? mem_resize(r->room, n * sizeof *room) : NULL;
        if (!room)
            return err_nomem(r->e, n * sizeof *series, r->where);
        r->room = room;
    }
    r->room[t->n] = 0;
    t->series[t->n] = (struct values){.n = 0};
    snprintf(t->series[t->n].name, sizeof t->series->name, "%s", name);
    r->last = t->n++;
    return 0;
}

/* Rows come series by series or night by night: the same one as before or the one behind it, nearly always. */
static int find_series(struct reader *r)
{
    const char *name = r->cell[SERIES];
    for (int i = 0; i < r->t->n; i++) {
        int at = (r->last + i) % r->t->n;
        if (!strcmp(r->t->series[at].name, name)) {
            r->last = at;
            return 0;
        }
    }
    return more_series(r, name);
}

static int add_row(struct reader *r, const struct value_row *row)
{
    int rc = find_series(r);
    if (rc < 0)
        return rc;
    struct values *s = &r->t->series[r->last];
    int *room = &r->room[r->last];
    if (s->n == *room) {
        int n = *room ? 2 * *room : 16;
        struct value_row *more = mem_resize(s->row, (size_t)n * sizeof *more);
        if (!more)
            return err_nomem(r->e, (size_t)n * sizeof *more, r->where);
        s->row = more;
        *room = n;
    }
    if (s->n && row->time < s->row[s->n - 1].time && r->t->n_disorder++ == 0)
        r->t->first_disorder = row->line;
    s->row[s->n++] = *row;
    return 0;
}

static int by_time(const void *a, const void *b)
{
    const struct value_row *x = a, *y = b;
    return x->time != y->time ? (x->time > y->time) - (x->time < y->time) : (x->line > y->line) - (x->line < y->line);
}

static int read_rows(struct reader *r)
{
    int rc = 0;
    while (rc == 0 && r->p < r->end) {
        memset(r->cell, 0, sizeof r->cell);
        read_row(r, take_cell);
        bool blank = r->n_cells == 1 && !r->cell[TIME][0] && !r->cell[VALUE][0] && !r->cell[SERIES][0];
        if (blank)
            continue;
        struct value_row row = {.line = r->row_line, .time = r->row_line};
        if (r->n_cells <= r->place[VALUE] || r->n_cells <= r->place[TIME] || r->n_cells <= r->place[SERIES])
            rc = err_set(r->e, ERR_FORMAT, "%s: line %d has %d cells, fewer than the header names", r->where,
                         r->row_line, r->n_cells);
        if (rc == 0 && r->place[TIME] >= 0)
            rc = read_time(r, &row);
        if (rc == 0)
            rc = read_value(r, &row);
        if (rc == 0)
            rc = add_row(r, &row);
    }
    for (int i = 0; rc == 0 && r->t->n_disorder && i < r->t->n; i++)
        qsort(r->t->series[i].row, (size_t)r->t->series[i].n, sizeof *r->t->series[i].row, by_time);
    return rc;
}

int values_read(struct value_table *out, const char *text, size_t n, const char *where, struct err *e)
{
    *out = (struct value_table){.n = 0};
    struct reader r = {.t = out, .p = text, .end = text + n, .where = where, .e = e, .line = 1};
    int rc = 0;
    if (n == 0)
        rc = err_set(e, ERR_FORMAT, "%s is empty; it needs a header with time,value", where);
    else if (memchr(text, 0, n))
        rc = err_set(e, ERR_FORMAT, "%s is no text: it holds zero bytes", where);
    if (rc == 0)
        rc = read_header(&r);
    if (rc == 0)
        rc = read_rows(&r);
    if (rc == 0 && out->n == 0)
        rc = err_set(e, ERR_FORMAT, "%s has a header and no rows", where);
    mem_free(r.room);
    if (rc < 0)
        values_free(out);
    return rc;
}

void values_free(struct value_table *t)
{
    for (int i = 0; i < t->n; i++)
        mem_free(t->series[i].row);
    mem_free(t->series);
    *t = (struct value_table){.n = 0};
}
