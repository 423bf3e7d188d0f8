/* How servers are asked to complete a prompt, and what their streams say: one row for each way of asking. */
#ifndef BENCH_RUNNERS_SPEECH_H
#define BENCH_RUNNERS_SPEECH_H
#include <stdbool.h>
#include "base/json.h"
#include "bench/runners/http.h"
#include "bench/runners/runner.h"

struct prompt {                     /* tokens, or else text */
    const int32_t *tokens;
    int n_tokens;
    const char *text;
};
struct question {
    const char *model;
    struct prompt prompt;
    int n_gen, n_ctx;               /* tokens to answer with; context to keep room for */
};
struct reply {                      /* one stream */
    const struct speech *speech;
    int n_events;                   /* that brought text, with the time of each; at most MAX_TOKEN_TIMES + 1 are kept */
    uint64_t event_ns[MAX_TOKEN_TIMES + 1];
    uint64_t finish_ns;             /* when the server said that the answer is over; 0: it did not */
    double n_prompt, n_gen;         /* tokens by the server's own count, NaN when it tells none */
    double prompt_ns, gen_ns;       /* by its own clock, NaN likewise */
};
struct speech {
    const char *path;               /* behind the base URL */
    enum http_answer answer;
    bool takes_tokens, chat, extras; /* extras: options beyond OpenAI's that keep the work the same every time */
    json_t *(*ask)(const struct speech *s, const struct question *q);
    int (*hear)(struct reply *r, const json_t *event, uint64_t now_ns, struct err *e);
};
extern const struct speech openai_speeches[];   /* to be tried in this order; path NULL ends the table */
extern const struct speech ollama_speech;

void reply_init(struct reply *r, const struct speech *s);
int reply_on_event(void *reply, const char *data, size_t n, uint64_t now_ns, struct err *e);
/* The reason that an error's body gives, printable and short; "" when it gives none. */
void speech_error(char out[200], const char *body, size_t n);
#endif
