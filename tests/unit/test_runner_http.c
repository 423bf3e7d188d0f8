/* Runners that ask servers, against fake_server.py, which speaks as servers do and fails as they do. */
#include <dirent.h>
#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>
#include "base/mem.h"
#include "base/os.h"
#include "base/service.h"
#include "bench/measure.h"
#include "tests/stands_still.h"

static const char script[] = SOURCE_ROOT "/tests/unit/fake_server.py";
static const char key[] = "sk-very-secret-0123456789";
static struct service server;
static int port;
static char url[80], folder[64], mark[96], model[96];
static const struct runner *endpoint, *ollama, *llama;

static int start_all(void **state)
{
    (void)state;
    const char *argv[] = {"python3", script, NULL};
    char said[128];
    strcpy(folder, "/tmp/whichquant-http-XXXXXX");
    if (!mkdtemp(folder) || service_start(&server, argv, NULL) < 0)
        return -1;
    snprintf(mark, sizeof mark, "%s/started", folder);
    snprintf(model, sizeof model, "%s/m.gguf", folder);
    for (int i = 0; i < 1500 && !port; i++) {
        service_last_line(&server, said, sizeof said);
        if (sscanf(said, "port %d", &port) != 1)
            clock_sleep_ms(20);
    }
    snprintf(url, sizeof url, "http://127.0.0.1:%d", port);
    endpoint = runner_find("endpoint");
    ollama = runner_find("ollama");
    llama = runner_find("llama-server");
    unsetenv("OLLAMA_HOST");
    return port ? file_write(model, "GGUF", 4, NULL) : -1;
}

static int stop_all(void **state)
{
    char path[96];
    (void)state;
    service_stop(&server);
    unlink(model);
    unlink(mark);
    snprintf(path, sizeof path, "%s/llama-server", folder);
    unlink(path);
    return rmdir(folder);
}

static int n_open_files(void)
{
    DIR *d = opendir("/proc/self/fd");
    int n = 0;
    while (readdir(d))
        n++;
    closedir(d);
    return n;
}

/* Opens, measures once, describes, closes. */
static int measure(const struct runner *runner, struct endpoint at, int streams, const struct workload *w,
                   struct sample *x, struct record *r, struct err *e)
{
    struct session *s;
    struct measure_cell cell = {.runner = runner, .endpoint = &at, .streams = streams, .n_ctx = 64};
    int before = n_open_files();
    at.key_name = "A_KEY";
    at.silence_s = at.silence_s > 0 ? at.silence_s : 20;
    *x = (struct sample){0};
    record_init(r);
    int rc = runner->open(&s, &cell, e);
    if (rc == 0) {
        rc = runner->measure(s, w, x, e);
        runner->describe(s, r);
        runner->close(s);
    }
    assert_int_equal(n_open_files(), before);
    return rc;
}

static struct sample good(const struct runner *runner, const char *name, int streams, struct record *r)
{
    static struct sample x;
    struct err e = {0};
    const struct workload w = {.n_prompt = 40, .n_gen = 12};
    if (measure(runner, (struct endpoint){.url = url, .model = name}, streams, &w, &x, r, &e) < 0)
        fail_msg("%s: %s", name, e.text);
    assert_true(x.decode_ns > 0 && x.ttft_ns > 5e6);
    return x;
}

/* The same once it comes as the server sends it, 2 ms a token: on a busy machine the first one may be seen late. */
static struct sample paced(const struct runner *runner, const char *name, int streams, struct record *r)
{
    struct sample x = good(runner, name, streams, r);
    for (int tries = 1; tries < 20 && !(x.decode_ns >= 12 * 2e6 && x.token_ns[3] > 0); tries++)
        x = good(runner, name, streams, r);
    assert_true(x.decode_ns >= 12 * 2e6 && x.token_ns[3] > 0);
    return x;
}

