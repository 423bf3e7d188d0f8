/* base/: memory, strings, half floats against the closed form, rng, isa, files, children, pool. */
#include <math.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>
#include <cmocka.h>
#include "base/half.h"
#include "base/hash.h"
#include "base/isa.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/os.h"
#include "base/pool.h"
#include "base/rng.h"
#include "base/sbuf.h"
#include "base/service.h"
#include "base/temp.h"
#include "base/words.h"
#include "tests/stands_still.h"

/* Every half value is its sign, exponent and mantissa; the nearest-even rule is checked at each midpoint. */
static void half_is_exact(void **state)
{
    (void)state;
    for (unsigned h = 0; h < 0x7c00; h++) {
        int exp = (int)(h >> 10), man = (int)(h & 1023);
        double v = exp ? ldexp(1024 + man, exp - 25) : ldexp(man, -24);
        assert_true((double)f16_to_f32((uint16_t)h) == v);
        assert_true((double)f16_to_f32((uint16_t)(h | 0x8000)) == -v);
        assert_int_equal(f32_to_f16((float)v), h);
        if (h + 1 < 0x7c00) {
            double next = (double)f16_to_f32((uint16_t)(h + 1)), mid = (v + next) / 2;
            assert_int_equal(f32_to_f16((float)mid), (h & 1) ? h + 1 : h);
            assert_int_equal(f32_to_f16(nextafterf((float)mid, 1e9f)), h + 1);
            assert_int_equal(f32_to_f16(nextafterf((float)mid, -1.0f)), h);
        }
    }
    assert_int_equal(f32_to_f16(65520.0f), 0x7c00);
    assert_int_equal(f32_to_f16(65519.0f), 0x7bff);
    assert_true(isnan(f16_to_f32(f32_to_f16(NAN))));
    assert_int_equal(f32_to_f16(-INFINITY), 0xfc00);
    assert_int_equal(f32_to_bf16(1.00390625f), 0x3f80); /* tie to even */
    assert_int_equal(f32_to_bf16(1.01171875f), 0x3f82);
    assert_true(isnan(bf16_to_f32(f32_to_bf16(NAN))));
}

static void arena_rewinds(void **state)
{
    (void)state;
    struct arena *a = arena_new();
    char *first = arena_strdup(a, "kept");
    size_t mark = arena_mark(a);
    for (int i = 0; i < 100; i++)
        assert_non_null(arena_alloc(a, 10000));
    arena_reset(a, mark);
    assert_int_equal(arena_bytes(a), mark);
    assert_string_equal(first, "kept");
    assert_string_equal(arena_printf(a, "%d-%s", 7, "x"), "7-x");
    assert_null(arena_alloc_n(a, SIZE_MAX / 2, 4));
    arena_free(a);
}

static void allocation_failure_is_injected(void **state)
{
    (void)state;
    mem_fail_from(2);
    void *p = mem_alloc(1);
    assert_non_null(p);
    assert_null(mem_alloc(1));
    assert_null(mem_alloc(1));
    mem_fail_from(0);
    mem_free(p);
    struct sbuf b = {0};
    mem_fail_from(1);
    sbuf_puts(&b, "lost");
    mem_fail_from(0);
    assert_true(b.failed);
    assert_string_equal(sbuf_str(&b), "");
}

