/* bench/runners/worker against scripts in the place of a framework: good output, rubbish, lines in halves and pieces,
 * huge lines, exit codes, signals, hangs, NaN, wrong versions, clocks that lie, children that are left behind. The
 * scripts are executables whichquant-runner-NAME on PATH, the protocol is the same for all. */
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
#include "base/hash.h"
#include "base/mem.h"
#include "base/os.h"
#include "bench/measure.h"
#include "bench/runners/worker.h"

static char folder[64], program[96], artifact[96], left_behind[96], python[256];
static const struct runner *fake;

/* python3 keeps its own answers in `answer`; a case replaces parts of it in `body`. */
static const char head[] =
    "import json, os, signal, struct, subprocess, sys, time\n"
    "def say(text): sys.stdout.write(text); sys.stdout.flush()\n"
    "def hello(q): return {'protocol': 1, 'name': 'fake', 'version': '1.2', 'library': sys.argv[0], 'later': [1]}\n"
    "def open_(q): return {'vocab': 5, 'backend': 'cpu', 'kv': 'f16', 'kernels': 'fake', 'unknown': {}}\n"
    "def measure(q):\n"
    "    time.sleep(0.002 * (q['n_prompt'] + q['n_gen']))\n"
    "    return {'prefill_ns': 1000000 * q['n_prompt'] or None, 'token_ns': [1500000] * q['n_gen'],\n"
    "            'echo': len(q['tokens'])}\n"
    "def logits(q):\n"
    "    rows = [[i + t / 8 for i in range(5)] for t in q['tokens']]\n"
    "    open(q['path'], 'wb').write(b''.join(struct.pack('<5f', *r) for r in rows))\n"
    "    return {'rows': len(rows), 'vocab': 5}\n"
    "def memory(q): return {'weights_bytes': 123456, 'kv_bytes': 7}\n"
    "def line(q, reply): say(json.dumps({'id': q['id'], **reply}) + '\\n')\n"
    "def close(q):\n"
    "    line(q, {}); sys.exit(0)\n";
static const char tail[] =
    "calls = {'hello': hello, 'open': open_, 'measure': measure, 'logits': logits, 'memory': memory}\n"
    "for text in sys.stdin:\n"
    "    q = json.loads(text)\n"
    "    close(q) if q['call'] == 'close' else line(q, calls[q['call']](q))\n";

static void write_script(const char *body)
{
    char text[8192];
    int n = snprintf(text, sizeof text, "#!%s\n%s%s\n%s", python, head, body, tail);
    assert_true(n < (int)sizeof text);
    assert_int_equal(file_write(program, text, (size_t)n, NULL), 0);
    assert_int_equal(chmod(program, 0755), 0);
}

/* Itself, not a script of a version manager that looks for it: that takes longer than everything else here. */
static int find_python(void)
{
    const char *const argv[] = {"python3", "-c", "import sys; print(sys.executable, end='')", NULL};
    struct child_result r;
    if (child_run(&(struct child_cmd){.argv = argv}, &r, NULL) < 0)
        return -1;
    snprintf(python, sizeof python, "%s", r.out);
    child_result_free(&r);
    return python[0] == '/' ? 0 : -1;
}

static int make_folder(void **state)
{
    (void)state;
    if (find_python() < 0)
        return -1;
    strcpy(folder, "/tmp/whichquant-worker-XXXXXX");
    if (!mkdtemp(folder))
        return -1;
    snprintf(program, sizeof program, "%s/whichquant-runner-fake", folder);
    snprintf(artifact, sizeof artifact, "%s/model", folder);
    snprintf(left_behind, sizeof left_behind, "%s/pid", folder);
    char path[4096];
    snprintf(path, sizeof path, "%s:%s", folder, getenv("PATH"));
    setenv("PATH", path, 1);
    if (file_write(artifact, "MODEL", 5, NULL) < 0)
        return -1;
    write_script("");
    fake = runner_find("fake");
    return fake ? 0 : -1;
}

static int remove_folder(void **state)
{
    (void)state;
    unlink(program);
    unlink(artifact);
    unlink(left_behind);
    return rmdir(folder);
}

static struct measure_cell a_cell(void)
{
    return (struct measure_cell){.runner = fake, .model_path = artifact, .threads = 2, .n_ctx = 64};
}

