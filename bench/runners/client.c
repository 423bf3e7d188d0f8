/* Questions of a known length, asked of n_streams at once, and what their answers say about the server's speed. */
#include "bench/runners/client.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/mem.h"
#include "base/os.h"
#include "base/rng.h"

enum { CONNECT_MS = 5000, SILENCE_MS = 60000, FEW_VOCAB = 256, MOST_FITS = 5, WHOLE_MINUTES = 10 };
static const double clock_slack = 1.05, clock_slack_ns = 2e7, least_token_ns = 1e4;

/* One token each in the vocabularies of nearly all models. */
static const char *const words[] = {" the", " of",   " and", " to", " in",   " is",    " for", " that",
                                    " on",  " with", " as",  " it", " was",  " at",    " by",  " from",
                                    " be",  " this", " are", " an", " have", " which", " you", " time"};
enum { N_WORDS = sizeof words / sizeof *words };
static const char long_story[] = "Tell a very long story about the sea and the people who live near it.";

int client_open(struct client *c, const struct endpoint *p, const struct measure_cell *cell, struct err *e)
{
    unsigned silence_ms = p->silence_s > 0 ? (unsigned)(p->silence_s * 1e3) : SILENCE_MS;
    *c = (struct client){.key = p->key, .key_name = p->key_name, .n_streams = cell->streams > 0 ? cell->streams : 1};
    c->limits = (struct http_limits){silence_ms < CONNECT_MS ? silence_ms : CONNECT_MS, silence_ms, silence_ms, 0};
    c->n_ctx = cell->n_ctx;
    c->n_vocab = FEW_VOCAB;
    if (c->n_streams > MAX_STREAMS)
        return err_set(e, ERR_USAGE, "%d streams at once: at most %d are measured", c->n_streams, MAX_STREAMS);
    if (strlen(p->url) >= sizeof c->base - 8 || strlen(p->model ? p->model : "") >= sizeof c->model)
        return err_set(e, ERR_USAGE, "the endpoint's address or the model's name is too long");
    if (strpbrk(p->url, "@?#"))
        return err_set(e, ERR_USAGE, "an endpoint's address holds no password or key: put the key into %s",
                       p->key_name);
    snprintf(c->base, sizeof c->base, "%s", p->url);
    for (size_t n = strlen(c->base); n > 0 && c->base[n - 1] == '/'; n--)
        c->base[n - 1] = 0;
    snprintf(c->model, sizeof c->model, "%s", p->model ? p->model : "");
    c->reply = mem_alloc_n((size_t)c->n_streams, sizeof *c->reply);
    int rc = c->reply ? http_open(&c->http, p->key, e)
                      : err_nomem(e, (unsigned long long)c->n_streams * sizeof *c->reply, "the replies");
    if (rc < 0)
        client_close(c);
    return rc;
}

void client_close(struct client *c)
{
    http_close(c->http);
    mem_free(c->reply);
    c->http = NULL;
    c->reply = NULL;
}

/* ---- answers that are none ---- */

/* Servers like to repeat the key that they refuse. */
static void hide_key(const struct client *c, char *text)
{
    size_t n = c->key ? strlen(c->key) : 0;
    for (char *p = text; n > 3 && (p = strstr(p, c->key));)
        memset(p, '*', n);
}

static int refused(struct client *c, const struct http_call *call, struct err *e)
{
    static const struct {
        int status, error;
    } meaning[] = {{400, ERR_UNSUPPORTED}, {401, ERR_MISSING}, {403, ERR_MISSING}, {404, ERR_MISSING},
                   {405, ERR_UNSUPPORTED}, {408, ERR_TIMEOUT}, {413, ERR_LIMIT},   {422, ERR_UNSUPPORTED},
                   {501, ERR_UNSUPPORTED}, {504, ERR_TIMEOUT}};
    char reason[200], key[120] = "";
    int error = ERR_IO;
    for (size_t i = 0; i < sizeof meaning / sizeof *meaning; i++)
        error = meaning[i].status == call->status ? meaning[i].error : error;
    speech_error(reason, sbuf_str(&call->text), call->text.n);
    hide_key(c, reason);
    c->refused = call->status;
    c->reasoned = *reason;
    if (call->status == 401 || call->status == 403)
        snprintf(key, sizeof key, "; its key is read from the environment variable %.60s%s", c->key_name,
                 c->key && *c->key ? "" : ", which is not set");
    if (call->status / 100 == 3)
        snprintf(key, sizeof key, "; redirections are not followed: give the address itself");
    return err_set(e, error, "%s answered %d%s%s%s", call->url, call->status, *reason ? ": " : "", reason, key);
}

