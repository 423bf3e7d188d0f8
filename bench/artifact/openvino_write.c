/* The writer of OpenVINO IR (openvino_write.h): layers go through libxml2's writer into memory as they come, edges and
 * notes behind them at the end; constants go to the .bin file at once. */
#include "bench/artifact/openvino_write.h"

#include <libxml/xmlwriter.h>
#include <stdio.h>
#include <string.h>
#include "base/hash.h"
#include "base/mem.h"
#include "base/os.h"

enum { ALIGNMENT = 64 };

static const struct {
    const char *attribute, *port;
    int bits;
} types[N_IR_TYPES] = {
#define X(id, attribute, port, bits) [IR_##id] = {attribute, port, bits},
    IR_TYPES(X)
#undef X
};

struct edge {
    int from, from_port, to, to_port;
};
struct stored { /* a constant in the .bin file */
    char sha256[65];
    uint64_t at;
    size_t bytes;
};
struct note {
    char *path, *value;
};
struct list { /* of elements of one size */
    void *p;
    size_t n, cap;
};
struct ir {
    struct err err; /* the first failure */
    char *path;     /* of the .xml file */
    xmlBufferPtr text;
    xmlTextWriterPtr xml;
    struct file_out bin;
    struct list edges, constants, notes;
    struct arena *arena;
    int n_layers;
};

const char *ir_type_name(enum ir_type t)
{
    return types[t].attribute;
}

static bool failed(const struct ir *g)
{
    return g->err.code != 0;
}

static void fail_nomem(struct ir *g, size_t bytes)
{
    if (!failed(g))
        err_nomem(&g->err, bytes, "a graph of OpenVINO");
}

/* Room for one more element, or NULL. */
static void *grow(struct ir *g, struct list *l, size_t size)
{
    if (l->n == l->cap) {
        size_t cap = l->cap ? 2 * l->cap : 256, bytes;
        void *p = mem_mul(cap, size, &bytes) ? mem_resize(l->p, bytes) : NULL;
        if (!p)
            return fail_nomem(g, cap * size), NULL;
        l->p = p;
        l->cap = cap;
    }
    return (char *)l->p + l->n++ * size;
}

/* ---- XML ---- */

static void begin(struct ir *g, const char *element)
{
    if (xmlTextWriterStartElement(g->xml, BAD_CAST element) < 0)
        fail_nomem(g, 64);
}

static void end(struct ir *g)
{
    if (xmlTextWriterEndElement(g->xml) < 0)
        fail_nomem(g, 64);
}

static void put(struct ir *g, const char *attribute, const char *value)
{
    if (xmlTextWriterWriteAttribute(g->xml, BAD_CAST attribute, BAD_CAST value) < 0)
        fail_nomem(g, strlen(value));
}

static void put_number(struct ir *g, const char *attribute, int64_t v)
{
    char text[24];
    snprintf(text, sizeof text, "%lld", (long long)v);
    put(g, attribute, text);
}

static void put_port(struct ir *g, int id, enum ir_type type, const struct ir_shape *shape, const char *tensor)
{
    char text[24];
    begin(g, "port");
    put_number(g, "id", id);
    put(g, "precision", types[type].port);
    if (tensor)
        put(g, "names", tensor);
    for (int i = 0; i < shape->n; i++) {
        snprintf(text, sizeof text, "%lld", (long long)shape->dim[i]);
        if (xmlTextWriterWriteElement(g->xml, BAD_CAST "dim", BAD_CAST text) < 0)
            fail_nomem(g, sizeof text);
    }
    end(g);
}

static void begin_layer(struct ir *g, const char *type, const char *opset, const char *name)
{
    char made[64];
    snprintf(made, sizeof made, "%s_%d", type, g->n_layers);
    begin(g, "layer");
    put_number(g, "id", g->n_layers);
    put(g, "name", name ? name : made);
    put(g, "type", type);
    put(g, "version", opset);
}

/* ---- life ---- */

static void ir_free(struct ir *g)
{
    if (g->xml)
        xmlFreeTextWriter(g->xml);
    if (g->text)
        xmlBufferFree(g->text);
    mem_free(g->edges.p);
    mem_free(g->constants.p);
    mem_free(g->notes.p);
    arena_free(g->arena);
    mem_free(g);
}