static void good_output(void **state)
{
    (void)state;
    struct measure_cell cell = a_cell();
    struct session *s;
    struct sample x;
    struct err e = {0};
    struct record r;
    record_init(&r);
    write_script("");
    if (fake->open(&s, &cell, &e) < 0)
        fail_msg("%s", e.text);
    struct workload w = {.n_prompt = 8, .n_gen = 4, .n_depth = 2, .deadline_ns = clock_ns() + 60000000000};
    if (fake->measure(s, &w, &x, &e) < 0)
        fail_msg("%s", e.text);
    assert_true(x.prefill_ns == 8e6 && x.ttft_ns == 8e6 && x.decode_ns == 6e6 && x.n_token_ns == 4);
    assert_true(x.token_ns[3] == 1.5e6);
    w = (struct workload){.n_gen = 3};
    assert_int_equal(fake->measure(s, &w, &x, &e), 0);
    assert_true(isnan(x.prefill_ns) && x.decode_ns == 4.5e6);
    w = (struct workload){.n_gen = 3, .n_depth = 62};
    assert_int_equal(fake->measure(s, &w, &x, &e), ERR_LIMIT);
    fake->describe(s, &r);
    const int32_t ids[] = {8, 16, 4};
    const float *logits;
    int n_vocab;
    assert_int_equal(fake->logits(s, ids, 3, &logits, &n_vocab, &e), 0);
    assert_int_equal(n_vocab, 5);
    assert_true(logits[0] == 1 && logits[4] == 5 && logits[5] == 2 && logits[14] == 4.5f);
    fake->close(s);
    char hash[65];
    sha256_file(program, hash, NULL);
    assert_string_equal(r.framework.name, "fake");
    assert_string_equal(r.framework.version, "1.2");
    assert_string_equal(r.framework.library_sha256, hash);
    assert_string_equal(r.workload.kv_type, "f16");
    assert_int_equal(r.memory.weights_bytes, 123456);
    assert_true(r.memory.peak_rss_bytes > 1 << 20 && r.memory.peak_rss_bytes < 1 << 30); /* a Python */
    assert_true(r.memory.peak_anon_bytes < r.memory.peak_rss_bytes);
    assert_true(r.speed.load_ms.v > 0);
}

/* What opens well and then goes wrong in measure. */
static void one_failure(const char *body, int code, const char *said)
{
    struct measure_cell cell = a_cell();
    struct session *s;
    struct sample x;
    struct err e = {0};
    write_script(body);
    if (fake->open(&s, &cell, &e) < 0)
        fail_msg("%s", e.text);
    struct workload w = {.n_prompt = 4, .n_gen = 2, .deadline_ns = clock_ns() + 2000000000};
    int rc = fake->measure(s, &w, &x, &e);
    if (rc != code || !strstr(e.text, said))
        fail_msg("%s: returned %d and said \"%s\", not \"%s\"", body, rc, e.text, said);
    assert_true(isnan(x.prefill_ns) && isnan(x.decode_ns) && x.n_token_ns == 0);
    rc = fake->measure(s, &w, &x, &e); /* what is dead stays dead, what lives is asked again */
    assert_true(rc < 0);
    fake->close(s);
}

