/* Kernels: the choice of a row, every row of this machine by kernels_check under narrowed masks, the threaded
 * drivers against a plain sum, and the check itself against a kernel that is wrong. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "base/pool.h"
#include "base/rng.h"
#include "kernels/linear.h"
#include "tests/host_isa.h"

static uint64_t narrowed(const char *name)
{
    uint64_t m = 0;
    assert_true(isa_narrow(name, host_isa(), &m));
    return m;
}

/* Best first: a later row of one operation and codec never needs more than an earlier one. */
static void test_rows_are_ordered(void **state)
{
    (void)state;
    for (int i = 0; i < n_kernels; i++)
        for (int j = i + 1; j < n_kernels; j++) {
            const struct kernel *a = &kernels[i], *b = &kernels[j];
            bool same_codec = a->codec == b->codec || (a->codec && b->codec && !strcmp(a->codec, b->codec));
            bool same_act = a->act == b->act || (a->act && b->act && !strcmp(a->act, b->act));
            assert_string_not_equal(a->name, b->name);
            if (a->op == b->op && same_codec && same_act && a->takes == b->takes)
                assert_true((b->needs & ~a->needs) == 0 && b->needs != a->needs);
        }
}

static void test_find(void **state)
{
    (void)state;
    const struct kernel *k = kernel_find(OP_GEMM_F32, NULL, NULL, 0);
    assert_string_equal(k->name, "gemm_f32_c");
    for (const struct codec *const *c = codecs; *c; c++) {
        k = kernel_find(OP_MATVEC, (*c)->name, (*c)->act, 0);
        assert_non_null(k);
        assert_false(kernel_is_packed(k));
        assert_int_equal(k->needs, 0);
        k = kernel_find(OP_MATMUL, (*c)->name, (*c)->act, 0);
        assert_string_equal(k->name, "matmul_any_c");
    }
    /* the plain rows read activations by the codec's own rule: another one must not find them */
    assert_null(kernel_find(OP_MATVEC, "q4_k", "f32", 0));
    assert_null(kernel_find(OP_DECODE, "q4_k", NULL, 0));
    assert_ptr_equal(kernel_decoder(codec_find("q4_k"), 0), codec_find("q4_k")->decode);
    assert_ptr_equal(kernel_encoder(act_find("q8_k"), 0), act_find("q8_k")->encode);
    for (int op = 0; op < N_KERNEL_OPS; op++)
        assert_string_not_equal(kernel_op_name((enum kernel_op)op), "unknown");
#if defined(__x86_64__)
    uint64_t all = ~UINT64_C(0);
    assert_string_equal(kernel_find(OP_GEMM_F32, NULL, NULL, all)->name, "gemm_f32_avx512");
    assert_string_equal(kernel_find(OP_MATVEC, "q4_k", "q8_k", all)->name, "matvec_q4_k_avx512_vnni");
    assert_string_equal(kernel_find(OP_MATVEC, "q4_k", "q8_k", ISA(AVX2) | ISA(FMA) | ISA(F16C))->name,
                        "matvec_q4_k_avx2");
    assert_string_equal(kernel_find(OP_MATVEC, "q4_k", "q8_k", ISA(AVX2))->name, "matvec_any_c");
    assert_true(kernel_is_packed(kernel_find(OP_MATVEC, "q4_k", "q8_k", all)));
#endif
}

/* Rows for parametric codecs are found by what the weights are, and only for what they can multiply. */
static const struct kernel *found(const char *codec, struct qpar par, int64_t k, enum plane extra, const char *act)
{
    struct qmat w;
    assert_int_equal(codec_find(codec)->layout(&w, 8, k, &par, NULL), 0);
    if (extra != PLANE_CODE)
        w.plane[extra].bytes = 4 * (size_t)k;
    const struct kernel *matvec = kernel_find_for(OP_MATVEC, &w, act_find(act), ~UINT64_C(0)),
                        *matmul = kernel_find_for(OP_MATMUL, &w, act_find(act), ~UINT64_C(0));
    bool packed = matvec && kernel_is_packed(matvec);
    assert_true(packed == (matmul && kernel_is_packed(matmul)));
    return packed ? matvec : NULL;
}

