/* GGUF reader: every value type, hostile headers built in memory, truncation at every byte, failing allocations. */
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "base/mem.h"
#include "gguf_builder.h"

/* One of everything: all value types, arrays, two tensors, the second one quantized. */
static void valid_file(struct sbuf *b)
{
    put_header(b, 2, 16);
    put_key_str(b, "general.architecture", "llama");
    put_key(b, "a.u8", GGUF_U8);
    sbuf_putc(b, (char)200);
    put_key(b, "a.i8", GGUF_I8);
    sbuf_putc(b, (char)-5);
    put_key(b, "a.u16", GGUF_U16);
    sbuf_add(b, "\xff\xff", 2);
    put_key(b, "a.i16", GGUF_I16);
    sbuf_add(b, "\xfe\xff", 2);
    put_key_u32(b, "a.u32", 4000000000u);
    put_key(b, "a.i32", GGUF_I32);
    put_u32(b, (uint32_t)-7);
    put_key(b, "a.f32", GGUF_F32);
    put_u32(b, f32_bits(1.5f));
    put_key_bool(b, "a.bool", true);
    put_key(b, "a.u64", GGUF_U64);
    put_u64(b, UINT64_MAX);
    put_key(b, "a.i64", GGUF_I64);
    put_u64(b, (uint64_t)INT64_MIN);
    put_key(b, "a.f64", GGUF_F64);
    put_u64(b, 0xc004000000000000u);
    put_array(b, "a.strings", GGUF_STRING, 3);
    put_str(b, "one");
    put_str(b, "");
    put_str(b, "three");
    put_array(b, "a.ints", GGUF_I32, 2);
    put_u32(b, 11);
    put_u32(b, (uint32_t)-12);
    put_array(b, "a.bools", GGUF_BOOL, 2);
    sbuf_add(b, "\0\1", 2);
    put_array(b, "a.big", GGUF_U64, 2);
    put_u64(b, 5);
    put_u64(b, 1ull << 63);
    put_tensor(b, "first", 0, 3, 2, 0);
    put_tensor(b, "second", 2, 32, 2, 32);
    put_data(b, 32 + 36);
}

static struct gguf *open_buffer(const struct sbuf *b)
{
    struct gguf *g;
    struct err e = {0};
    if (gguf_open_memory(&g, b->p, b->n, "memory", NULL, &e))
        fail_msg("%s", e.text);
    return g;
}

static void test_reads_integers(void **state)
{
    (void)state;
    static const struct {
        const char *key;
        int64_t value;
    } ints[] = {{"a.u8", 200}, {"a.i8", -5}, {"a.u16", 65535}, {"a.i16", -2}, {"a.u32", 4000000000}, {"a.i32", -7},
                {"a.i64", INT64_MIN}};
    static const char *const others[] = {"a.u64" /* does not fit */, "a.f32", "a.bool", "a.strings", "absent"};
    struct sbuf b = {0};
    valid_file(&b);
    struct gguf *g = open_buffer(&b);
    int64_t v = 99;
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        assert_false(gguf_get_i64(g, others[i], &v));
    assert_int_equal(v, 99);                          /* a default given before stays */
    for (size_t i = 0; i < sizeof ints / sizeof *ints; i++) {
        assert_true(gguf_get_i64(g, ints[i].key, &v));
        assert_true(v == ints[i].value);
    }
    gguf_close(g);
    sbuf_free(&b);
}

static void test_reads_other_values(void **state)
{
    (void)state;
    struct sbuf b = {0};
    valid_file(&b);
    struct gguf *g = open_buffer(&b);
    double d = 0;
    bool yes = false;
    struct gguf_str s;
    assert_true(gguf_get_f64(g, "a.f32", &d) && d == 1.5);
    assert_true(gguf_get_f64(g, "a.f64", &d) && d == -2.5);
    assert_false(gguf_get_f64(g, "a.u32", &d));
    assert_true(gguf_get_bool(g, "a.bool", &yes) && yes);
    assert_false(gguf_get_bool(g, "a.u8", &yes));
    assert_true(gguf_get_str(g, "general.architecture", &s) && s.n == 5);
    assert_memory_equal(s.p, "llama", 5);
    assert_false(gguf_get_str(g, "a.strings", &s));
    gguf_close(g);
    sbuf_free(&b);
}