static void a_good_stream(void **state)
{
    (void)state;
    struct record r;
    const struct sample x = paced(endpoint, "good", 0, &r);
    assert_true(x.prefill_ns == x.ttft_ns && x.prefill_ns >= 10e6); /* the server sleeps that long */
    assert_int_equal(x.n_token_ns, 12);
    double sum = 0;
    for (int i = 0; i < 12; i++)
        sum += x.token_ns[i];
    assert_true(sum > 0 && sum <= x.decode_ns); /* to the last token; to the end of the answer */
    assert_string_equal(r.framework.name, "llama.cpp");
    assert_string_equal(r.framework.version, "b6710-0c1e57098");
    assert_string_equal(r.model.name, "good");
    assert_non_null(strstr(r.kernels, "/v1/completions"));
    assert_string_equal(r.reason, "");
    assert_int_equal(r.workload.threads, 0);
}

static void other_good_streams(void **state)
{
    (void)state;
    static const struct {
        const char *model, *path, *remark;
    } kinds[] = {
        {"split", "/v1/completions", ""},
        {"glued", "/v1/completions", ""},
        {"crlf", "/v1/completions", ""},
        {"slow", "/v1/completions", ""},
        {"text-only", "/v1/completions", ""},
        {"plain-only", "/v1/completions", ""},
        {"chat-only", "/v1/chat/completions", ""},
        {"no-usage", "/v1/completions", ""},
        {"short", "/v1/completions", "some answers ended early"},
    };
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        struct record r;
        const struct sample x = good(endpoint, kinds[i].model, 0, &r);
        size_t n = strlen(r.kernels), k = strlen(kinds[i].path);
        assert_true(n > k && isfinite(x.prefill_ns));
        assert_string_equal(r.kernels + n - k, kinds[i].path);
        assert_int_equal(strncmp(r.reason, kinds[i].remark, strlen(kinds[i].remark)), 0);
        assert_int_equal(x.n_token_ns, *kinds[i].remark ? 5 : 12);
    }
}

/* Each dialect tells who it is, one level above OpenAI's API which version. */
static void who_answers(void **state)
{
    (void)state;
    static const struct {
        const char *path, *name, *version;
    } servers[] = {
        {"/vllm/v1", "vllm", "0.32.0"},
        {"/ovms/v3", "openvino-model-server", "2026.4"},
        {"/lmstudio/v1", "lm-studio", ""},
        {"/foundry/v1", "endpoint", ""}, /* known by its address alone */
    };
    for (size_t i = 0; i < sizeof servers / sizeof *servers; i++) {
        struct sample x;
        struct record r;
        struct err e = {0};
        char at[96];
        const struct workload w = {.n_prompt = 12, .n_gen = 4};
        snprintf(at, sizeof at, "%s%s", url, servers[i].path);
        bool paced = false; /* as the server is, once: on a busy machine the first token may be seen late */
        for (int tries = 0; tries < 20 && !paced; tries++) {
            if (measure(endpoint, (struct endpoint){.url = at}, 0, &w, &x, &r, &e) < 0)
                fail_msg("%s: %s", at, e.text);
            paced = x.decode_ns >= 4 * 2e6;
        }
        assert_string_equal(r.framework.name, servers[i].name);
        assert_string_equal(r.framework.version, servers[i].version);
        assert_string_equal(r.model.name, "good");
        assert_true(x.prefill_ns > 0 && paced);
    }
}

static void one_failure(const struct runner *runner, struct endpoint at, int code, const char *said)
{
    struct sample x;
    struct record r;
    struct err e = {0};
    const struct workload w = {.n_prompt = 16, .n_gen = 8};
    int rc = measure(runner, at, 0, &w, &x, &r, &e);
    if (rc != code || !strstr(e.text, said))
        fail_msg("%s: returned %d and said \"%s\", not %d, \"%s\"", at.model, rc, e.text, code, said);
    assert_null(strchr(e.text, '\n'));
    assert_null(strchr(e.text, '\033'));
}

