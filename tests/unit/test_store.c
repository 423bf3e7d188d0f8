/* bench/store: put and find, idempotence, SIGKILL at random moments, two writers at once, foreign, newer and
 * damaged files, no permission, full disk, failing allocations. */
#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>
#include "base/mem.h"
#include "base/os.h"
#include "base/rng.h"
#include "bench/factor.h"
#include "tests/unit/record_sample.h"
#include "tests/unit/store_place.h"

static void numbered(struct record *r, int i)
{
    sample_record(r, 1);
    memset(r->run_id, 0, sizeof r->run_id);   /* no rests behind the zero byte: records are compared whole */
    memset(r->date, 0, sizeof r->date);
    memset(r->cell_id, 0, sizeof r->cell_id);
    memset(r->env_sha256, 0, sizeof r->env_sha256);
    memset(r->model.sha256, 0, sizeof r->model.sha256);
    snprintf(r->run_id, sizeof r->run_id, "%d", i);
    snprintf(r->date, sizeof r->date, "2026-11-21T%02d:%02d:%02dZ", i / 3600, i / 60 % 60, i % 60);
    snprintf(r->cell_id, sizeof r->cell_id, "cell%d", i % 3);
    strcpy(r->env_sha256, "env");
    strcpy(r->model.sha256, "model");
    r->status = STATUS_OK;
}

static int count_one(void *arg, const struct record *r)
{
    (void)r;
    ++*(int *)arg;
    return 0;
}

static int n_records(struct store *s)
{
    struct err e = {0};
    int n = 0;
    if (store_each(s, NULL, NULL, count_one, &n, &e) < 0)
        fail_msg("%s", e.text);
    return n;
}

static void put_and_find(void **state)
{
    (void)state;
    struct store *s = open_ok(place);
    struct record r, back;
    for (int i = 0; i < 6; i++) {
        numbered(&r, i);
        put_ok(s, &r);
        put_ok(s, &r); /* the same content again: one record */
    }
    numbered(&r, 100);
    strcpy(r.cell_id, "cell1");
    r.status = STATUS_CRASHED; /* newest, but not ok */
    put_ok(s, &r);
    assert_int_equal(n_records(s), 7);
    assert_int_equal(store_find(s, "cell1", "env", &back, NULL), 1);
    numbered(&r, 4);
    assert_memory_equal(&back, &r, sizeof r); /* the newest ok one, and whole */
    assert_int_equal(store_find(s, "cell1", "elsewhere", &back, NULL), 0);
    assert_int_equal(store_find(s, "cell9", "env", &back, NULL), 0);
    store_close(s);
    s = open_ok(place);
    assert_int_equal(n_records(s), 7);
    store_close(s);
}

struct seen {
    int n, stop_at;
    char last[32];
    struct store *store;
};

static int in_order(void *arg, const struct record *r)
{
    struct seen *x = arg;
    assert_true(strcmp(x->last, r->date) <= 0);
    strcpy(x->last, r->date);
    struct record found;
    assert_int_equal(store_find(x->store, "cell2", "env", &found, NULL), 1); /* allowed in between */
    return ++x->n == x->stop_at ? 55 : 0;
}

static void each_is_ordered_and_filtered(void **state)
{
    (void)state;
    struct store *s = open_ok(place);
    struct record r;
    for (int i = 9; i >= 0; i--) {
        numbered(&r, i);
        strcpy(r.env_sha256, i % 2 ? "odd" : "env");
        strcpy(r.model.sha256, i < 4 ? "small" : "large");
        put_ok(s, &r);
    }
    struct seen x = {.store = s};
    assert_int_equal(store_each(s, NULL, NULL, in_order, &x, NULL), 0);
    assert_int_equal(x.n, 10);
    x = (struct seen){.store = s};
    store_each(s, "odd", "small", in_order, &x, NULL);
    assert_int_equal(x.n, 2);
    x = (struct seen){.store = s, .stop_at = 3};
    assert_int_equal(store_each(s, NULL, NULL, in_order, &x, NULL), 55);
    assert_int_equal(x.n, 3);
    assert_int_equal(n_records(s), 10); /* the stopped query was put back */
    store_close(s);
}

