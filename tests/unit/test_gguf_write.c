/* GGUF writer: files of llama-quantize copied through it come out byte for byte; refusals; failing allocations. */
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>
#include "base/mem.h"
#include "base/os.h"
#include "gguf_builder.h"

enum { EXIT_SKIPPED = 77 };

static char out_path[64];

static const char *data_dir(void)
{
    const char *env = getenv("WHICHQUANT_TEST_DATA");
    return env && *env ? env : TEST_DATA_DIR;
}

/* Each tensor in two pieces. */
static int copy_tensors(struct gguf_writer *w, const struct gguf *g, struct err *e)
{
    int rc = 0;
    for (int64_t i = 0; i < g->n_tensors && !rc; i++)
        rc = gguf_writer_tensor(w, g->tensor[i].name, g->tensor[i].type, g->tensor[i].n_dims, g->tensor[i].ne, e);
    if (!rc)
        rc = gguf_writer_begin(w, e);
    for (int64_t i = 0; i < g->n_tensors && !rc; i++) {
        const size_t half = g->tensor[i].bytes / 2;
        if (!(rc = gguf_writer_data(w, g->tensor[i].data, half, e)))
            rc = gguf_writer_data(w, g->tensor[i].data + half, g->tensor[i].bytes - half, e);
    }
    return rc;
}

static int copy_file(const struct gguf *g, const char *path, struct err *e)
{
    struct gguf_writer *w;
    int rc = gguf_writer_new(&w, path, e);
    if (rc)
        return rc;
    if ((rc = gguf_writer_copy_kv(w, g, NULL, e)) || (rc = copy_tensors(w, g, e))) {
        gguf_writer_abort(w);
        return rc;
    }
    return gguf_writer_finish(w, e);
}

static void test_copies_golden_files_exactly(void **state)
{
    (void)state;
    static const char *const names[] = {"golden/mix-Q4_K_M.gguf", "golden/im-IQ1_S.gguf", "golden/imatrix.gguf",
                                        "golden/pure-TQ1_0.gguf", "models/stories260K-F32.gguf"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char path[512];
        struct gguf *g;
        struct file_map copy;
        struct err e = {0};
        snprintf(path, sizeof path, "%s/%s", data_dir(), names[i]);
        if (gguf_open(&g, path, NULL, &e) || copy_file(g, out_path, &e))
            fail_msg("%s", e.text);
        assert_int_equal(file_map_open(&copy, out_path, &e), 0);
        assert_int_equal(copy.n, g->map.n);
        assert_memory_equal(copy.p, g->map.p, copy.n);
        file_map_close(&copy);
        gguf_close(g);
        unlink(out_path);
    }
}

static struct gguf_writer *new_writer(void)
{
    struct gguf_writer *w;
    struct err e = {0};
    if (gguf_writer_new(&w, out_path, &e))
        fail_msg("%s", e.text);
    return w;
}

static void small_file(struct sbuf *b)
{
    put_header(b, 1, 4);
    put_key_str(b, "general.architecture", "llama");
    put_key_u32(b, "number", 7);
    put_array(b, "strings", GGUF_STRING, 2);
    put_str(b, "one");
    put_str(b, "");
    put_array(b, "bytes", GGUF_U8, 3);
    sbuf_puts(b, "abc");
    put_tensor(b, "first", 0, 3, 2, 0);
    put_data(b, 32);
}

static struct gguf *open_buffer(const struct sbuf *b)
{
    struct gguf *g;
    struct err e = {0};
    if (gguf_open_memory(&g, b->p, b->n, "memory", NULL, &e))
        fail_msg("%s", e.text);
    return g;
}

static void write_with_new_keys(const struct gguf *src, const float row[32])
{
    static const char *const skip[] = {"strings", "absent", NULL};
    struct err e = {0};
    struct gguf_writer *w = new_writer();
    assert_int_equal(gguf_writer_copy_kv(w, src, skip, &e), 0);
    assert_int_equal(gguf_writer_u32(w, "general.alignment", 128, &e), 0);
    assert_int_equal(gguf_writer_f32(w, "b.f32", -0.25f, &e), 0);
    assert_int_equal(gguf_writer_str(w, "b.str", "text", &e), 0);
    assert_int_equal(gguf_writer_tensor(w, "x", 0, 1, (int64_t[]){3}, &e), 0);
    assert_int_equal(gguf_writer_tensor(w, "y", 0, 2, (int64_t[]){16, 2}, &e), 0);
    assert_int_equal(gguf_writer_begin(w, &e), 0);
    assert_int_equal(gguf_writer_data(w, row, 12, &e), 0);
    assert_int_equal(gguf_writer_data(w, row, 128, &e), 0);
    assert_false(file_exists(out_path));              /* nothing under the final name before finish */
    assert_int_equal(gguf_writer_finish(w, &e), 0);
}

