/* The decision: vetoes, the front, the objective, ranks, the pick; explain.c puts it into words.
 *
 * balanced = the fastest within the quality limit (KLD under 0.1 unless the user says otherwise); where no
 * speed is known that may be shown, the smallest within it. quality = the lowest KLD, speed = the fastest,
 * memory = the smallest peak, energy = the fewest joules per token. Rows whose figures overlap with the best
 * one's interval share its rank, fewer bytes first. */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "base/mem.h"
#include "matrix/choose_int.h"
#include "matrix/judge.h"

bool row_eligible(const struct row *r, uint64_t ignored)
{
    return r->ran && (r->vetoes & ~ignored) == 0;
}

bool row_within(const struct row *r, uint64_t ignored, double kld_limit)
{
    return row_eligible(r, ignored | RULE_BIT(max_kld)) && (!isfinite(kld_limit) || r->kld <= kld_limit);
}

static struct interval size_of(const struct row *r)
{
    int64_t n = r->peak_bytes >= 0 ? r->peak_bytes : r->weights_bytes;
    return n >= 0 ? stats_exact((double)n) : INTERVAL_NONE;
}

static struct interval known(double v, double lo, double hi)
{
    return isfinite(v) && !isfinite(lo + hi) ? stats_exact(v) : (struct interval){v, lo, hi};
}

struct interval row_metric(const struct judge *j, const struct row *r, bool *low_is_better)
{
    const bool by_score =
        j->across && (j->want->objective == OBJECTIVE_BALANCED || j->want->objective == OBJECTIVE_QUALITY);
    *low_is_better = !by_score;
    if (by_score)
        return known(r->task_score, r->task_score_lo, r->task_score_hi);
    switch (j->want->objective) {
    case OBJECTIVE_QUALITY:
        return known(r->kld, r->kld_lo, r->kld_hi);
    case OBJECTIVE_MEMORY:
        return size_of(r);
    case OBJECTIVE_ENERGY:
        return known(r->energy_j_per_tok, r->energy_lo, r->energy_hi);
    case OBJECTIVE_BALANCED:
        if (j->by_size)
            return size_of(r);
        break;
    default:
        break;
    }
    *low_is_better = false;
    return r->cache_resident ? INTERVAL_NONE : known(r->decode_tok_s, r->decode_tok_s_lo, r->decode_tok_s_hi);
}

/* Negative when a's figure comes first; rows without one come last, then fewer bytes, then their first order.
 */
static int compare_metric(const struct judge *j, const struct row *a, const struct row *b)
{
    bool low;
    struct interval ma = row_metric(j, a, &low), mb = row_metric(j, b, &low);
    if (isfinite(ma.v) != isfinite(mb.v))
        return isfinite(ma.v) ? -1 : 1;
    if (isfinite(ma.v) && ma.v != mb.v)
        return (ma.v < mb.v) == low ? -1 : 1;
    return 0;
}

static int compare_bytes(const struct row *a, const struct row *b)
{
    int64_t x = a->weights_bytes >= 0 ? a->weights_bytes : INT64_MAX,
            y = b->weights_bytes >= 0 ? b->weights_bytes : INT64_MAX;
    return (x > y) - (x < y);
}

/* Is a worse than b in the objective's figure, beyond both intervals? An unknown figure is worse than any. */
static bool clearly_worse(const struct judge *j, const struct row *a, const struct row *b)
{
    bool low;
    struct interval ma = row_metric(j, a, &low), mb = row_metric(j, b, &low);
    if (!isfinite(ma.v) || !isfinite(mb.v))
        return isfinite(mb.v);
    return low ? ma.lo > mb.hi : ma.hi < mb.lo;
}

/* Row i may be the best of those that stand in its group: none of them is clearly better. */
static bool may_be_best(const struct judge *j, int i)
{
    const struct row *r = j->d->row;
    bool low;
    if (!j->stands[i] || (j->usual_kv && r[i].kv_variant) || !isfinite(row_metric(j, &r[i], &low).v))
        return false;
    for (int k = 0; k < j->d->n_rows; k++)
        if (j->stands[k] && !(j->usual_kv && r[k].kv_variant) && r[k].group == r[i].group &&
            clearly_worse(j, &r[i], &r[k]))
            return false;
    return true;
}

/* Among rows that tie, i is no pick when another is a good deal better by its point and clearly better in quality:
 * wide intervals, such as those of a published ratio, must not hide that. The point of a row that stands in for a
 * framework says nothing against one that was measured there. */
