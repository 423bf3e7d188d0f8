/* bench/frameworks and bench/sweep_real against executables of the worker protocol: a good one, whose speed and KL
 * divergence are known; ones that die, hang, print rubbish, make NaN or show no logits; what cannot be written for
 * them; and one that was there and is gone. Whatever they do, each is a record, and nothing is left behind. */
#include <dirent.h>
#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/mem.h"
#include "base/os.h"
#include "base/temp.h"
#include "bench/sweep.h"
#include "tests/engine_fixture.h"
#include "tests/test_data.h"

enum { N_CTX = 64, N_CHUNKS = 2 };
static char folder[TEMP_PATH], temporary[TEMP_PATH], python[256];
static struct {
    struct model *model;
    struct probe_device device;
    struct pool *pool;
    char *text;
    size_t text_bytes;
} world;

/* Times that add up to less than what passes; logits that are all the same. */
static const char head[] =
    "import json, os, signal, struct, subprocess, sys, time\n"
    "def say(text): sys.stdout.write(text); sys.stdout.flush()\n"
    "def hello(q): return {'protocol': 1, 'name': 'fake', 'version': '1.2', 'library': sys.argv[0], 'containers': "
    "['gguf']}\n"
    "def open_(q):\n"
    "    assert open(q['artifact'], 'rb').read(4) == b'GGUF'\n"
    "    return {'vocab': 512, 'backend': 'cpu', 'kernels': 'fake'}\n"
    "def measure(q):\n"
    "    time.sleep(0.0001 * (q['n_prompt'] + q['n_gen']))\n"
    "    return {'prefill_ns': 50000 * q['n_prompt'] or None, 'token_ns': [100000] * q['n_gen']}\n"
    "def logits(q):\n"
    "    open(q['path'], 'wb').write(bytes(4 * 512 * len(q['tokens'])))\n"
    "    return {'rows': len(q['tokens']), 'vocab': 512}\n"
    "def memory(q): return {}\n"
    "def line(q, reply): say(json.dumps({'id': q['id'], **reply}) + '\\n')\n"
    "def close(q):\n"
    "    line(q, {}); sys.exit(0)\n";
static const char tail[] =
    "calls = {'hello': hello, 'open': open_, 'measure': measure, 'logits': logits, 'memory': memory}\n"
    "for text in sys.stdin:\n"
    "    q = json.loads(text)\n"
    "    close(q) if q['call'] == 'close' else line(q, calls[q['call']](q))\n";

/* What each does otherwise, and what becomes of it. */
static const struct {
    const char *name, *body;
    enum record_status status;
    const char *said;
} fakes[] = {
    {"good", "", STATUS_OK, ""},
    {"dies", "def measure(q): os.kill(os.getpid(), signal.SIGSEGV)", STATUS_CRASHED, "signal 11"},
    {"hangs",
     "def measure(q):\n"
     "    p = subprocess.Popen(['sleep', '1000'])\n"
     "    open(os.path.dirname(sys.argv[0]) + '/pid', 'w').write(f'{os.getpid()} {p.pid}')\n"
     "    time.sleep(1000)\n",
     STATUS_TIMED_OUT, "hangs"},
    {"babbles", "def measure(q): say('all is well\\n'); time.sleep(9)", STATUS_FAILED, "but: all is well"},
    {"nan",
     "def logits(q):\n"
     "    open(q['path'], 'wb').write(struct.pack('<f', float('nan')) * (512 * len(q['tokens'])))\n"
     "    return {'rows': len(q['tokens']), 'vocab': 512}\n",
     STATUS_FAILED, "NaN"},
    {"mute", "def logits(q): return {'error': 'unsupported', 'text': 'shows none'}", STATUS_OK, "shows none"},
    {"placed",
     "def open_(q):\n"
     "    assert q['options'] == {'x': '1'}\n"
     "    return {'vocab': 512, 'backend': q['device'], 'gpu_layers': int(q['gpu_layers'])}\n",
     STATUS_OK, ""},
    {"stays", "def open_(q): return {'error': 'unsupported', 'text': 'drives no ' + q['device']}", STATUS_UNSUPPORTED,
     "drives no vulkan"},
    {"slow", "def open_(q): time.sleep(1000)", STATUS_NOT_REACHED, "the budget ended while it was loading"},
    {"picky", "def hello(q): return {'protocol': 1, 'name': 'fake', 'containers': ['onnx']}", STATUS_OK, ""},
    {"broken", "sys.exit(3)", STATUS_OK, ""},
};
enum { N_FAKES = sizeof fakes / sizeof *fakes };