static void failures_have_reasons(void **state)
{
    (void)state;
    one_failure("def measure(q): say('hello\\033[31m\\n'); time.sleep(9)", ERR_FORMAT, "but: hello [31m");
    one_failure("def measure(q): say('{\"id\": 3, \"pre'); os._exit(0)", ERR_IO,
                "exit code 0 after 14 bytes of a line");
    one_failure("def measure(q): say('{}\\n')", ERR_FORMAT, "no answer of the worker protocol");
    one_failure("def measure(q): say('[' * 100000 + '\\n')", ERR_FORMAT, "no answer");
    one_failure("def measure(q): say('\\0\\0\\xff\\n')", ERR_FORMAT, "no answer");
    one_failure("def measure(q): say('{\"id\": %d, \"prefill_ns\": NaN}\\n' % q['id'])", ERR_FORMAT, "no answer");
    one_failure("def measure(q): print('oh no', file=sys.stderr); os._exit(0)", ERR_IO,
                "exit code 0; it last said: oh no");
    one_failure("def measure(q): os._exit(7)", ERR_IO, "exit code 7; it last said: nothing");
    one_failure("def measure(q): os.kill(os.getpid(), signal.SIGSEGV)", ERR_CRASHED, "signal 11");
    one_failure("def measure(q): os.kill(os.getpid(), signal.SIGILL)", ERR_CRASHED, "signal 4");
    one_failure("def measure(q): os.kill(os.getpid(), signal.SIGKILL)", ERR_CRASHED, "signal 9");
    one_failure("def measure(q): os.close(1); time.sleep(60)", ERR_FORMAT, "closed its pipes and stayed");
    one_failure("def measure(q): return {'error': 'data', 'text': 'the logits\\nhold NaN'}", ERR_DATA,
                "fake: the logits hold NaN");
    one_failure("def measure(q): return {'error': 'unsupported', 'text': 'no'}", ERR_UNSUPPORTED, "fake: no");
    one_failure("def measure(q): return {'error': 'memory', 'text': 'full'}", ERR_NOMEM, "full");
    one_failure("def measure(q): return {'error': 'newly invented'}", ERR_IO, "no reason given");
    one_failure("def measure(q): return {}", ERR_FORMAT, "no time of the prompt");
    one_failure("def measure(q): return {'prefill_ns': 1e5, 'token_ns': [1e5]}", ERR_FORMAT, "no times of 2");
    one_failure("def measure(q): return {'prefill_ns': 1e5, 'token_ns': [1e5, -1]}", ERR_FORMAT, "no times of 2");
    one_failure("def measure(q): return {'prefill_ns': 1e5, 'token_ns': [1e5, 'x']}", ERR_FORMAT, "no times of 2");
    one_failure("def measure(q): return {'prefill_ns': 9e10, 'token_ns': [1e5, 1e5]}", ERR_FORMAT,
                "not to be believed");
}

static void what_is_odd_but_right(void **state)
{
    (void)state;
    struct measure_cell cell = a_cell();
    struct session *s;
    struct sample x;
    struct err e = {0};
    const char *const bodies[] = {
        /* a line in pieces; stderr in floods; megabytes of keys that nobody knows; the sum of times only */
        "def line(q, r):\n"
        "    for c in json.dumps({'id': q['id'], **r}) + '\\n': say(c); time.sleep(0.0005)\n",
        "def memory(q): sys.stderr.write('noise ' * 100000 + '\\n'); sys.stderr.flush(); return {}\n",
        "def memory(q): return {'what': 'x' * 3000000}\n",
        "def measure(q): time.sleep(0.02); return {'prefill_ns': 1000, 'decode_ns': 2000}\n",
    };
    for (size_t i = 0; i < sizeof bodies / sizeof *bodies; i++) {
        write_script(bodies[i]);
        struct workload w = {.n_prompt = 2, .n_gen = 2, .deadline_ns = clock_ns() + 60000000000};
        int rc = fake->open(&s, &cell, &e);
        rc = rc < 0 ? rc : fake->measure(s, &w, &x, &e);
        if (rc < 0)
            fail_msg("%s: %s", bodies[i], e.text);
        assert_true(x.prefill_ns > 0 && x.decode_ns > 0);
        fake->close(s);
    }
    assert_true(x.n_token_ns == 0 && x.decode_ns == 2000);
}

/* A device, layers on it and settings reach the worker; what it made of them reaches the record. */
static void devices(void **state)
{
    (void)state;
    static const char *const settings[] = {"A=b=c", "FLAG"};
    static const struct {
        const char *device, *layers, *wants, *backend;
        int gpu_layers;
    } kinds[] = {
        {NULL, NULL, "q['device'] == 'cpu' and 'gpu_layers' not in q", "cpu", 0},
        {"npu", NULL, "q['device'] == 'npu'", "npu", -1},
        {"AUTO:GPU,CPU", NULL, "q['device'] == 'AUTO:GPU,CPU'", "gpu", -1},
        {NULL, "12", "q['device'] == 'gpu' and q['gpu_layers'] == '12'", "gpu', 'gpu_layers': 12, 'x': '", 12},
        {NULL, "0", "q['device'] == 'cpu' and q['gpu_layers'] == '0'", "cpu", 0},
    };
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        struct measure_cell cell = a_cell();
        struct session *s;
        struct err e = {0};
        struct record r;
        char body[512];
        snprintf(body, sizeof body,
                 "def open_(q):\n"
                 "    good = %s and q['options'] == {'A': 'b=c', 'FLAG': '1'}\n"
                 "    return {'vocab': 5, 'backend': '%s'} if good else {'error': 'failed', 'text': str(q)}\n",
                 kinds[i].wants, kinds[i].backend);
        write_script(body);
        cell.device = kinds[i].device;
        cell.gpu_layers = kinds[i].layers;
        cell.settings = settings;
        cell.n_settings = 2;
        if (fake->open(&s, &cell, &e) < 0)
            fail_msg("%s", e.text);
        record_init(&r);
        fake->describe(s, &r);
        fake->close(s);
        assert_int_equal(r.framework.gpu_layers, kinds[i].gpu_layers);
        assert_memory_equal(r.framework.backend, kinds[i].backend, 3);
    }
}

