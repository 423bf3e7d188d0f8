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
    "[ \"$1\" = --list-devices ] && { [ -n \"$FAKE_DEVICES\" ] || exit 1; printf \"$FAKE_DEVICES\"; exit 0; }\n"
    "D=0; L=-1; ARGS=$*; : ${FAKE_BACKENDS:=CPU} ${FAKE_TYPE:=llama 256M Q4_K - Medium}\n"
    "while [ $# -gt 0 ]; do case $1 in -p) P=$2;; -n) N=$2;; -d) D=$2;; -t) T=$2;; -m) M=$2;; -ngl) L=$2;; esac;"
    " shift; done\n"
    "row() { echo '{\"build_commit\": \"0c1e57098\", \"build_number\": 6710, \"cpu_info\": \"AMD EPYC\", \"gpu_info\": "
    "\"\","
    " \"backends\": \"'$FAKE_BACKENDS'\", \"model_filename\": \"'$M'\", \"model_type\": \"'\"$FAKE_TYPE\"'\","
    " \"model_size\": 96576768, \"model_n_params\": 134515008, \"n_batch\": 2048, \"n_ubatch\": 512,"
    " \"n_threads\": '$T', \"type_k\": \"f16\", \"type_v\": \"f16\", \"n_gpu_layers\": '$L', \"n_prompt\": '$1',"
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
    assert_non_null(strstr(r.command, "llama-bench -m "));
    assert_non_null(strstr(r.command, "m.gguf -p 0 -n 16 -t 3 -r 1 -o jsonl")); /* as it ran */
    assert_int_equal(r.framework.gpu_layers, 0);
}

/* Opens and describes; what the record says of the device goes into r. */
static int place(const char *device, const char *layers, const char *setting, struct record *r, struct err *e)
{
    struct measure_cell cell = a_cell();
    struct session *s;
    cell.device = device;
    cell.gpu_layers = layers;
    cell.settings = &setting;
    cell.n_settings = setting != NULL;
    record_init(r);
    int rc = llama->open(&s, &cell, e);
    if (rc < 0)
        return rc;
    llama->describe(s, r);
    llama->close(s);
    return 0;
}

static void devices(void **state)
{
    (void)state;
    static const char two[] = "Available devices:\\n  CUDA0: NVIDIA H100 (81089 MiB, 80000 MiB free)\\n"
                              "  CUDA1: other (1 MiB, 1 MiB free)\\n  Vulkan0: llvmpipe (1 MiB, 1 MiB free)\\n";
    static const struct {
        const char *list, *backends, *device, *layers, *setting; /* list "": an old build */
        int code;
        const char *said, *backend; /* in the command, or the sentence */
        int gpu_layers;
    } kinds[] = {
        {two, "CUDA,Vulkan", NULL, NULL, NULL, 0, "-o jsonl", "cuda", -1},
        {two, "CUDA,Vulkan", "cpu", NULL, NULL, 0, "-dev none -ngl 0", "cpu", 0},
        {two, "CUDA,Vulkan", "gpu", NULL, NULL, 0, "-dev CUDA0/CUDA1/Vulkan0 -ngl 999", "cuda", 999},
        {two, "CUDA,Vulkan", "cuda", "12", NULL, 0, "-dev CUDA0/CUDA1 -ngl 12", "cuda", 12},
        {two, "CUDA,Vulkan", "CUDA1", "all", NULL, 0, "-dev CUDA1 -ngl 999", "cuda", 999},
        {two, "CUDA,Vulkan", "vulkan", "3", NULL, 0, "-dev Vulkan0 -ngl 3", "vulkan", 3},
        {two, "CUDA,Vulkan", NULL, "0", NULL, 0, "-ngl 0", "cpu", 0},
        {two, "CUDA", NULL, NULL, "n-cpu-moe=4", 0, "-o jsonl --n-cpu-moe 4", "cuda", -1},
        {two, "CUDA", NULL, NULL, "no-host", 0, "-o jsonl --no-host", "cuda", -1},
        {two, "CUDA", "metal", NULL, NULL, ERR_UNSUPPORTED, "drives no device metal: it lists CUDA0, CUDA1, Vulkan0",
         NULL, 0},
        {"Available devices:\\n  (none)\\n", "CPU", "gpu", NULL, NULL, ERR_UNSUPPORTED,
         "drives no device gpu: it lists none", NULL, 0},
        {"Available devices:\\n  (none)\\n", "CPU", NULL, "5", NULL, ERR_UNSUPPORTED, "drives no device gpu", NULL, 0},
        {"Available devices:\\n  BLAS: OpenBLAS (1 MiB, 1 MiB free)\\n", "BLAS,CPU", "gpu", NULL, NULL, ERR_UNSUPPORTED,
         "no device gpu", NULL, 0},
        {"", "CPU", "gpu", NULL, NULL, ERR_UNSUPPORTED, "was built for the CPU alone", NULL, 0},
        {"", "CPU", "cpu", NULL, NULL, 0, "jsonl -ngl 0", "cpu", 0},
        {"", "CUDA", "gpu", "7", NULL, 0, "jsonl -ngl 7", "cuda", 7},
        {two, "CUDA", "cpu", "7", NULL, ERR_USAGE, "there is no device to put them on", NULL, 0},
        {two, "CUDA", NULL, "many", NULL, ERR_USAGE, "give a number of layers, or all", NULL, 0},
        {two, "CUDA", NULL, NULL, "threads=4", ERR_USAGE, "give --threads instead", NULL, 0},
        {two, "CUDA", NULL, NULL, "-x=4", ERR_USAGE, "its long options", NULL, 0},
    };
    write_script("tg");
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        struct record r;
        struct err e = {0};
        setenv("FAKE_DEVICES", kinds[i].list, 1);
        setenv("FAKE_BACKENDS", kinds[i].backends, 1);
        int rc = place(kinds[i].device, kinds[i].layers, kinds[i].setting, &r, &e);
        if (rc != kinds[i].code || !strstr(rc < 0 ? e.text : r.command, kinds[i].said))
            fail_msg("%zu: returned %d: %s", i, rc, rc < 0 ? e.text : r.command);
        if (rc == 0 && (strcmp(r.framework.backend, kinds[i].backend) || r.framework.gpu_layers != kinds[i].gpu_layers))
            fail_msg("%zu: %s, %d layers", i, r.framework.backend, r.framework.gpu_layers);
    }
    unsetenv("FAKE_DEVICES");
    unsetenv("FAKE_BACKENDS");
}

