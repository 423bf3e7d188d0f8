/* ONNX files and the ONNX Runtime GenAI directory, through a reader of the wire format that shares nothing with the
 * writer: bytes written by hand, graph and tensors of the embedded model, the same bytes twice, refusals. */
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
#include "base/json.h"
#include "base/mem.h"
#include "base/os.h"
#include "bench/artifact/onnx_write.h"
#include "bench/export/export.h"

static char folder[64];

static const char *in_folder(const char *name)
{
    static char path[4][256];
    static int next;
    char *p = path[next++ & 3];
    snprintf(p, sizeof path[0], "%s/%s", folder, name);
    return p;
}

/* ---- a reader ---- */

struct bytes {
    const uint8_t *p, *end;
};
struct field {
    int number, wire;
    uint64_t v;
    struct bytes in;
};

static uint64_t varint(struct bytes *b)
{
    uint64_t v = 0;
    for (int shift = 0; shift < 64; shift += 7) {
        assert_true(b->p < b->end);
        v |= (uint64_t)(*b->p & 0x7f) << shift;
        if (!(*b->p++ & 0x80))
            return v;
    }
    fail_msg("a varint without an end");
    return 0;
}

static bool next(struct bytes *b, struct field *f)
{
    if (b->p == b->end)
        return false;
    const uint64_t tag = varint(b);
    *f = (struct field){.number = (int)(tag >> 3), .wire = (int)(tag & 7)};
    if (f->wire == 0) {
        f->v = varint(b);
        return true;
    }
    const uint64_t n = f->wire == 2 ? varint(b) : 4;
    assert_true(f->wire == 2 || f->wire == 5);
    assert_true(n <= (uint64_t)(b->end - b->p));
    f->in = (struct bytes){b->p, b->p + n};
    b->p += n;
    return true;
}

/* The i-th field of that number. */
static bool find(struct bytes b, int number, int i, struct field *f)
{
    while (next(&b, f))
        if (f->number == number && i-- == 0)
            return true;
    return false;
}

static struct field get(struct bytes b, int number, int i)
{
    struct field f;
    if (!find(b, number, i, &f))
        fail_msg("field %d is missing", number);
    return f;
}

static bool is(struct bytes b, const char *s)
{
    return (size_t)(b.end - b.p) == strlen(s) && memcmp(b.p, s, strlen(s)) == 0;
}

static bool text_is(struct bytes message, int number, int i, const char *s)
{
    struct field f;
    return find(message, number, i, &f) && is(f.in, s);
}

static int64_t attribute(struct bytes node, const char *name)
{
    for (int i = 0;; i++) {
        const struct bytes a = get(node, 5, i).in;
        if (text_is(a, 1, 0, name)) {
            assert_int_equal(get(a, 20, 0).v, 2);
            return (int64_t)get(a, 3, 0).v;
        }
    }
}

static struct bytes named(struct bytes graph, int number, int name_field, const char *name)
{
    struct field f;
    for (int i = 0; find(graph, number, i, &f); i++)
        if (text_is(f.in, name_field, 0, name))
            return f.in;
    fail_msg("no %s in the graph", name);
    return graph;
}

static int count_ops(struct bytes graph, const char *op)
{
    struct field f;
    int n = 0;
    while (next(&graph, &f))
        n += f.number == 1 && f.wire == 2 && text_is(f.in, 4, 0, op);
    return n;
}

/* Where the bytes of a tensor are in the data file, and how many. */
static struct bytes external(struct bytes graph, const struct file_map *data, const char *name)
{
    const struct bytes t = named(graph, 5, 8, name);
    uint64_t place[2] = {0};
    assert_int_equal(get(t, 14, 0).v, 1);
    assert_true(text_is(get(t, 13, 0).in, 2, 0, "model.onnx.data"));
    for (int i = 0; i < 2; i++) {
        const struct bytes entry = get(t, 13, i + 1).in, v = get(entry, 2, 0).in;
        assert_true(text_is(entry, 1, 0, i ? "length" : "offset"));
        for (const uint8_t *p = v.p; p < v.end; p++)
            place[i] = place[i] * 10 + (uint64_t)(*p - '0');
    }
    assert_int_equal(place[0] % ONNX_ALIGNMENT, 0);
    assert_true(place[0] <= data->n && place[1] <= data->n - place[0]);
    return (struct bytes){data->p + place[0], data->p + place[0] + place[1]};
}

static struct bytes graph_of(const struct file_map *f)
{
    return get((struct bytes){f->p, f->p + f->n}, 7, 0).in;
}

/* ---- the writer ---- */

static void check_ok(int rc, const struct err *e)
{
    if (rc)
        fail_msg("%s", e->text);
}