int client_get(struct client *c, const char *path, json_t **out, struct err *e)
{
    char url[500];
    snprintf(url, sizeof url, "%s%s", c->base, path);
    struct http_call call = {.url = url};
    struct http_limits l = c->limits;
    int rc = http_run(c->http, &call, 1, &l, e);
    if (rc == 0 && call.status != 200)
        rc = refused(c, &call, e);
    if (rc == 0)
        rc = json_parse(out, sbuf_str(&call.text), call.text.n, url, e);
    http_call_free(&call);
    return rc;
}

static int bad_reply(const struct client *c, const char *what, double a, double b, struct err *e)
{
    char text[200];
    snprintf(text, sizeof text, what, a, b);
    return err_set(e, ERR_DATA, "%s: %s", c->base, text);
}

/* What a server says about itself has to agree with what was seen of it. n_prompt 0: nobody counted. */
static int check_reply(const struct client *c, struct reply *r, double wall_ns, int n_prompt, int n_gen, struct err *e)
{
    double prompt_slack = 2 + (r->speech->takes_tokens ? 0 : 0.02 * n_prompt);
    const double ns[] = {r->prompt_ns, r->gen_ns};
    if (r->n_events == 0 && !r->finish_ns)
        return err_set(e, ERR_FORMAT, "%s: the stream ended without a single token", c->base);
    if (!r->finish_ns && r->n_events < n_gen)
        return err_set(e, ERR_IO, "%s: the stream ended after %d of %d tokens without saying why", c->base, r->n_events,
                       n_gen);
    for (int i = 0; i < 2; i++)
        if (isfinite(ns[i]) && (ns[i] < 0 || ns[i] > clock_slack * wall_ns + clock_slack_ns))
            return bad_reply(c, "the server reports %.3g s of work in a request that took %.3g s", ns[i] * 1e-9,
                             wall_ns * 1e-9, e);
    if (isfinite(r->n_prompt) && n_prompt > 0 && fabs(r->n_prompt - n_prompt) > prompt_slack)
        return bad_reply(c, "the server counts %.0f prompt tokens where %.0f were sent", r->n_prompt, n_prompt, e);
    if (isfinite(r->n_gen) && (r->n_gen < 0 || r->n_gen > n_gen || r->n_gen + 1 < r->n_events))
        return bad_reply(c, "the server counts %.0f answer tokens where %.0f events brought some", r->n_gen,
                         r->n_events, e);
    if (r->n_events == 0) { /* a single token that is only half a character */
        r->event_ns[0] = r->finish_ns;
        r->n_events = 1;
    }
    return 0;
}

/* ---- questions ---- */

/* n words, the same ones in another order every time, so that their tokens are as many and nothing is remembered. */
static char *make_text(int n, uint64_t seed)
{
    unsigned char *order = mem_alloc((size_t)n + 1);
    struct sbuf b = {0};
    struct rng rng;
    rng_seed(&rng, seed);
    for (int i = 0; order && i < n; i++) {
        int j = (int)rng_below(&rng, (uint64_t)i + 1);
        order[i] = order[j];
        order[j] = (unsigned char)(i % N_WORDS);
    }
    for (int i = 0; order && i < n; i++)
        sbuf_puts(&b, words[order[i]]);
    mem_free(order);
    if (!order || b.failed)
        sbuf_free(&b);
    return b.p;
}

static int32_t *make_tokens(const struct client *c, int n, uint64_t seed)
{
    int32_t *t = mem_alloc_n((size_t)n, sizeof *t);
    struct rng rng;
    rng_seed(&rng, seed);
    for (int i = 0; t && i < n; i++)
        t[i] = (int32_t)rng_below(&rng, (uint64_t)c->n_vocab);
    return t;
}

struct length {            /* of a question */
    int n_tokens, n_words; /* as the server takes the one or the other; n_words 0: any text */
    const int32_t *tokens; /* NULL: any */
    int n_gen;
};

static char *make_body(struct client *c, const struct length *q)
{
    uint64_t seed = ++c->n_asked;
    bool takes_tokens = c->speech->takes_tokens;
    int32_t *tokens = takes_tokens && !q->tokens ? make_tokens(c, q->n_tokens, seed) : NULL;
    char *text = takes_tokens ? NULL : q->n_words ? make_text(q->n_words, seed) : mem_strdup(long_story), *body = NULL;
    const struct question ask = {.model = c->model,
                                 .prompt = {q->tokens && takes_tokens ? q->tokens : tokens, q->n_tokens, text},
                                 .n_gen = q->n_gen,
                                 .n_ctx = c->n_ctx};
    if (ask.prompt.tokens || ask.prompt.text) {
        json_t *o = c->speech->ask(c->speech, &ask);
        struct sbuf b = {0};
        json_print(&b, o, 0);
        json_decref(o);
        if (b.failed)
            sbuf_free(&b);
        body = b.p;
    }
    mem_free(tokens);
    mem_free(text);
    return body;
}