static bool outclassed(const struct judge *j, int i)
{
    static const double good_deal = 1.1;
    const struct row *r = j->d->row;
    for (int k = 0; k < j->d->n_rows; k++) {
        bool low;
        double a = row_metric(j, &r[i], &low).v, b = row_metric(j, &r[k], &low).v;
        bool comparable = r[k].group == r[i].group && (r[i].stands_in || !r[k].stands_in);
        if (comparable && (low ? a > good_deal * b : b > good_deal * a) && r[i].kld_lo > r[k].kld_hi &&
            may_be_best(j, k))
            return true;
    }
    return false;
}

int judge_best(struct judge *j, uint64_t ignored, double kld_limit, int group, int *n_tied)
{
    const struct row *r = j->d->row;
    int best = -1, n = 0;
    if (j->across)
        return choose_best(j, ignored, kld_limit, group, n_tied);
    front_mark(j, ignored, kld_limit);
    for (int i = 0; i < j->d->n_rows; i++) {
        if ((group != ANY_GROUP && r[i].group != group) || (best >= 0 && r[i].group > r[best].group) ||
            !may_be_best(j, i))
            continue;
        bool earlier = best >= 0 && r[i].group < r[best].group;
        n = earlier ? 1 : n + 1;
        bool smaller = best < 0 || compare_bytes(&r[i], &r[best]) < 0;
        if (best < 0 || earlier || outclassed(j, best) || (smaller && !outclassed(j, i)))
            best = i;
    }
    if (n_tied)
        *n_tied = n;
    return best;
}

/* Classes of rows, best first: front, dominated, not fully measured, over a limit, never recommended, and the
 * rest. */
static int row_class(const struct row *r)
{
    static const struct {
        const char *verdict;
        int class;
    } classes[] = {{"ok", 2}, {"vetoed", 3}, {"cannot-run", 5}, {"not-reached", 5}, {"unsupported", 6}, {"failed", 7}};
    if (r->own)
        return 8;
    if (row_eligible(r, 0))
        return r->on_front ? 0 : 1;
    if (r->vetoes && strcmp(r->verdict, "vetoed") == 0 && rule_kind(__builtin_ctzll(r->vetoes)) == RULE_TRUST)
        return 4;
    for (size_t i = 0; i < sizeof classes / sizeof classes[0]; i++)
        if (strcmp(r->verdict, classes[i].verdict) == 0)
            return classes[i].class;
    return 7;
}

static int compare_rows(const void *pa, const void *pb, void *arg)
{
    const struct row *a = pa, *b = pb;
    int ca = row_class(a), cb = row_class(b);
    if (ca != cb)
        return ca < cb ? -1 : 1;
    if (a->group != b->group)
        return a->group < b->group ? -1 : 1;
    int m = compare_metric(arg, a, b);
    if (m == 0 && a->kv_variant != b->kv_variant)
        m = a->kv_variant ? 1 : -1;
    if (m == 0)
        m = compare_bytes(a, b);
    if (m == 0)
        m = strcmp(a->format, b->format);
    if (m == 0)
        m = strcmp(a->framework, b->framework);
    return m ? m : (a->kld > b->kld) - (a->kld < b->kld); /* other KV caches */
}

/* Rows [i, end) are one class of one model, sorted by their figure: those that may be the best of them move to the
 * front, fewer bytes first. Returns how many they are, at least one. */
static int take_tied(const struct judge *j, struct row *r, int n)
{
    int n_tied = 0;
    for (int i = 0; i < n; i++) {
        bool best = true, low;
        for (int k = 0; k < n && best; k++)
            best = !clearly_worse(j, &r[i], &r[k]);
        if (!best || !isfinite(row_metric(j, &r[i], &low).v))
            continue;
        struct row x = r[i];
        int to = 0;
        while (to < n_tied && compare_bytes(&x, &r[to]) >= 0)
            to++;
        memmove(&r[to + 1], &r[to], (size_t)(i - to) * sizeof *r);
        r[to] = x;
        n_tied++;
    }
    return n_tied ? n_tied : 1;
}