static void failures_have_reasons(void **state)
{
    (void)state;
    static const struct {
        const char *model;
        int code;
        const char *said;
    } kinds[] = {
        {"no-model", ERR_MISSING, "answered 404: model 'no-model' not found"},
        {"broken", ERR_IO, "answered 500: tensor on fire"},
        {"html", ERR_IO, "/v1/completions answered 502"},
        {"moved", ERR_IO, "answered 301; redirections are not followed"},
        {"teapot", ERR_IO, "answered 418: I am [31m a teapot"},
        {"malformed", ERR_FORMAT, "an event that is no JSON object: {\"id\""},
        {"nan", ERR_FORMAT, "an event that is no JSON object"},
        {"error-inside", ERR_IO, "the server broke off: context overflow"},
        {"huge", ERR_FORMAT, "a line of more than 1048576 bytes"},
        {"closes", ERR_IO, "the server closed the connection in mid-stream"},
        {"ends-early", ERR_IO, "the stream ended after 1 of 9 tokens without saying why"},
        {"empty", ERR_FORMAT, "the stream ended without a single token"},
        {"miscounted", ERR_DATA, "counts 3 prompt tokens where 16 were sent"},
        {"absurd-count", ERR_DATA, "counts 123456 answer tokens"},
        {"absurd-timings", ERR_DATA, "reports 1e+09 s of work"},
        {"too-short", ERR_DATA, "ended its answer after 1 of 9 tokens"},
        {"at-once", ERR_DATA, "the whole answer came at once"},
    };
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        one_failure(endpoint, (struct endpoint){.url = url, .model = kinds[i].model}, kinds[i].code, kinds[i].said);
    one_failure(endpoint, (struct endpoint){.url = url, .model = "nothing", .silence_s = 0.3}, ERR_TIMEOUT,
                "nothing came within 0.3 s");
    one_failure(endpoint, (struct endpoint){.url = url, .model = "hangs", .silence_s = 0.3}, ERR_TIMEOUT,
                "the stream fell silent for 0.3 s after");
    one_failure(endpoint, (struct endpoint){.url = url}, ERR_USAGE, "it serves good, split, glued");
    char path[96];
    snprintf(path, sizeof path, "%s/nolist", url);
    one_failure(endpoint, (struct endpoint){.url = path}, ERR_USAGE, "names no models");
}

static void addresses(void **state)
{
    (void)state;
    char other[96];
    one_failure(endpoint, (struct endpoint){.url = "http://127.0.0.1:1", .model = "good"}, ERR_MISSING,
                "cannot connect; is the server running there?");
    snprintf(other, sizeof other, "https://127.0.0.1:%d/v1", port);
    one_failure(endpoint, (struct endpoint){.url = other, .model = "good"}, ERR_IO,
                "TLS failed; a server without TLS wants http://");
    one_failure(endpoint, (struct endpoint){.url = "ftp://127.0.0.1/", .model = "good"}, ERR_USAGE,
                "only http:// and https://");
    one_failure(endpoint, (struct endpoint){.url = "http://me:secret@127.0.0.1/", .model = "good"}, ERR_USAGE,
                "put the key into A_KEY");
    one_failure(endpoint, (struct endpoint){.url = "http://127.0.0.1/v1?key=secret", .model = "good"}, ERR_USAGE,
                "put the key into A_KEY");
    one_failure(endpoint, (struct endpoint){.url = "http://127.0.0.1:99999999/", .model = "good"}, ERR_USAGE, "no URL");
    snprintf(other, sizeof other, "%s/v1///", url);
    struct sample x;
    struct record r;
    const struct workload w = {.n_gen = 4};
    assert_int_equal(measure(endpoint, (struct endpoint){.url = other, .model = "good"}, 0, &w, &x, &r, NULL), 0);
    assert_true(isnan(x.prefill_ns) && isnan(x.ttft_ns) && x.decode_ns > 0);
}