static double query(const char *sql)
{
    sqlite3 *db;
    sqlite3_stmt *q;
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &q, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(q), SQLITE_ROW);
    double v = sqlite3_column_double(q, 0);
    sqlite3_finalize(q);
    sqlite3_close(db);
    return v;
}

/* What an analyst sees without this program. */
static void figures_and_samples_are_rows(void **state)
{
    (void)state;
    struct store *s = open_ok(path);
    struct record r;
    record_init(&r);
    r.speed.decode_tok_s = (struct interval){40, 38, 42};
    r.speed.decode_ns = (struct samples){.n = 3, .x = {5, NAN, 7}};
    r.memory.kv_bytes = 4096;
    put_ok(s, &r);
    store_close(s);
    assert_true(query("SELECT value FROM figure WHERE metric='decode_tok_s'") == 40);
    assert_true(query("SELECT hi FROM figure WHERE metric='decode_tok_s'") == 42);
    assert_true(query("SELECT value FROM figure WHERE metric='kv_bytes' AND unit='B'") == 4096);
    assert_true(query("SELECT count(*) FROM figure") == 2); /* not measured: no row */
    assert_true(query("SELECT value FROM sample WHERE metric='decode_ns' AND rep=2") == 7);
    assert_true(query("SELECT count(*) FROM sample") == 2);
}

static void chunks(void **state)
{
    (void)state;
    struct store *s = open_ok(place);
    struct sbuf b = {0};
    assert_int_equal(store_put_chunk(s, "c", 3, "a\0b", 3, NULL), 0);
    assert_int_equal(store_put_chunk(s, "c", 3, "x\0yz", 4, NULL), 0); /* measured again: replaced */
    assert_int_equal(store_put_chunk(s, "c", 4, NULL, 0, NULL), 0);
    assert_int_equal(store_get_chunk(s, "c", 3, &b, NULL), 1);
    assert_true(b.n == 4 && memcmp(b.p, "x\0yz", 4) == 0);
    assert_int_equal(store_get_chunk(s, "c", 5, &b, NULL), 0);
    assert_int_equal(store_get_chunk(s, "d", 3, &b, NULL), 0);
    sbuf_free(&b);
    store_close(s);
}

static void run_on_file(const char *sql)
{
    sqlite3 *db;
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
}

static struct factor a_factor(const char *machine, const char *class_name, const char *format, double decode)
{
    struct factor f = {.prefill = {2, NAN, NAN}, .decode = {decode, decode / 2, decode * 2}, .gpu_layers = 3};
    snprintf(f.hw_sha256, sizeof f.hw_sha256, "%s", machine);
    snprintf(f.class_name, sizeof f.class_name, "%s", class_name);
    snprintf(f.framework, sizeof f.framework, "openvino");
    snprintf(f.version, sizeof f.version, "2026.4.1");
    snprintf(f.format, sizeof f.format, "%s", format);
    snprintf(f.model_sha256, sizeof f.model_sha256, "m");
    snprintf(f.date, sizeof f.date, "2026-11-22T09:%02d:00Z", (int)decode);
    return f;
}

