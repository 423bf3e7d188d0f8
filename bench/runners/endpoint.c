/* Servers that are running already, each through one address: anything that speaks OpenAI's API (llama-server, vLLM,
 * LM Studio, Foundry Local, OpenVINO Model Server ...), and Ollama through its own. */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/mem.h"
#include "bench/runners/client.h"

enum { DETECT_MS = 500, ROOM = 16 };

struct session {
    struct client client;
    char framework[48], version[64];
};

/* ---- who is it? ---- */

/* What /models says under owned_by, who that is, and where it tells its version. */
static const struct {
    const char *owner, *name, *path, *key;
} servers[] = {
    {"llamacpp", "llama.cpp", "/props", "build_info"},   {"vllm", "vllm", "/version", "version"},
    {"library", "ollama", "/api/version", "version"},    {"organization_owner", "lm-studio", NULL, NULL},
    {"OVMS", "openvino-model-server", "/v2", "version"},
};

/* Below the root of the server, which OpenAI's API stands one level under: /v1, and /v3 of OpenVINO Model Server. */
static int get_version(struct client *c, const char *path, const char *key, char out[64])
{
    struct client root = *c;
    json_t *o;
    size_t n = strlen(root.base);
    if (n > 3 && strncmp(root.base + n - 3, "/v", 2) == 0 && isdigit((unsigned char)root.base[n - 1]))
        root.base[n - 3] = 0;
    int rc = client_get(&root, path, &o, NULL);
    if (rc < 0)
        return rc;
    snprintf(out, 64, "%s", json_get_str(o, key, ""));
    json_decref(o);
    return 0;
}

static void who_is_it(struct session *s, const json_t *model)
{
    const char *owner = json_get_str(model, "owned_by", "");
    double n_vocab = json_get_num(json_object_get(model, "meta"), "n_vocab");
    if (n_vocab >= 8 && n_vocab < 1e7)
        s->client.n_vocab = (int)n_vocab;
    for (size_t i = 0; i < sizeof servers / sizeof *servers; i++) {
        if (strcmp(owner, servers[i].owner) != 0)
            continue;
        snprintf(s->framework, sizeof s->framework, "%s", servers[i].name);
        if (servers[i].path)
            get_version(&s->client, servers[i].path, servers[i].key, s->version);
    }
}

/* The model asked for among those that are there; the only one where none was asked for. */
static int choose_model(struct session *s, const json_t *list, struct err *e)
{
    const json_t *data = json_object_get(list, "data"), *m;
    struct sbuf names = {0};
    size_t i;
    json_array_foreach(data, i, m)
    {
        const char *id = json_get_str(m, "id", "");
        if (i < 8)
            sbuf_printf(&names, "%s%.80s", i ? ", " : "", id);
        if (strcmp(s->client.model, id) == 0 || (!*s->client.model && json_array_size(data) == 1)) {
            snprintf(s->client.model, sizeof s->client.model, "%s", id);
            who_is_it(s, m);
        }
    }
    int rc = *s->client.model ? 0
                              : err_set(e, ERR_USAGE, "%s: name the model with --served-model; it serves %.300s",
                                        s->client.base, names.n ? sbuf_str(&names) : "none by name");
    sbuf_free(&names);
    return rc;
}

static int look_around(struct session *s, struct err *e)
{
    struct err why = {0};
    json_t *list = NULL;
    int rc = client_get(&s->client, "/models", &list, &why);
    bool optional = s->client.refused && s->client.refused != 401 && s->client.refused != 403;
    if (rc == 0)
        rc = choose_model(s, list, e);
    else if (!optional)
        rc = err_set(e, why.code, "%s", why.text);
    else
        rc = *s->client.model
                 ? 0
                 : err_set(e, ERR_USAGE, "%s names no models: give one with --served-model", s->client.base);
    json_decref(list);
    return rc;
}

/* ---- the runners ---- */

static int endpoint_detect(const struct runner *self, struct runner_info *info, struct err *e)
{
    (void)self;
    (void)e;
    *info = (struct runner_info){.note = "give the address of a running server with --endpoint"};
    snprintf(info->name, sizeof info->name, "endpoint");
    return 0;
}

static void endpoint_close(struct session *s)
{
    client_close(&s->client);
    mem_free(s);
}

/* An address without a path means the usual one. */
static void add_path(char base[300])
{
    char *host = strstr(base, "://");
    host = host ? host + 3 : base;
    if (!strchr(host, '/'))
        strcat(base, "/v1");
}

static int open_session(struct session **out, const struct measure_cell *cell, struct err *e)
{
    if (!cell->endpoint)
        return err_set(e, ERR_MISSING, "there is no address to ask: give one with --endpoint");
    struct session *s = mem_alloc(sizeof *s);
    if (!s)
        return err_nomem(e, sizeof *s, "a session");
    snprintf(s->framework, sizeof s->framework, "%s", cell->runner->name);
    int rc = client_open(&s->client, cell->endpoint, cell, e);
    if (rc < 0)
        mem_free(s);
    else
        *out = s;
    return rc;
}

