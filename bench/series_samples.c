/* The repetitions of one run, and those of all runs of a series in one query: a query a run takes a server's round trip
 * each. */
#include <math.h>
#include "bench/store_int.h"

static const char *const timed[][2] = {{"decode_tok_s", "decode_ns"}, {"prefill_tok_s", "prefill_ns"}};

/* Times of a phase become rates: the same tokens every time, so their median is the figure. */
static bool as_rates(double *x, int n, double figure)
{
    for (int i = 0; i < n; i++)
        x[i] = 1 / x[i];
    double scale = figure / stats_median(x, n);
    for (int i = 0; i < n; i++)
        x[i] *= scale;
    return isfinite(scale);
}

/* ---- of one run ---- */

static int read_samples(struct store *s, int64_t run, const char *samples, const char *metric, double *out, int most,
                        double *figure, struct err *e)
{
    struct db_rows *q;
    int n = 0, rc = db_query(&q, s->db,
                             "SELECT t.value, f.value FROM sample t LEFT JOIN figure f ON f.run = t.run"
                             " AND f.metric = $3 WHERE t.run = $1 AND t.metric = $2 ORDER BY t.rep",
                             DB_VALUES(db_int(run), db_text(samples), db_text(metric)), e);
    while (rc == 0 && (rc = db_next(q, e)) > 0) {
        if (n < most)
            out[n] = db_get_real(q, 0);
        *figure = db_get_real(q, 1);
        n++;
        rc = 0;
    }
    db_done(q);
    return rc < 0 ? rc : n;
}

int series_samples(struct store *s, int64_t run, const char *metric, double *out, int most, struct err *e)
{
    double figure;
    for (size_t i = 0; i < sizeof timed / sizeof *timed; i++)
        if (strcmp(timed[i][0], metric) == 0) {
            double x[RECORD_MAX_SAMPLES];
            int n = read_samples(s, run, timed[i][1], metric, x, RECORD_MAX_SAMPLES, &figure, e);
            n = n < RECORD_MAX_SAMPLES ? n : RECORD_MAX_SAMPLES;
            /* a figure of another program may have the name: its repetitions have it too */
            if (n < 0 || (n > 0 && as_rates(x, n, figure))) {
                for (int k = 0; k < n && k < most; k++)
                    out[k] = x[k];
                return n;
            }
        }
    return read_samples(s, run, metric, metric, out, most, &figure, e);
}

/* ---- of all runs of a series ---- */

struct reading { /* of one run */
    int64_t run;
    double value, x[RECORD_MAX_SAMPLES];
    int n;
};

static int give(struct reading *r, bool times, int (*fn)(void *arg, int64_t run, double *x, int n), void *arg)
{
    int n = r->n;
    bool good = n > 0 && (!times || as_rates(r->x, n, r->value));
    r->n = 0;
    return good ? fn(arg, r->run, r->x, n) : 0;
}

/* Returns how many rows there were, or what fn returned, negative. */
static int read_all(struct store *s, const struct series *x, const char *metric, bool times, int64_t since,
                    int (*fn)(void *arg, int64_t run, double *x, int n), void *arg, struct err *e)
{
    struct reading r = {0};
    struct db_rows *q;
    int n_rows = 0, rc = db_query(&q, s->db,
                                  "SELECT p.run, p.value, t.value FROM series z JOIN series_point p ON p.series = z.id"
                                  " JOIN sample t ON t.run = p.run AND t.metric = $2 WHERE z.key = $1 AND p.time >= $3"
                                  " ORDER BY p.time, p.run, t.rep",
                                  DB_VALUES(db_text(x->key), db_text(metric), db_int(since ? since : INT64_MIN)), e);
    while (rc == 0 && (rc = db_next(q, e)) > 0) {
        int64_t run = db_get_int(q, 0);
        rc = r.n && run != r.run ? give(&r, times, fn, arg) : 0;
        r.run = run;
        r.value = db_get_real(q, 1);
        if (r.n < RECORD_MAX_SAMPLES)
            r.x[r.n++] = db_get_real(q, 2);
        n_rows++;
    }
    db_done(q);
    if (rc == 0)
        rc = give(&r, times, fn, arg);
    return rc < 0 ? rc : n_rows;
}

int series_samples_each(struct store *s, const struct series *x, int64_t since,
                        int (*fn)(void *arg, int64_t run, double *v, int n), void *arg, struct err *e)
{
    int rc = 0;
    for (size_t i = 0; i < sizeof timed / sizeof *timed && rc == 0; i++)
        if (strcmp(timed[i][0], x->metric) == 0)
            rc = read_all(s, x, timed[i][1], true, since, fn, arg, e);
    if (rc == 0) /* of other programs the figures themselves, whatever their name */
        rc = read_all(s, x, x->metric, false, since, fn, arg, e);
    return rc < 0 ? rc : 0;
}