/* Those of the machine first, then those of others of its class, newest first; a later one takes the earlier's place. */
static void factors_are_kept_by_machine_and_class(void **state)
{
    (void)state;
    struct store *s;
    struct err e = {0};
    struct probe_device d = {.cpu.isa_mask = ISA(AVX2) | ISA(AVX512_VNNI) | ISA(AVX512F)};
    struct factors f;
    char class_name[DEVICE_CLASS];
    snprintf(d.hw_sha256, sizeof d.hw_sha256, "here");
    snprintf(d.cpu.arch, sizeof d.cpu.arch, "x86_64");
    assert_string_equal(device_class(&d, class_name), "x86_64 avx512_vnni");
    const struct factor put[] = {
        a_factor("here", "x86_64 avx512_vnni", "a", 1),  a_factor("there", "x86_64 avx512_vnni", "a", 9),
        a_factor("here", "x86_64 avx512_vnni", "b", 2),  a_factor("far", "aarch64 i8mm", "a", 8),
        a_factor("here", "x86_64 avx512_vnni", "a", 3),
    };
    remove_store();
    assert_int_equal(store_open(&s, place, &e), 0);
    for (size_t i = 0; i < sizeof put / sizeof *put; i++)
        assert_int_equal(store_put_factor(s, &put[i], &e), 0);
    assert_int_equal(factors_load(&f, s, &d, &e), 0);
    assert_int_equal(f.n, 3);
    assert_true(f.at[0].decode.v == 3 && f.at[1].decode.v == 2 && f.at[2].decode.v == 9);
    assert_true(f.at[0].decode.lo == 1.5 && f.at[0].decode.hi == 6 && f.at[0].prefill.v == 2 && isnan(f.at[0].prefill.lo));
    assert_string_equal(f.at[0].format, "a");
    assert_string_equal(f.at[2].hw_sha256, "there");
    assert_string_equal(f.at[0].version, "2026.4.1");
    assert_int_equal(f.at[0].gpu_layers, 3);
    factors_free(&f);
    store_close(s);
    remove_store();
}

/* The child says on a pipe which cells it was told are stored; it dies in the middle of anything. */
static void write_until_killed(int fd, int first)
{
    struct store *s;
    if (store_open(&s, place, NULL) < 0)
        _exit(9);
    struct record *r = malloc(sizeof *r);
    for (int i = first;; i++) {
        numbered(r, i);
        if (store_put(s, r, NULL) < 0 || write(fd, &i, sizeof i) != sizeof i)
            _exit(9);
    }
}

static void sigkill_loses_no_acknowledged_cell(void **state)
{
    (void)state;
    struct rng rng;
    rng_seed(&rng, 8);
    int acknowledged = 0, first = 0;
    for (int round = 0; round < 12; round++) {
        int p[2];
        assert_int_equal(pipe(p), 0);
        pid_t pid = fork();
        if (pid == 0)
            write_until_killed(p[1], first);
        close(p[1]);
        if (round % 2) { /* it has begun to store, however busy the machine is */
            int i;
            assert_int_equal(read(p[0], &i, sizeof i), sizeof i);
            first = i + 1;
            acknowledged++;
        }
        clock_sleep_ms((unsigned)rng_below(&rng, 60));
        kill(pid, SIGKILL);
        int status;
        waitpid(pid, &status, 0);
        assert_true(WIFSIGNALED(status));
        for (int i; read(p[0], &i, sizeof i) == sizeof i; first = i + 1)
            acknowledged++;
        close(p[0]);
        first++; /* one more may have been stored before it could be said */
        struct store *s = open_ok(place);
        int n = n_records(s);
        assert_in_range(n, acknowledged, acknowledged + round + 1);
        store_close(s);
    }
    assert_true(acknowledged > 0); /* how many is a matter of this machine's speed */
}

static int writer(void *arg)
{
    struct store *s;
    struct err e = {0};
    if (store_open(&s, place, &e) < 0)
        return 1;
    struct record *r = malloc(sizeof *r);
    int rc = 0, base = *(int *)arg;
    for (int i = 0; i < 40 && rc == 0; i++) {
        numbered(r, base + i);
        rc = store_put(s, r, &e);
    }
    store_close(s);
    free(r);
    return rc < 0 ? 2 : 0;
}

/* Three processes make the store at the same moment and all write. */
static void writers_share(void **state)
{
    (void)state;
    pid_t pid[3];
    for (int i = 0; i < 3; i++) {
        pid[i] = fork();
        if (pid[i] == 0) {
            int base = 1000 * i;
            _exit(writer(&base));
        }
    }
    for (int i = 0; i < 3; i++) {
        int status;
        waitpid(pid[i], &status, 0);
        assert_true(WIFEXITED(status));
        assert_int_equal(WEXITSTATUS(status), 0);
    }
    struct store *s = open_ok(place);
    assert_int_equal(n_records(s), 120);
    store_close(s);
}