#if defined(__aarch64__)
static const char int8_row[] = "matvec_i8_dotprod", whole_row[] = "matvec_f32_groups_neon",
                  groups_row[] = "matvec_f32_groups_neon";
#else
static const char int8_row[] = "matvec_i8_avx512_vnni", whole_row[] = "matvec_f32_digits_avx512_vnni",
                  groups_row[] = "matvec_f32_groups_avx512";
#endif

static void test_find_for(void **state)
{
    (void)state;
    if (!kernel_is_packed(kernel_find(OP_MATVEC, "q8_0", "q8_0", ~UINT64_C(0))))
        skip(); /* plain C alone */
    const struct qpar nbits = {.bits = 4, .sym = 1, .scale_type = NUMBER_F32, .group = 32};
    const struct qpar openvino = {.bits = 4, .sym = 1, .scale_type = NUMBER_F16, .group = 96};
    const struct qpar awq = {.bits = 4, .group = 128};
    const struct kernel *k = found("onnx_nbits", nbits, 64, PLANE_CODE, "i8_32");
    assert_string_equal(k->name, int8_row);
    assert_false(kernel_reads_values(k, act_find("i8_32")));
    k = found("onnx_nbits", nbits, 64, PLANE_CODE, "bf16");
    assert_string_equal(k->name, whole_row);
    assert_string_equal(found("awq", awq, 256, PLANE_CODE, "f16")->name, groups_row);
    assert_true(kernel_reads_values(k, act_find("bf16")));
    assert_false(kernel_reads_values(k, act_find("f32")));
    assert_null(found("onnx_nbits", nbits, 64, PLANE_CODE, "i8_64")); /* blocks of x that are not the groups */
    assert_null(found("onnx_nbits", nbits, 72, PLANE_CODE, "i8_32")); /* rows that 16 does not divide */
    assert_null(found("openvino_int", openvino, 192, PLANE_CODE, "openvino_i8")); /* not a power of two */
    assert_non_null(found("awq", awq, 256, PLANE_COLUMN, "f16"));
    assert_null(found("openvino_int", (struct qpar){.bits = 4, .sym = 1, .scale_type = NUMBER_F16, .group = 64}, 192,
                      PLANE_COLUMN, "openvino_i8")); /* no place for factors of columns in integers */
    const struct qpar rows = {.bits = 8, .sym = 1, .scale_type = NUMBER_F32};
    assert_non_null(found("openvino_i8", rows, 192, PLANE_COLUMN, "i8_fixed")); /* but before a grid they cancel */
    assert_null(found("openvino_i8", rows, 192, PLANE_PERM, "i8_fixed"));
    assert_non_null(found("onnx_int8", rows, 192, PLANE_CODE, "i8_fixed"));
    assert_null(found("onnx_int8", rows, 192, PLANE_CODE, "torchao_int8"));
    assert_null(kernel_find(OP_MATVEC, "awq", "bf16", ~UINT64_C(0))); /* a name alone does not say enough */
}

static void print_row(void *arg, const struct kernel_report *r)
{
    int *n_run = arg;
    *n_run += r->runnable;
    if (r->runnable && !r->passed)
        print_error("%s: error %g above %g: %s\n", r->kernel->name, r->worst_error, r->tolerance, r->detail);
}

static void check_mask(const char *mask, const char *filter, uint64_t seed)
{
    struct err e = {0};
    int n_run = 0;
    int rc = kernels_check(narrowed(mask), filter, false, seed, print_row, &n_run, &e);
    if (rc < 0)
        print_error("%s\n", e.text);
    assert_int_equal(rc, 0);
    assert_true(n_run > 0);
}

static bool is_full(void)
{
    return getenv("TEST_FULL") != NULL;
}

static void test_check_scalar(void **state)
{
    (void)state;
    check_mask("scalar", is_full() ? "" : "gemm", 1);
    check_mask("scalar", "matvec_any", 1);
}

/* The quick suite takes one codec of each kind of panel, the full one every row, and narrowed masks by the names that
 * --isa takes. */