static void the_key_stays_secret(void **state)
{
    (void)state;
    char locked[96];
    struct sample x;
    struct record r;
    struct err e = {0};
    const struct workload w = {.n_gen = 4};
    snprintf(locked, sizeof locked, "%s/locked", url);
    assert_int_equal(
        measure(endpoint, (struct endpoint){.url = locked, .model = "good", .key = key}, 0, &w, &x, &r, &e),
        ERR_MISSING);
    assert_non_null(strstr(e.text, "answered 401: bad key Bearer ****"));
    assert_non_null(strstr(e.text, "environment variable A_KEY"));
    assert_null(strstr(e.text, "secret"));
    one_failure(endpoint, (struct endpoint){.url = locked, .model = "good"}, ERR_MISSING, "A_KEY, which is not set");
    one_failure(endpoint, (struct endpoint){.url = url, .model = "good", .key = "two\nlines"}, ERR_USAGE, "one line");
}

static void deadlines_and_depths(void **state)
{
    (void)state;
    struct sample x;
    struct record r;
    struct err e = {0};
    struct workload w = {.n_gen = 100, .deadline_ns = clock_ns() + 400000000};
    const struct endpoint slow = {.url = url, .model = "slow"};
    assert_int_equal(measure(endpoint, slow, 0, &w, &x, &r, &e), ERR_TIMEOUT);
    assert_non_null(strstr(e.text, "not complete within the time given"));
    w = (struct workload){.n_gen = 8, .n_depth = 30};
    assert_int_equal(measure(endpoint, slow, 0, &w, &x, &r, &e), 0);
    w.n_prompt = 8;
    assert_int_equal(measure(endpoint, slow, 0, &w, &x, &r, &e), ERR_UNSUPPORTED);
    assert_non_null(strstr(e.text, "-p 0 with -d"));
}

/* Four cells side by side: rates are of all streams together, and no stream waits for another. */
static void several_at_once(void **state)
{
    (void)state;
    struct endpoint at = {.url = url, .model = "slow", .key_name = "A_KEY"}, bad = at;
    bad.model = "closes";
    struct measure_cell cell[3];
    static struct record r[3];
    const struct workload w = {.n_prompt = 16, .n_gen = 8};
    struct measure_opts o;
    measure_defaults(&o);
    o.bandwidth_gb_s = 10;
    o.min_reps = o.max_reps = 2;
    o.warmup_cap_s = 0.1;
    for (int i = 0; i < 3; i++) {
        cell[i] = (struct measure_cell){
            .runner = endpoint, .endpoint = i == 1 ? &bad : &at, .streams = i ? 8 : 1, .n_ctx = 64};
        record_init(&r[i]);
    }
    assert_int_equal(measure_cells(cell, r, 3, &w, &o, NULL), 0);
    assert_int_equal(r[0].status, STATUS_OK);
    assert_int_equal(r[1].status, STATUS_FAILED);
    assert_non_null(strstr(r[1].reason, "closed the connection"));
    assert_int_equal(r[2].status, STATUS_OK);
    assert_int_equal(r[2].workload.streams, 8);
    double one = 8e9 / r[0].speed.decode_ns.x[0], all = 8 * 8e9 / r[2].speed.decode_ns.x[0];
    assert_true(one <= 20 && all <= 8 * 20 && all > 1.5 * one); /* a token of the server takes 50 ms */
    assert_true(fabs(r[2].speed.decode_tok_s.v / (8 * 8e9 / r[2].speed.decode_ns.x[0]) - 1) < 0.5);
    assert_true(r[2].speed.ttft_p99_ms >= r[2].speed.ttft_p95_ms && r[2].speed.ttft_p95_ms >= r[2].speed.ttft_ms.v);
    assert_true(r[2].speed.ttft_ms.v >= 60 && r[2].speed.tpot_p50_ms >= 25);
    char said[128], at_most[160];
    const char *argv[] = {"python3", "-c", at_most, NULL};
    snprintf(at_most, sizeof at_most, "import urllib.request as u; print(u.urlopen('%s/most').read().decode())", url);
    struct child_result res;
    const struct child_cmd cmd = {.argv = argv, .timeout_ms = 60000};
    assert_int_equal(child_run(&cmd, &res, NULL), 0);
    text_last_line(said, sizeof said, res.out);
    child_result_free(&res);
    assert_non_null(strstr(said, "\"most\": 8"));
    json_t *row = record_to_llama_bench(&r[2], true);
    assert_int_equal(json_get_num(row, "n_streams"), 8);
    assert_true(fabs(json_number_value(json_array_get(json_object_get(row, "samples_ts"), 0)) / all - 1) < 1e-9);
    json_decref(row);
    cell[0].streams = MAX_STREAMS + 1;
    struct session *s;
    assert_int_equal(endpoint->open(&s, &cell[0], NULL), ERR_USAGE);
}

