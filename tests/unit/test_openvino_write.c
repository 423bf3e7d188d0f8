/* OpenVINO directories: every edge joins ports that agree, every constant lies inside the .bin file and has the bytes
 * of its shape; weights that the graph's constants stand for; the same bytes twice; refusals. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>
#include <libxml/parser.h>
#include <libxml/tree.h>
#include "base/half.h"
#include "base/mem.h"
#include "base/os.h"
#include "bench/artifact/openvino_write.h"
#include "bench/export/export.h"

static const struct {
    const char *name, *port;
    int bits;
} types[] = {
#define X(id, attribute, port, bits) {attribute, port, bits},
    IR_TYPES(X)
#undef X
};

static const char *attribute(const xmlNode *n, const char *name)
{
    for (const xmlAttr *a = n->properties; a; a = a->next)
        if (strcmp((const char *)a->name, name) == 0)
            return (const char *)a->children->content;
    return NULL;
}

static long number(const xmlNode *n, const char *name)
{
    const char *text = attribute(n, name);
    assert_non_null(text);
    return strtol(text, NULL, 10);
}

static const xmlNode *child(const xmlNode *n, const char *name)
{
    for (n = n ? n->children : NULL; n; n = n->next)
        if (n->type == XML_ELEMENT_NODE && strcmp((const char *)n->name, name) == 0)
            return n;
    return NULL;
}

static const xmlNode *next(const xmlNode *n)
{
    for (n = n->next; n && n->type != XML_ELEMENT_NODE; n = n->next)
        ;
    return n;
}

static const xmlNode *first(const xmlNode *n)
{
    n = n ? n->children : NULL;
    return n && n->type != XML_ELEMENT_NODE ? next(n) : n;
}

struct graph {
    xmlDocPtr doc;
    const xmlNode *net, **layer;
    int n_layers;
    char *bin;
    size_t n_bin;
};

static void graph_open(struct graph *g, const char *folder)
{
    char path[256];
    struct err e = {0};
    snprintf(path, sizeof path, "%s/openvino_model.bin", folder);
    assert_int_equal(file_read(path, (size_t)1 << 30, &g->bin, &g->n_bin, &e), 0);
    snprintf(path, sizeof path, "%s/openvino_model.xml", folder);
    g->doc = xmlReadFile(path, NULL, 0);
    assert_non_null(g->doc);
    g->net = xmlDocGetRootElement(g->doc);
    assert_string_equal(attribute(g->net, "version"), "11");
    g->n_layers = 0;
    for (const xmlNode *l = first(child(g->net, "layers")); l; l = next(l))
        g->n_layers++;
    g->layer = mem_alloc_n((size_t)g->n_layers, sizeof *g->layer);
    int i = 0;
    for (const xmlNode *l = first(child(g->net, "layers")); l; l = next(l), i++) {
        assert_int_equal(number(l, "id"), i);
        g->layer[i] = l;
    }
}

static void graph_close(struct graph *g)
{
    mem_free(g->layer);
    mem_free(g->bin);
    xmlFreeDoc(g->doc);
}

static const xmlNode *port(const xmlNode *layer, const char *side, long id)
{
    for (const xmlNode *p = first(child(layer, side)); p; p = next(p))
        if (number(p, "id") == id)
            return p;
    return NULL;
}

static void check_edges(const struct graph *g)
{
    int n_inputs = 0, n_edges = 0;
    for (int i = 0; i < g->n_layers; i++)
        for (const xmlNode *p = first(child(g->layer[i], "input")); p; p = next(p))
            n_inputs++;
    for (const xmlNode *e = first(child(g->net, "edges")); e; e = next(e), n_edges++) {
        long from = number(e, "from-layer"), to = number(e, "to-layer");
        assert_in_range(from, 0, g->n_layers - 1);
        assert_in_range(to, from + 1, g->n_layers - 1);
        const xmlNode *a = port(g->layer[from], "output", number(e, "from-port"));
        const xmlNode *b = port(g->layer[to], "input", number(e, "to-port"));
        assert_non_null(a);
        assert_non_null(b);
        assert_string_equal(attribute(a, "precision"), attribute(b, "precision"));
        const xmlNode *p = first(a), *q = first(b);
        for (; p && q; p = next(p), q = next(q))
            assert_string_equal((char *)p->children->content, (char *)q->children->content);
        assert_true(!p && !q);
        for (const xmlNode *other = next(e); other; other = next(other))
            assert_false(number(other, "to-layer") == to && number(other, "to-port") == number(e, "to-port"));
    }
    assert_int_equal(n_edges, n_inputs);
}

static void check_constants(const struct graph *g)
{
    for (int i = 0; i < g->n_layers; i++) {
        if (strcmp(attribute(g->layer[i], "type"), "Const") != 0)
            continue;
        const xmlNode *d = child(g->layer[i], "data");
        size_t n = 1, t = 0;
        for (const char *p = attribute(d, "shape"); *p; p += strcspn(p, ",") + (p[strcspn(p, ",")] == ','))
            n *= (size_t)strtol(p, NULL, 10);
        while (strcmp(types[t].name, attribute(d, "element_type")) != 0)
            assert_true(++t < sizeof types / sizeof *types);
        assert_string_equal(attribute(port(g->layer[i], "output", 0), "precision"), types[t].port);
        assert_int_equal(number(d, "size"), (n * (size_t)types[t].bits + 7) / 8);
        assert_int_equal(number(d, "offset") % 64, 0);
        assert_true((size_t)number(d, "offset") + (size_t)number(d, "size") <= g->n_bin);
    }
}

static int count(const struct graph *g, const char *type)
{
    int n = 0;
    for (int i = 0; i < g->n_layers; i++)
        n += strcmp(attribute(g->layer[i], "type"), type) == 0;
    return n;
}

/* Data of the constant of that name, and its type. */
static const uint8_t *constant(const struct graph *g, const char *name, const char **type)
{
    for (int i = 0; i < g->n_layers; i++)
        if (strcmp(attribute(g->layer[i], "name"), name) == 0) {
            const xmlNode *d = child(g->layer[i], "data");
            if (type)
                *type = attribute(d, "element_type");
            return (const uint8_t *)g->bin + number(d, "offset");
        }
    fail_msg("no constant %s", name);
    return NULL;
}