/* Asks n streams at once; c->reply holds what they said, *start_ns when the first began. */
static int ask(struct client *c, int n, const struct length *q, uint64_t deadline_ns, uint64_t *start_ns, struct err *e)
{
    char url[500];
    struct http_limits l = c->limits;
    l.deadline_ns = deadline_ns ? deadline_ns : clock_ns() + (uint64_t)WHOLE_MINUTES * 60000000000;
    snprintf(url, sizeof url, "%s%s", c->base, c->speech->path);
    struct http_call *call = mem_alloc_n((size_t)n, sizeof *call);
    int rc = call ? 0 : err_nomem(e, (unsigned long long)n * sizeof *call, "the requests");
    for (int i = 0; i < n && rc == 0; i++) {
        reply_init(&c->reply[i], c->speech);
        call[i] = (struct http_call){.url = url,
                                     .body = make_body(c, q),
                                     .answer = c->speech->answer,
                                     .on_event = reply_on_event,
                                     .arg = &c->reply[i]};
        if (!call[i].body)
            rc = err_nomem(e, (unsigned long long)q->n_tokens * 8, "a prompt");
    }
    if (rc == 0)
        rc = http_run(c->http, call, n, &l, e);
    for (int i = 0; i < n && rc == 0; i++)
        rc = call[i].status != 200 ? refused(c, &call[i], e)
                                   : check_reply(c, &c->reply[i], (double)(call[i].end_ns - call[i].start_ns),
                                                 c->uncounted ? 0 : q->n_tokens, q->n_gen, e);
    *start_ns = call ? call[0].start_ns : 0;
    for (int i = 0; i < n && call; i++) {
        mem_free((char *)(uintptr_t)call[i].body);
        http_call_free(&call[i]);
    }
    mem_free(call);
    if (rc < 0 && e)
        hide_key(c, e->text);
    return rc;
}

/* Servers that do not understand a request say so in many ways. */
static bool not_understood(int status)
{
    static const int said[] = {400, 404, 405, 422, 500, 501};
    for (size_t i = 0; i < sizeof said / sizeof *said; i++)
        if (said[i] == status)
            return true;
    return false;
}

int client_choose(struct client *c, const struct speech *first, struct err *e)
{
    struct err why = {0}, now;
    uint64_t start_ns;
    bool reasoned = false;
    for (c->speech = first; c->speech->path; c->speech++) {
        const struct length q = {.n_tokens = c->speech->takes_tokens ? 4 : 0, .n_words = 4, .n_gen = 1};
        c->refused = 0;
        if (ask(c, 1, &q, 0, &start_ns, &now) == 0) {
            c->uncounted = !c->speech->takes_tokens && isnan(c->reply[0].n_prompt);
            return 0;
        }
        if (c->speech == first || (!reasoned && c->reasoned)) {
            why = now;
            reasoned = c->reasoned;
        }
        if (!not_understood(c->refused) || first == &ollama_speech)
            break;
    }
    if (!c->refused) /* worse than a refusal */
        why = now;
    return err_set(e, why.code, "%s", why.text);
}

/* As many words as make n_tokens with what the server puts around them. */
static int fit_words(struct client *c, int n_tokens, int *n_words, struct err *e)
{
    int n = n_tokens, slot = 0, counted = 0;
    for (; slot < N_FITTED - 1 && c->fitted[slot].n_tokens; slot++)
        if (c->fitted[slot].n_tokens == n_tokens) {
            *n_words = c->fitted[slot].n_words;
            return 0;
        }
    for (int i = 0; i < MOST_FITS && counted != n_tokens && !c->uncounted; i++) {
        uint64_t start_ns;
        struct length q = {.n_words = n, .n_gen = 1};
        int rc = ask(c, 1, &q, 0, &start_ns, e);
        if (rc < 0)
            return rc;
        if (isnan(c->reply[0].n_prompt))
            return err_set(e, ERR_DATA, "%s: the server does not count the tokens of every prompt", c->base);
        counted = (int)fmin(c->reply[0].n_prompt, 1e8);
        n += n_tokens - counted;
        if (n < 1)
            return err_set(e, ERR_LIMIT, "%s: an empty prompt has %d tokens already; ask for more than %d", c->base,
                           counted, n_tokens);
    }
    c->fitted[slot].n_tokens = n_tokens;
    *n_words = c->fitted[slot].n_words = n;
    return 0;
}