static void test_check_native(void **state)
{
    (void)state;
#if defined(__aarch64__)
    static const char *const some[] = {"gemm_f32_neon", "q4_0", "q6_k",        "matmul_bf16",
                                       "_i8_",          "_tl_", "_f32_groups", NULL};
    static const char *const masks[] = {NULL};
#else
    static const char *const some[] = {"gemm_f32_avx", "q4_0",        "q6_k",        "encode_act", "matmul_bf16",
                                       "_i8_",         "_f32_groups", "_f32_digits", NULL};
    static const char *const masks[] = {"avx2", "avx512", "avx512_vnni", NULL};
#endif
    for (uint64_t seed = 1; is_full() && seed <= 3; seed++)
        check_mask("native", "", seed);
    for (int i = 0; masks[i] && is_full(); i++)
        check_mask(masks[i], "", 4);
    for (int i = 0; some[i] && host_isa() && !is_full(); i++)
        check_mask("native", some[i], 1);
}

/* --- the check itself
 * ------------------------------------------------------------------------------------------- */

static void keep_row(void *arg, const struct kernel_report *r)
{
    *(struct kernel_report *)arg = *r;
}

static void test_check_reports(void **state)
{
    (void)state;
    struct err e = {0};
    struct kernel_report r = {0};
    assert_int_equal(kernels_check(0, "gemm_f32_c", false, 7, keep_row, &r, &e), 0);
    assert_true(r.runnable && r.passed && r.worst_error > 0 && r.worst_error < r.tolerance && isnan(r.ns));
    assert_int_equal(kernels_check(0, "gemm_f32_c", true, 7, keep_row, &r, &e), 0);
    assert_true(r.ns > 0 && r.gb_per_s > 0 && r.gflop_per_s > 0);
#if defined(__x86_64__)
    assert_int_equal(kernels_check(0, "gemm_f32_avx2", false, 7, keep_row, &r, &e), 0);
    assert_true(!r.runnable && !r.passed);
#endif
}

/* --- drivers
 * ----------------------------------------------------------------------------------------------------- */

enum { ROWS = 301, COLS = 256, TOKENS = 5 };

struct linear_case {
    struct qmat w;
    float *wf, *xf, *y, *want;
    uint8_t *x;
    size_t row;
};

static void make_case(struct linear_case *c, const char *codec)
{
    struct err e = {0};
    struct rng r;
    rng_seed(&r, 5);
    const struct codec *k = codec_find(codec);
    const struct act *a = act_find(k->act);
    assert_int_equal(k->layout(&c->w, ROWS, COLS, NULL, &e), 0);
    assert_int_equal(qmat_alloc(&c->w, &e), 0);
    c->row = act_row_bytes(a, COLS);
    c->wf = test_malloc(ROWS * COLS * sizeof(float));
    c->xf = test_malloc(TOKENS * COLS * sizeof(float));
    c->y = test_malloc(TOKENS * ROWS * sizeof(float));
    c->want = test_malloc(TOKENS * ROWS * sizeof(float));
    c->x = test_malloc(TOKENS * c->row);
    for (int i = 0; i < ROWS * COLS; i++)
        c->wf[i] = (float)rng_normal(&r);
    for (int i = 0; i < TOKENS * COLS; i++)
        c->xf[i] = (float)rng_normal(&r);
    struct arena *arena = arena_new();
    assert_int_equal(k->encode(&c->w, 0, ROWS, c->wf, NULL, NULL, arena), 0);
    arena_free(arena);
    k->decode(c->wf, &c->w, 0, ROWS);
    for (int j = 0; j < TOKENS; j++) {
        a->encode(c->x + (size_t)j * c->row, c->xf + j * COLS, COLS);
        a->decode(c->xf + j * COLS, c->x + (size_t)j * c->row, COLS);
        for (int i = 0; i < ROWS; i++) {
            double sum = 0;
            for (int t = 0; t < COLS; t++)
                sum += (double)c->wf[i * COLS + t] * (double)c->xf[j * COLS + t];
            c->want[j * ROWS + i] = (float)sum;
        }
    }
}

static void free_case(struct linear_case *c)
{
    qmat_free(&c->w);
    test_free(c->wf);
    test_free(c->xf);
    test_free(c->y);
    test_free(c->want);
    test_free(c->x);
}

static void assert_close(const struct linear_case *c, int m)
{
    for (int i = 0; i < m * ROWS; i++)
        assert_float_equal(c->y[i], c->want[i], 1e-3);
    memset(c->y, 0xff, TOKENS * ROWS * sizeof(float));
}