void judge_sort(struct judge *j)
{
    struct decision *d = j->d;
    if (j->across) {
        choose_sort(j);
        return;
    }
    if (d->n_rows > 0)
        qsort_r(d->row, (size_t)d->n_rows, sizeof *d->row, compare_rows, j);
    for (int i = 0; i < d->n_rows;) {
        int class = row_class(&d->row[i]), end = i + 1, n = 1;
        while (end < d->n_rows && row_class(&d->row[end]) == class && d->row[end].group == d->row[i].group)
            end++;
        if (class <= 1)
            n = take_tied(j, &d->row[i], end - i);
        for (int k = i; k < i + n; k++)
            d->row[k].rank = i + 1;
        i += n;
    }
}

static bool any_row(const struct judge *j, bool (*is)(const struct row *))
{
    for (int i = 0; i < j->d->n_rows; i++)
        if (j->d->row[i].ran && !j->d->row[i].own && is(&j->d->row[i]))
            return true;
    return false;
}

static bool has_speed(const struct row *r)
{
    return isfinite(r->decode_tok_s) && !r->cache_resident;
}

bool judge_by_size(const struct judge *j)
{
    return j->want->objective == OBJECTIVE_BALANCED && !any_row(j, has_speed);
}

/* The limit in force: the user's; for `balanced` else the default, unless nothing that fits keeps it. */
static void set_limit(struct judge *j)
{
    struct decision *d = j->d;
    d->kld_limit = j->want->max_kld;
    d->kld_limit_asked = isfinite(d->kld_limit);
    if (!d->kld_limit_asked &&
        (j->want->objective == OBJECTIVE_BALANCED || (j->across && j->want->objective != OBJECTIVE_QUALITY)))
        d->kld_limit = DEFAULT_MAX_KLD;
    j->by_size = judge_by_size(j);
    judge_vetoes(j);
    if (j->across) {
        choose_set_floor(j);
        judge_vetoes(j);
    }
    if (d->kld_limit_asked || !isfinite(d->kld_limit) || judge_best(j, 0, d->kld_limit, ANY_GROUP, NULL) >= 0)
        return;
    double least = INFINITY; /* nothing keeps the default: the limit moves to the best that runs */
    for (int i = 0; i < d->n_rows; i++)
        if (row_eligible(&d->row[i], RULE_BIT(max_kld)) && d->row[i].kld < least)
            least = d->row[i].kld;
    if (isfinite(least)) {
        d->kld_limit = least;
        j->limit_moved = true;
        judge_vetoes(j);
    }
}

/* Nothing is recommended: because nothing was measured, or because something is in the way. */
static void conclude_nothing(struct judge *j)
{
    struct decision *d = j->d;
    bool tried = false, passed = false, unknown = false, gated = false;
    for (int i = 0; i < d->n_rows; i++) {
        const struct row *r = &d->row[i];
        tried = tried || (!r->own && strcmp(r->verdict, "failed") != 0 && strcmp(r->verdict, "not-reached") != 0);
        passed = passed || row_eligible(r, 0);
        unknown = unknown || (r->ran && r->vetoes && rule_kind(__builtin_ctzll(r->vetoes)) == RULE_UNKNOWN);
        gated = gated || row_eligible(r, RULE_BIT(max_kld) | RULE_BIT(min_quality));
    }
    if (!tried || passed || unknown) {
        d->verdict = "undecided";
        d->exit_code = tried ? 0 : 1;
        return;
    }
    d->verdict = "nothing-fits";
    d->exit_code = gated ? 3 : 4;
}

/* The pick stands first among the rows that share its rank. */
static int move_first(struct decision *d, int best)
{
    int to = best;
    while (to > 0 && d->row[to - 1].rank == d->row[best].rank)
        to--;
    struct row x = d->row[best];
    memmove(&d->row[to + 1], &d->row[to], (size_t)(best - to) * sizeof *d->row);
    d->row[to] = x;
    return to;
}

static void pick(struct judge *j)
{
    struct decision *d = j->d;
    int n_tied = 0, best = judge_best(j, 0, d->kld_limit, ANY_GROUP, &n_tied);
    if (best < 0) {
        conclude_nothing(j);
        return;
    }
    best = move_first(d, best);
    d->recommended = best;
    d->verdict = n_tied > 1 ? "tie" : "recommended";
    d->row[best].recommended = 1;
    d->row[best].verdict = "recommended";
    for (int i = 0; i < d->n_rows && d->runner_up < 0; i++)
        if (i != best && d->row[i].kv_variant == d->row[best].kv_variant && row_eligible(&d->row[i], 0) &&
            (j->across ? d->row[i].lead : d->row[i].group == d->row[best].group))
            d->runner_up = i;
}

