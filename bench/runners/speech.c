/* Bodies of requests and events of answers: OpenAI's completions and chat as llama-server, vLLM, LM Studio and others
 * speak them, and Ollama's own. */
#include "bench/runners/speech.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include "base/os.h"

/* ---- asking ---- */

static json_t *prompt_to_json(const struct prompt *p)
{
    if (!p->tokens)
        return json_string(p->text);
    json_t *a = json_array();
    for (int i = 0; i < p->n_tokens; i++)
        json_array_append_new(a, json_integer(p->tokens[i]));
    return a;
}

/* An answer of the wanted length, whatever the model would say, and no prompt remembered from before. */
static void put_extras(json_t *o, int n_gen)
{
    json_put(o, "ignore_eos", json_true());
    json_put(o, "min_tokens", json_integer(n_gen)); /* vLLM */
    json_put(o, "cache_prompt", json_false());      /* llama-server */
}

static json_t *ask_openai(const struct speech *s, const struct question *q)
{
    json_t *o = json_object();
    json_put(o, "model", json_string(q->model));
    if (s->chat)
        json_put(o, "messages", json_pack("[{s:s,s:s}]", "role", "user", "content", q->prompt.text));
    else
        json_put(o, "prompt", prompt_to_json(&q->prompt));
    json_put(o, "max_tokens", json_integer(q->n_gen));
    json_put(o, "temperature", json_integer(0));
    json_put(o, "stream", json_true());
    json_put(o, "stream_options", json_pack("{s:b}", "include_usage", 1));
    if (s->extras)
        put_extras(o, q->n_gen);
    return o;
}

static json_t *ask_ollama(const struct speech *s, const struct question *q)
{
    (void)s;
    json_t *o = json_object();
    json_put(o, "model", json_string(q->model));
    json_put(o, "prompt", json_string(q->prompt.text));
    json_put(o, "raw", json_true());
    json_put(o, "stream", json_true());
    json_put(o, "options", json_pack("{s:i,s:i,s:i}", "num_predict", q->n_gen, "temperature", 0, "num_ctx", q->n_ctx));
    return o;
}

/* ---- hearing ---- */

static void note_text(struct reply *r, uint64_t now_ns)
{
    if (r->n_events <= MAX_TOKEN_TIMES)
        r->event_ns[r->n_events] = now_ns;
    r->n_events++;
}

static bool has_text(const json_t *o, const char *key)
{
    return json_string_length(json_object_get(o, key)) > 0;
}

static double count_of(const json_t *o, const char *key, double otherwise)
{
    double v = json_get_num(o, key);
    return isfinite(v) ? v : otherwise;
}

/* llama-server counts what it took from its cache apart. */
static void note_timings(struct reply *r, const json_t *t)
{
    r->n_prompt = count_of(t, "prompt_n", r->n_prompt) + count_of(t, "cache_n", 0);
    r->n_gen = count_of(t, "predicted_n", r->n_gen);
    r->prompt_ns = json_get_num(t, "prompt_ms") * 1e6;
    r->gen_ns = json_get_num(t, "predicted_ms") * 1e6;
}

static void note_usage(struct reply *r, const json_t *u)
{
    r->n_prompt = count_of(u, "prompt_tokens", r->n_prompt);
    r->n_gen = count_of(u, "completion_tokens", r->n_gen);
}

static int hear_openai(struct reply *r, const json_t *event, uint64_t now_ns, struct err *e)
{
    const json_t *choice = json_array_get(json_object_get(event, "choices"), 0),
                 *delta = json_object_get(choice, "delta");
    bool over = json_is_string(json_object_get(choice, "finish_reason"));
    bool text = r->speech->chat
                    ? has_text(delta, "content") || has_text(delta, "reasoning_content") || has_text(delta, "reasoning")
                    : has_text(choice, "text") || (json_object_get(choice, "text") && !over);
    (void)e;
    if (text)
        note_text(r, now_ns);
    if (over)
        r->finish_ns = now_ns;
    if (json_is_object(json_object_get(event, "usage")))
        note_usage(r, json_object_get(event, "usage"));
    if (json_is_object(json_object_get(event, "timings")))
        note_timings(r, json_object_get(event, "timings"));
    return 0;
}