static void expect_refusal(const char *p, int code, const char *said)
{
    struct store *s;
    struct err e = {0};
    assert_int_equal(store_open(&s, p, &e), code);
    assert_null(s);
    if (!strstr(e.text, said))
        fail_msg("\"%s\" does not say \"%s\"", e.text, said);
}

static void other_peoples_files_are_left_alone(void **state)
{
    (void)state;
    char *before, *after;
    size_t n_before, n_after;
    run_on_file("PRAGMA journal_mode=WAL; CREATE TABLE run(x); INSERT INTO run VALUES(1)");
    assert_int_equal(file_read(path, 1 << 20, &before, &n_before, NULL), 0);
    expect_refusal(path, ERR_FORMAT, "another program");
    assert_int_equal(file_read(path, 1 << 20, &after, &n_after, NULL), 0);
    assert_int_equal(n_before, n_after);
    assert_memory_equal(before, after, n_before);
    mem_free(before);
    mem_free(after);
    file_write(path, "rank,model\n1,x\n", 15, NULL);
    expect_refusal(path, ERR_FORMAT, "not a database");
    remove_store();
    store_close(open_ok(path));
    run_on_file("PRAGMA user_version=99");
    expect_refusal(path, ERR_UNSUPPORTED, "newer");
}

static void an_empty_file_becomes_a_store(void **state)
{
    (void)state;
    file_write(path, "", 0, NULL);
    store_close(open_ok(path));
    store_close(open_ok(path));
}

static void flip(size_t from, size_t n)
{
    char *text;
    size_t size;
    assert_int_equal(file_read(path, 1 << 26, &text, &size, NULL), 0);
    for (size_t i = from; i < from + n && i < size; i++)
        text[i] ^= 0x5a;
    assert_int_equal(file_write(path, text, size, NULL), 0);
    mem_free(text);
}

/* Whatever happens to the file, the answer is records or a sentence. */
static void damage_is_said(void **state)
{
    (void)state;
    struct record r;
    struct store *s = open_ok(path);
    for (int i = 0; i < 20; i++) {
        numbered(&r, i);
        put_ok(s, &r);
    }
    store_close(s);
    struct stat st;
    assert_int_equal(stat(path, &st), 0);
    flip(4096 + 8, 4000); /* the page after the first */
    expect_refusal(path, ERR_FORMAT, "damaged");
    flip(4096 + 8, 4000);
    store_close(open_ok(path));
    assert_int_equal(truncate(path, st.st_size / 2), 0);
    expect_refusal(path, ERR_FORMAT, "damaged");
    assert_int_equal(truncate(path, 60), 0);
    expect_refusal(path, ERR_FORMAT, "not a database");
}

static void unwritable_places(void **state)
{
    (void)state;
    expect_refusal("/proc/self/store.db", ERR_IO, "--store");
    expect_refusal("/nowhere/at/all/store.db", ERR_IO, "--store");
    expect_refusal(folder, ERR_IO, "--store");
    char *xdg = getenv("XDG_DATA_HOME"), *home = getenv("HOME");
    xdg = xdg ? strdup(xdg) : NULL;
    home = home ? strdup(home) : NULL;
    unsetenv("XDG_DATA_HOME");
    unsetenv("HOME");
    expect_refusal(NULL, ERR_MISSING, "HOME");
    setenv("XDG_DATA_HOME", "/proc/self/nothing", 1);
    expect_refusal(NULL, ERR_IO, "/proc/self/nothing");
    char overlong[5000];
    memset(overlong, 'x', sizeof overlong - 1);
    overlong[0] = '/', overlong[sizeof overlong - 1] = 0;
    setenv("XDG_DATA_HOME", overlong, 1);
    expect_refusal(NULL, ERR_LIMIT, "too long a name; give --store PATH");
    setenv("XDG_DATA_HOME", folder, 1);
    struct store *s = open_ok(NULL);
    char expected[128], sub[128];
    snprintf(sub, sizeof sub, "%s/whichquant", folder);
    snprintf(expected, sizeof expected, "%s/store.db", sub);
    assert_string_equal(store_path(s), expected);
    store_close(s);
    unlink(expected);
    assert_int_equal(rmdir(sub), 0); /* -wal and -shm are gone after a clean close */
    unsetenv("XDG_DATA_HOME");
    if (xdg)
        setenv("XDG_DATA_HOME", xdg, 1);
    if (home)
        setenv("HOME", home, 1);
    free(xdg);
    free(home);
}