int ir_open(struct ir **out, const char *folder, const char *name, struct err *e)
{
    struct ir *g = mem_alloc(sizeof *g);
    if (!g)
        return err_nomem(e, sizeof *g, "a graph of OpenVINO");
    g->arena = arena_new();
    g->text = xmlBufferCreate();
    g->xml = g->text ? xmlNewTextWriterMemory(g->text, 0) : NULL;
    char *bin = g->arena ? arena_printf(g->arena, "%s/%s.bin", folder, name) : NULL;
    g->path = bin ? arena_printf(g->arena, "%s/%s.xml", folder, name) : NULL;
    int rc = g->xml && g->path ? file_out_open(&g->bin, bin, e) : err_nomem(e, 4096, "a graph of OpenVINO");
    if (rc) {
        ir_free(g);
        return rc;
    }
    xmlTextWriterSetIndent(g->xml, 1);
    xmlTextWriterSetIndentString(g->xml, BAD_CAST "\t");
    if (xmlTextWriterStartDocument(g->xml, "1.0", NULL, NULL) < 0)
        fail_nomem(g, 64);
    begin(g, "net");
    put(g, "name", name);
    put(g, "version", "11");
    begin(g, "layers");
    *out = g;
    return 0;
}

void ir_abort(struct ir *g)
{
    if (!g)
        return;
    file_out_abort(&g->bin);
    ir_free(g);
}

static void put_edges(struct ir *g)
{
    const struct edge *edge = g->edges.p;
    begin(g, "edges");
    for (size_t i = 0; i < g->edges.n; i++) {
        begin(g, "edge");
        put_number(g, "from-layer", edge[i].from);
        put_number(g, "from-port", edge[i].from_port);
        put_number(g, "to-layer", edge[i].to);
        put_number(g, "to-port", edge[i].to_port);
        end(g);
    }
    end(g);
}

/* Of a path's elements, how many another one begins with as well; the last one is never shared. */
static size_t n_shared(const char *a, const char *b)
{
    size_t n = 0;
    for (; *a && *a == *b; a++, b++)
        n += *a == '/';
    return n;
}

static size_t n_elements(const char *path)
{
    size_t n = 1;
    for (; *path; path++)
        n += *path == '/';
    return n;
}

static void begin_path(struct ir *g, const char *path, size_t from)
{
    char element[64];
    for (size_t i = 0; *path; i++) {
        size_t n = strcspn(path, "/");
        snprintf(element, sizeof element, "%.*s", (int)n, path);
        if (i >= from)
            begin(g, element);
        path += n + (path[n] == '/');
    }
}

static void put_notes(struct ir *g)
{
    const struct note *note = g->notes.p;
    begin(g, "rt_info");
    for (size_t i = 0; i < g->notes.n; i++) {
        const char *before = i ? note[i - 1].path : "", *behind = i + 1 < g->notes.n ? note[i + 1].path : "";
        begin_path(g, note[i].path, n_shared(note[i].path, before));
        put(g, "value", note[i].value);
        for (size_t n = n_elements(note[i].path); n > n_shared(note[i].path, behind); n--)
            end(g);
    }
    end(g);
}

int ir_finish(struct ir *g, struct err *e)
{
    end(g);
    put_edges(g);
    put_notes(g);
    end(g);
    if (xmlTextWriterEndDocument(g->xml) < 0 || xmlTextWriterFlush(g->xml) < 0)
        fail_nomem(g, 64);
    int rc = 0;
    if (failed(g)) {
        file_out_abort(&g->bin);
        rc = err_set(e, g->err.code, "%s", g->err.text);
    } else {
        rc = file_out_commit(&g->bin, e);
        if (rc == 0)
            rc = file_write(g->path, xmlBufferContent(g->text), (size_t)xmlBufferLength(g->text), e);
    }
    ir_free(g);
    return rc;
}

/* ---- the graph ---- */

/* Where the bytes are in the .bin file, new or there already. */
static uint64_t store(struct ir *g, const void *p, size_t bytes)
{
    static const uint8_t zeros[ALIGNMENT];
    char sha256[65];
    sha256_hex(p, bytes, sha256);
    const struct stored *have = g->constants.p;
    for (size_t i = 0; i < g->constants.n; i++)
        if (have[i].bytes == bytes && memcmp(have[i].sha256, sha256, sizeof sha256) == 0)
            return have[i].at;
    file_out_write(&g->bin, zeros, (ALIGNMENT - g->bin.bytes % ALIGNMENT) % ALIGNMENT);
    struct stored *s = grow(g, &g->constants, sizeof *s);
    if (!s)
        return 0;
    *s = (struct stored){.at = g->bin.bytes, .bytes = bytes};
    memcpy(s->sha256, sha256, sizeof sha256);
    if (file_out_write(&g->bin, p, bytes) && !failed(g))
        g->err = g->bin.err;
    return s->at;
}