static void program_of(char path[400], const char *name)
{
    snprintf(path, 400, "%s/whichquant-runner-%s", folder, name);
}

static int write_fakes(void)
{
    for (int i = 0; i < N_FAKES; i++) {
        char text[8192], path[400];
        int n = snprintf(text, sizeof text, "#!%s\n%s%s\n%s", python, head, fakes[i].body, tail);
        program_of(path, fakes[i].name);
        if (file_write(path, text, (size_t)n, NULL) < 0 || chmod(path, 0755) < 0)
            return -1;
    }
    return 0;
}

static int open_world(void **state)
{
    (void)state;
    const char *const argv[] = {"python3", "-c", "import sys; print(sys.executable, end='')", NULL};
    struct child_result r;
    struct err e = {0};
    if (child_run(&(struct child_cmd){.argv = argv}, &r, NULL) < 0)
        return -1;
    snprintf(python, sizeof python, "%s", r.out);
    child_result_free(&r);
    if (temp_dir(folder, "fakes", &e) || temp_dir(temporary, "files", &e) || write_fakes())
        return -1;
    char path[4096];
    snprintf(path, sizeof path, "%s:%s", folder, getenv("PATH"));
    setenv("PATH", path, 1);
    setenv("TMPDIR", temporary, 1);
    setenv("LLAMA_CPP_PATH", "/nowhere", 1);
    setenv("WHICHQUANT_PYTHON", "/nowhere", 1);
    if (model_open(&world.model, test_data("models/stories260K-F32.gguf"), &e) || model_hash(world.model, &e) ||
        file_read(test_data("text/stories-ascii.txt"), (size_t)1 << 30, &world.text, &world.text_bytes, &e))
        return -1;
    world.text_bytes = world.text_bytes < 20000 ? world.text_bytes : 20000;
    world.device.memory.usable_bytes = (int64_t)4 << 30;
    return pool_new(&world.pool, 1, NULL, &e);
}

static int close_world(void **state)
{
    (void)state;
    temp_remove(folder);
    temp_remove(temporary);
    pool_free(world.pool);
    mem_free(world.text);
    model_close(world.model);
    return 0;
}

static struct request a_request(const char *const *formats, int n)
{
    struct request r;
    request_defaults(&r);
    r.formats = formats;
    r.n_formats = n;
    r.n_ctx_eval = N_CTX;
    r.n_chunks = N_CHUNKS;
    r.isa = host_isa();
    r.threads = 1;
    r.budget_s = 60;
    r.no_speed = r.budget_is_default = true;
    r.want.n_prompt = 16;
    r.want.n_gen = 8;
    return r;
}

static struct sweep_input an_input(const struct request *req, struct store *store)
{
    return (struct sweep_input){.req = req,
                                .device = &world.device,
                                .pool = world.pool,
                                .store = store,
                                .model = world.model,
                                .text = world.text,
                                .text_name = "stories",
                                .text_bytes = world.text_bytes,
                                .run_id = "test"};
}

static const struct record *record_of(const struct sweep *s, int from, const char *framework, const char *format)
{
    const struct record *found = NULL;
    for (int i = from; i < s->n; i++)
        if (!strcmp(s->rec[i].framework.name, framework) && !strcmp(s->rec[i].format.name, format)) {
            assert_null(found);
            found = &s->rec[i];
        }
    return found;
}

static int n_files(const char *path)
{
    DIR *d = opendir(path);
    int n = -2;
    while (d && readdir(d))
        n++;
    closedir(d);
    return n;
}

static struct frameworks found;