static void mark_dominated(struct judge *j)
{
    if (j->across) {
        choose_mark(j);
    } else {
        front_mark(j, 0, j->d->kld_limit);
        for (int i = 0; i < j->d->n_rows; i++)
            j->d->row[i].on_front = j->stands[i];
    }
    judge_sort(j);
    for (int i = 0; i < j->d->n_rows; i++)
        if (row_eligible(&j->d->row[i], 0) && !j->d->row[i].on_front)
            j->d->row[i].verdict = "dominated";
}

/* The limit that holds for the rows there are. */
static bool begin(struct judge *j)
{
    size_t n = (size_t)j->d->n_rows + 1;
    j->unbeaten = arena_alloc(j->arena, n);
    j->stands = arena_alloc(j->arena, n);
    j->failed |= !j->unbeaten || !j->stands;
    j->limit_moved = false;
    if (!j->failed)
        set_limit(j);
    return !j->failed;
}

void judge_decide(struct judge *j)
{
    if (!begin(j))
        return;
    int best = judge_best(j, 0, j->d->kld_limit, ANY_GROUP, NULL);
    j->usual_kv = best >= 0 && j->want->objective != OBJECTIVE_MEMORY;
    if (!j->across && kv_add_rows(j, best) && !begin(j))
        return;
    mark_dominated(j);
    j->d->across = j->across;
    j->d->min_decode_tok_s = j->min_decode_tok_s;
    pick(j);
    explain_decision(j);
}

static int64_t usable_bytes(const struct probe_device *device, const struct constraints *want)
{
    if (want->ram_bytes >= 0)
        return want->ram_bytes;
    if (!device)
        return INT64_MIN;
    const int64_t all[] = {device->memory.usable_bytes, device->memory.available_bytes, device->memory.limit_bytes};
    int64_t least = INT64_MAX;
    for (int i = 0; i < 3; i++)
        if (all[i] > 0 && all[i] < least)
            least = all[i];
    return least == INT64_MAX ? INT64_MIN : least;
}

int judge_again(struct judge *j, int group)
{
    if (!begin(j))
        return -1;
    j->usual_kv = false;
    int best = judge_best(j, 0, j->d->kld_limit, group, NULL);
    j->usual_kv = best >= 0 && j->want->objective != OBJECTIVE_MEMORY;
    return j->usual_kv ? judge_best(j, 0, j->d->kld_limit, group, NULL) : best;
}

int judge_open(struct judge *j, struct decision **out, const struct probe_device *device, const struct request *req,
               struct err *e)
{
    struct decision *d = mem_alloc(sizeof *d);
    struct arena *a = d ? arena_new() : NULL;
    if (!a) {
        mem_free(d);
        return err_nomem(e, sizeof *d, "the decision");
    }
    d->arena = a;
    d->verdict = "undecided";
    d->subject = d->coverage = d->headline = d->reason = d->runner_up_reason = d->binding_limit = d->nearest = "";
    d->plain_quality = d->confidence = d->command = d->device_class = "";
    d->kld_limit = d->min_decode_tok_s = NAN;
    d->recommended = d->runner_up = d->neighbour_row[0] = d->neighbour_row[1] = -1;
    *j = (struct judge){.d = d,
                        .arena = a,
                        .req = req,
                        .want = &req->want,
                        .device = device,
                        .min_decode_tok_s = req->want.min_decode_tok_s,
                        .usable_bytes = usable_bytes(device, &req->want)};
    *out = d;
    return 0;
}

int matrix_decide(struct decision **out, const struct record *recs, int n_recs, const struct factors *known,
                  const struct probe_device *device, const struct request *req, struct err *e)
{
    struct judge j;
    int rc = judge_open(&j, out, device, req, e);
    if (rc < 0)
        return rc;
    j.recs = recs;
    j.n_recs = n_recs;
    j.known = known;
    rc = rows_from_records(&j, e);
    if (rc == 0) {
        judge_decide(&j);
        explain_claims(&j);
    }
    if (rc == 0 && j.failed)
        rc = err_nomem(e, 0, "the sentences of the decision");
    if (rc < 0) {
        decision_free(*out);
        *out = NULL;
    }
    return rc;
}

void decision_free(struct decision *d)
{
    if (!d)
        return;
    mem_free(d->row);
    arena_free(d->arena);
    mem_free(d);
}