static int endpoint_open(struct session **out, const struct measure_cell *cell, struct err *e)
{
    struct session *s = NULL;
    int rc = open_session(&s, cell, e);
    if (rc < 0)
        return rc;
    add_path(s->client.base);
    rc = look_around(s, e);
    if (rc == 0)
        rc = client_choose(&s->client, openai_speeches, e);
    if (rc < 0)
        endpoint_close(s);
    else
        *out = s;
    return rc;
}

static int endpoint_measure(struct session *s, const struct workload *w, struct sample *out, struct err *e)
{
    return client_measure(&s->client, w, out, e);
}

static void endpoint_describe(const struct session *s, struct record *r)
{
    const struct client *c = &s->client;
    snprintf(r->framework.name, sizeof r->framework.name, "%s", s->framework);
    snprintf(r->framework.version, sizeof r->framework.version, "%s", s->version);
    if (!r->model.name[0])
        snprintf(r->model.name, sizeof r->model.name, "%.127s", c->model);
    r->workload.threads = 0; /* the server's affair */
    r->workload.streams = c->n_streams;
    snprintf(r->kernels, sizeof r->kernels, "%s%s", c->base, c->speech->path);
    snprintf(r->reason, sizeof r->reason, "%s%s",
             c->uncounted ? "the server counts no tokens: each event is taken as one. " : "",
             c->short_answers ? "some answers ended early: their speed is that of the tokens that came." : "");
}

/* ---- Ollama ---- */

/* OLLAMA_HOST: host:port, with or without http:// and either part. */
static void ollama_address(char out[300])
{
    const char *given = getenv("OLLAMA_HOST"), *host = given && *given ? given : "127.0.0.1";
    const char *scheme = strstr(host, "://") ? "" : "http://", *name = strstr(host, "://");
    name = name ? name + 3 : host;
    bool any = strncmp(name, "0.0.0.0", 7) == 0;
    const char *port = strchr(name, ':') ? "" : ":11434";
    if (any)
        snprintf(out, 300, "http://127.0.0.1%.200s%s", name + 7, port);
    else
        snprintf(out, 300, "%s%s%.200s%s", scheme, *name == ':' ? "127.0.0.1" : "", host, port);
}

static int ollama_detect(const struct runner *self, struct runner_info *info, struct err *e)
{
    (void)self;
    char address[300];
    (void)e;
    *info = (struct runner_info){0};
    ollama_address(address);
    const struct endpoint p = {.url = address, .silence_s = DETECT_MS * 1e-3, .key_name = ""};
    struct client c;
    snprintf(info->name, sizeof info->name, "ollama");
    int rc = client_open(&c, &p, &(struct measure_cell){0}, NULL);
    if (rc == 0) {
        rc = get_version(&c, "/api/version", "version", info->version);
        client_close(&c);
    }
    info->found = rc == 0;
    if (rc < 0)
        snprintf(info->note, sizeof info->note, "no server answers at %.100s (OLLAMA_HOST)", address);
    return 0;
}

static int ollama_open(struct session **out, const struct measure_cell *cell, struct err *e)
{
    char address[300];
    struct session *s = NULL;
    struct endpoint usual;
    struct measure_cell mine = *cell;
    ollama_address(address);
    if (!cell->endpoint || !cell->endpoint->url) {
        usual = cell->endpoint ? *cell->endpoint : (struct endpoint){.key_name = ""};
        usual.url = address;
        mine.endpoint = &usual;
    }
    int rc = open_session(&s, &mine, e);
    if (rc < 0)
        return rc;
    size_t n = strlen(s->client.base);
    if (n > 3 && strcmp(s->client.base + n - 3, "/v1") == 0)
        s->client.base[n - 3] = 0;
    s->client.n_ctx = cell->n_ctx + ROOM;
    rc = *s->client.model ? 0 : err_set(e, ERR_USAGE, "name one of Ollama's models with --served-model");
    if (rc == 0)
        rc = client_choose(&s->client, &ollama_speech, e);
    if (rc < 0) {
        endpoint_close(s);
        return rc;
    }
    get_version(&s->client, "/api/version", "version", s->version);
    *out = s;
    return 0;
}

const struct runner runner_endpoint = {
    .name = "endpoint",
    .doc = "any running server that speaks OpenAI's API, at --endpoint",
    .served = true,
    .several = true,
    .detect = endpoint_detect,
    .open = endpoint_open,
    .measure = endpoint_measure,
    .describe = endpoint_describe,
    .close = endpoint_close,
};
const struct runner runner_ollama = {
    .name = "ollama",
    .doc = "a running Ollama through its own API, at --endpoint or OLLAMA_HOST",
    .real = true,
    .served = true,
    .several = true,
    .detect = ollama_detect,
    .open = ollama_open,
    .measure = endpoint_measure,
    .describe = endpoint_describe,
    .close = endpoint_close,
};
