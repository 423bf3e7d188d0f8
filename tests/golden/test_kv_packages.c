/* KV caches as other packages fill and read them: what OpenVINO, onnxruntime and transformers gave back, and the 8-bit
 * floats of ml_dtypes. */
#include <math.h>
#include <stdio.h>
#include <string.h>
#include "base/half.h"
#include "base/mem.h"
#include "base/os.h"
#include "bench/engine/kv_peaks.h"
#include "bench/engine/ops.h"
#include "tests/engine_fixture.h"

/* Rows of keys, and what the u8 cache of OpenVINO 2026.4.1 gave back for them (tests/equivalence/compare_kv.py): zeros,
 * a constant, a ramp and random ones. */
static void openvino_u8(void **state)
{
    (void)state;
    enum { ROWS = 8, DIM = 64 };
    char *data;
    size_t n;
    struct err e = {0};
    struct qmat q;
    float got[ROWS * DIM];
    const struct kv_format *f = &kv_formats[KV_ID_U8];
    struct arena *a = arena_new();
    assert_int_equal(file_read(SOURCE_ROOT "/tests/golden/kv/openvino-u8.f32", 1 << 16, &data, &n, &e), 0);
    assert_int_equal(n, 2 * sizeof got);
    const float *in = (const float *)(const void *)data;
    const struct codec *c = codec_find(f->codec);
    assert_int_equal(c->layout(&q, ROWS, DIM, &f->par, &e), 0);
    assert_int_equal(qmat_alloc(&q, &e), 0);
    assert_int_equal(c->encode(&q, 0, ROWS, in, NULL, NULL, a), 0);
    c->decode(got, &q, 0, ROWS);
    assert_memory_equal(got, in + ROWS * DIM, sizeof got);
    qmat_free(&q);
    arena_free(a);
    mem_free(data);
}

/* The first of two 4-bit codes has the high half of the byte. */
static void openvino_bytes(void **state)
{
    (void)state;
    static const float x[4] = {-1, 2, 0.5f, -0.25f};
    struct err e = {0};
    struct qmat q;
    const struct kv_format *f = &kv_formats[KV_ID_U4];
    struct arena *a = arena_new();
    const struct codec *c = codec_find(f->codec);
    assert_int_equal(c->layout(&q, 1, 4, &f->par, &e), 0);
    assert_int_equal(qmat_bytes(&q), 2 + 8);
    assert_int_equal(qmat_alloc(&q, &e), 0);
    assert_int_equal(c->encode(&q, 0, 1, x, NULL, NULL, a), 0);
    const uint8_t want[2] = {0x0f, 0x84}; /* step 0.2, zero point 5: codes 0 15 7.5->8 3.75->4 */
    assert_memory_equal(q.plane[PLANE_CODE].p, want, 2);
    qmat_free(&q);
    arena_free(a);
}

/* Values halfway between two codes of an 8-bit float, the floats next to them, and the codes that ml_dtypes 0.6.0 gives
 * (tests/equivalence/compare_float8.py): stored as the cache does, with scale 1. */
static void check_float8(const char *name, enum kv_id id)
{
    enum { MOST = 2048 };
    char path[4096], *data;
    size_t n;
    struct err e = {0};
    struct qmat q;
    float got[MOST], scale;
    const struct kv_format *f = &kv_formats[id];
    const struct wstat fixed = {.abs_max = f->range};
    const struct codec *c = codec_find(f->codec);
    struct arena *a = arena_new();
    snprintf(path, sizeof path, SOURCE_ROOT "/tests/golden/kv/%s-ties.bin", name);
    assert_int_equal(file_read(path, 1 << 16, &data, &n, &e), 0);
    const int64_t k = (int64_t)(n / 5);
    assert_true(n % 5 == 0 && k > 900 && k <= MOST);
    assert_int_equal(c->layout(&q, 1, k, &f->par, &e), 0);
    assert_int_equal(qmat_alloc(&q, &e), 0);
    assert_int_equal(c->encode(&q, 0, 1, (const float *)(const void *)data, &fixed, NULL, a), 0);
    memcpy(&scale, q.plane[PLANE_SCALE].p, sizeof scale);
    assert_true(scale == 1);
    assert_memory_equal(q.plane[PLANE_CODE].p, data + 4 * k, (size_t)k);
    const float beyond[2] = {2 * f->range, -INFINITY}; /* saturates */
    qmat_free(&q);
    assert_int_equal(c->layout(&q, 1, 2, &f->par, &e), 0);
    assert_int_equal(qmat_alloc(&q, &e), 0);
    assert_int_equal(c->encode(&q, 0, 1, beyond, &fixed, NULL, a), 0);
    c->decode(got, &q, 0, 1);
    assert_true(got[0] == f->range && got[1] == -f->range);
    qmat_free(&q);
    arena_free(a);
    mem_free(data);
}