static void one_bad_opening(const char *body, int code, const char *said)
{
    struct measure_cell cell = a_cell();
    struct session *s;
    struct err e = {0};
    write_script(body);
    int rc = fake->open(&s, &cell, &e);
    if (rc != code || !strstr(e.text, said))
        fail_msg("%s: returned %d and said \"%s\", not \"%s\"", body, rc, e.text, said);
}

static void bad_openings(void **state)
{
    (void)state;
    one_bad_opening("def hello(q): return {'protocol': 2}", ERR_UNSUPPORTED, "version 2 of the worker protocol");
    one_bad_opening("def hello(q): return {}", ERR_UNSUPPORTED, "worker protocol");
    one_bad_opening("say('Welcome!\\n')", ERR_FORMAT, "but: Welcome!");
    one_bad_opening("sys.exit('no licence')", ERR_IO, "exit code 1; it last said: no licence");
    one_bad_opening("def open_(q): return {}", ERR_FORMAT, "size of its vocabulary");
    one_bad_opening("def open_(q): return {'vocab': 1e30}", ERR_FORMAT, "size of its vocabulary");
    one_bad_opening("def open_(q): return {'error': 'unsupported', 'text': 'wrong CPU'}", ERR_UNSUPPORTED, "wrong CPU");
    one_bad_opening("def open_(q): os.abort()", ERR_CRASHED, "signal 6");
    struct runner_info info;
    struct err e = {0};
    write_script("def hello(q): return {'error': 'missing', 'text': 'not found: pip install it'}");
    assert_int_equal(fake->detect(fake, &info, &e), 0); /* not being there is a result */
    assert_true(!info.found && strstr(info.note, "pip install it"));
    write_script("");
    assert_int_equal(fake->detect(fake, &info, &e), 0);
    assert_true(info.found && !info.containers[0]);
    write_script("def hello(q): return {'protocol': 1, 'containers': ['onnx', 7, 'gguf']}");
    assert_int_equal(fake->detect(fake, &info, &e), 0);
    assert_string_equal(info.containers, "onnx gguf");
    write_script("");
    struct measure_cell cell = a_cell();
    struct session *s;
    cell.model_path = "/nowhere/model";
    assert_int_equal(fake->open(&s, &cell, &e), ERR_MISSING);
    cell.model_path = NULL;
    assert_int_equal(fake->open(&s, &cell, &e), ERR_UNSUPPORTED);
}

static void bad_logits(void **state)
{
    (void)state;
    static const struct {
        const char *body;
        int code;
    } c[] = {
        {"def logits(q): return {'rows': 2, 'vocab': 5}", ERR_FORMAT},                    /* nothing was written */
        {"def logits(q): return {'rows': 2, 'vocab': 4, 'logits': [0] * 8}", ERR_FORMAT}, /* another vocabulary */
        {"def logits(q): return {'rows': 2, 'vocab': 5, 'logits': [0] * 9}", ERR_FORMAT}, /* one is missing */
        {"def logits(q): return {'rows': 2, 'vocab': 5, 'logits': [0] * 9 + [None]}", ERR_DATA},
        {"def logits(q): open(q['path'], 'wb').write(b'\\xff' * 40); return {'rows': 2, 'vocab': 5}", ERR_DATA},
        {"def logits(q): open(q['path'], 'wb').write(b'0' * 44); return {'rows': 2, 'vocab': 5}", ERR_LIMIT},
        {"def logits(q): return {'rows': 2, 'vocab': 5, 'logits': [0.5] * 10}", 0},
    };
    for (size_t i = 0; i < sizeof c / sizeof *c; i++) {
        struct measure_cell cell = a_cell();
        struct session *s;
        struct err e = {0};
        const float *logits;
        int n_vocab;
        write_script(c[i].body);
        assert_int_equal(fake->open(&s, &cell, &e), 0);
        int rc = fake->logits(s, (const int32_t[]){1, 2}, 2, &logits, &n_vocab, &e);
        if (rc != c[i].code)
            fail_msg("%s: returned %d, \"%s\"", c[i].body, rc, e.text);
        fake->close(s);
    }
}

