/* llama.cpp through its llama-server: started on a free port of this machine for as long as its cell is measured, asked
 * for completions of token ids, stopped. What it prints is kept for the day it dies. */
#include <arpa/inet.h>
#include <math.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "base/mem.h"
#include "base/os.h"
#include "base/service.h"
#include "bench/runners/client.h"
#include "bench/runners/llama_cpp.h"

enum { MOST_PORTS = 4, ROOM = 16, HELP_MS = 10000, HELP_BYTES = 1 << 20, PAUSE_MS = 20 };

struct session {
    const struct measure_cell *cell;
    struct runner_info info;
    struct llama_options options;
    struct service server;
    struct client client;
    bool keeps_prompts; /* a newer one, which copies old prompts away before it answers */
    int port;
    double load_ms;
    uint64_t peak_rss_bytes;
    char alias[64], command[512];
};

static int server_detect(const struct runner *self, struct runner_info *info, struct err *e)
{
    int rc = llama_build_detect(self->of, "llama-server", info, e);
    snprintf(info->name, sizeof info->name, "llama-server");
    return rc;
}

static void server_close(struct session *s)
{
    client_close(&s->client);
    service_stop(&s->server);
    mem_free(s);
}

/* One that nobody listens on at this moment. */
static int free_port(int *port, struct err *e)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t n = sizeof at;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool ok =
        fd >= 0 && bind(fd, (struct sockaddr *)&at, sizeof at) == 0 && getsockname(fd, (struct sockaddr *)&at, &n) == 0;
    if (fd >= 0)
        close(fd);
    *port = ntohs(at.sin_port);
    return ok ? 0 : err_set(e, ERR_IO, "cannot find a free port on 127.0.0.1 for llama-server");
}

static int start_server(struct session *s, struct err *e)
{
    const struct measure_cell *cell = s->cell;
    char port[16], threads[16], n_ctx[16], n_streams[16];
    const int streams = cell->streams > 0 ? cell->streams : 1;
    snprintf(port, sizeof port, "%d", s->port);
    snprintf(threads, sizeof threads, "%d", cell->threads > 0 ? cell->threads : 1);
    snprintf(n_ctx, sizeof n_ctx, "%d", streams * (cell->n_ctx + ROOM + 255) / 256 * 256);
    snprintf(n_streams, sizeof n_streams, "%d", streams);
    snprintf(s->alias, sizeof s->alias, "whichquant-%ld-%d", (long)getpid(), s->port);
    struct llama_args a = {.v = {s->info.library_path}, .n = 1};
    llama_args_add(&a, "-m", cell->model_path);
    llama_args_add(&a, "--host", "127.0.0.1");
    llama_args_add(&a, "--port", port);
    llama_args_add(&a, "--alias", s->alias);
    llama_args_add(&a, "-t", threads);
    llama_args_add(&a, "-c", n_ctx);
    llama_args_add(&a, "-np", n_streams);
    llama_args_options(&a, &s->options, cell);
    if (s->keeps_prompts)
        llama_args_add(&a, "--cache-ram", "0");
    llama_args_print(&a, s->command, sizeof s->command);
    return service_start(&s->server, a.v, e);
}

static int say_how_it_died(const struct session *s, struct err *e)
{
    char said[128];
    const struct service *v = &s->server;
    service_last_line(v, said, sizeof said);
    if (v->signal)
        return err_set(e, ERR_CRASHED, "llama-server died of signal %d (%s); it last said: %s", v->signal,
                       strsignal(v->signal), said);
    return err_set(e, ERR_IO, "llama-server ended with exit code %d; it last said: %s", v->exit_code, said);
}

/* Ready, and ours: another server on the same port does not know the name that ours was given. */
static bool is_ready(struct session *s)
{
    json_t *health = NULL, *models = NULL;
    struct client root = s->client;
    snprintf(root.base, sizeof root.base, "http://127.0.0.1:%d", s->port);
    bool ready =
        client_get(&root, "/health", &health, NULL) == 0 && client_get(&s->client, "/models", &models, NULL) == 0;
    const json_t *model = json_array_get(json_object_get(models, "data"), 0);
    double n_vocab = json_get_num(json_object_get(model, "meta"), "n_vocab");
    ready = ready && strcmp(json_get_str(model, "id", ""), s->alias) == 0;
    if (n_vocab >= 8 && n_vocab < 1e7)
        s->client.n_vocab = (int)n_vocab;
    json_decref(health);
    json_decref(models);
    return ready;
}

static int wait_until_ready(struct session *s, uint64_t deadline_ns, struct err *e)
{
    for (;;) {
        if (interrupt_seen())
            return err_set(e, ERR_CANCELLED, "llama-server was interrupted while it loaded");
        if (!service_alive(&s->server))
            return say_how_it_died(s, e);
        if (is_ready(s))
            return 0;
        if (clock_ns() > deadline_ns) {
            char said[128];
            service_last_line(&s->server, said, sizeof said);
            return err_set(e, ERR_TIMEOUT, "llama-server was not ready in time; it last said: %s", said);
        }
        clock_sleep_ms(PAUSE_MS);
    }
}