/* Bytes that so many elements take; 0 where that overflows. */
static size_t bytes_of(enum ir_type type, const struct ir_shape *shape)
{
    size_t n = 1;
    for (int i = 0; i < shape->n; i++)
        if (shape->dim[i] < 0 || !mem_mul(n, (size_t)shape->dim[i], &n))
            return 0;
    return mem_mul(n, (size_t)types[type].bits, &n) ? (n + 7) / 8 : 0;
}

struct ir_value ir_constant(struct ir *g, const char *name, enum ir_type type, struct ir_shape shape, const void *p,
                            size_t bytes)
{
    const struct ir_value v = {.layer = g->n_layers, .type = type, .shape = shape};
    char text[128] = "";
    size_t used = 0;
    if (failed(g))
        return v;
    if (bytes_of(type, &shape) != bytes) {
        err_set(&g->err, ERR_USAGE, "the constant %s has %zu bytes and a shape of %zu", name ? name : "", bytes,
                bytes_of(type, &shape));
        return v;
    }
    for (int i = 0; i < shape.n; i++)
        used += (size_t)snprintf(text + used, sizeof text - used, "%s%lld", i ? "," : "", (long long)shape.dim[i]);
    uint64_t at = store(g, p, bytes);
    begin_layer(g, "Const", "opset1", name);
    begin(g, "data");
    put(g, "element_type", types[type].attribute);
    put(g, "shape", text);
    put_number(g, "offset", (int64_t)at);
    put_number(g, "size", (int64_t)bytes);
    end(g);
    begin(g, "output");
    put_port(g, 0, type, &shape, NULL);
    end(g);
    end(g);
    g->n_layers++;
    return v;
}

static void put_inputs(struct ir *g, const struct ir_layer *l)
{
    if (l->n_in)
        begin(g, "input");
    for (int i = 0; i < l->n_in; i++) {
        struct edge *edge = grow(g, &g->edges, sizeof *edge);
        if (edge)
            *edge = (struct edge){l->in[i].layer, l->in[i].port, g->n_layers, i};
        put_port(g, i, l->in[i].type, &l->in[i].shape, NULL);
    }
    if (l->n_in)
        end(g);
}

static void put_decompression(struct ir *g)
{
    begin(g, "rt_info");
    begin(g, "attribute");
    put(g, "name", "decompression");
    put(g, "version", "0");
    end(g);
    end(g);
}

struct ir_value ir_add(struct ir *g, const struct ir_layer *l)
{
    const struct ir_value v = {.layer = g->n_layers, .port = l->n_in, .type = l->out_type, .shape = l->out[0]};
    if (failed(g))
        return v;
    begin_layer(g, l->type, l->opset, l->name);
    if (l->attribute[0].name)
        begin(g, "data");
    for (int i = 0; i < IR_MOST_ATTRIBUTES && l->attribute[i].name; i++)
        put(g, l->attribute[i].name, l->attribute[i].value);
    if (l->attribute[0].name)
        end(g);
    if (l->decompresses)
        put_decompression(g);
    put_inputs(g, l);
    if (l->n_out)
        begin(g, "output");
    for (int i = 0; i < l->n_out; i++)
        put_port(g, l->n_in + i, l->out_type, &l->out[i], i ? NULL : l->tensor);
    if (l->n_out)
        end(g);
    end(g);
    g->n_layers++;
    return v;
}

struct ir_value ir_output(struct ir_value v, const struct ir_layer *l, int i)
{
    v.port += i;
    v.shape = l->out[i];
    return v;
}

void ir_note(struct ir *g, const char *path, const char *value)
{
    struct note *n = grow(g, &g->notes, sizeof *n);
    if (!n)
        return;
    *n = (struct note){arena_strdup(g->arena, path), arena_strdup(g->arena, value)};
    if (!n->path || !n->value) {
        g->notes.n--;
        fail_nomem(g, strlen(value));
    }
}