static void take(struct sweep_set *set, const char *const *names, int n, const struct request *req)
{
    struct request r = *req;
    struct err e = {0};
    r.frameworks = names;
    r.n_frameworks = n;
    if (frameworks_find(&found, &r, &e) < 0)
        fail_msg("%s", e.text);
    assert_int_equal(found.n, n);
    for (int i = 0; i < found.n; i++)
        set->at[set->n++] = &found.at[i];
    set->container = exporters[0];
}

/* What uniform logits cost: ln V less the entropy of the reference, by an engine of its own over the same chunks. */
static double uniform_kld(const struct sweep *s)
{
    const int v = world.model->d.n_vocab, bos = vocab_adds_bos(world.model->vocab) ? vocab_bos(world.model->vocab) : -1;
    struct engine_opts o = fixture_opts(N_CTX, N_CTX, NULL);
    struct fixture f = fixture_open(test_data("models/stories260K-F32.gguf"), false, &o);
    float *row = mem_alloc_n((size_t)v, sizeof *row);
    double sum = 0;
    int n = 0;
    for (int c = 0; c < N_CHUNKS; c++) {
        int32_t t[N_CTX];
        memcpy(t, s->tokens + c * N_CTX, sizeof t);
        t[0] = bos >= 0 ? bos : t[0];
        engine_reset(f.engine);
        assert_int_equal(engine_forward(f.engine, t, N_CTX, NULL), 0);
        for (int i = N_CTX / 2; i < N_CTX - 1; i++, n++) {
            assert_int_equal(engine_logits(f.engine, i, 1, row, NULL), 0);
            double most = -INFINITY, z = 0, mean = 0;
            for (int k = 0; k < v; k++)
                most = row[k] > most ? row[k] : most;
            for (int k = 0; k < v; k++)
                z += exp(row[k] - most);
            for (int k = 0; k < v; k++)
                mean += exp(row[k] - most) / z * (row[k] - most);
            sum += log(v) + mean - log(z);
        }
    }
    mem_free(row);
    fixture_close(&f);
    return sum / n;
}

/* With --resume what the store has of every framework of a set is taken from there. */
static void resumes_what_was_measured(struct sweep *s, const struct sweep_input *in, int from)
{
    static const char *const names[] = {"good", "mute"};
    struct request req = *in->req;
    struct sweep_input again = *in;
    struct sweep_set set = {.formats = {in->req->formats[0]}, .n_formats = 1};
    struct err e = {0};
    req.resume = true;
    again.req = &req;
    take(&set, names, 2, &req);
    const double load_ms[] = {record_of(s, from, names[0], req.formats[0])->speed.load_ms.v,
                              record_of(s, from, names[1], req.formats[0])->speed.load_ms.v};
    for (int resume = 1; resume >= 0; resume--) {
        const int n = s->n;
        req.resume = resume;
        if (sweep_real(s, &again, &set, 20, &e) < 0)
            fail_msg("%s", e.text);
        for (int i = 0; i < 2; i++) {
            const struct record *r = record_of(s, n, names[i], req.formats[0]);
            assert_non_null(r);
            assert_int_equal(r->status, STATUS_OK);
            assert_int_equal(fabs(r->speed.load_ms.v / load_ms[i] - 1) < 1e-9, resume);
        }
    }
}

