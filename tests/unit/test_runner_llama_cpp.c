/* bench/runners/llama_cpp against shell scripts in the place of llama-bench: good output (recorded from a real one,
 * with the asked numbers put in), garbage, missing rows, exit codes, signals, hangs, floods; found on PATH and
 * elsewhere. */
#include <math.h>
#include <setjmp.h>
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

static char folder[64], program[96], model[96], *old_path;
static const struct runner *llama;

/* Reads -p -n -d, then goes on with `body`; $P $N $D $T are what was asked for. */
static const char head[] =
    "#!/bin/sh\n"
    "[ \"$1\" = --version ] && { echo 'version: 0.5.0-dev (build 6710, commit 0c1e57098)' >&2; exit 0; }\n"
    "D=0\n"
    "while [ $# -gt 0 ]; do case $1 in -p) P=$2;; -n) N=$2;; -d) D=$2;; -t) T=$2;; -m) M=$2;; esac; shift; done\n"
    "row() { echo '{\"build_commit\": \"0c1e57098\", \"build_number\": 6710, \"cpu_info\": \"AMD EPYC\", \"gpu_info\": "
    "\"\","
    " \"backends\": \"CPU\", \"model_filename\": \"'$M'\", \"model_type\": \"llama 256M Q4_K - Medium\","
    " \"model_size\": 96576768, \"model_n_params\": 134515008, \"n_batch\": 2048, \"n_ubatch\": 512,"
    " \"n_threads\": '$T', \"type_k\": \"f16\", \"type_v\": \"f16\", \"n_gpu_layers\": -1, \"n_prompt\": '$1',"
    " \"n_gen\": '$2', \"n_depth\": '$D', \"avg_ns\": '$3', \"avg_ts\": 5.5, \"samples_ns\": [ '$3' ]}'; }\n"
    "pp() { [ $P -gt 0 ] && row $P 0 $((P * 1000000)); }\n"
    "tg() { [ $N -gt 0 ] && row 0 $N $((N * 20000000)); }\n";

static void write_script(const char *body)
{
    char text[4096];
    int n = snprintf(text, sizeof text, "%s%s\n", head, body);
    assert_int_equal(file_write(program, text, (size_t)n, NULL), 0);
    assert_int_equal(chmod(program, 0755), 0);
}

static int make_folder(void **state)
{
    (void)state;
    strcpy(folder, "/tmp/whichquant-llama-XXXXXX");
    if (!mkdtemp(folder))
        return -1;
    snprintf(program, sizeof program, "%s/llama-bench", folder);
    snprintf(model, sizeof model, "%s/m.gguf", folder);
    unsetenv("LLAMA_CPP_PATH");
    old_path = strdup(getenv("PATH"));
    char path[4096];
    snprintf(path, sizeof path, "%s:%s", folder, old_path);
    setenv("PATH", path, 1);
    llama = runner_find("llama.cpp");
    return file_write(model, "GGUF", 4, NULL);
}

static int remove_folder(void **state)
{
    (void)state;
    setenv("PATH", old_path, 1);
    free(old_path);
    unlink(program);
    unlink(model);
    return rmdir(folder);
}

static struct measure_cell a_cell(void)
{
    return (struct measure_cell){.runner = llama, .model_path = model, .threads = 3};
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
    write_script("pp; tg; echo done >&2; sleep 0.1"); /* long enough for its memory to be read */
    if (llama->open(&s, &cell, &e) < 0)
        fail_msg("%s", e.text);
    struct workload w = {.n_prompt = 64, .n_gen = 16, .n_depth = 8};
    assert_int_equal(llama->measure(s, &w, &x, &e), 0);
    assert_true(x.prefill_ns == 64e6 && x.ttft_ns == 64e6 && x.decode_ns == 16 * 20e6 && x.n_token_ns == 0);
    w = (struct workload){.n_gen = 16};
    assert_int_equal(llama->measure(s, &w, &x, &e), 0);
    assert_true(isnan(x.prefill_ns) && x.decode_ns == 16 * 20e6);
    llama->describe(s, &r);
    llama->close(s);
    char hash[65];
    sha256_file(program, hash, NULL);
    assert_string_equal(r.framework.name, "llama.cpp");
    assert_string_equal(r.framework.version, "b6710-0c1e57098");
    assert_string_equal(r.framework.backend, "cpu");
    assert_string_equal(r.framework.library_sha256, hash);
    assert_string_equal(r.format.name, "gguf/q4_k_m");
    assert_string_equal(r.model.name, "m.gguf");
    assert_int_equal(r.format.bytes, 96576768);
    assert_int_equal(r.workload.threads, 3);
    assert_true(r.memory.peak_rss_bytes > 100000 && r.memory.peak_rss_bytes < 1 << 30);
    assert_true(r.speed.load_ms.v >= 0 && isnan(r.speed.load_ms.lo));
    assert_non_null(strstr(r.command, "-p 0 -n 16 -d 0 -t 3"));
}

