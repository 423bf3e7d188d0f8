/* Scoring multiple choice (task.h): the shared prefix is run once, then each choice behind it. */
#include "bench/engine/task.h"
#include <limits.h>
#include <math.h>
#include <string.h>
#include "base/mem.h"
#include "base/sbuf.h"
#include "bench/engine/vocab.h"

enum { LEAST_TAIL = 4 };

struct sequence {
    int32_t *ids;
    size_t n, n_base; /* n_base: tokens of context and choice, without the tail */
};
struct scoring {
    struct engine *g;
    struct sequence seq[TASK_MOST_CHOICES];
    int n;
    size_t prefix;
    float *logits; /* [longest ending][n_vocab] */
};

static int encode(const struct vocab *v, const struct sbuf *text, int32_t **ids, size_t *n, struct err *e)
{
    if (text->failed)
        return err_nomem(e, text->n, "the text of a task");
    return vocab_encode(v, sbuf_str(text), text->n, true, false, ids, n, e);
}

static int encode_choice(struct sequence *s, const struct vocab *v, const struct task_item *t, int i, struct err *e)
{
    struct sbuf b = {0};
    sbuf_printf(&b, t->tail ? "%s%s" : "%s %s", t->context, t->choice[i]);
    int rc = encode(v, &b, &s->ids, &s->n, e);
    s->n_base = s->n;
    if (rc == 0 && t->tail) {
        mem_free(s->ids);
        s->ids = NULL;
        sbuf_puts(&b, t->tail);
        rc = encode(v, &b, &s->ids, &s->n, e);
    }
    sbuf_free(&b);
    return rc;
}

int task_tokens(const struct vocab *v, const struct task_item *t, struct err *e)
{
    size_t longest = 0;
    for (int i = 0; i < t->n_choices; i++) {
        struct sequence s = {0};
        int rc = encode_choice(&s, v, t, i, e);
        mem_free(s.ids);
        if (rc < 0)
            return rc;
        longest = s.n > longest ? s.n : longest;
    }
    return longest < INT_MAX ? (int)longest : INT_MAX;
}

/* How many tokens all sequences begin with; one at least is left to be scored. */
static size_t common_prefix(const struct scoring *s)
{
    size_t n = s->seq[0].n;
    for (int i = 1; i < s->n; i++) {
        size_t k = 0, most = n < s->seq[i].n ? n : s->seq[i].n;
        while (k < most && s->seq[0].ids[k] == s->seq[i].ids[k])
            k++;
        n = k;
    }
    for (int i = 0; i < s->n; i++)
        n = n < s->seq[i].n ? n : s->seq[i].n - 1;
    return n;
}

static double log_prob(const float *logits, int n_vocab, int32_t id)
{
    float top = logits[0];
    double sum = 0;
    for (int i = 1; i < n_vocab; i++)
        top = logits[i] > top ? logits[i] : top;
    for (int i = 0; i < n_vocab; i++)
        sum += exp((double)logits[i] - (double)top);
    return (double)logits[id] - (double)top - log(sum);
}

/* Tokens [from, to) of sequence q, of which those from the prefix on are run here; the first one behind the prefix
 * takes its log-probability from `first`. */
static int score_ending(const struct scoring *s, const struct sequence *q, const float *first, size_t from, size_t to,
                        double *score, struct err *e)
{
    int n_vocab = engine_model(s->g)->n_vocab, n_run = (int)(to - 1 - s->prefix);
    double sum = from == s->prefix ? log_prob(first, n_vocab, q->ids[s->prefix]) : 0;
    int rc = 0;
    if (n_run > 0 && (rc = engine_forward(s->g, q->ids + s->prefix, n_run, e)) == 0)
        rc = engine_logits(s->g, 0, n_run, s->logits, e);
    for (size_t i = from > s->prefix ? from : s->prefix + 1; rc == 0 && i < to; i++)
        sum += log_prob(s->logits + (i - 1 - s->prefix) * (size_t)n_vocab, n_vocab, q->ids[i]);
    *score = sum / (double)(to - from);
    return rc;
}

/* Where scoring begins: behind the choice word where enough follows it in both sentences. */
static size_t scored_from(const struct scoring *s, const struct task_item *t, const struct sequence *q)
{
    for (int i = 0; i < s->n && t->tail; i++)
        if (s->seq[i].n - s->prefix <= LEAST_TAIL)
            return s->prefix;
    return t->tail && q->n_base < q->n && q->n_base > s->prefix ? q->n_base : s->prefix;
}

static int check_fits(const struct scoring *s, struct err *e)
{
    const struct engine_opts *o = engine_options(s->g);
    for (int i = 0; i < s->n; i++)
        if (s->seq[i].n > (size_t)o->n_ctx)
            return err_set(e, ERR_LIMIT, "a task of %zu tokens does not fit in a context of %d: give a longer one",
                           s->seq[i].n, o->n_ctx);
    return s->prefix > 0 ? 0 : err_set(e, ERR_UNSUPPORTED, "the choices of a task share no first token");
}

static int prefix_logits(const struct scoring *s, float *first, struct err *e)
{
    int batch = engine_options(s->g)->n_batch, rc = 0, n = 0;
    engine_reset(s->g);
    for (size_t done = 0; done < s->prefix && rc == 0; done += (size_t)n) {
        n = s->prefix - done < (size_t)batch ? (int)(s->prefix - done) : batch;
        rc = engine_forward(s->g, s->seq[0].ids + done, n, e);
    }
    return rc ? rc : engine_logits(s->g, n - 1, 1, first, e);
}

static int score_all(struct scoring *s, const struct task_item *t, double *score, struct err *e)
{
    size_t longest = 1, n_vocab = (size_t)engine_model(s->g)->n_vocab;
    for (int i = 0; i < s->n; i++)
        longest = s->seq[i].n - s->prefix > longest ? s->seq[i].n - s->prefix : longest;
    s->logits = mem_alloc_n((longest + 1) * n_vocab, sizeof *s->logits);
    if (!s->logits)
        return err_nomem(e, (longest + 1) * n_vocab * sizeof *s->logits, "the logits of a task");
    float *first = s->logits + longest * n_vocab;
    int rc = prefix_logits(s, first, e);
    for (int i = 0; i < s->n && rc == 0; i++) {
        size_t from = scored_from(s, t, &s->seq[i]), n = s->seq[i].n;
        size_t to = t->tail && n - from > 1 ? n - 1 : n; /* a sentence's full stop says nothing */
        rc = score_ending(s, &s->seq[i], first, from, to, &score[i], e);
        engine_rewind(s->g, (int)s->prefix);
    }
    return rc;
}

int task_answer(struct engine *g, const struct vocab *v, const struct task_item *t, double *score, struct err *e)
{
    struct scoring s = {.g = g, .n = t->n_choices};
    int rc = 0, best = 0;
    for (int i = 0; i < s.n && rc == 0; i++)
        rc = encode_choice(&s.seq[i], v, t, i, e);
    if (rc == 0) {
        s.prefix = common_prefix(&s);
        rc = check_fits(&s, e);
    }
    if (rc == 0)
        rc = score_all(&s, t, score, e);
    for (int i = 0; i < s.n && rc == 0; i++) {
        if (isnan(score[i]))
            rc = err_set(e, ERR_DATA, "the model gives NaN or infinite logits");
        best = score[i] > score[best] ? i : best;
    }
    for (int i = 0; i < s.n; i++)
        mem_free(s.seq[i].ids);
    mem_free(s.logits);
    return rc ? rc : best;
}