static void good_and_bad_are_records(void **state)
{
    static const char *const formats[] = {"gguf/q8_0"};
    static const char *const names[] = {"good", "dies", "hangs", "babbles", "nan", "mute"};
    enum { N = sizeof names / sizeof *names };
    struct request req = a_request(formats, 1);
    struct store *store;
    struct err e = {0};
    (void)state;
    assert_int_equal(store_open(&store, ":memory:", &e), 0);
    struct sweep_input in = an_input(&req, store);
    struct sweep *s;
    if (sweep_run(&s, &in, &e) < 0)
        fail_msg("%s", e.text);
    const struct record own = *record_of(s, 0, "own", formats[0]);
    struct sweep_set set = {.formats = {formats[0]}, .n_formats = 1};
    take(&set, names, N, &req);
    const int from = s->n;
    if (sweep_real(s, &in, &set, 80, &e) < 0) /* what hangs takes some of it */
        fail_msg("%s", e.text);
    for (int i = 0; i < N; i++) {
        const struct record *r = record_of(s, from, names[i], formats[0]);
        assert_non_null(r);
        if (r->status != fakes[i].status || !strstr(r->reason, fakes[i].said) || strchr(r->reason, '\n'))
            fail_msg("%s: %s, \"%s\"", names[i], record_status_name(r->status), r->reason);
        assert_int_equal(isfinite(r->speed.decode_tok_s.v), r->status == STATUS_OK);
        assert_int_equal(r->speed_from, r->status == STATUS_OK ? FROM_MEASURED : FROM_NOWHERE);
        assert_string_equal(r->framework.version, "1.2");
        assert_int_equal(strlen(r->framework.library_sha256), 64);
    }
    const struct record *good = record_of(s, from, "good", formats[0]), *mute = record_of(s, from, "mute", formats[0]);
    assert_true(fabs(good->speed.decode_tok_s.v / 10000 - 1) < 1e-9);
    assert_true(fabs(good->speed.prefill_tok_s.v / 20000 - 1) < 1e-9);
    assert_true(good->memory.peak_rss_bytes > 1 << 20);
    assert_true(good->kld_predicted == own.quality.kld);
    assert_int_equal(good->quality.n_chunks, N_CHUNKS);
    assert_true(fabs(good->quality.kld / uniform_kld(s) - 1) < 1e-5);
    assert_true(isnan(mute->quality.kld) && isnan(mute->kld_predicted));
    assert_int_equal(n_files(temporary), 0);
    resumes_what_was_measured(s, &in, from);
    sweep_free(s);
    store_close(store);
}

/* Both of what hung are gone. */
static void nothing_is_left_running(void **state)
{
    char path[400], *text, name[64];
    int pid[2];
    (void)state;
    snprintf(path, sizeof path, "%s/pid", folder);
    assert_int_equal(file_read(path, 100, &text, NULL, NULL), 0);
    assert_int_equal(sscanf(text, "%d %d", &pid[0], &pid[1]), 2);
    for (int i = 0; i < 2; i++) {
        bool there = true;
        snprintf(name, sizeof name, "/proc/%d/exe", pid[i]);
        for (int k = 0; k < 500 && (there = access(name, F_OK) == 0); k++)
            clock_sleep_ms(10);
        assert_false(there);
    }
    mem_free(text);
}

/* The equivalent kernels' figure of the same chunks is the same where no store has it. A format that cannot be written
 * is a record of each framework, and the next one is measured all the same. */
static void what_cannot_be_written_is_a_record(void **state)
{
    static const char *const formats[] = {"openvino/int4-sym-channel", "gguf/q4_0"};
    static const char *const names[] = {"good"};
    struct request req = a_request(formats, 2);
    struct sweep_input in = an_input(&req, NULL);
    struct sweep *s;
    struct err e = {0};
    (void)state;
    if (sweep_run(&s, &in, &e) < 0)
        fail_msg("%s", e.text);
    const struct record own = *record_of(s, 0, "own", formats[1]);
    struct sweep_set set = {.formats = {formats[0], formats[1]}, .n_formats = 2};
    take(&set, names, 1, &req);
    char broken[TEMP_PATH];
    assert_int_equal(temp_file(broken, "file", &e), 0);
    const int from = s->n;
    if (sweep_real(s, &in, &set, 20, &e) < 0)
        fail_msg("%s", e.text);
    const struct record *r = record_of(s, from, "good", formats[1]), *other = record_of(s, from, "good", formats[0]);
    assert_int_equal(r->status, STATUS_OK);
    assert_true(r->kld_predicted == own.quality.kld);
    assert_true(other->status != STATUS_OK && *other->reason); /* it opens GGUF alone */
    const int n = s->n;
    setenv("TMPDIR", broken, 1); /* no folder */
    if (sweep_real(s, &in, &set, 20, &e) < 0)
        fail_msg("%s", e.text);
    setenv("TMPDIR", temporary, 1);
    assert_int_equal(s->n, n + 2);
    assert_true(s->rec[n].status == STATUS_FAILED && strstr(s->rec[n].reason, "TMPDIR"));
    temp_remove(broken);
    assert_int_equal(n_files(temporary), 0);
    sweep_free(s);
}