static void drive(const char *codec, uint64_t isa, int n_threads)
{
    struct linear_case c;
    struct err e = {0};
    struct pool *pool = NULL;
    make_case(&c, codec);
    assert_int_equal(pool_new(&pool, n_threads, NULL, &e), 0);
    const struct kernel *mv = kernel_find(OP_MATVEC, codec, c.w.codec->act, isa);
    const struct kernel *mm = kernel_find(OP_MATMUL, codec, c.w.codec->act, isa);
    void *scratch = mem_aligned(linear_matmul_scratch(n_threads, mm, COLS) + 1);
    linear_matvec(pool, mv, c.y, &c.w, c.x);
    assert_close(&c, 1);
    linear_matmul(pool, mm, c.y, ROWS, &c.w, c.x, c.row, TOKENS, scratch);
    assert_close(&c, TOKENS);
    mem_free(scratch);
    scratch = mem_aligned(sizeof(float) * linear_gemm_f32_scratch(n_threads, COLS));
    linear_gemm_f32(pool, kernel_find(OP_GEMM_F32, NULL, NULL, isa), kernel_find(OP_DECODE, codec, NULL, isa), c.y,
                    ROWS, c.xf, COLS, &c.w, TOKENS, scratch);
    assert_close(&c, TOKENS);
    mem_free(scratch);
    pool_free(pool);
    free_case(&c);
}

static void test_drivers(void **state)
{
    (void)state;
    static const char *const names[] = {"f32", "f16", "q4_0", "q4_k"};
    for (int i = 0; i < 4; i++)
        for (int n_threads = 1; n_threads <= 3; n_threads++) {
            drive(names[i], 0, n_threads);
            drive(names[i], host_isa(), n_threads);
        }
}

/* Matrices of other codecs and sizes in one region give what each kernel gives for all rows of one at once, bit for
 * bit. */
static void fused(const char *const codec[3], const int64_t n_rows[3], const char *act, int n_threads)
{
    enum { K = 512, M = 5, MOST = 1000 };
    struct qmat w[3];
    struct linear_part mv[3], mm[3];
    struct pool *pool;
    struct err e = {0};
    const struct act *a = act_find(act);
    size_t row = act_row_bytes(a, K), scratch_bytes = 1;
    float *x = test_malloc(K * sizeof *x), *y = test_malloc(2 * 3 * M * MOST * sizeof *y), *want = y + 3 * M * MOST;
    uint8_t *xe = test_malloc(M * row);
    struct rng r;
    rng_seed(&r, 8);
    for (int j = 0; j < M; j++) {
        for (int i = 0; i < K; i++)
            x[i] = (float)rng_normal(&r);
        a->encode(xe + (size_t)j * row, x, K);
    }
    assert_int_equal(pool_new(&pool, n_threads, NULL, &e), 0);
    for (int p = 0; p < 3; p++) {
        const struct codec *c = codec_find(codec[p]);
        float *v = test_malloc((size_t)n_rows[p] * K * sizeof *v);
        for (int64_t i = 0; i < n_rows[p] * K; i++)
            v[i] = (float)rng_normal(&r);
        assert_int_equal(c->layout(&w[p], n_rows[p], K, NULL, &e) || qmat_alloc(&w[p], &e), 0);
        struct arena *arena = arena_new();
        assert_int_equal(c->encode(&w[p], 0, n_rows[p], v, NULL, NULL, arena), 0);
        arena_free(arena);
        test_free(v);
        float *out = y + (ptrdiff_t)p * M * MOST;
        mv[p] = (struct linear_part){kernel_find(OP_MATVEC, codec[p], act, host_isa()), &w[p], out, MOST};
        mm[p] = (struct linear_part){kernel_find(OP_MATMUL, codec[p], act, host_isa()), &w[p], out, MOST};
        size_t bytes = linear_matmul_scratch(n_threads, mm[p].kernel, K);
        scratch_bytes = bytes > scratch_bytes ? bytes : scratch_bytes;
    }
    void *scratch = mem_aligned(scratch_bytes);
    const size_t all = 3 * M * MOST * sizeof *y;
    memset(y, 0xff, 2 * all);
    for (int p = 0; p < 3; p++)
        mv[p].kernel->matvec(want + p * M * MOST, &w[p], 0, n_rows[p], xe);
    linear_matvec_parts(pool, mv, 3, xe);
    assert_memory_equal(y, want, all);
    memset(y, 0xff, 2 * all);
    for (int p = 0; p < 3; p++)
        mm[p].kernel->matmul(want + p * M * MOST, MOST, &w[p], 0, n_rows[p], xe, row, M, scratch);
    linear_matmul_parts(pool, mm, 3, xe, row, M, scratch);
    assert_memory_equal(y, want, all);
    for (int p = 0; p < 3; p++)
        qmat_free(&w[p]);
    mem_free(scratch);
    pool_free(pool);
    test_free(x);
    test_free(y);
    test_free(xe);
}