static void test_writes_what_it_was_told(void **state)
{
    (void)state;
    const float row[32] = {1, 2, 3};
    struct sbuf b = {0};
    struct err e = {0};
    small_file(&b);
    struct gguf *src = open_buffer(&b), *g;
    write_with_new_keys(src, row);
    gguf_close(src);
    assert_int_equal(gguf_open(&g, out_path, NULL, &e), 0);
    double d = 0;
    struct gguf_str s = {0};
    assert_int_equal(g->n_kv, 3 + 3);
    assert_true(gguf_get_f64(g, "b.f32", &d) && d == -0.25);
    assert_true(gguf_get_str(g, "b.str", &s) && s.n == 4);
    assert_null(gguf_find(g, "strings"));
    assert_memory_equal(gguf_find(g, "bytes")->data, "abc", 3);
    assert_int_equal(g->alignment, 128);
    assert_int_equal(g->tensor[1].offset, 128);
    assert_int_equal(g->map.n % 128, 0);
    assert_memory_equal(g->tensor[0].data, row, 12);
    assert_memory_equal(g->tensor[1].data, row, 128);
    gguf_close(g);
    unlink(out_path);
    sbuf_free(&b);
}

#define REFUSES(call, code, says)                                                                                   \
    do {                                                                                                            \
        struct err e = {0};                                                                                         \
        const int rc = call;                                                                                        \
        if (rc != (code) || !strstr(e.text, says))                                                                  \
            fail_msg("%s: code %d, \"%s\"", #call, rc, e.text);                                                     \
    } while (0)

static const int64_t one_row[4] = {32, 1, 1, 1};

static void test_refuses_bad_declarations(void **state)
{
    (void)state;
    struct gguf_writer *w = new_writer();
    char name[65] = {0};
    memset(name, 'x', 64);
    REFUSES(gguf_writer_tensor(w, name, 0, 1, one_row, &e), ERR_USAGE, "has 64 bytes; GGUF allows 1 to 63");
    REFUSES(gguf_writer_tensor(w, "", 0, 1, one_row, &e), ERR_USAGE, "has 0 bytes");
    REFUSES(gguf_writer_tensor(w, "t", 0, 5, one_row, &e), ERR_USAGE, "tensor 't' has 5 dimensions");
    REFUSES(gguf_writer_tensor(w, "t", 0, 1, (int64_t[]){0}, &e), ERR_USAGE, "dimension 0 of tensor 't' is 0");
    REFUSES(gguf_writer_tensor(w, "t", 8, 1, (int64_t[]){33}, &e), ERR_FORMAT, "tensor 't': rows of 33 weights");
    REFUSES(gguf_writer_tensor(w, "t", 31, 1, one_row, &e), ERR_UNSUPPORTED, "no longer part of GGUF");
    REFUSES(gguf_writer_u32(w, "general.alignment", 3, &e), ERR_USAGE, "an alignment of 3 is not a power of two");
    REFUSES(gguf_writer_data(w, one_row, 1, &e), ERR_USAGE, "tensor data before the header");
    gguf_writer_abort(w);
    w = new_writer();
    gguf_writer_u32(w, "twice", 1, NULL);
    gguf_writer_f32(w, "twice", 1, NULL);
    REFUSES(gguf_writer_finish(w, &e), ERR_USAGE, "key 'twice' was given twice");
    w = new_writer();
    gguf_writer_tensor(w, "t", 8, 1, one_row, NULL);
    gguf_writer_tensor(w, "t", 8, 1, one_row, NULL);
    REFUSES(gguf_writer_begin(w, &e), ERR_USAGE, "tensor 't' was given twice");
    gguf_writer_abort(w);
    assert_false(file_exists(out_path));
    REFUSES(gguf_writer_new(&w, "/nonexistent/dir/x.gguf", &e), ERR_IO, "/nonexistent/dir/x.gguf");
    assert_null(w);
}

static void test_refuses_wrong_amounts_of_data(void **state)
{
    (void)state;
    const uint8_t block[40] = {0};
    struct gguf_writer *w = new_writer();
    assert_int_equal(gguf_writer_tensor(w, "t", 8, 1, one_row, NULL), 0);
    assert_int_equal(gguf_writer_begin(w, NULL), 0);
    REFUSES(gguf_writer_begin(w, &e), ERR_USAGE, "the header was written twice");
    REFUSES(gguf_writer_u32(w, "late", 1, &e), ERR_USAGE, "a key was added after the header");
    REFUSES(gguf_writer_tensor(w, "late", 8, 1, one_row, &e), ERR_USAGE, "a tensor was declared after the header");
    REFUSES(gguf_writer_data(w, block, 35, &e), ERR_USAGE, "'t' takes 34 bytes, but 35 came after the first 0");
    assert_int_equal(gguf_writer_data(w, block, 33, NULL), 0);
    REFUSES(gguf_writer_finish(w, &e), ERR_USAGE, "tensor 't' has 33 of its 34 bytes");
    assert_false(file_exists(out_path));
    w = new_writer();
    assert_int_equal(gguf_writer_begin(w, NULL), 0);
    REFUSES(gguf_writer_data(w, block, 1, &e), ERR_USAGE, "tensor data after the last tensor");
    gguf_writer_abort(w);
}

/* A full disk, played by a limit on the size of files. */
static void test_full_disk_leaves_no_file(void **state)
{
    (void)state;
    static const uint8_t block[1 << 16];
    const struct rlimit small = {1 << 15, RLIM_INFINITY}, none = {RLIM_INFINITY, RLIM_INFINITY};
    struct gguf_writer *w = new_writer();
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(gguf_writer_tensor(w, "t", 24, 1, (int64_t[]){sizeof block}, NULL), 0);
    assert_int_equal(gguf_writer_begin(w, NULL), 0);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    struct err e = {0};
    const int rc = gguf_writer_data(w, block, sizeof block, &e);
    setrlimit(RLIMIT_FSIZE, &none);
    assert_int_equal(rc, ERR_IO);
    assert_non_null(strstr(e.text, out_path));
    gguf_writer_abort(w);
    assert_false(file_exists(out_path));
}

static void test_keeps_the_alignment_of_a_copy(void **state)
{
    (void)state;
    struct sbuf b = {0};
    struct err e = {0};
    put_header(&b, 2, 1);
    put_key_u32(&b, "general.alignment", 256);
    put_tensor(&b, "a", 0, 4, 1, 0);
    put_tensor(&b, "b", 0, 4, 1, 256);
    put_padding(&b, 256);
    put_data(&b, 256 + 16);
    struct gguf *g = open_buffer(&b), *copy;
    assert_int_equal(copy_file(g, out_path, &e), 0);
    assert_int_equal(gguf_open(&copy, out_path, NULL, &e), 0);
    assert_int_equal(copy->alignment, 256);
    assert_int_equal(copy->tensor[1].offset, 256);
    assert_memory_equal(copy->tensor[1].data, g->tensor[1].data, 16);
    gguf_close(copy);
    gguf_close(g);
    unlink(out_path);
    sbuf_free(&b);
}

static void test_survives_failing_allocations(void **state)
{
    (void)state;
    struct sbuf b = {0};
    small_file(&b);
    struct gguf *g = open_buffer(&b);
    int rc = ERR_NOMEM;
    long n = 0;
    while (rc) {
        struct err e = {0};
        mem_fail_from(++n);
        rc = copy_file(g, out_path, &e);
        mem_fail_from(0);
        assert_true(rc == 0 || (rc == ERR_NOMEM && strstr(e.text, "cannot allocate")));
        assert_true((rc == 0) == file_exists(out_path));
    }
    assert_in_range(n, 6, 100);
    unlink(out_path);
    gguf_close(g);
    sbuf_free(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_writes_what_it_was_told),
        cmocka_unit_test(test_refuses_bad_declarations),
        cmocka_unit_test(test_refuses_wrong_amounts_of_data),
        cmocka_unit_test(test_full_disk_leaves_no_file),
        cmocka_unit_test(test_keeps_the_alignment_of_a_copy),
        cmocka_unit_test(test_survives_failing_allocations),
    };
    const struct CMUnitTest golden[] = {cmocka_unit_test(test_copies_golden_files_exactly)};
    snprintf(out_path, sizeof out_path, "/tmp/test_gguf_write.%d.gguf", (int)getpid());
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    if (!dir_exists(data_dir())) {
        printf("test_gguf_write: no test data in %s, the golden copies were not tested\n", data_dir());
        return failed ? 1 : EXIT_SKIPPED;
    }
    failed += cmocka_run_group_tests(golden, NULL, NULL);
    return failed ? 1 : 0;
}