/* ---- measuring ---- */

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Aggregated: the time until the last stream has its first token; each stream's own time beside it. */
static int measure_prompt(struct client *c, const struct workload *w, struct sample *out, struct err *e)
{
    uint64_t start_ns;
    struct length q = {.n_tokens = w->n_prompt, .n_gen = 1, .tokens = c->fixed_tokens ? w->tokens : NULL};
    int rc = c->speech->takes_tokens ? 0 : fit_words(c, w->n_prompt, &q.n_words, e);
    if (rc == 0)
        rc = ask(c, c->n_streams, &q, w->deadline_ns, &start_ns, e);
    if (rc < 0)
        return rc;
    double slowest = 0, n_counted = 0, sorted[MAX_STREAMS];
    for (int i = 0; i < c->n_streams; i++) {
        const struct reply *r = &c->reply[i];
        sorted[i] = out->stream_ttft_ns[i] = (double)(r->event_ns[0] - start_ns);
        slowest = fmax(slowest, sorted[i]);
        n_counted += isfinite(r->n_prompt) && !c->speech->takes_tokens ? r->n_prompt : w->n_prompt;
    }
    out->n_streams = c->n_streams;
    qsort(sorted, (size_t)c->n_streams, sizeof *sorted, by_value);
    out->ttft_ns = sorted[c->n_streams / 2];
    if (c->n_streams == 1 && c->speech == &ollama_speech && c->reply[0].prompt_ns > 0)
        slowest = c->reply[0].prompt_ns;
    if (!c->uncounted)
        out->prefill_ns = slowest * w->n_prompt * c->n_streams / n_counted;
    return 0;
}

/* Gaps between events; a character of several tokens comes in one, so they may be a few less than the tokens. */
static void add_gaps(struct sample *out, const struct reply *r, int n_tokens)
{
    int n = r->n_events <= MAX_TOKEN_TIMES ? r->n_events : MAX_TOKEN_TIMES;
    if (r->n_events < 0.9 * n_tokens)
        return;
    for (int i = 1; i < n && out->n_token_ns < MAX_TOKEN_TIMES; i++)
        out->token_ns[out->n_token_ns++] = (double)(r->event_ns[i] - r->event_ns[i - 1]);
}

/* Aggregated: from the first token of any stream to the last of all. The first of each is the prompt's, not counted. */
static int measure_answer(struct client *c, const struct workload *w, struct sample *out, struct err *e)
{
    uint64_t start_ns, first = UINT64_MAX, last = 0;
    int n_made = 0, n_depth = w->n_depth > 0 ? w->n_depth : 1;
    struct length q = {.n_tokens = n_depth, .n_gen = w->n_gen + 1};
    int rc = w->n_depth > 0 && !c->speech->takes_tokens ? fit_words(c, n_depth, &q.n_words, e) : 0;
    if (!c->speech->takes_tokens && w->n_depth == 0)
        q.n_tokens = 0;
    if (rc == 0)
        rc = ask(c, c->n_streams, &q, w->deadline_ns, &start_ns, e);
    for (int i = 0; i < c->n_streams && rc == 0; i++) {
        const struct reply *r = &c->reply[i];
        int n = (int)(isfinite(r->n_gen) ? r->n_gen : r->n_events);
        int n_kept = r->n_events <= MAX_TOKEN_TIMES ? r->n_events : MAX_TOKEN_TIMES + 1;
        uint64_t end = r->finish_ns ? r->finish_ns : r->event_ns[n_kept - 1];
        if (n - 1 < 1 || n - 1 < w->n_gen / 4)
            return err_set(e, ERR_DATA, "%s: the model ended its answer after %d of %d tokens", c->base, n, q.n_gen);
        c->short_answers |= n < q.n_gen;
        n_made += n - 1;
        first = r->event_ns[0] < first ? r->event_ns[0] : first;
        last = end > last ? end : last;
        add_gaps(out, r, n);
    }
    if (rc < 0)
        return rc;
    double ns = (double)(last - first);
    if (c->n_streams == 1 && c->speech == &ollama_speech && c->reply[0].gen_ns > 0) {
        ns = c->reply[0].gen_ns;
        n_made++; /* its clock includes the first token's sampling */
    }
    if (ns < least_token_ns * n_made)
        return err_set(e, ERR_DATA, "%s: the whole answer came at once, so that there is no speed to tell", c->base);
    out->decode_ns = ns * w->n_gen * c->n_streams / n_made;
    return 0;
}

int client_measure(struct client *c, const struct workload *w, struct sample *out, struct err *e)
{
    out->prefill_ns = out->decode_ns = out->ttft_ns = NAN;
    out->n_token_ns = out->n_streams = 0;
    if (w->n_prompt > 0 && w->n_depth > 0)
        return err_set(e, ERR_UNSUPPORTED,
                       "a prompt behind a depth cannot be timed through a server: give -p 0 with -d");
    int rc = w->n_prompt > 0 ? measure_prompt(c, w, out, e) : 0;
    if (rc == 0 && w->n_gen > 0)
        rc = measure_answer(c, w, out, e);
    return rc;
}