/* How a run that opened well goes wrong: the loading run has no prompt, so `[ $P = 0 ] && tg` lets it through. */
static void one_failure(const char *body, int code, const char *said)
{
    struct measure_cell cell = a_cell();
    struct session *s;
    struct sample x;
    struct err e = {0};
    char all[2048];
    snprintf(all, sizeof all, "[ $P = 0 ] && { tg; exit 0; }\n%s", body);
    write_script(all);
    if (llama->open(&s, &cell, &e) < 0)
        fail_msg("%s", e.text);
    struct workload w = {.n_prompt = 32, .n_gen = 4, .deadline_ns = clock_ns() + 2000000000};
    int rc = llama->measure(s, &w, &x, &e);
    if (rc != code || !strstr(e.text, said))
        fail_msg("%s: returned %d and said \"%s\", not \"%s\"", body, rc, e.text, said);
    assert_true(isnan(x.prefill_ns) && isnan(x.decode_ns));
    llama->close(s);
}

static void failures_have_reasons(void **state)
{
    (void)state;
    one_failure("echo hello", ERR_FORMAT, "no usable row for the prompt; its output ends: hello");
    one_failure("exit 0", ERR_FORMAT, "no usable row for the prompt; its output ends: nothing");
    one_failure("exit 9", ERR_IO, "exit code 9; it last said: nothing");
    one_failure("pp", ERR_FORMAT, "no usable row for generation");
    one_failure("echo '{\"n_prompt\": 32, \"n_gen\": 0}'; tg", ERR_FORMAT, "no usable row for the prompt");
    one_failure("pp; tg | cut -c1-100", ERR_FORMAT, "no usable row for generation"); /* torn in the middle */
    one_failure("echo 'error: failed to load model' >&2; exit 1", ERR_IO,
                "exit code 1; it last said: error: failed to load model");
    one_failure("printf 'bad \\033[31mcolour\\n' >&2; exit 3", ERR_IO, "bad ?[31mcolour");
    one_failure("echo 'matmul' >&2; kill -SEGV $$", ERR_CRASHED, "signal 11");
    one_failure("pp; tg; kill -ILL $$", ERR_CRASHED, "signal 4"); /* rows were printed, but it died */
    one_failure("head -c 3000000 /dev/zero | tr '\\0' x; echo", ERR_FORMAT, "no usable row");
    write_script("exit 0");
}

static void a_hang_is_stopped(void **state)
{
    (void)state;
    uint64_t t0 = clock_ns();
    one_failure("sleep 1000 & sleep 1000", ERR_TIMEOUT, "did not finish within 2.0 s");
    assert_true(clock_ns() - t0 < UINT64_C(100000000000));
}