/* --backend, --gpu-layers, --set: a row for each number of layers, also of what cannot; the own engine once beside
 * them. With other settings it is another cell. */
static void places_are_rows(void **state)
{
    static const char *const formats[] = {"gguf/q8_0"}, *const names[] = {"placed", "stays"};
    static const char *const layers[] = {"2", "all", "3"}, *const one[] = {"x=1"}, *const two[] = {"x=1", "y=2"};
    struct request req = a_request(formats, 1);
    struct store *store;
    struct sweep *s;
    struct err e = {0};
    (void)state;
    req.backend = "Vulkan";
    req.gpu_layers = layers;
    req.n_gpu_layers = 3;
    req.settings = one;
    req.n_settings = 1;
    assert_int_equal(store_open(&store, ":memory:", &e), 0);
    struct sweep_input in = an_input(&req, store);
    assert_int_equal(sweep_run(&s, &in, &e), 0);
    struct sweep_set set = {.formats = {formats[0]}, .n_formats = 1};
    take(&set, names, 2, &req);
    const int from = s->n;
    if (sweep_real(s, &in, &set, 120, &e) < 0) /* a busy machine takes its time */
        fail_msg("%s", e.text);
    assert_int_equal(s->n, from + 7);
    record_of(s, from, "own", formats[0]);
    for (int i = from; i < from + 6; i++) {
        const struct record *r = &s->rec[i];
        const bool stays = i >= from + 3;
        const int asked[] = {2, -1, 3}, k = (i - from) % 3;
        assert_string_equal(r->framework.name, names[stays]);
        if (!stays && k == 1) { /* it takes numbers alone */
            assert_int_equal(r->status, STATUS_FAILED);
            continue;
        }
        if (r->status != (stays ? STATUS_UNSUPPORTED : STATUS_OK) ||
            !strstr(r->reason, stays ? "drives no Vulkan" : ""))
            fail_msg("%s: %s, \"%s\"", r->framework.name, record_status_name(r->status), r->reason);
        assert_int_equal(r->framework.gpu_layers, asked[k]);
        assert_string_equal(r->framework.backend, stays ? "vulkan" : "Vulkan");
        assert_string_equal(r->framework.settings, "x=1");
    }
    char cell_id[65];
    snprintf(cell_id, sizeof cell_id, "%s", s->rec[from].cell_id);
    req.resume = true;
    req.settings = two;
    req.n_settings = 2;
    in.req = &req;
    const int n = s->n;
    assert_int_equal(sweep_real(s, &in, &set, 20, &e), 0);
    assert_int_equal(s->n, n + 7); /* nothing of it was measured before */
    assert_string_not_equal(s->rec[n].cell_id, cell_id);
    sweep_free(s);
    store_close(store);
}

/* What the budget does not reach says so, and hides nothing in the store; a worker that loads meanwhile is stopped. */
static void the_budget_ends_first(void **state)
{
    static const char *const formats[] = {"gguf/q8_0"}, *const names[] = {"good", "slow"};
    static const double seconds[] = {0, 3};
    struct request req = a_request(formats, 1);
    struct store *store;
    struct sweep *s;
    struct record stored;
    struct err e = {0};
    (void)state;
    assert_int_equal(store_open(&store, ":memory:", &e), 0);
    struct sweep_input in = an_input(&req, store);
    assert_int_equal(sweep_run(&s, &in, &e), 0);
    for (int i = 0; i < 2; i++) {
        struct sweep_set set = {.formats = {formats[0]}, .n_formats = 1};
        take(&set, &names[i], 1, &req);
        const int from = s->n;
        if (sweep_real(s, &in, &set, seconds[i], &e) < 0)
            fail_msg("%s", e.text);
        const struct record *r = record_of(s, from, names[i], formats[0]);
        assert_non_null(r);
        if (r->status != STATUS_NOT_REACHED ||
            !strstr(r->reason, i ? "while it was loading" : "before it was its turn"))
            fail_msg("%s: %s", record_status_name(r->status), r->reason);
        assert_int_equal(store_find(store, r->cell_id, world.device.env_sha256, &stored, &e), 0);
        assert_int_equal(n_files(temporary), 0);
    }
    sweep_free(s);
    store_close(store);
}