/* ---- nothing is left behind ---- */

static pid_t grandchild(void)
{
    char *text = NULL;
    pid_t pid = 0;
    for (int i = 0; i < 500 && pid <= 0; i++, clock_sleep_ms(10)) {
        if (file_read(left_behind, 64, &text, NULL, NULL) < 0)
            continue;
        pid = (pid_t)atol(text);
        mem_free(text);
    }
    return pid;
}

static bool lives(pid_t pid)
{
    char path[64], *text = NULL;
    snprintf(path, sizeof path, "/proc/%ld/stat", (long)pid);
    if (file_read(path, 4096, &text, NULL, NULL) < 0)
        return false;
    const char *state = strrchr(text, ')');
    bool alive = state && state[1] && state[2] != 'Z' && state[2] != 'X';
    mem_free(text);
    return alive;
}

static void nothing_is_left_behind(void **state)
{
    (void)state;
    static const char *const endings[] = {"time.sleep(1000)", "os._exit(0)", "os.kill(os.getpid(), signal.SIGKILL)",
                                          "return {'prefill_ns': 1000, 'token_ns': [1000, 1000]}"};
    static const int codes[] = {ERR_TIMEOUT, ERR_IO, ERR_CRASHED, 0};
    for (int i = 0; i < 4; i++) {
        char body[512];
        struct measure_cell cell = a_cell();
        struct session *s;
        struct sample x;
        struct err e = {0};
        unlink(left_behind);
        snprintf(body, sizeof body,
                 "def measure(q):\n"
                 "    p = subprocess.Popen(['sleep', '1000'])\n"
                 "    open('%s', 'w').write(str(p.pid))\n"
                 "    signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
                 "    %s",
                 left_behind, endings[i]);
        write_script(body);
        assert_int_equal(fake->open(&s, &cell, &e), 0);
        struct workload w = {.n_prompt = 4, .n_gen = 2, .deadline_ns = clock_ns() + 2000000000};
        int rc = fake->measure(s, &w, &x, &e);
        if (rc != codes[i])
            fail_msg("%s: returned %d, \"%s\"", endings[i], rc, e.text);
        pid_t pid = grandchild();
        assert_true(pid > 0);
        fake->close(s);
        for (int k = 0; k < 500 && lives(pid); k++)
            clock_sleep_ms(10);
        assert_false(lives(pid));
    }
}

/* Threads that wait busily would take the CPUs from what is measured next: between calls a worker stands still. */
static void it_rests_between_calls(void **state)
{
    (void)state;
    struct measure_cell cell = a_cell();
    struct session *s;
    struct sample x;
    struct err e = {0};
    unlink(left_behind);
    char body[512], *text = NULL;
    snprintf(body, sizeof body,
             "import threading\n"
             "def spin():\n"
             "    while True: pass\n"
             "def open_(q):\n"
             "    open('%s', 'w').write(str(os.getpid()))\n"
             "    threading.Thread(target=spin, daemon=True).start()\n"
             "    return {'vocab': 5}\n"
             "def close(q): line(q, {}); os._exit(0)\n",
             left_behind);
    write_script(body);
    assert_int_equal(fake->open(&s, &cell, &e), 0);
    char path[64];
    snprintf(path, sizeof path, "/proc/%ld/stat", (long)grandchild());
    bool rests = false;
    for (int i = 0; i < 500 && !rests; i++, clock_sleep_ms(10)) {
        assert_int_equal(file_read(path, 4096, &text, NULL, NULL), 0);
        rests = strrchr(text, ')')[2] == 'T';
        mem_free(text);
    }
    assert_true(rests);
    struct workload w = {.n_gen = 2, .deadline_ns = clock_ns() + 60000000000};
    assert_int_equal(fake->measure(s, &w, &x, &e), 0);
    fake->close(s);
}