/* z = x + c, c in the data file. */
static int write_sum(struct err *e)
{
    static const float c[2] = {1, -2};
    struct onnx_writer *w;
    int rc = onnx_writer_new(&w, in_folder("model.onnx"), "sum", e);
    if (rc)
        return rc;
    onnx_writer_input(w, &(struct onnx_value){"x", ONNX_F32, 2, {0, 2}, {"n"}});
    onnx_writer_output(w, &(struct onnx_value){"z", ONNX_F32, 2, {0, 2}, {"n"}});
    onnx_writer_tensor(w, &(struct onnx_tensor){"b", ONNX_U8, 1, {3}});
    onnx_writer_data(w, "ab", 2);
    onnx_writer_data(w, "c", 1);
    onnx_writer_tensor(w, &(struct onnx_tensor){"c", ONNX_F32, 1, {2}});
    onnx_writer_data(w, c, sizeof c);
    onnx_writer_node(w, &(struct onnx_node){.op = "Add",
                                            .in = {"x", "c"},
                                            .out = {"z"},
                                            .attribute = {{"a", ONNX_INT, .i = -1}, {"f", ONNX_FLOAT, .f = 0.5}}});
    return onnx_writer_finish(w, e);
}

static void test_bytes_are_those_of_the_format(void **state)
{
    (void)state;
    static const uint8_t node[] = "\x0a\x01x\x0a\x01"
                                  "c\x12\x01z\x1a\x01z\x22\x03"
                                  "Add"
                                  "\x2a\x11\x0a\x01"
                                  "a\x18\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01\xa0\x01\x02"
                                  "\x2a\x0b\x0a\x01"
                                  "f\x15\x00\x00\x00\x3f\xa0\x01\x01";
    static const uint8_t input[] = "\x0a\x01x\x12\x0f\x0a\x0d\x08\x01\x12\x09\x0a\x03\x12\x01n\x0a\x02\x08\x02";
    struct err e = {0};
    struct file_map f, data;
    check_ok(write_sum(&e), &e);
    check_ok(file_map_open(&f, in_folder("model.onnx"), &e), &e);
    check_ok(file_map_open(&data, in_folder("model.onnx.data"), &e), &e);
    const struct bytes model = {f.p, f.p + f.n}, graph = graph_of(&f);
    assert_int_equal(get(model, 1, 0).v, ONNX_IR_VERSION);
    assert_int_equal(get(get(model, 8, 0).in, 2, 0).v, ONNX_OPSET);
    assert_true(text_is(get(model, 8, 1).in, 1, 0, "com.microsoft"));
    const struct bytes n = get(graph, 1, 0).in, x = get(graph, 11, 0).in;
    assert_int_equal(n.end - n.p, sizeof node - 1);
    assert_memory_equal(n.p, node, sizeof node - 1);
    assert_int_equal(x.end - x.p, sizeof input - 1);
    assert_memory_equal(x.p, input, sizeof input - 1);
    assert_true(is(external(graph, &data, "b"), "abc"));
    const struct bytes c = external(graph, &data, "c");
    assert_int_equal(c.end - c.p, 8);
    assert_memory_equal(c.p, "\x00\x00\x80\x3f\x00\x00\x00\xc0", 8);
    file_map_close(&f);
    file_map_close(&data);
}

static void test_misuse_is_refused_and_leaves_nothing(void **state)
{
    (void)state;
    for (int kind = 0; kind < 4; kind++) {
        struct err e = {0};
        struct onnx_writer *w;
        unlink(in_folder("model.onnx"));
        unlink(in_folder("model.onnx.data"));
        check_ok(onnx_writer_new(&w, in_folder("model.onnx"), "g", &e), &e);
        onnx_writer_tensor(w, &(struct onnx_tensor){"t", ONNX_U8, 1, {3}});
        onnx_writer_data(w, "abcd", kind == 0 ? 2 : kind == 1 ? 4 : 3); /* too few, too many */
        if (kind == 2)
            onnx_writer_constant(w, &(struct onnx_tensor){"c", ONNX_F32, 0, {0}}, "abc", 3);
        if (kind == 3)
            onnx_writer_tensor(w, &(struct onnx_tensor){"u", ONNX_F32, 2, {INT64_MAX, 3}});
        assert_int_equal(onnx_writer_finish(w, &e), ERR_USAGE);
        assert_true(strlen(e.text) > 10);
        assert_false(file_exists(in_folder("model.onnx")));
        assert_false(file_exists(in_folder("model.onnx.data")));
    }
    struct onnx_writer *w;
    struct err e = {0};
    assert_int_equal(onnx_writer_new(&w, in_folder("nowhere/model.onnx"), "g", &e), ERR_IO);
    assert_null(w);
}