/* Beside good cells: one row each, and the good one is not touched by the others. */
static void bad_cells_do_not_take_the_others(void **state)
{
    (void)state;
    char crash[96], gone[96];
    snprintf(crash, sizeof crash, "%s/crash.gguf", folder);
    snprintf(gone, sizeof gone, "%s/gone.gguf", folder);
    file_write(crash, "GGUF", 4, NULL);
    write_script("case $M in *crash*) [ $P = 0 ] || kill -ABRT $$;; esac; pp; tg");
    struct measure_cell cell[4] = {a_cell(), a_cell(), a_cell(), a_cell()};
    cell[0].model_path = crash;
    cell[2].model_path = gone;
    cell[3].model_path = NULL;
    static struct record r[4];
    for (int i = 0; i < 4; i++)
        record_init(&r[i]);
    struct workload w = {.n_prompt = 16, .n_gen = 4};
    struct measure_opts o;
    measure_defaults(&o);
    o.bandwidth_gb_s = 10;
    o.min_reps = o.max_reps = 2;
    assert_int_equal(measure_cells(cell, r, 4, &w, &o, NULL), 0);
    assert_int_equal(r[0].status, STATUS_CRASHED);
    assert_non_null(strstr(r[0].reason, "signal 6"));
    assert_int_equal(r[1].status, STATUS_OK);
    assert_true(fabs(r[1].speed.prefill_tok_s.v - 1000) < 1e-9 && fabs(r[1].speed.decode_tok_s.v - 50) < 1e-9);
    assert_int_equal(r[1].speed.decode_ns.n, 2);
    assert_int_equal(r[2].status, STATUS_CANNOT_RUN);
    assert_int_equal(r[3].status, STATUS_UNSUPPORTED);
    assert_non_null(strstr(r[3].reason, "shape has none"));
    unlink(crash);
}

static void where_it_is_found(void **state)
{
    (void)state;
    struct runner_info info;
    write_script("exit 1");
    assert_int_equal(llama->detect(llama, &info, NULL), 0);
    assert_true(info.found);
    assert_string_equal(info.library_path, program);
    assert_string_equal(info.version, "b6710-0c1e57098");
    setenv("PATH", "/nowhere", 1);
    assert_int_equal(llama->detect(llama, &info, NULL), 0);
    assert_false(info.found);
    assert_non_null(strstr(info.note, "LLAMA_CPP_PATH"));
    struct measure_cell cell = a_cell();
    struct session *s;
    struct err e = {0};
    assert_int_equal(llama->open(&s, &cell, &e), ERR_MISSING);
    setenv("PATH", old_path, 1);
    setenv("LLAMA_CPP_PATH", folder, 1); /* a folder, */
    assert_int_equal(llama->detect(llama, &info, NULL), 0);
    assert_true(info.found);
    setenv("LLAMA_CPP_PATH", program, 1); /* the program, */
    assert_int_equal(llama->detect(llama, &info, NULL), 0);
    assert_true(info.found);
    setenv("LLAMA_CPP_PATH", "/nowhere", 1);
    assert_int_equal(llama->detect(llama, &info, NULL), 0);
    assert_false(info.found); /* named and wrong: not another one */
    unsetenv("LLAMA_CPP_PATH");
    char path[4096];
    snprintf(path, sizeof path, "%s:%s", folder, old_path);
    setenv("PATH", path, 1);
    file_write(program, "#!/bin/sh\nexit 1\n", 17, NULL); /* no --version: each row tells it */
    chmod(program, 0755);
    assert_int_equal(llama->detect(llama, &info, NULL), 0);
    assert_true(info.found && !info.version[0]);
}

static void no_memory(void **state)
{
    (void)state;
    struct measure_cell cell = a_cell();
    struct sample x;
    struct workload w = {.n_prompt = 4, .n_gen = 4};
    write_script("pp; tg");
    int rc = -1;
    for (long n = 1; n < 200 && rc < 0; n++) {
        struct session *s = NULL;
        mem_fail_from(n);
        rc = llama->open(&s, &cell, NULL);
        if (rc == 0) {
            rc = llama->measure(s, &w, &x, NULL);
            llama->close(s);
        }
        mem_fail_from(0);
        assert_true(rc == 0 || rc == ERR_NOMEM || rc == ERR_MISSING); /* looking on PATH also needs memory */
    }
    assert_int_equal(rc, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good_output),       cmocka_unit_test(failures_have_reasons),
        cmocka_unit_test(a_hang_is_stopped), cmocka_unit_test(bad_cells_do_not_take_the_others),
        cmocka_unit_test(where_it_is_found), cmocka_unit_test(no_memory),
    };
    return cmocka_run_group_tests_name("runner_llama_cpp", tests, make_folder, remove_folder);
}