static void float8(void **state)
{
    (void)state;
    check_float8("fp8_e4m3", KV_ID_FP8_E4M3);
    check_float8("fp8_e5m2", KV_ID_FP8_E5M2);
}

/* One layer's K, heads of 64, in a cache of its own, by the engine's own functions. */
struct key_cache {
    struct kv_side k, v;
    struct kv_layer layer;
    struct arena *arena;
};
enum { MOST_HEADS = 2 };

static void cache_open(struct key_cache *c, const char *name, int n_heads, const float *scale)
{
    enum { CTX = 200 };
    const struct model_desc d = {.n_layer = 1, .n_head_kv = n_heads, .head_dim = 64};
    struct err e = {0};
    struct kv_pair p;
    assert_int_equal(kv_parse(&p, name, &e), 0);
    assert_int_equal(kv_side_init(&c->k, p.k, false, &d, CTX, host_isa(), &e), 0);
    assert_int_equal(kv_side_init(&c->v, &kv_formats[KV_ID_F32], true, &d, CTX, host_isa(), &e), 0);
    c->arena = arena_new();
    c->layer = (struct kv_layer){.n_head_kv = n_heads, .head_dim = 64, .n_ctx = CTX, .arena = c->arena};
    kv_part_init(&c->layer.k, &c->k, arena_alloc(c->arena, kv_side_bytes(&c->k)), scale);
    kv_part_init(&c->layer.v, &c->v, arena_alloc(c->arena, kv_side_bytes(&c->v)), NULL);
}

/* x[n][heads * 64] */
static void cache_add(struct key_cache *c, const float *x, int pos, int n)
{
    static float k[MOST_HEADS * 64 * 256], v[MOST_HEADS * 64 * 256];
    const int d = 64 * c->layer.n_head_kv;
    for (int m; n > 0; x += d * m, pos += m, n -= m) {
        m = kv_piece(&c->k, &c->v, pos, n);
        memcpy(k, x, sizeof(float) * (size_t)(d * m));
        kv_store(NULL, &c->layer, k, v, pos, m);
    }
}

/* Positions [0, n) of a head as attention sees them. */
static void cache_expect(const struct key_cache *c, const char *what, int head, const float *want, int n)
{
    static float got[64 * 256], scratch[64 * 256];
    int edge = kv_exact_from(&c->layer.k, n - 1), encoded = edge < n ? edge : n;
    kv_load_rows(got, &c->layer, &c->layer.k, head, 0, encoded, scratch);
    for (int i = 0; i < 64 * n; i++) {
        float x = i < 64 * encoded ? got[i] : kv_recent_rows(&c->layer, &c->layer.k, head, i / 64)[i % 64];
        if (memcmp(&x, &want[i], sizeof x) != 0 && !(x == 0 && want[i] == 0))
            fail_msg("%s: value %d of position %d is %a, its package has %a", what, i % 64, i / 64, (double)x,
                     (double)want[i]);
    }
}

static char *recorded(const char *name, size_t *n)
{
    char path[4096], *data;
    struct err e = {0};
    snprintf(path, sizeof path, SOURCE_ROOT "/tests/golden/kv/%s", name);
    assert_int_equal(file_read(path, 1 << 20, &data, n, &e), 0);
    return data;
}

/* 48 positions, fed to OpenVINO 2026.4.1 as 20, 1, 3 and 24: groups of 32 that are quantized again as they grow. */
static void openvino_by_channel(void **state)
{
    (void)state;
    static const int fed[] = {20, 1, 3, 24};
    size_t n;
    char *data = recorded("openvino-u8-channel.f32", &n);
    const float *x = (const float *)(const void *)data;
    struct key_cache c;
    int at = 0;
    assert_int_equal(n, 2 * 48 * 64 * sizeof(float));
    cache_open(&c, "u8-channel-g32", 1, NULL);
    for (int i = 0; i < 4; at += fed[i++])
        cache_add(&c, x + 64 * at, at, fed[i]);
    cache_expect(&c, "u8-channel-g32", 0, x + 64 * 48, 48);
    arena_free(c.arena);
    mem_free(data);
}

/* Peaks of the channels, 16 positions, and what the cache of onnxruntime 1.31.1's GroupQueryAttention stands for when
 * the largest code stands for the peak (tests/equivalence/compare_kv_onnx.py): ties, values beyond, and usual ones. */
static void onnx(void **state)
{
    (void)state;
    for (int bits = 4; bits <= 8; bits += 4) {
        char name[64];
        float scale[64];
        size_t n;
        struct key_cache c;
        snprintf(name, sizeof name, "onnx-int%d-channel.f32", bits);
        char *data = recorded(name, &n);
        const float *peak = (const float *)(const void *)data, *x = peak + 64;
        assert_int_equal(n, (64 + 2 * 16 * 64) * sizeof(float));
        kv_scales_settle(scale, peak, 64, &kv_formats[bits == 4 ? KV_ID_ONNX_INT4_CHANNEL : KV_ID_ONNX_INT8_CHANNEL]);
        snprintf(name, sizeof name, "onnx-int%d-channel", bits);
        cache_open(&c, name, 1, scale);
        cache_add(&c, x, 0, 16);
        cache_expect(&c, name, 0, x + 16 * 64, 16);
        arena_free(c.arena);
        kv_scales_settle(scale, peak, 64, &kv_formats[bits == 4 ? KV_ID_ONNX_INT4 : KV_ID_ONNX_INT8]);
        for (int i = 0; i < 64; i++)
            assert_true(scale[i] == scale[0] && scale[i] * (bits == 4 ? 7.5f : 127.5f) > peak[i]);
        mem_free(data);
    }
}