static void test_survives_failing_allocations(void **state)
{
    (void)state;
    long n = 1;
    for (int rc = -1; rc < 0; n++) {
        struct err e = {0};
        mem_fail_from(n);
        rc = write_sum(&e);
        mem_fail_from(0);
        assert_true(rc == 0 || (rc == ERR_NOMEM && strlen(e.text) > 10));
    }
    assert_true(n > 10);
}

/* ---- the directory ---- */

struct made {
    struct model *m;
    struct weights *w;
    struct use_assign *a;
    const struct recipe *r;
};

static void make(struct made *k, const char *format)
{
    struct err e = {0};
    k->r = recipe_find(format);
    assert_non_null(k->r);
    check_ok(model_open(&k->m, SOURCE_ROOT "/datasets/models/default.gguf", &e), &e);
    k->a = mem_alloc_n((size_t)k->m->d.n_tensors, sizeof *k->a);
    check_ok(recipe_assign(&k->m->d, k->r, NULL, NULL, k->a, &e), &e);
    check_ok(weights_encode(&k->w, k->m, k->a, NULL, 0, NULL, &e), &e);
}

static void unmake(struct made *k)
{
    weights_free(k->w);
    mem_free(k->a);
    model_close(k->m);
}

static void remove_files(const char *dir)
{
    char command[300];
    snprintf(command, sizeof command, "rm -r '%s'", dir);
    assert_int_equal(system(command), 0);
}

static void check_same(struct bytes have, const struct qmat *q, enum plane plane)
{
    assert_int_equal(have.end - have.p, q->plane[plane].bytes);
    assert_memory_equal(have.p, q->plane[plane].p, q->plane[plane].bytes);
}

static void check_config(const struct model *m)
{
    struct err e = {0};
    json_t *o;
    check_ok(json_read_file(&o, in_folder("out/genai_config.json"), &e), &e);
    const json_t *decoder = json_object_get(json_object_get(o, "model"), "decoder");
    assert_string_equal(json_get_str(decoder, "filename", ""), "model.onnx");
    assert_int_equal(json_get_num(decoder, "head_size"), m->d.head_dim);
    assert_int_equal(json_get_num(decoder, "num_hidden_layers"), m->d.n_layer);
    assert_string_equal(json_get_str(json_object_get(decoder, "inputs"), "past_key_names", ""),
                        "past_key_values.%d.key");
    json_decref(o);
}

static void test_directory_holds_the_weights(void **state)
{
    (void)state;
    struct made k;
    struct err e = {0};
    struct file_map f, data;
    make(&k, "onnx/int4-g32-asym");
    const struct exporter *x = exporter_find(k.r);
    assert_string_equal(x->name, "onnx");
    check_ok(x->check(k.m, k.r, &e), &e);
    check_ok(x->write(in_folder("out"), k.m, k.w, k.r, &e), &e);
    check_ok(file_map_open(&f, in_folder("out/model.onnx"), &e), &e);
    check_ok(file_map_open(&data, in_folder("out/model.onnx.data"), &e), &e);
    const struct bytes graph = graph_of(&f);
    const struct model_tensor *t = model_tensor(k.m, USE_FFN_DOWN, 1);
    const struct qmat *q = &k.w->mat[t - k.m->d.tensor];
    assert_int_equal(count_ops(graph, "MatMulNBits"), 7 * k.m->d.n_layer + 1);
    assert_int_equal(count_ops(graph, "GroupQueryAttention"), k.m->d.n_layer);
    assert_int_equal(count_ops(graph, "SkipSimplifiedLayerNormalization"), 2 * k.m->d.n_layer);
    const struct bytes node = named(graph, 1, 3, "blk.1.ffn_down");
    assert_int_equal(attribute(node, "K"), q->k);
    assert_int_equal(attribute(node, "N"), q->n);
    assert_int_equal(attribute(node, "block_size"), 32);
    assert_int_equal(attribute(node, "bits"), 4);
    assert_int_equal(attribute(node, "accuracy_level"), 4);
    check_same(external(graph, &data, "blk.1.ffn_down.codes"), q, PLANE_CODE);
    check_same(external(graph, &data, "blk.1.ffn_down.scales"), q, PLANE_SCALE);
    check_same(external(graph, &data, "blk.1.ffn_down.zeros"), q, PLANE_ZERO);
    check_same(external(graph, &data, "logits.codes"), &k.w->head, PLANE_CODE);
    check_config(k.m);
    assert_true(file_exists(in_folder("out/tokenizer.json")));
    file_map_close(&f);
    file_map_close(&data);
    remove_files(in_folder("out"));
    unmake(&k);
}