static void test_reads_arrays_and_tensors(void **state)
{
    (void)state;
    struct sbuf b = {0};
    valid_file(&b);
    struct gguf *g = open_buffer(&b);
    const struct gguf_kv *kv = gguf_find(g, "a.strings");
    assert_true(kv && kv->count == 3 && kv->strings[0].n == 3 && kv->strings[1].n == 0);
    assert_memory_equal(kv->strings[2].p, "three", 5);
    int64_t v = 0;
    double d = 0;
    assert_false(gguf_array_i64(kv, 0, &v));
    kv = gguf_find(g, "a.ints");
    assert_true(gguf_array_i64(kv, 1, &v) && v == -12);
    assert_false(gguf_array_i64(kv, 2, &v));
    assert_true(gguf_array_i64(gguf_find(g, "a.u8"), 0, &v) && v == 200);
    assert_true(gguf_array_f64(gguf_find(g, "a.f32"), 0, &d) && d == 1.5);
    kv = gguf_find(g, "a.bools");
    assert_true(gguf_array_i64(kv, 0, &v) && v == 0 && gguf_array_i64(kv, 1, &v) && v == 1);
    kv = gguf_find(g, "a.big");
    assert_true(gguf_array_i64(kv, 0, &v) && v == 5);
    assert_false(gguf_array_i64(kv, 1, &v));
    assert_int_equal(g->n_tensors, 2);
    const struct gguf_tensor *t = gguf_find_tensor(g, "second");
    assert_true(t && t->bytes == 36 && t->ne[0] == 32 && t->ne[1] == 2 && t->ne[2] == 1 && t->ne[3] == 1);
    assert_int_equal(t->data[0], 32);
    assert_null(gguf_find_tensor(g, "third"));
    assert_string_equal(gguf_type_name(t->type), "Q4_0");
    assert_null(gguf_type_name(4));
    assert_null(gguf_type_name(1u << 31));
    gguf_close(g);
    sbuf_free(&b);
}

/* ---- hostile headers ---- */