static void ollamas_own_clock(void **state)
{
    (void)state;
    struct record r;
    struct sample x = good(ollama, "some:1b", 0, &r);
    assert_true(fabs(x.prefill_ns - 40 * 10000) < 1e-6 && fabs(x.decode_ns - 12 * 1e6) < 1e-6);
    assert_true(x.ttft_ns >= 20e6 && x.n_token_ns == 12); /* as the stream says */
    assert_string_equal(r.framework.name, "ollama");
    assert_string_equal(r.framework.version, "0.30.1");
    x = paced(ollama, "some:1b", 3, &r);
    assert_true(x.n_streams == 3 && x.prefill_ns >= 20e6);
    x = paced(ollama, "ollama-silent", 0, &r);
    assert_true(x.prefill_ns == x.ttft_ns);
    one_failure(ollama, (struct endpoint){.url = url, .model = "no-model"}, ERR_MISSING, "model 'no-model' not found");
    one_failure(ollama, (struct endpoint){.url = url, .model = "ollama-error"}, ERR_IO, "an error was encountered");
    one_failure(ollama, (struct endpoint){.url = url, .model = "ollama-absurd"}, ERR_DATA, "reports 9e+09 s of work");
    one_failure(ollama, (struct endpoint){.url = url}, ERR_USAGE, "--served-model");
    struct runner_info info;
    char host[32];
    snprintf(host, sizeof host, "127.0.0.1:%d", port);
    setenv("OLLAMA_HOST", host, 1);
    assert_int_equal(ollama->detect(ollama, &info, NULL), 0);
    assert_true(info.found);
    assert_string_equal(info.version, "0.30.1");
    setenv("OLLAMA_HOST", ":1", 1);
    assert_int_equal(ollama->detect(ollama, &info, NULL), 0);
    assert_false(info.found);
    assert_non_null(strstr(info.note, "127.0.0.1:1"));
    unsetenv("OLLAMA_HOST");
}

/* ---- llama-server ---- */

static void place_script(const char *start, const char *way)
{
    char path[96], text[400];
    snprintf(path, sizeof path, "%s/llama-server", folder);
    int n = snprintf(text, sizeof text, "#!/bin/sh\nexec python3 %s \"$@\"\n", script);
    assert_int_equal(file_write(path, text, (size_t)n, NULL), 0);
    assert_int_equal(chmod(path, 0755), 0);
    unlink(mark);
    setenv("LLAMA_CPP_PATH", folder, 1);
    setenv("FAKE_MARK", mark, 1);
    setenv("FAKE_START", start, 1);
    setenv("FAKE_SERVER", way, 1);
}

/* How often the server was started; none of them is left. */
static int n_started(void)
{
    char *text, *next;
    int n = 0;
    assert_int_equal(file_read(mark, 1 << 16, &text, NULL, NULL), 0);
    for (char *line = text; *line; line = next) {
        long pid = strtol(line, NULL, 10);
        next = line + strcspn(line, "\n");
        next += *next == '\n';
        n++;
        assert_int_equal(kill((pid_t)pid, 0), -1);
        assert_int_equal(errno, ESRCH);
    }
    mem_free(text);
    return n;
}