/* MatMulInteger reads [K][N]; one rounding of the input serves query, key and value. */
static void test_integer_products_are_turned(void **state)
{
    (void)state;
    struct made k;
    struct err e = {0};
    struct file_map f, data;
    make(&k, "onnx/int8-dynamic-channel");
    check_ok(exporter_find(k.r)->write(in_folder("out"), k.m, k.w, k.r, &e), &e);
    check_ok(file_map_open(&f, in_folder("out/model.onnx"), &e), &e);
    check_ok(file_map_open(&data, in_folder("out/model.onnx.data"), &e), &e);
    const struct bytes graph = graph_of(&f);
    const struct qmat *q = &k.w->mat[model_tensor(k.m, USE_ATTN_K, 0) - k.m->d.tensor];
    const struct bytes b = external(graph, &data, "blk.0.attn_k.codes");
    assert_int_equal(count_ops(graph, "MatMulInteger"), 7 * k.m->d.n_layer + 1);
    assert_int_equal(count_ops(graph, "DynamicQuantizeLinear"), 4 * k.m->d.n_layer + 1);
    assert_int_equal(b.end - b.p, q->n * q->k);
    for (int64_t r = 0; r < q->n; r++)
        for (int64_t c = 0; c < q->k; c++)
            assert_int_equal(b.p[c * q->n + r],
                             q->plane[PLANE_CODE].p[(size_t)r * q->plane[PLANE_CODE].row_stride + (size_t)c]);
    check_same(external(graph, &data, "blk.0.attn_k.scale"), q, PLANE_SCALE);
    file_map_close(&f);
    file_map_close(&data);
    remove_files(in_folder("out"));
    unmake(&k);
}

static void test_the_same_bytes_twice(void **state)
{
    (void)state;
    static const char *const names[] = {"model.onnx", "model.onnx.data", "genai_config.json", "tokenizer.json"};
    struct made k;
    struct err e = {0};
    make(&k, "onnx/int4-g32-sym");
    check_ok(exporter_find(k.r)->write(in_folder("a"), k.m, k.w, k.r, &e), &e);
    check_ok(exporter_find(k.r)->write(in_folder("b"), k.m, k.w, k.r, &e), &e);
    for (int i = 0; i < 4; i++) {
        char a[300], b[300];
        struct file_map fa, fb;
        snprintf(a, sizeof a, "%s/a/%s", folder, names[i]);
        snprintf(b, sizeof b, "%s/b/%s", folder, names[i]);
        check_ok(file_map_open(&fa, a, &e), &e);
        check_ok(file_map_open(&fb, b, &e), &e);
        assert_int_equal(fa.n, fb.n);
        assert_memory_equal(fa.p, fb.p, fa.n);
        file_map_close(&fa);
        file_map_close(&fb);
    }
    /* What is there stays there. */
    assert_true(exporter_find(k.r)->write(in_folder("a"), k.m, k.w, k.r, &e) < 0);
    assert_non_null(strstr(e.text, "/a"));
    assert_true(exporter_find(k.r)->write(in_folder("nowhere/a"), k.m, k.w, k.r, &e) < 0);
    remove_files(in_folder("a"));
    remove_files(in_folder("b"));
    unmake(&k);
}

static void test_check_refuses_with_the_reason(void **state)
{
    (void)state;
    struct made k;
    struct recipe f16;
    struct err e = {0};
    make(&k, "onnx/int4-g32-sym");
    const struct exporter *x = exporter_find(k.r);
    check_ok(recipe_resolve(&f16, "onnx/int4-g32-sym@scale=f16", &e), &e);
    assert_int_equal(x->check(k.m, &f16, &e), ERR_UNSUPPORTED);
    assert_non_null(strstr(e.text, "scales"));
    k.m->d.head_dim = 24;
    assert_int_equal(x->check(k.m, k.r, &e), ERR_UNSUPPORTED);
    assert_non_null(strstr(e.text, "24"));
    k.m->d.arch = &archs[ARCH_BITNET];
    assert_int_equal(x->check(k.m, k.r, &e), ERR_UNSUPPORTED);
    assert_non_null(strstr(e.text, "bitnet"));
    assert_ptr_equal(exporter_find(recipe_find("gguf/q4_k_m")), &exporter_gguf);
    unmake(&k);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bytes_are_those_of_the_format),
        cmocka_unit_test(test_misuse_is_refused_and_leaves_nothing),
        cmocka_unit_test(test_survives_failing_allocations),
        cmocka_unit_test(test_directory_holds_the_weights),
        cmocka_unit_test(test_integer_products_are_turned),
        cmocka_unit_test(test_the_same_bytes_twice),
        cmocka_unit_test(test_check_refuses_with_the_reason),
    };
    strcpy(folder, "/tmp/wq-onnx-XXXXXX");
    if (!mkdtemp(folder))
        return 1;
    int rc = cmocka_run_group_tests(tests, NULL, NULL);
    remove_files(folder);
    return rc;
}