static float *halves(const char *name, int n)
{
    size_t size;
    char *data = recorded(name, &size);
    float *x = mem_alloc_n((size_t)n, sizeof *x);
    assert_int_equal(size, 2 * n);
    for (int i = 0; i < n; i++)
        x[i] = f16_to_f32(rd_u16le((uint8_t *)data + 2 * i));
    mem_free(data);
    return x;
}

/* What transformers 5.23.0's cache with optimum-quanto 0.2.7 gives its model at position 131: a window of 128 that was
 * encoded, then four exact ones (tests/equivalence/torch/compare_kv.py). */
static void quanto(void **state)
{
    (void)state;
    enum { N = 132 };
    static const char *const names[] = {"quanto-4bit", "quanto-4bit-channel", "quanto-2bit", "quanto-2bit-channel"};
    float *in = halves("quanto-in.f16", N * 64);
    for (int i = 0; i < 4; i++) {
        char file[64];
        struct key_cache c;
        snprintf(file, sizeof file, "%s.f16", names[i]);
        float *want = halves(file, N * 64);
        cache_open(&c, names[i], 1, NULL);
        cache_add(&c, in, 0, 100);
        cache_expect(&c, "exact ones", 0, in, 100);
        cache_add(&c, in + 64 * 100, 100, N - 100);
        cache_expect(&c, names[i], 0, want, N);
        memcpy(want + 64 * 50, in, 64 * sizeof *in); /* back to position 50, and another goes on there */
        cache_add(&c, in, 50, 1);
        cache_expect(&c, "after a rewind", 0, want, 51);
        mem_free(want);
        arena_free(c.arena);
    }
    mem_free(in);
}

/* What transformers 5.23.0's cache with hqq 0.2.8.post1 gives its model at position 131, two heads that are encoded
 * together (tests/equivalence/torch/compare_kv_hqq.py). */
static void hqq(void **state)
{
    (void)state;
    enum { N = 132, HEAD = N * 64 };
    float *in = halves("hqq-in.f16", 2 * HEAD), rows[2 * HEAD];
    for (int i = 0; i < 2 * HEAD; i++)
        rows[i / 64 % N * 128 + i / HEAD * 64 + i % 64] = in[i];
    for (int bits = 1; bits <= 8; bits *= 2) {
        char name[32];
        struct key_cache c;
        snprintf(name, sizeof name, "hqq-%dbit.f16", bits);
        float *want = halves(name, 2 * HEAD);
        snprintf(name, sizeof name, "hqq-%dbit", bits);
        cache_open(&c, name, 2, NULL);
        cache_add(&c, rows, 0, 100);
        cache_expect(&c, "exact ones", 1, in + HEAD, 100);
        cache_add(&c, rows + 128 * 100, 100, N - 100);
        for (int h = 0; h < 2; h++)
            cache_expect(&c, name, h, want + h * HEAD, N);
        memcpy(want + HEAD + 64 * 50, in + HEAD, 64 * sizeof *in); /* back to position 50, another goes on there */
        cache_add(&c, rows, 50, 1);
        cache_expect(&c, "after a rewind", 1, want + HEAD, 51);
        mem_free(want);
        arena_free(c.arena);
    }
    mem_free(in);
}

/* 32 rows, an outlier, zeros and a constant among them, and what ExLlamaV2 0.3.2's cache reads them as
 * (tests/equivalence/torch/compare_kv_exl2.py). */
static void exllamav2(void **state)
{
    (void)state;
    enum { N = 32 };
    for (int bits = 4; bits <= 8; bits += 4) {
        char name[32];
        struct key_cache c;
        snprintf(name, sizeof name, "exl2-kv%d.f16", bits);
        float *x = halves(name, 2 * N * 64);
        snprintf(name, sizeof name, "exl2-q%d", bits);
        cache_open(&c, name, 1, NULL);
        cache_add(&c, x, 0, N);
        cache_expect(&c, name, 0, x + N * 64, N);
        arena_free(c.arena);
        mem_free(x);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(openvino_u8), cmocka_unit_test(openvino_bytes), cmocka_unit_test(openvino_by_channel),
        cmocka_unit_test(float8),      cmocka_unit_test(onnx),           cmocka_unit_test(quanto),
        cmocka_unit_test(hqq),         cmocka_unit_test(exllamav2)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