static void sha256_of_abc(void **state)
{
    (void)state;
    char hex[65];
    sha256_hex("abc", 3, hex); /* FIPS 180-4 example */
    assert_string_equal(hex, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

static long most_held_kib(void)
{
    struct rusage u;
    getrusage(RUSAGE_SELF, &u);
    return u.ru_maxrss;
}

/* 64 MiB of zeros: the digest is that of `head -c 64M /dev/zero | sha256sum`, and the file never counts as held. */
static void sha256_of_a_large_file(void **state)
{
    (void)state;
    char path[] = "/tmp/wq-test-XXXXXX", hex[65];
    struct err e = {0};
    int fd = mkstemp(path);
    assert_int_equal(ftruncate(fd, 64 << 20), 0);
    close(fd);
    long before = most_held_kib();
    assert_int_equal(sha256_file(path, hex, &e), 0);
    assert_string_equal(hex, "3b6a07d0d404fab4e23b6d34bc6696a6a312dd92821332385e5af7c01c421351");
    assert_true(most_held_kib() - before < 32 << 10);
    unlink(path);
    assert_int_equal(sha256_file(path, hex, &e), ERR_MISSING);
    assert_int_equal(sha256_file("/tmp", hex, &e), ERR_IO);
}

static void rng_is_uniform_and_repeats(void **state)
{
    (void)state;
    struct rng r, s;
    rng_seed(&r, 7);
    rng_seed(&s, 7);
    double sum = 0, sum2 = 0;
    for (int i = 0; i < 100000; i++) {
        double x = rng_normal(&r);
        assert_true(x == rng_normal(&s));
        sum += x;
        sum2 += x * x;
    }
    assert_true(fabs(sum / 1e5) < 0.015 && fabs(sum2 / 1e5 - 1) < 0.025);
    int seen[10] = {0};
    for (int i = 0; i < 100000; i++)
        seen[rng_below(&r, 10)]++;
    for (int i = 0; i < 10; i++)
        assert_true(abs(seen[i] - 10000) < 500);
}

static void isa_levels_nest(void **state)
{
    (void)state;
    uint64_t all = ~UINT64_C(0), m;
    assert_true(isa_narrow("avx2", all, &m));
    assert_true((m & ISA(FMA)) && !(m & ISA(AVX512F)));
    assert_true(isa_narrow("scalar", all, &m) && m == 0);
    assert_false(isa_narrow("mmx9", all, &m));
    assert_int_equal(isa_find("avx512_vnni"), ISA_BIT_AVX512_VNNI);
}

static void output_is_atomic(void **state)
{
    (void)state;
    char dir[] = "/tmp/wq-test-XXXXXX", path[64];
    assert_non_null(mkdtemp(dir));
    snprintf(path, sizeof path, "%s/a", dir);
    struct err e = {0};
    assert_int_equal(file_write(path, "old", 3, &e), 0);
    struct file_out f;
    assert_int_equal(file_out_open(&f, path, &e), 0);
    file_out_write(&f, "new text", 8);
    char *text;
    assert_int_equal(file_read(path, 100, &text, NULL, &e), 0);
    assert_string_equal(text, "old");
    mem_free(text);
    file_out_abort(&f);
    assert_int_equal(file_write(path, "new", 3, &e), 0);
    assert_int_equal(file_read(path, 100, &text, NULL, &e), 0);
    assert_string_equal(text, "new");
    mem_free(text);
    assert_int_equal(file_read(path, 2, &text, NULL, &e), ERR_LIMIT);
    unlink(path);
    assert_int_equal(rmdir(dir), 0); /* fails if a temporary file was left behind */
    assert_int_equal(file_out_open(&f, "/nonexistent/x", &e), ERR_IO);
    assert_non_null(strstr(e.text, "/nonexistent/x"));
}

static void a_directory_appears_whole(void **state)
{
    (void)state;
    char root[] = "/tmp/wq-test-XXXXXX", path[64], file[128];
    assert_non_null(mkdtemp(root));
    snprintf(path, sizeof path, "%s/out/", root);
    struct err e = {0};
    struct dir_out d;
    assert_int_equal(dir_out_open(&d, path, &e), 0);
    assert_false(dir_exists(path));
    snprintf(file, sizeof file, "%s/a", d.temp);
    assert_int_equal(file_write(file, "a", 1, &e), 0);
    snprintf(file, sizeof file, "%s/b/c", d.temp);
    assert_int_equal(dir_make(file, &e), 0);
    dir_out_abort(&d);
    assert_false(dir_exists(path));
    assert_int_equal(dir_make(path, &e), 0); /* an empty one may be there */
    assert_int_equal(dir_out_open(&d, path, &e), 0);
    snprintf(file, sizeof file, "%s/a", d.temp);
    assert_int_equal(file_write(file, "a", 1, &e), 0);
    assert_int_equal(dir_out_commit(&d, &e), 0);
    assert_int_equal(dir_out_open(&d, path, &e), ERR_USAGE);
    assert_non_null(strstr(e.text, "is there already"));
    assert_int_equal(dir_check_vacant(path, &e), ERR_USAGE);
    snprintf(file, sizeof file, "%sa", path);
    assert_int_equal(dir_out_open(&d, file, &e), ERR_USAGE); /* a file */
    assert_int_equal(unlink(file), 0);
    assert_int_equal(rmdir(path), 0);
    assert_int_equal(rmdir(root), 0); /* fails if a temporary directory was left behind */
    assert_int_equal(dir_out_open(&d, "/nonexistent/x", &e), ERR_IO);
    assert_non_null(strstr(e.text, "/nonexistent/x"));
    assert_int_equal(dir_out_open(&d, "", &e), ERR_USAGE);
}

static void full_disk_is_an_error(void **state)
{
    (void)state;
    FILE *full = fopen("/dev/full", "w");
    if (!full)
        skip();
    struct file_out f = {.fd = dup(fileno(full)), .path = mem_strdup("report.html"), .temp = mem_strdup("")};
    struct err e = {0};
    file_out_write(&f, "x", 1);
    assert_int_equal(file_out_commit(&f, &e), ERR_IO);
    assert_non_null(strstr(e.text, "report.html"));
    fclose(full);
}

static void children_report_how_they_ended(void **state)
{
    (void)state;
    struct err e = {0};
    struct child_result r;
    const char *echo[] = {"sh", "-c", "cat; echo bad >&2; exit 3", NULL};
    struct child_cmd c = {.argv = echo, .stdin_text = "hello", .timeout_ms = 10000};
    assert_int_equal(child_run(&c, &r, &e), 0);
    assert_string_equal(r.out, "hello");
    assert_string_equal(r.err, "bad\n");
    assert_int_equal(r.exit_code, 3);
    child_result_free(&r);
    const char *hang[] = {"sh", "-c", "sleep 100 & sleep 100", NULL};
    c = (struct child_cmd){.argv = hang, .timeout_ms = 200};
    assert_int_equal(child_run(&c, &r, &e), 0);
    assert_true(r.timed_out);
    child_result_free(&r);
    const char *die[] = {"sh", "-c", "kill -SEGV $$", NULL};
    c = (struct child_cmd){.argv = die, .timeout_ms = 10000};
    assert_int_equal(child_run(&c, &r, &e), 0);
    assert_int_equal(r.signal, SIGSEGV);
    child_result_free(&r);
}

/* A large parent: its memory is none of the child's. */
static void the_peak_memory_is_that_of_the_child(void **state)
{
    (void)state;
    size_t n = (size_t)256 << 20;
    char *held = mem_aligned(n);
    struct child_result r;
    const char *doze[] = {"sleep", "0.2", NULL};
    assert_non_null(held);
    memset(held, 1, n);
    assert_int_equal(child_run(&(struct child_cmd){.argv = doze, .timeout_ms = 10000}, &r, NULL), 0);
    assert_true(r.peak_rss_bytes > 100000 && r.peak_rss_bytes < n / 4);
    child_result_free(&r);
    mem_free(held);
}

/* Says something, has a child of its own, and ignores the polite request to end. */
static void services_leave_nothing_behind(void **state)
{
    (void)state;
    struct service s;
    char said[128];
    long child = 0;
    const char *stubborn[] = {"sh", "-c", "trap '' TERM; echo first; sleep 1000 & printf 'child %d\\t\\n' $! >&2; wait",
                              NULL};
    assert_int_equal(service_start(&s, stubborn, NULL), 0);
    for (int i = 0; i < 3000 && !child; i++) {
        service_last_line(&s, said, sizeof said);
        if (sscanf(said, "child %ld", &child) != 1)
            clock_sleep_ms(10);
    }
    assert_true(child > 0 && service_said(&s, "FIRST") && !service_said(&s, "second"));
    assert_true(service_alive(&s) && s.peak_rss_bytes > 100000);
    pid_t pid = s.pid;
    assert_int_equal(kill((pid_t)child, 0), 0);
    for (int i = 0; i < 5; i++) {
        const bool still = i % 2 == 0;
        still ? service_rest(&s) : service_wake(&s);
        still ? service_rest(&s) : service_wake(&s);
        assert_true(comes_to_stand(pid, still) && comes_to_stand((pid_t)child, still));
        assert_true(service_alive(&s));
    }
    service_stop(&s); /* at rest */
    assert_int_equal(kill(pid, 0), -1);
    for (int i = 0; i < 1000 && kill((pid_t)child, 0) == 0; i++)
        clock_sleep_ms(10); /* whoever adopted it has to notice */
    assert_int_equal(kill((pid_t)child, 0), -1);
    service_stop(&s); /* once more is no harm */

    const char *absent[] = {"/nowhere/program", NULL}, *ends[] = {"sh", "-c", "echo bye; kill -SEGV $$", NULL};
    assert_int_equal(service_start(&s, absent, NULL), 0);
    while (service_alive(&s))
        clock_sleep_ms(1);
    service_last_line(&s, said, sizeof said);
    assert_true(s.exit_code == 127 && strstr(said, "cannot run /nowhere/program: No such file"));
    service_stop(&s);
    assert_int_equal(service_start(&s, ends, NULL), 0);
    while (service_alive(&s))
        clock_sleep_ms(1);
    assert_true(s.signal == SIGSEGV && s.exit_code == -1 && service_said(&s, "bye"));
    service_stop(&s);
}

static int crash(void *arg)
{
    (void)arg;
    raise(SIGILL);
    return 0;
}

static int answer(void *arg)
{
    return *(int *)arg;
}

static void calls_in_a_fork(void **state)
{
    (void)state;
    int x = 42;
    assert_int_equal(child_call(answer, &x, 5000), 42);
    assert_int_equal(child_call(crash, NULL, 5000), -SIGILL);
}

static void add_range(void *arg, int64_t i0, int64_t i1, int thread)
{
    (void)thread;
    for (int64_t i = i0; i < i1; i++)
        atomic_fetch_add((_Atomic int64_t *)arg, i);
}

static void pool_covers_every_index_once(void **state)
{
    (void)state;
    for (int n = 1; n <= 4; n++) {
        struct pool *p;
        assert_int_equal(pool_new(&p, n, NULL, NULL), 0);
        for (int round = 0; round < 300; round++) {
            _Atomic int64_t sum = 0;
            pool_for(p, 1001, 7, add_range, &sum);
            assert_int_equal(sum, 1001 * 1000 / 2);
        }
        pool_free(p);
    }
    struct pool *p;
    struct err e;
    assert_int_equal(pool_new(&p, 0, NULL, &e), ERR_USAGE);
}

struct roll_call {
    atomic_int times[5];
    int n_threads;
};

static void be_counted(void *arg, int i_thread, int n_threads)
{
    struct roll_call *c = arg;
    atomic_fetch_add(&c->times[i_thread], 1);
    if (i_thread == 0)
        c->n_threads = n_threads;
}

/* Every thread that is used runs each job once and no other does, however the number changes; a thread that was left
 * out for a while, asleep or not, is back for the first job that wants it. */
static void pool_uses_as_many_as_it_is_told(void **state)
{
    (void)state;
    enum { N = 5, JOBS = 3000 };
    struct pool *p;
    struct rng r;
    rng_seed(&r, 3);
    assert_int_equal(pool_new(&p, N, NULL, NULL), 0);
    for (int job = 0; job < JOBS; job++) {
        int n = (int)rng_below(&r, N + 2); /* 0 and N + 1: all */
        int used = n == 0 || n > N ? N : n;
        struct roll_call c = {.n_threads = 0};
        pool_use(p, n);
        assert_int_equal(pool_n_used(p), used);
        assert_int_equal(pool_n_threads(p), N);
        pool_run(p, be_counted, &c);
        assert_int_equal(c.n_threads, used);
        for (int i = 0; i < N; i++)
            assert_int_equal(c.times[i], i < used);
        if (job % 500 == 0)
            clock_sleep_ms(5); /* all asleep */
    }
    pool_use(p, 2);
    pool_free(p);
    pool_use(NULL, 3);
    assert_int_equal(pool_n_used(NULL), 1);
}

static void nan_is_null_in_json(void **state)
{
    (void)state;
    json_t *o = json_object();
    json_put(o, "b", json_num(NAN));
    json_put(o, "a", json_num(1.5));
    struct sbuf b = {0};
    json_print(&b, o, 0);
    assert_string_equal(sbuf_str(&b), "{\"b\":null,\"a\":1.5}");
    sbuf_free(&b);
    json_decref(o);
    struct err e = {0};
    assert_int_equal(json_parse(&o, "{\"a\":", 5, "x.json", &e), ERR_FORMAT);
    assert_non_null(strstr(e.text, "x.json"));
}

/* In TMPDIR, with all that is in it removed, but not what a link in it points to. */
static void temporary_files_go_away(void **state)
{
    (void)state;
    char dir[TEMP_PATH], file[TEMP_PATH], inner[400], kept[TEMP_PATH], link_path[400];
    struct err e = {0};
    const char *before = getenv("TMPDIR");
    char *given = before ? strdup(before) : NULL;
    assert_int_equal(temp_file(kept, "kept", &e), 0);
    assert_int_equal(temp_dir(dir, "files", &e), 0);
    setenv("TMPDIR", dir, 1);
    assert_int_equal(temp_file(file, "logits", &e), 0);
    assert_memory_equal(file, dir, strlen(dir));
    assert_true(file_exists(file) && strstr(file, "whichquant-logits-"));
    snprintf(inner, sizeof inner, "%s/a/b", dir);
    assert_int_equal(dir_make(inner, &e), 0);
    snprintf(inner, sizeof inner, "%s/a/b/c", dir);
    assert_int_equal(file_write(inner, "x", 1, &e), 0);
    snprintf(link_path, sizeof link_path, "%s/a/link", dir);
    assert_int_equal(symlink(kept, link_path), 0);
    assert_true(disk_free_bytes(dir) > 0);
    temp_remove(dir);
    assert_false(dir_exists(dir));
    assert_true(file_exists(kept));
    temp_remove(dir); /* gone already */
    temp_remove("");
    assert_true(disk_free_bytes(dir) < 0);
    assert_int_equal(temp_dir(inner, "files", &e), ERR_IO); /* TMPDIR names nothing now */
    assert_true(strstr(e.text, "set TMPDIR") && inner[0] == 0);
    if (given)
        setenv("TMPDIR", given, 1);
    else
        unsetenv("TMPDIR");
    free(given);
    temp_remove(kept);
    assert_false(file_exists(kept));
}

static void words_of_a_list(void **state)
{
    (void)state;
    assert_true(words_have("gguf base", "gguf", 4) && words_have("gguf base", "base/f16", 4));
    assert_false(words_have("gguf base", "bas", 3) || words_have("gguf base", "uf", 2) || words_have("", "gguf", 4));
}

static void times_are_written_in_utc(void **state)
{
    (void)state;
    char out[32];
    assert_string_equal(clock_format(out, 0), "1970-01-01T00:00:00Z");
    assert_string_equal(clock_format(out, INT64_MAX), "");
}

/* Seconds of GNU date: date -u -d '...' +%s */
static void dates(void **state)
{
    (void)state;
    const struct {
        const char *text;
        int64_t s;
    } known[] = {{"2026-11-22", 1795305600},
                 {"1969-12-31T23:59:59.5Z", -1},
                 {"2026-11-22 03:15", 1795317300},
                 {"2026-11-22T03:15:00.75+02:00", 1795310100},
                 {"2026-11-22t03:15:00-0530", 1795337100},
                 {"2026-11-22T03:15:00 -08", 1795346100}};
    static const char *const bad[] = {"",
                                      "2026-11",
                                      "2026-13-01",
                                      "2026-11-22T25:00",
                                      "2026-11-22T03:15:00+01:00x",
                                      "2026-11-22x",
                                      "2026-11-22T",
                                      "2026-11-22T03:15:nan",
                                      "2026-11-22T-3:15"};
    int64_t t;
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (!clock_parse(known[i].text, &t) || t != known[i].s)
            fail_msg("%s: %lld", known[i].text, (long long)t);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        if (clock_parse(bad[i], &t))
            fail_msg("%s: %lld", bad[i], (long long)t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(words_of_a_list),
        cmocka_unit_test(half_is_exact),
        cmocka_unit_test(temporary_files_go_away),
        cmocka_unit_test(arena_rewinds),
        cmocka_unit_test(allocation_failure_is_injected),
        cmocka_unit_test(sha256_of_abc),
        cmocka_unit_test(sha256_of_a_large_file),
        cmocka_unit_test(rng_is_uniform_and_repeats),
        cmocka_unit_test(isa_levels_nest),
        cmocka_unit_test(output_is_atomic),
        cmocka_unit_test(a_directory_appears_whole),
        cmocka_unit_test(full_disk_is_an_error),
        cmocka_unit_test(children_report_how_they_ended),
        cmocka_unit_test(the_peak_memory_is_that_of_the_child),
        cmocka_unit_test(services_leave_nothing_behind),
        cmocka_unit_test(calls_in_a_fork),
        cmocka_unit_test(pool_covers_every_index_once),
        cmocka_unit_test(pool_uses_as_many_as_it_is_told),
        cmocka_unit_test(nan_is_null_in_json),
        cmocka_unit_test(times_are_written_in_utc),
        cmocka_unit_test(dates),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