/* Does the server that was started last stand still? Else its threads would spin beside what is measured next. */
static bool rests(void)
{
    char *text;
    assert_int_equal(file_read(mark, 1 << 16, &text, NULL, NULL), 0);
    size_t n = strlen(text);
    while (n > 1 && text[n - 2] != '\n')
        n--;
    const pid_t pid = (pid_t)strtol(text + (n > 0 ? n - 1 : 0), NULL, 10);
    mem_free(text);
    return comes_to_stand(pid, true);
}

static int serve_on(const char *device, const char *layers, int streams, struct sample *x, struct record *r,
                    struct err *e)
{
    struct session *s;
    const struct measure_cell cell = {.runner = llama,
                                      .model_path = model,
                                      .threads = 2,
                                      .streams = streams,
                                      .n_ctx = 600,
                                      .device = device,
                                      .gpu_layers = layers};
    const struct workload w = {.n_prompt = 16, .n_gen = 6};
    int before = n_open_files();
    record_init(r);
    *x = (struct sample){0};
    int rc = llama->open(&s, &cell, e);
    if (rc == 0) {
        assert_true(rests());
        rc = llama->measure(s, &w, x, e);
        assert_true(rc < 0 || rests());
        llama->describe(s, r);
        llama->close(s);
    }
    assert_int_equal(n_open_files(), before);
    return rc;
}

static int serve(int streams, struct sample *x, struct record *r, struct err *e)
{
    return serve_on(NULL, NULL, streams, x, r, e);
}

static void a_server_on_a_device(void **state)
{
    (void)state;
    static const struct {
        const char *list, *device, *layers, *said, *backend;
        int gpu_layers;
    } kinds[] = {
        {"  CUDA0: a (1 MiB)\n  CUDA1: b (1 MiB)", "cuda", NULL, "-np 1 -dev CUDA0,CUDA1 -ngl 999 --cache", "cuda",
         999},
        {"  CUDA0: a (1 MiB)\n  CUDA1: b (1 MiB)", "cuda1", "7", "-np 1 -dev CUDA1 -ngl 7 --cache", "cuda", 7},
        {"  CUDA0: a (1 MiB)", "cpu", NULL, "-dev none -ngl 0", "cpu", 0},
        {"  CUDA0: a (1 MiB)", NULL, NULL, "-np 1 --cache-ram", "cuda", -1},
        {"  (none)", NULL, NULL, "-np 1 --cache-ram", "cpu", 0},
    };
    struct sample x;
    struct record r;
    struct err e = {0};
    char *text;
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        place_script("", "good");
        setenv("FAKE_DEVICES", kinds[i].list, 1);
        if (serve_on(kinds[i].device, kinds[i].layers, 0, &x, &r, &e) < 0)
            fail_msg("%s", e.text);
        assert_int_equal(file_read(mark, 1 << 16, &text, NULL, NULL), 0);
        if (!strstr(text, kinds[i].said) || strcmp(r.framework.backend, kinds[i].backend) ||
            r.framework.gpu_layers != kinds[i].gpu_layers)
            fail_msg("%zu: %d layers on %s: %s", i, r.framework.gpu_layers, r.framework.backend, text);
        mem_free(text);
    }
    assert_int_equal(serve_on("gpu", NULL, 0, &x, &r, &e), ERR_UNSUPPORTED);
    assert_non_null(strstr(e.text, "drives no device gpu: it lists none"));
    unsetenv("FAKE_DEVICES");
}