static void empty_file(struct sbuf *b) { (void)b; }
static void three_bytes(struct sbuf *b) { sbuf_puts(b, "GGU"); }
static void zip_file(struct sbuf *b) { sbuf_add(b, "PK\3\4aaaaaaaaaaaaaaaaaaaaaaaaaaaaa", 33); }
static void big_endian(struct sbuf *b) { sbuf_add(b, "GGUF\0\0\0\3\0\0\0\0\0\0\0\1\0\0\0\0\0\0\0\1", 24); }
static void version_1(struct sbuf *b) { sbuf_add(b, "GGUF\1\0\0\0\1\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 24); }
static void version_0(struct sbuf *b) { sbuf_add(b, "GGUF\0\0\0\0\1\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 24); }
static void version_99(struct sbuf *b) { sbuf_add(b, "GGUF\x63\0\0\0\1\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 24); }
static void many_keys(struct sbuf *b) { put_header(b, 0, UINT64_MAX); }
static void many_tensors(struct sbuf *b) { put_header(b, 1ull << 40, 0); }
static void tensors_after_keys(struct sbuf *b)
{
    put_header(b, 2, 1);
    put_key_str(b, "k", "a value that is long enough to make two tensors look possible at first");
}
static void double_key(struct sbuf *b)
{
    put_header(b, 0, 3);
    put_key_u32(b, "same", 1);
    put_key_u32(b, "other", 2);
    put_key_u32(b, "same", 3);
}
static void nameless_key(struct sbuf *b)
{
    put_header(b, 0, 1);
    put_key_u32(b, "", 1);
}
static void long_key(struct sbuf *b)
{
    put_header(b, 0, 1);
    put_u64(b, 65536);
    for (int i = 0; i < 65536; i++)
        sbuf_putc(b, 'k');
    put_u64(b, GGUF_U32);
}
static void nul_key(struct sbuf *b)
{
    put_header(b, 0, 1);
    put_u64(b, 3);
    sbuf_add(b, "a\0b", 3);
    put_u64(b, GGUF_U32);
}
static void unknown_value_type(struct sbuf *b)
{
    put_header(b, 0, 1);
    put_key(b, "odd\033[31m", 13);
    put_u64(b, 0);
}
static void endless_string(struct sbuf *b)
{
    put_header(b, 0, 1);
    put_key(b, "text", GGUF_STRING);
    put_u64(b, UINT64_MAX - 7);
}
static void array_of_arrays(struct sbuf *b)
{
    put_header(b, 0, 1);
    put_array(b, "nested", GGUF_ARRAY, 1);
    put_u64(b, 0);
}
static void array_of_unknown(struct sbuf *b)
{
    put_header(b, 0, 1);
    put_array(b, "odd", 77, 1);
    put_u64(b, 0);
}
static void huge_array(struct sbuf *b)
{
    put_header(b, 0, 1);
    put_array(b, "numbers", GGUF_F64, (1ull << 61) + 1);
    put_u64(b, 0);
}
static void huge_string_array(struct sbuf *b)
{
    put_header(b, 0, 1);
    put_array(b, "tokens", GGUF_STRING, 1ull << 60);
    put_u64(b, 0);
}
static void strings_run_out(struct sbuf *b)
{
    put_header(b, 0, 1);
    put_array(b, "tokens", GGUF_STRING, 2);
    put_u64(b, 1);
    put_u64(b, 0);
}
static void alignment_24(struct sbuf *b)
{
    put_header(b, 0, 1);
    put_key_u32(b, "general.alignment", 24);
}
static void alignment_0(struct sbuf *b)
{
    put_header(b, 0, 1);
    put_key_u32(b, "general.alignment", 0);
}
static void alignment_text(struct sbuf *b)
{
    put_header(b, 0, 1);
    put_key_str(b, "general.alignment", "32");
}
static void split_file(struct sbuf *b)
{
    put_header(b, 0, 2);
    put_key_u32(b, "split.no", 1);
    put_key_u32(b, "split.count", 3);
}
static void double_tensor(struct sbuf *b)
{
    put_header(b, 2, 0);
    put_tensor(b, "w", 0, 4, 1, 0);
    put_tensor(b, "w", 0, 4, 1, 32);
    put_data(b, 64);
}
static void overlapping(struct sbuf *b)
{
    put_header(b, 3, 0);
    put_tensor(b, "a", 0, 4, 1, 64);
    put_tensor(b, "b", 0, 9, 1, 0);
    put_tensor(b, "c", 0, 4, 1, 32);
    put_data(b, 96);
}
static void same_place(struct sbuf *b)
{
    put_header(b, 2, 0);
    put_tensor(b, "a", 0, 4, 1, 0);
    put_tensor(b, "b", 0, 4, 1, 0);
    put_data(b, 96);
}
static void put_one_tensor(struct sbuf *b, const char *name, uint32_t type, uint64_t ne0, uint64_t ne1, uint64_t offset)
{
    put_header(b, 1, 0);
    put_tensor(b, name, type, ne0, ne1, offset);
    put_data(b, 127);
}
static void misaligned(struct sbuf *b) { put_one_tensor(b, "a", 0, 4, 1, 16); }
static void offset_wraps(struct sbuf *b) { put_one_tensor(b, "a", 0, 16, 1, UINT64_MAX - 31); }
static void offset_beyond(struct sbuf *b) { put_one_tensor(b, "a", 0, 16, 1, 1ull << 40); }
static void data_cut(struct sbuf *b) { put_one_tensor(b, "a", 0, 16, 2, 0); }
static void nameless_tensor(struct sbuf *b) { put_one_tensor(b, "", 0, 4, 1, 0); }
static void zero_dim(struct sbuf *b) { put_one_tensor(b, "flat", 0, 0, 1, 0); }
static void negative_dim(struct sbuf *b) { put_one_tensor(b, "neg", 0, 4, 1ull << 63, 0); }
static void size_wraps(struct sbuf *b) { put_one_tensor(b, "vast", 0, 1ull << 40, 1ull << 40, 0); }
static void unknown_type(struct sbuf *b) { put_one_tensor(b, "w", 300, 32, 1, 0); }
static void removed_type(struct sbuf *b) { put_one_tensor(b, "w", 31, 32, 1, 0); }
static void ragged_rows(struct sbuf *b) { put_one_tensor(b, "w", 12, 320, 1, 0); }
static void long_tensor_name(struct sbuf *b)
{
    char name[129] = {0};
    memset(name, 'n', 128);
    put_one_tensor(b, name, 0, 4, 1, 0);
}
static void nul_tensor_name(struct sbuf *b)
{
    put_header(b, 1, 0);
    put_u64(b, 3);
    sbuf_add(b, "a\0b", 3);
    put_data(b, 64);
}
static void five_dims(struct sbuf *b)
{
    put_header(b, 1, 0);
    put_str(b, "deep");
    put_u32(b, 5);
    put_data(b, 96);
}

static const struct hostile {
    const char *name;
    void (*build)(struct sbuf *);
    int code;
    const char *says;
} hostile[] = {
#define H(f, code, says) {#f, f, ERR_##code, says}
    H(empty_file, FORMAT, "the file is empty"),
    H(three_bytes, FORMAT, "ends after 3 bytes, inside the header: it is truncated"),
    H(zip_file, FORMAT, "not a GGUF file (it starts with bytes 50 4b 03 04)"),
    H(big_endian, UNSUPPORTED, "big-endian GGUF is not supported, convert it with gguf-convert-endian"),
    H(version_1, UNSUPPORTED, "GGUF version 1 is not supported (2 and 3 are): convert the model again"),
    H(version_0, UNSUPPORTED, "GGUF version 0 is not supported"),
    H(version_99, UNSUPPORTED, "GGUF version 99 is not supported"),
    H(many_keys, FORMAT, "claims 18446744073709551615 keys, more than the 0 remaining bytes can hold"),
    H(many_tensors, FORMAT, "claims 1099511627776 tensors"),
    H(tensors_after_keys, FORMAT, "claims 2 tensors, more than the 0 remaining bytes can hold"),
    H(double_key, FORMAT, "key 'same' occurs twice"),
    H(nameless_key, FORMAT, "a name of 0 bytes"),
    H(long_key, FORMAT, "a name of 65536 bytes"),
    H(nul_key, FORMAT, "the name of key 'a?b' contains a NUL byte"),
    H(unknown_value_type, FORMAT, "key 'odd?[31m' has value type 13, which GGUF does not define"),
    H(endless_string, FORMAT, "key 'text': a string claims 18446744073709551608 bytes but only 0 remain"),
    H(array_of_arrays, UNSUPPORTED, "key 'nested' is an array of arrays"),
    H(array_of_unknown, FORMAT, "key 'odd' is an array of value type 77"),
    H(huge_array, FORMAT, "key 'numbers': the header claims 2305843009213693953 array elements"),
    H(huge_string_array, FORMAT, "key 'tokens': the header claims 1152921504606846976 array strings"),
    H(strings_run_out, FORMAT, "key 'tokens'"),
    H(alignment_24, FORMAT, "general.alignment is 24, not a power of two"),
    H(alignment_0, FORMAT, "general.alignment is 0, not a power of two"),
    H(alignment_text, FORMAT, "general.alignment is not a 32-bit unsigned integer"),
    H(split_file, UNSUPPORTED, "part 2 of a model split into 3 files: merge them with \"llama-gguf-split --merge"),
    H(double_tensor, FORMAT, "tensor 'w' occurs twice"),
    H(overlapping, FORMAT, "tensors 'b' and 'c' overlap"),
    H(same_place, FORMAT, "overlap"),
    H(misaligned, FORMAT, "tensor 'a' starts at offset 16, not a multiple of the alignment 32"),
    H(offset_wraps, FORMAT, "tensor 'a' has the impossible offset 18446744073709551584"),
    H(offset_beyond, FORMAT, "tensor 'a' ends at byte 1099511627936 but the file has only"),
    H(data_cut, FORMAT, "tensor 'a' ends at byte 224 but the file has only 223: it is truncated"),
    H(long_tensor_name, FORMAT, "a name of 128 bytes; 1 to 127 are allowed"),
    H(nul_tensor_name, FORMAT, "the name of tensor 'a?b' contains a NUL byte"),
    H(nameless_tensor, FORMAT, "a name of 0 bytes"),
    H(five_dims, FORMAT, "tensor 'deep': it has 5 dimensions; GGUF allows 4"),
    H(zero_dim, FORMAT, "tensor 'flat': dimension 0 is 0"),
    H(negative_dim, FORMAT, "tensor 'neg': dimension 1 is 9223372036854775808"),
    H(size_wraps, FORMAT, "tensor 'vast': its size exceeds 2^63 bytes"),
    H(unknown_type, UNSUPPORTED, "tensor 'w': tensor type 300 is unknown"),
    H(removed_type, UNSUPPORTED, "tensor 'w': tensor type 31 (Q4_0_4_4) is no longer part of GGUF"),
    H(ragged_rows, FORMAT, "tensor 'w': rows of 320 weights do not divide into Q4_K blocks of 256"),
#undef H
};

static void test_refuses_hostile_headers(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof hostile / sizeof *hostile; i++) {
        struct sbuf b = {0};
        struct err e = {0};
        struct gguf *g;
        hostile[i].build(&b);
        uint8_t *p = exact_copy(b.p, b.n);
        const int rc = gguf_open_memory(&g, p, b.n, "bad.gguf", NULL, &e);
        if (rc != hostile[i].code || e.code != rc || !strstr(e.text, hostile[i].says) ||
            strncmp(e.text, "bad.gguf: ", 10))
            fail_msg("%s: code %d, \"%s\"", hostile[i].name, rc, e.text);
        assert_null(g);
        assert_int_equal(gguf_open_memory(&g, p, b.n, "bad.gguf", NULL, NULL), rc);
        free(p);
        sbuf_free(&b);
    }
}

/* header_only accepts exactly the cuts behind the header; without it none is accepted. */
static void test_refuses_every_truncation(void **state)
{
    (void)state;
    const struct gguf_open_opts header_only = {.header_only = true};
    struct sbuf b = {0};
    valid_file(&b);
    struct gguf *g = open_buffer(&b);
    const size_t data_offset = g->data_offset;
    gguf_close(g);
    assert_int_equal(b.n, data_offset + 32 + 36);
    size_t n_headers = 0;
    for (size_t n = 0; n < b.n; n++) {
        struct err e = {0};
        uint8_t *p = exact_copy(b.p, n);
        assert_int_equal(gguf_open_memory(&g, p, n, "cut", NULL, &e), ERR_FORMAT);
        if (gguf_open_memory(&g, p, n, "cut", &header_only, &e) == 0) {
            n_headers++;
            assert_true((g->tensor[0].data != NULL) == (n >= data_offset + 24));
            assert_null(g->tensor[1].data);
            assert_int_equal(g->tensor[1].bytes, 36);
            gguf_close(g);
        }
        free(p);
    }
    assert_in_range(n_headers, 68, 68 + 31);          /* the data section and the padding before it */
    sbuf_free(&b);
}

static void test_survives_failing_allocations(void **state)
{
    (void)state;
    struct sbuf b = {0};
    valid_file(&b);
    int rc = ERR_NOMEM;
    long n = 0;
    while (rc) {
        struct gguf *g;
        struct err e = {0};
        mem_fail_from(++n);
        rc = gguf_open_memory(&g, b.p, b.n, "memory", NULL, &e);
        mem_fail_from(0);
        if (rc) {
            assert_int_equal(rc, ERR_NOMEM);
            assert_null(g);
            assert_non_null(strstr(e.text, "cannot allocate"));
        }
        gguf_close(g);
    }
    assert_in_range(n, 5, 100);
    sbuf_free(&b);
}

static void test_accepts_odd_but_valid(void **state)
{
    (void)state;
    struct sbuf b = {0};
    put_header(&b, 0, 0);
    gguf_close(open_buffer(&b));
    b.n = 0;
    put_header(&b, 2, 1);                             /* other alignment, tensors out of order, a gap between */
    put_key_u32(&b, "general.alignment", 64);
    put_tensor(&b, "late", 0, 1, 1, 256);
    put_str(&b, "scalar");
    put_u32(&b, 0);
    put_u32(&b, 0);
    put_u64(&b, 0);
    put_padding(&b, 64);
    const size_t at = b.n;
    put_data(&b, 260);
    struct gguf *g = open_buffer(&b);
    assert_int_equal(g->alignment, 64);
    assert_int_equal(g->data_offset, at);
    assert_int_equal(g->tensor[1].bytes, 4);
    assert_ptr_equal(g->tensor[0].data, b.p + at + 256);
    gguf_close(g);
    b.p[4] = 2;                                       /* version 2 has the same layout */
    g = open_buffer(&b);
    assert_int_equal(g->version, 2);
    gguf_close(g);
    sbuf_free(&b);
}

static void test_opens_paths(void **state)
{
    (void)state;
    struct gguf *g;
    struct err e = {0};
    assert_int_equal(gguf_open(&g, "/nonexistent/x.gguf", NULL, &e), ERR_MISSING);
    assert_non_null(strstr(e.text, "/nonexistent/x.gguf"));
    assert_null(g);
    assert_int_equal(gguf_open(&g, "/", NULL, &e), ERR_IO);
    assert_int_equal(gguf_open(&g, "/dev/null", NULL, &e), ERR_FORMAT);
    assert_non_null(strstr(e.text, "/dev/null: the file is empty"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reads_integers),
        cmocka_unit_test(test_reads_other_values),
        cmocka_unit_test(test_reads_arrays_and_tensors),
        cmocka_unit_test(test_refuses_hostile_headers),
        cmocka_unit_test(test_refuses_every_truncation),
        cmocka_unit_test(test_survives_failing_allocations),
        cmocka_unit_test(test_accepts_odd_but_valid),
        cmocka_unit_test(test_opens_paths),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