struct source {
    struct model *m;
    struct weights *w;
    struct use_assign *a;
    const struct recipe *r;
};

static void source_open(struct source *s, const char *arch, const char *format)
{
    char path[512];
    struct err e = {0};
    *s = (struct source){.r = recipe_find(format)};
    snprintf(path, sizeof path, "%s/tests/golden/arch/%s.gguf", SOURCE_ROOT, arch);
    if (model_open(&s->m, path, &e))
        fail_msg("%s", e.text);
    s->a = mem_alloc_n((size_t)s->m->d.n_tensors, sizeof *s->a);
    if (recipe_assign(&s->m->d, s->r, NULL, NULL, s->a, &e) || weights_encode(&s->w, s->m, s->a, NULL, 0, NULL, &e))
        fail_msg("%s", e.text);
}

static void source_close(struct source *s)
{
    weights_free(s->w);
    mem_free(s->a);
    model_close(s->m);
}

static void remove_folder(const char *path)
{
    static const char *const names[] = {
        "openvino_model.xml", "openvino_model.bin", "openvino_config.json",  "generation_config.json",
        "config.json",        "tokenizer.json",     "tokenizer_config.json", "special_tokens_map.json"};
    char file[256];
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        snprintf(file, sizeof file, "%s/%s", path, names[i]);
        unlink(file);
    }
    assert_int_equal(rmdir(path), 0);
}

static char root[] = "/tmp/wq-openvino-XXXXXX";

static int make_root(void **state)
{
    (void)state;
    return mkdtemp(root) ? 0 : -1;
}

static int remove_root(void **state)
{
    (void)state;
    return rmdir(root); /* fails if a temporary directory was left behind */
}

static const char *in_root(const char *name)
{
    static char path[2][64];
    static int turn;
    char *p = path[turn++ & 1];
    snprintf(p, sizeof path[0], "%s/%s", root, name);
    return p;
}

static void write_to(const struct source *s, const char *path)
{
    struct err e = {0};
    if (exporter_openvino.check(s->m, s->r, &e) || exporter_openvino.write(path, s->m, s->w, s->r, &e))
        fail_msg("%s", e.text);
}

static void graphs_are_consistent(void **state)
{
    (void)state;
    static const char *const kinds[] = {"llama", "qwen2", "qwen3", "gemma3", "phi3"};
    static const char *const formats[] = {"openvino/int4-sym-g32", "openvino/int8-asym",    "openvino/cb4",
                                          "openvino/mxfp4",        "openvino/int3-sym-g32", "openvino/nvfp4"};
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        for (size_t j = 0; j < sizeof formats / sizeof *formats; j++) {
            struct source s;
            struct graph g;
            source_open(&s, kinds[i], formats[j]);
            assert_ptr_equal(exporter_find(s.r), &exporter_openvino);
            write_to(&s, in_root("m"));
            graph_open(&g, in_root("m"));
            check_edges(&g);
            check_constants(&g);
            assert_int_equal(count(&g, "Parameter"), 4);
            assert_int_equal(count(&g, "Result"), 1);
            assert_int_equal(count(&g, "ReadValue"), 2 * s.m->d.n_layer);
            assert_int_equal(count(&g, "Assign"), 2 * s.m->d.n_layer);
            assert_int_equal(count(&g, "ScaledDotProductAttention"), s.m->d.n_layer);
            graph_close(&g);
            source_close(&s);
            remove_folder(in_root("m"));
        }
}