/* Where time is short the first framework of those that nobody named is asked alone; named ones are all asked. */
static void the_first_framework_comes_first(void **state)
{
    static const char *const formats[] = {"gguf/q8_0"}, *const names[] = {"good", "placed"};
    struct request req = a_request(formats, 1);
    struct sweep *s;
    struct err e = {0};
    (void)state;
    struct sweep_input in = an_input(&req, NULL);
    assert_int_equal(sweep_run(&s, &in, &e), 0);
    struct record *slow = sweep_add(s, &e);
    assert_non_null(slow);
    *slow = *record_of(s, 0, "own", formats[0]);
    slow->speed.prefill_tok_s.v = 1; /* a repetition of this takes longer than all may */
    slow->speed.decode_tok_s.v = 0.2;
    for (int named = 0; named < 2; named++) {
        struct sweep_set set = {.formats = {formats[0]}, .n_formats = 1};
        take(&set, names, 2, &req);
        req.frameworks = names;
        req.n_frameworks = named ? 2 : 0;
        const int from = s->n;
        if (sweep_real(s, &in, &set, 30, &e) < 0)
            fail_msg("%s", e.text);
        const struct record *first = record_of(s, from, names[0], formats[0]);
        const struct record *second = record_of(s, from, names[1], formats[0]);
        assert_int_equal(first->status, STATUS_OK);
        assert_int_equal(second->status == STATUS_NOT_REACHED, !named);
        assert_int_equal(!strcmp(second->reason, "not measured: the budget ended before it was its turn"), !named);
    }
    sweep_free(s);
}

/* Those on PATH, less what cannot be asked; then without one of them. */
static void frameworks_come_and_go(void **state)
{
    static const char *const named[] = {"good"};
    struct request req = a_request(NULL, 0);
    struct err e = {0};
    char path[400];
    int n_gguf = 0;
    (void)state;
    assert_int_equal(frameworks_find(&found, &req, &e), 0);
    assert_int_equal(found.n, N_FAKES - 1);
    for (int i = 0; i < found.n; i++)
        n_gguf += framework_loads(&found.at[i], &exporter_gguf);
    assert_int_equal(n_gguf, N_FAKES - 2); /* not the picky one */
    const char *usual[16];
    assert_int_equal(frameworks_usual(&found, "x86_64", usual, 16), 2); /* the picky one's; GGUF's are the usual ones */
    for (int i = 0; i < 2; i++)
        assert_int_equal(strncmp(usual[i], "onnx/", 5), 0);
    struct request names_none = a_request(NULL, 0);
    struct plan *without, *with;
    assert_int_equal(plan_formats(&without, world.model, &names_none, NULL, &e), 0);
    names_none.n_also = frameworks_usual(&found, "x86_64", names_none.also, 16);
    assert_int_equal(plan_formats(&with, world.model, &names_none, NULL, &e), 0);
    assert_int_equal(with->n_cells + with->n_refused, without->n_cells + without->n_refused + 2);
    plan_free(with);
    plan_free(without);
    program_of(path, "good");
    unlink(path);
    assert_int_equal(frameworks_find(&found, &req, &e), 0);
    assert_int_equal(found.n, N_FAKES - 2);
    for (int i = 0; i < found.n; i++)
        assert_string_not_equal(found.at[i].runner->name, "good");
    req.frameworks = named;
    req.n_frameworks = 1;
    assert_true(frameworks_find(&found, &req, &e) < 0);
    assert_non_null(strstr(e.text, "--framework good"));
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(good_and_bad_are_records),
        cmocka_unit_test(nothing_is_left_running),
        cmocka_unit_test(what_cannot_be_written_is_a_record),
        cmocka_unit_test(places_are_rows),
        cmocka_unit_test(the_budget_ends_first),
        cmocka_unit_test(the_first_framework_comes_first),
        cmocka_unit_test(frameworks_come_and_go),
    };
    if (!test_data_there("models/stories260K-F32.gguf") || !test_data_there("text/stories-ascii.txt"))
        return TEST_SKIPPED;
    return cmocka_run_group_tests_name("sweep_real", tests, open_world, close_world);
}