/* A limit on file size stands in for the full disk: the write fails half way, the stored cells stay. */
static int fill_up(void *arg)
{
    (void)arg;
    signal(SIGXFSZ, SIG_IGN);
    struct store *s;
    struct err e = {0};
    if (store_open(&s, path, &e) < 0)
        return 1;
    struct rlimit limit = {.rlim_cur = 1000000, .rlim_max = 1000000};
    setrlimit(RLIMIT_FSIZE, &limit);
    struct record *r = malloc(sizeof *r);
    int i = 0, rc = 0;
    for (; i < 500 && rc == 0; i++) {
        numbered(r, i);
        rc = store_put(s, r, &e);
    }
    if (rc != ERR_IO || !strstr(e.text, "store.db"))
        return 2;
    int n = n_records(s); /* still readable, and the failed cell is not half there */
    store_close(s);
    free(r);
    return n == i - 1 ? 0 : 3;
}

static void a_full_disk_loses_only_the_new_cell(void **state)
{
    (void)state;
    assert_int_equal(child_call(fill_up, NULL, 60000), 0);
    struct store *s = open_ok(path);
    assert_true(n_records(s) > 3);
    store_close(s);
}

static void no_memory(void **state)
{
    (void)state;
    struct record r;
    numbered(&r, 1);
    for (long n = 1; n < 1000; n++) {
        struct store *s = NULL;
        mem_fail_from(n);
        int rc = store_open(&s, path, NULL);
        if (rc == 0)
            rc = store_put(s, &r, NULL);
        int found = rc == 0 ? 0 : rc;
        if (rc == 0)
            rc = store_each(s, NULL, NULL, count_one, &found, NULL);
        mem_fail_from(0);
        store_close(s);
        if (rc == 0) {
            assert_int_equal(found, 1);
            return;
        }
        assert_int_equal(rc, ERR_NOMEM);
    }
    fail_msg("never succeeded");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(put_and_find, clean),
        cmocka_unit_test_teardown(each_is_ordered_and_filtered, clean),
        cmocka_unit_test_teardown(chunks, clean),
        cmocka_unit_test_teardown(factors_are_kept_by_machine_and_class, clean),
        cmocka_unit_test_teardown(sigkill_loses_no_acknowledged_cell, clean),
        cmocka_unit_test_teardown(writers_share, clean),
    };
    const struct CMUnitTest of_files[] = {
        cmocka_unit_test_teardown(figures_and_samples_are_rows, clean),
        cmocka_unit_test_teardown(other_peoples_files_are_left_alone, clean),
        cmocka_unit_test_teardown(an_empty_file_becomes_a_store, clean),
        cmocka_unit_test_teardown(damage_is_said, clean),
        cmocka_unit_test_teardown(unwritable_places, clean),
        cmocka_unit_test_teardown(a_full_disk_loses_only_the_new_cell, clean),
        cmocka_unit_test_teardown(no_memory, clean),
    };
    if (getenv("WHICHQUANT_TEST_STORE"))
        place = getenv("WHICHQUANT_TEST_STORE");
    int failed = cmocka_run_group_tests_name("store", tests, make_folder, remove_folder);
    place = path;
    return failed + cmocka_run_group_tests_name("store of files", of_files, make_folder, remove_folder);
}
