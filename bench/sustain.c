/* bench --sustain: decode for a long time, one point per window. What a device gives for ten seconds and what it gives
 * for ten minutes are two figures. */
#include <math.h>
#include "base/mem.h"
#include "base/os.h"
#include "bench/measure_state.h"

enum { MOST_WINDOWS = 512, BLOCK_GEN = 16, PROCESS_GEN = 128, STAYS = 3 };
static const double slower = 0.95; /* below that share of the burst it counts as throttled */

/* Burst: the first tenth. Sustained: the last third. Throttled: from the first window on from which three in a row and
 * the rest as a whole stay below 95 % of the burst. */
void sustain_judge(struct sustain_result *s)
{
    int first = s->n < 30 ? 3 : s->n / 10, last = s->n < 9 ? 3 : s->n / 3;
    first = first < s->n ? first : s->n;
    last = last < s->n ? last : s->n;
    s->burst_tok_s = stats_median(s->tok_s, first);
    s->sustained_tok_s = stats_median(s->tok_s + s->n - last, last);
    s->throttle_after_s = NAN;
    for (int i = first; i + STAYS <= s->n; i++)
        if (stats_percentile(s->tok_s + i, STAYS, 1) < slower * s->burst_tok_s &&
            stats_median(s->tok_s + i, s->n - i) < slower * s->burst_tok_s) {
            s->throttle_after_s = s->t_s[i - 1]; /* t_s is the end of a window: the slow one begins there */
            return;
        }
}

/* Decodes until the window is over; a repetition is not cut. */
static int run_window(struct session *s, const struct measure_cell *cell, double seconds, struct sample *x,
                      double *tok_s, struct err *e)
{
    struct workload w = {.n_gen = cell->runner->own_process ? PROCESS_GEN : BLOCK_GEN};
    double ns = 0;
    int n = 0, rc = 0;
    uint64_t end = clock_ns() + (uint64_t)(seconds * 1e9);
    while (rc == 0 && !interrupt_seen() && (n == 0 || clock_ns() < end)) {
        w.deadline_ns = clock_ns() + UINT64_C(600000000000);
        rc = cell->runner->measure(s, &w, x, e);
        ns += x->decode_ns;
        n += w.n_gen;
    }
    *tok_s = 1e9 * n / ns;
    return rc;
}

int measure_sustained(const struct measure_cell *cell, double seconds, struct sustain_result *out, struct err *e)
{
    *out = (struct sustain_result){.burst_tok_s = NAN, .sustained_tok_s = NAN, .throttle_after_s = NAN};
    struct session *s = NULL;
    struct sample *x = mem_alloc(sizeof *x);
    if (!x)
        return err_nomem(e, sizeof *x, "the measurement");
    int rc = cell->runner->open(&s, cell, e);
    double window = fmax(1, seconds / MOST_WINDOWS);
    uint64_t t0 = clock_ns();
    while (rc == 0 && out->n < MOST_WINDOWS && !interrupt_seen() && (double)(clock_ns() - t0) * 1e-9 < seconds) {
        struct probe_state now;
        double rest = seconds - (double)(clock_ns() - t0) * 1e-9;
        rc = run_window(s, cell, fmin(window, rest), x, &out->tok_s[out->n], e);
        if (rc < 0 || !isfinite(out->tok_s[out->n]))
            break;
        probe_sample(&now);
        out->temp_c[out->n] = now.max_c;
        out->t_s[out->n++] = (double)(clock_ns() - t0) * 1e-9;
    }
    if (s)
        cell->runner->close(s);
    mem_free(x);
    if (out->n > 0)
        sustain_judge(out);
    if (interrupt_seen())
        return err_set(e, ERR_CANCELLED, "interrupted after %d windows, which are kept", out->n);
    return rc;
}