/* bitnet.cpp: the same program, found by its own variable and by nothing else; its own names for its formats. */
static void the_fork_of_bitnet(void **state)
{
    (void)state;
    const struct runner *bitnet = runner_find("bitnet.cpp");
    static const char *const type[][2] = {{"bitnet-b1.58 2B I2_S - 2 bpw ternary", "bitnet/i2_s"},
                                          {"bitnet-b1.58 2B TL1", "bitnet/tl1"},
                                          {"llama 8B TL2", "bitnet/tl2"}};
    struct measure_cell cell = a_cell();
    struct runner_info info;
    struct session *s;
    struct sample x;
    struct record r;
    struct err e = {0};
    write_script("pp; tg");
    cell.runner = bitnet;
    unsetenv("BITNET_CPP_PATH"); /* llama.cpp's program is on PATH */
    assert_int_equal(bitnet->detect(bitnet, &info, NULL), 0);
    assert_true(!info.found && strstr(info.note, "BITNET_CPP_PATH"));
    assert_int_equal(bitnet->open(&s, &cell, &e), ERR_MISSING);
    assert_non_null(strstr(e.text, "install bitnet.cpp or set BITNET_CPP_PATH to its build"));
    setenv("BITNET_CPP_PATH", folder, 1);
    assert_int_equal(bitnet->detect(bitnet, &info, NULL), 0);
    assert_true(info.found && !strcmp(info.name, "bitnet.cpp"));
    for (int i = 0; i < 3; i++) {
        setenv("FAKE_TYPE", type[i][0], 1);
        record_init(&r);
        if (bitnet->open(&s, &cell, &e) < 0)
            fail_msg("%s", e.text);
        assert_int_equal(bitnet->measure(s, &(struct workload){.n_prompt = 8, .n_gen = 4}, &x, &e), 0);
        bitnet->describe(s, &r);
        bitnet->close(s);
        assert_true(x.prefill_ns == 8e6 && x.decode_ns == 80e6);
        assert_string_equal(r.framework.name, "bitnet.cpp");
        assert_string_equal(r.format.name, type[i][1]);
    }
    unsetenv("FAKE_TYPE");
    unsetenv("BITNET_CPP_PATH");
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
        cmocka_unit_test(devices),           cmocka_unit_test(the_fork_of_bitnet),
    };
    return cmocka_run_group_tests_name("runner_llama_cpp", tests, make_folder, remove_folder);
}