static void test_fused(void **state)
{
    (void)state;
    static const char *const k_types[3] = {"q4_k", "q6_k", "q4_k"}, *const plain[3] = {"q8_0", "q4_0", "q5_0"},
                             *const floats[3] = {"f16", "f16", "f16"};
    static const int64_t sizes[][3] = {{960, 320, 320}, {1000, 1, 7}, {3, 999, 2}, {64, 64, 64}};
    for (int n_threads = 1; n_threads <= 5; n_threads += 1 + n_threads / 3)
        for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
            fused(k_types, sizes[i], "q8_k", n_threads);
            fused(plain, sizes[i], "q8_0", n_threads);
            fused(floats, sizes[i], "f16", n_threads);
        }
}

static void test_bandwidth(void **state)
{
    (void)state;
    static const uint8_t memory[1 << 20];
    assert_true(kernel_read_bandwidth(NULL, memory, sizeof memory, 0) > 0);
    assert_true(kernel_read_bandwidth(NULL, memory + 1, sizeof memory - 1, host_isa()) > 0);
    assert_true(isnan(kernel_read_bandwidth(NULL, memory, 0, 0)));
}

/* DynamicQuantizeLinear as ONNX defines it, against rows encoded one at a time on the grid of all, which threads found.
 */
static void test_batch_grid(void **state)
{
    enum { BYTES = ROWS * COLS };
    static const struct {
        double scale, shift;
    } of[] = {{1, 0}, {1e-3, 5}, {1e-3, -5}, {0, 0}, {0, -2}, {1e20, 0}};
    const struct act *a = act_find("u8_batch");
    struct pool *pool;
    struct err e;
    static float x[BYTES], y[BYTES];
    static uint8_t got[8 + BYTES];
    (void)state;
    assert_int_equal(pool_new(&pool, 2, NULL, &e), 0);
    for (size_t c = 0; c < sizeof of / sizeof *of; c++) {
        struct rng r;
        rng_seed(&r, c);
        float lo = 0, hi = 0;
        for (int i = 0; i < BYTES; i++) {
            x[i] = (float)(rng_normal(&r) * of[c].scale + of[c].shift);
            lo = fminf(lo, x[i]);
            hi = fmaxf(hi, x[i]);
        }
        const struct act_fixed f = linear_batch_grid(pool, a, x, BYTES);
        const float s = hi > lo ? (hi - lo) / 255 : 1, zero = hi > lo ? fmaxf(0, fminf(255, rintf(-lo / s))) : 0;
        assert_true(f.scale == s && f.zero + 128 == zero);
        for (int i = ROWS; i-- > 0;)
            a->encode_fixed(got, x + i * COLS, i, i + 1, COLS, &f);
        for (int i = 0; i < BYTES; i++)
            assert_int_equal(got[8 + i], fmaxf(0, fminf(255, rintf(x[i] / s) + zero)));
        a->decode(y, got, BYTES);
        for (int i = 0; i < ROWS; i++)
            a->round_fixed(x + i * COLS, x + i * COLS, COLS, &f);
        assert_memory_equal(x, y, sizeof x);
    }
    pool_free(pool);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows_are_ordered),
        cmocka_unit_test(test_find),
        cmocka_unit_test(test_find_for),
        cmocka_unit_test(test_check_scalar),
        cmocka_unit_test(test_check_native),
        cmocka_unit_test(test_check_reports),
        cmocka_unit_test(test_drivers),
        cmocka_unit_test(test_bandwidth),
        cmocka_unit_test(test_fused),
        cmocka_unit_test(test_batch_grid),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