static void a_server_of_our_own(void **state)
{
    (void)state;
    struct sample x;
    struct record r;
    struct err e = {0};
    char *text;
    x.decode_ns = 0;
    for (int tries = 0; tries < 20 && !(x.decode_ns >= 6 * 2e6); tries++) { /* paced, as above */
        place_script("", "good");
        if (serve(2, &x, &r, &e) < 0)
            fail_msg("%s", e.text);
    }
    assert_true(x.n_streams == 2 && x.decode_ns >= 6 * 2e6);
    assert_string_equal(r.framework.name, "llama-server");
    assert_string_equal(r.framework.version, "b6710-0c1e57098");
    assert_true(r.memory.peak_rss_bytes > 1 << 20 && r.speed.load_ms.v > 0);
    assert_int_equal(file_read(mark, 1 << 16, &text, NULL, NULL), 0);
    assert_non_null(strstr(text, "--host 127.0.0.1 --port "));
    assert_non_null(strstr(text, "-t 2 -c 1536 -np 2 --cache-ram 0"));
    mem_free(text);
    assert_int_equal(n_started(), 1);
    place_script("taken", "good"); /* twice, then the port is free */
    assert_int_equal(serve(0, &x, &r, &e), 0);
    assert_int_equal(n_started(), 3);
}

static void servers_that_fail(void **state)
{
    (void)state;
    static const struct {
        const char *start, *way;
        int code;
        const char *said;
    } kinds[] = {
        {"fails", "good", ERR_IO, "llama-server ended with exit code 1; it last said: error: failed to load model"},
        {"crashes", "good", ERR_CRASHED, "llama-server died of signal 11"},
        {"", "dies", ERR_CRASHED, "signal 6 (Aborted); it last said: ggml_abort: something is wrong"},
        {"", "closes", ERR_IO, "closed the connection in mid-stream"},
        {"", "broken", ERR_IO, "tensor on fire"},
    };
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        struct sample x;
        struct record r;
        struct err e = {0};
        place_script(kinds[i].start, kinds[i].way);
        int rc = serve(0, &x, &r, &e);
        if (rc != kinds[i].code || !strstr(e.text, kinds[i].said))
            fail_msg("%s %s: returned %d and said \"%s\"", kinds[i].start, kinds[i].way, rc, e.text);
        assert_int_equal(n_started(), 1);
    }
    struct session *s;
    struct err e = {0};
    const struct measure_cell gone = {.runner = llama, .model_path = "/nowhere.gguf"};
    assert_int_equal(llama->open(&s, &gone, &e), ERR_MISSING);
    const struct measure_cell cell = {.runner = llama, .model_path = model};
    setenv("LLAMA_CPP_PATH", "/nowhere", 1);
    assert_int_equal(llama->open(&s, &cell, &e), ERR_MISSING);
    assert_non_null(strstr(e.text, "llama-server is neither on PATH nor in LLAMA_CPP_PATH"));
}

static void no_memory(void **state)
{
    (void)state;
    struct sample x;
    struct record r;
    const struct endpoint at = {.url = url, .model = "good"};
    const struct workload w = {.n_prompt = 4, .n_gen = 2};
    int rc = -1;
    for (long n = 1; n < 2000 && rc < 0; n++) {
        mem_fail_from(n);
        rc = measure(endpoint, at, 0, &w, &x, &r, NULL);
        mem_fail_from(0);
        assert_true(rc == 0 || rc == ERR_NOMEM);
    }
    assert_int_equal(rc, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_good_stream),
        cmocka_unit_test(other_good_streams),
        cmocka_unit_test(who_answers),
        cmocka_unit_test(failures_have_reasons),
        cmocka_unit_test(addresses),
        cmocka_unit_test(the_key_stays_secret),
        cmocka_unit_test(deadlines_and_depths),
        cmocka_unit_test(several_at_once),
        cmocka_unit_test(ollamas_own_clock),
        cmocka_unit_test(a_server_of_our_own),
        cmocka_unit_test(a_server_on_a_device),
        cmocka_unit_test(servers_that_fail),
        cmocka_unit_test(no_memory),
    };
    return cmocka_run_group_tests_name("runner_http", tests, start_all, stop_all);
}