/* W[n][k] from the constants by hand: (code - zero) * scale, rows of q in halves where GGUF has pairs. */
static void constants_are_the_weights(void **state)
{
    (void)state;
    static const char *const formats[] = {"openvino/int4-asym-g32", "openvino/int8-sym"};
    for (int f = 0; f < 2; f++) {
        struct source s;
        struct graph g;
        const char *type;
        source_open(&s, "llama", formats[f]);
        write_to(&s, in_root("m"));
        graph_open(&g, in_root("m"));
        const struct model_desc *d = &s.m->d;
        const struct qmat *q = &s.w->mat[s.m->by_layer[N_TENSOR_USES + USE_ATTN_Q]];
        const uint8_t *code = constant(&g, "blk.1.attn_q.weight", &type);
        const uint8_t *scale = constant(&g, "blk.1.attn_q.weight/scale", NULL);
        const uint8_t *zero = f ? NULL : constant(&g, "blk.1.attn_q.weight/zero_point", NULL);
        assert_string_equal(type, f ? "i8" : "u4");
        float *want = mem_alloc_n((size_t)(q->n * q->k), sizeof *want);
        q->codec->decode(want, q, 0, q->n);
        for (int64_t r = 0; r < q->n; r++)
            for (int64_t i = 0; i < q->k; i++) {
                int64_t at = r * q->k + i, group = f ? r : at / 32, half = d->head_dim / 2;
                int64_t head = r / d->head_dim, j = r % d->head_dim,
                        source = head * d->head_dim + j % half * 2 + j / half;
                int c = f ? (int8_t)code[at] : code[at / 2] >> at % 2 * 4 & 15;
                int z = f ? 0 : zero[group / 2] >> group % 2 * 4 & 15;
                float sc = f16_to_f32((uint16_t)(scale[2 * group] | scale[2 * group + 1] << 8));
                assert_true((float)(c - z) * sc == want[source * q->k + i]);
            }
        mem_free(want);
        graph_close(&g);
        source_close(&s);
        remove_folder(in_root("m"));
    }
}

static void the_same_bytes_twice(void **state)
{
    (void)state;
    static const char *const names[] = {"openvino_model.xml", "openvino_model.bin", "openvino_config.json",
                                        "generation_config.json"};
    struct source s;
    source_open(&s, "gemma3", "openvino/nf4-g128");
    write_to(&s, in_root("a"));
    write_to(&s, in_root("b"));
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char path[2][128], *text[2];
        size_t n[2];
        struct err e = {0};
        for (int j = 0; j < 2; j++) {
            snprintf(path[j], sizeof path[j], "%s/%s", in_root(j ? "b" : "a"), names[i]);
            assert_int_equal(file_read(path[j], (size_t)1 << 30, &text[j], &n[j], &e), 0);
        }
        assert_int_equal(n[0], n[1]);
        assert_memory_equal(text[0], text[1], n[0]);
        mem_free(text[0]);
        mem_free(text[1]);
    }
    remove_folder(in_root("a"));
    remove_folder(in_root("b"));
    source_close(&s);
}

static void refusals_are_one_sentence(void **state)
{
    (void)state;
    struct source s;
    struct err e = {0};
    source_open(&s, "llama", "openvino/int8-asym");
    assert_int_equal(exporter_openvino.write("/nonexistent/m", s.m, s.w, s.r, &e), ERR_IO);
    assert_non_null(strstr(e.text, "/nonexistent/m"));
    write_to(&s, in_root("m"));
    assert_int_equal(exporter_openvino.write(in_root("m"), s.m, s.w, s.r, &e), ERR_USAGE);
    assert_non_null(strstr(e.text, "is there already"));
    remove_folder(in_root("m"));
    source_close(&s);
    source_open(&s, "bitnet", "openvino/int8-asym");
    assert_int_equal(exporter_openvino.check(s.m, s.r, &e), ERR_UNSUPPORTED);
    assert_non_null(strstr(e.text, "bitnet"));
    source_close(&s);
    assert_null(exporter_find(recipe_find("openvino/int8-ptq")));
}

static void failed_allocations_leave_nothing(void **state)
{
    (void)state;
    struct source s;
    source_open(&s, "llama", "openvino/int4-sym-g32");
    int rc = ERR_NOMEM;
    for (long n = 1; rc; n += 1 + n / 8) {
        struct err e = {0};
        mem_fail_from(n);
        rc = exporter_openvino.write(in_root("m"), s.m, s.w, s.r, &e);
        mem_fail_from(0);
        if (rc)
            assert_int_equal(rc, ERR_NOMEM);
    }
    remove_folder(in_root("m"));
    source_close(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(graphs_are_consistent),
        cmocka_unit_test(constants_are_the_weights),
        cmocka_unit_test(the_same_bytes_twice),
        cmocka_unit_test(refusals_are_one_sentence),
        cmocka_unit_test(failed_allocations_leave_nothing),
    };
    return cmocka_run_group_tests(tests, make_root, remove_root);
}