/* Between choosing a port and listening on it another program may take it: then the next one. */
static int serve(struct session *s, unsigned timeout_ms, struct err *e)
{
    uint64_t t0 = clock_ns(), deadline_ns = t0 + (uint64_t)timeout_ms * 1000000;
    for (int i = 0;; i++) {
        struct endpoint at = {.model = s->alias, .key_name = ""};
        char url[64];
        int rc = free_port(&s->port, e);
        if (rc == 0)
            rc = start_server(s, e);
        if (rc < 0)
            return rc;
        snprintf(url, sizeof url, "http://127.0.0.1:%d/v1", s->port);
        at.url = url;
        rc = client_open(&s->client, &at, s->cell, e);
        s->client.limits.deadline_ns = deadline_ns;
        if (rc == 0)
            rc = wait_until_ready(s, deadline_ns, e);
        s->client.limits.deadline_ns = 0;
        if (rc == 0) {
            s->load_ms = (double)(clock_ns() - t0) * 1e-6;
            return 0;
        }
        bool taken = rc == ERR_IO &&
                     (service_said(&s->server, "address already in use") || service_said(&s->server, "couldn't bind"));
        client_close(&s->client);
        service_stop(&s->server);
        if (!taken || i + 1 == MOST_PORTS)
            return rc;
    }
}

static bool knows_option(const char *program, const char *option)
{
    const char *argv[] = {program, "--help", NULL};
    struct child_cmd cmd = {.argv = argv, .timeout_ms = HELP_MS, .max_output = HELP_BYTES};
    struct child_result r;
    if (child_run(&cmd, &r, NULL) < 0)
        return false;
    bool knows = strstr(r.out, option) || strstr(r.err, option);
    child_result_free(&r);
    return knows;
}

static int server_open(struct session **out, const struct measure_cell *cell, struct err *e)
{
    unsigned timeout_ms = 0;
    int rc = llama_check_model(cell->runner->of, cell->model_path, &timeout_ms, e);
    if (rc < 0)
        return rc;
    struct session *s = mem_alloc(sizeof *s);
    if (!s)
        return err_nomem(e, sizeof *s, "a session");
    s->cell = cell;
    rc = llama_build_need(cell->runner->of, "llama-server", &s->info, e);
    if (rc == 0)
        rc = llama_options_take(&s->options, cell->runner->of, s->info.library_path, ',', cell, e);
    if (rc == 0) {
        llama_options_guess(&s->options, s->info.library_path);
        s->keeps_prompts = knows_option(s->info.library_path, "--cache-ram");
        rc = serve(s, timeout_ms, e);
    }
    if (rc == 0) {
        s->client.fixed_tokens = true;
        rc = client_choose(&s->client, openai_speeches, e);
        service_rest(&s->server);
    }
    if (rc < 0) {
        server_close(s);
        return rc;
    }
    *out = s;
    return 0;
}

static int server_measure(struct session *s, const struct workload *w, struct sample *out, struct err *e)
{
    service_wake(&s->server);
    int rc = client_measure(&s->client, w, out, e);
    for (int i = 0; rc == ERR_IO && i < 25 && service_alive(&s->server); i++)
        clock_sleep_ms(PAUSE_MS); /* its socket closes before it is gone */
    if (!service_alive(&s->server) && rc != ERR_CANCELLED)
        rc = say_how_it_died(s, e);
    if (s->server.peak_rss_bytes > s->peak_rss_bytes)
        s->peak_rss_bytes = s->server.peak_rss_bytes;
    service_rest(&s->server); /* its threads go on spinning for a fifth of a second */
    return rc;
}

static void server_describe(const struct session *s, struct record *r)
{
    snprintf(r->framework.name, sizeof r->framework.name, "llama-server");
    snprintf(r->framework.version, sizeof r->framework.version, "%s", s->info.version);
    snprintf(r->framework.library_sha256, sizeof r->framework.library_sha256, "%s", s->info.library_sha256);
    snprintf(r->framework.numerics, sizeof r->framework.numerics, "llama.cpp");
    snprintf(r->framework.backend, sizeof r->framework.backend, "%s", s->options.backend);
    r->framework.gpu_layers = s->options.gpu_layers;
    if (s->cell->kv.k)
        kv_name(s->cell->kv, r->workload.kv_type);
    r->workload.streams = s->client.n_streams;
    r->memory.peak_rss_bytes = s->peak_rss_bytes ? (int64_t)s->peak_rss_bytes : -1;
    r->speed.load_ms = (struct interval){s->load_ms, NAN, NAN};
    snprintf(r->command, sizeof r->command, "%s", s->command);
}

const struct runner runner_llama_server = {
    .name = "llama-server",
    .doc = "llama.cpp as a server, started for the measurement: on PATH, or where LLAMA_CPP_PATH says",
    .real = true,
    .several = true,
    .numerics = "llama.cpp",
    .offloads = true,
    .containers = "gguf",
    .of = &llama_cpp_build,
    .detect = server_detect,
    .open = server_open,
    .measure = server_measure,
    .describe = server_describe,
    .close = server_close,
};