/* Beside good cells: one row each, and the good one is not touched by the others. */
static void bad_cells_do_not_take_the_others(void **state)
{
    (void)state;
    char crash[96];
    snprintf(crash, sizeof crash, "%s/crash", folder);
    file_write(crash, "MODEL", 5, NULL);
    write_script("def open_(q):\n"
                 "    global bad\n"
                 "    bad = 'crash' in q['artifact']\n"
                 "    return {'vocab': 5}\n"
                 "good = measure\n"
                 "def measure(q): return os.abort() if bad else good(q)\n");
    struct measure_cell cell[3] = {a_cell(), a_cell(), a_cell()};
    cell[0].model_path = crash;
    cell[2].model_path = "/nowhere";
    static struct record r[3];
    for (int i = 0; i < 3; i++)
        record_init(&r[i]);
    struct workload w = {.n_prompt = 16, .n_gen = 4};
    struct measure_opts o;
    measure_defaults(&o);
    o.bandwidth_gb_s = 10;
    o.min_reps = o.max_reps = 2;
    assert_int_equal(measure_cells(cell, r, 3, &w, &o, NULL), 0);
    assert_int_equal(r[0].status, STATUS_CRASHED);
    assert_non_null(strstr(r[0].reason, "signal 6"));
    assert_int_equal(r[1].status, STATUS_OK);
    assert_true(fabs(r[1].speed.prefill_tok_s.v - 1000) < 1e-9 && fabs(r[1].speed.tpot_p50_ms - 1.5) < 1e-9);
    assert_int_equal(r[2].status, STATUS_CANNOT_RUN);
    unlink(crash);
}

/* The scripts that are linked in, without their packages: each says what is missing. */
static void packages_that_are_not_there(void **state)
{
    (void)state;
    struct runner_info info;
    struct err e = {0};
    char bare[96];
    snprintf(bare, sizeof bare, "%s/python3", folder);
    char isolated[512];
    int n = snprintf(isolated, sizeof isolated, "#!/bin/sh\nexec %s -I -S \"$@\"\n", python);
    assert_int_equal(file_write(bare, isolated, (size_t)n, NULL), 0);
    chmod(bare, 0755);
    setenv("WHICHQUANT_PYTHON", bare, 1);
    for (int i = 0; runners[i]; i++) {
        const struct worker_row *row = runners[i]->of;
        if (!row || !runners[i]->logits || !row->script)
            continue;
        if (runners[i]->detect(runners[i], &info, &e) < 0)
            fail_msg("%s: %s", row->name, e.text);
        if (info.found || !strstr(info.note, "pip install") || !strstr(info.note, row->package))
            fail_msg("%s: %s", row->name, info.note);
    }
    setenv("WHICHQUANT_PYTHON", "/nowhere", 1);
    const struct runner *openvino = runner_find("openvino");
    assert_int_equal(openvino->detect(openvino, &info, &e), 0);
    assert_true(!info.found && strstr(info.note, "--python"));
    unsetenv("WHICHQUANT_PYTHON");
    unlink(bare);
}

static void no_memory(void **state)
{
    (void)state;
    struct measure_cell cell = a_cell();
    struct sample x;
    struct workload w = {.n_prompt = 2, .n_gen = 2};
    write_script("");
    int rc = -1;
    for (long n = 1; n < 40000 && rc < 0; n += 1 + n / 8) {
        struct session *s = NULL;
        mem_fail_from(n);
        rc = fake->open(&s, &cell, NULL);
        if (rc == 0) {
            rc = fake->measure(s, &w, &x, NULL);
            fake->close(s);
        }
        mem_fail_from(0);
    }
    assert_int_equal(rc, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good_output),
        cmocka_unit_test(failures_have_reasons),
        cmocka_unit_test(what_is_odd_but_right),
        cmocka_unit_test(devices),
        cmocka_unit_test(bad_openings),
        cmocka_unit_test(bad_logits),
        cmocka_unit_test(nothing_is_left_behind),
        cmocka_unit_test(it_rests_between_calls),
        cmocka_unit_test(bad_cells_do_not_take_the_others),
        cmocka_unit_test(packages_that_are_not_there),
        cmocka_unit_test(no_memory),
    };
    return cmocka_run_group_tests_name("runner_worker", tests, make_folder, remove_folder);
}