static int hear_ollama(struct reply *r, const json_t *event, uint64_t now_ns, struct err *e)
{
    (void)e;
    if (has_text(event, "response") || has_text(event, "thinking"))
        note_text(r, now_ns);
    if (!json_is_true(json_object_get(event, "done")))
        return 0;
    r->finish_ns = now_ns;
    r->n_prompt = json_get_num(event, "prompt_eval_count");
    r->n_gen = json_get_num(event, "eval_count");
    r->prompt_ns = json_get_num(event, "prompt_eval_duration");
    r->gen_ns = json_get_num(event, "eval_duration");
    return 0;
}

void reply_init(struct reply *r, const struct speech *s)
{
    r->speech = s;
    r->n_events = 0;
    r->finish_ns = 0;
    r->n_prompt = r->n_gen = r->prompt_ns = r->gen_ns = NAN;
}

int reply_on_event(void *reply, const char *data, size_t n, uint64_t now_ns, struct err *e)
{
    struct reply *r = reply;
    json_error_t why;
    char said[200];
    json_t *event = json_loadb(data, n, JSON_REJECT_DUPLICATES, &why);
    if (!json_is_object(event)) {
        json_decref(event);
        text_last_line(said, 80, data);
        return err_set(e, ERR_FORMAT, "the stream holds an event that is no JSON object: %s", said);
    }
    int rc;
    const json_t *broken = json_object_get(event, "error");
    if (broken && !json_is_null(broken)) {
        speech_error(said, data, n);
        rc = err_set(e, ERR_IO, "the server broke off: %s", *said ? said : "it says no reason");
    } else {
        rc = r->speech->hear(r, event, now_ns, e);
    }
    json_decref(event);
    return rc;
}

/* ---- errors ---- */

/* {"error": {"message": "..."}}, {"error": "..."}, {"message": "..."}, {"detail": "..."}, or text. */
static const char *find_reason(const json_t *o)
{
    const json_t *error = json_object_get(o, "error");
    const char *text = json_is_string(error) ? json_string_value(error) : json_get_str(error, "message", NULL);
    text = text ? text : json_get_str(o, "message", NULL);
    text = text ? text : json_get_str(o, "detail", NULL);
    return text ? text : json_get_str(json_array_get(json_object_get(o, "detail"), 0), "msg", NULL);
}

void speech_error(char out[200], const char *body, size_t n)
{
    json_t *o = n ? json_loadb(body, n, 0, NULL) : NULL;
    const char *text = find_reason(o);
    size_t most = 160;
    if (!text && !o && n && *body != '<') { /* no page of HTML */
        text = body;
        most = n < most ? n : most;
    }
    snprintf(out, 200, "%.*s", (int)most, text ? text : "");
    for (char *p = out; *p; p++)
        *p = isprint((unsigned char)*p) ? *p : ' ';
    json_decref(o);
}

const struct speech openai_speeches[] = {
    {"/completions", HTTP_EVENTS, true, false, true, ask_openai, hear_openai},
    {"/completions", HTTP_EVENTS, false, false, true, ask_openai, hear_openai},
    {"/completions", HTTP_EVENTS, false, false, false, ask_openai, hear_openai},
    {"/chat/completions", HTTP_EVENTS, false, true, true, ask_openai, hear_openai},
    {"/chat/completions", HTTP_EVENTS, false, true, false, ask_openai, hear_openai},
    {NULL},
};
const struct speech ollama_speech = {"/api/generate", HTTP_LINES, false, false, false, ask_ollama, hear_ollama};
