/* Encoders and decoders against files that llama-quantize made of the same weights (llama.cpp 0c1e570).
 * Decoded values: SHA-256 of what the Python package gguf 0.19.0 (dequantize) gives for the 16 matrices in
 * file order. Plain formats: the same bytes. K-types and importance-weighted ones: (weighted) RMS error, each row
 * scaled by what fits it best, against llama-quantize's, on the normal weights (embedding, output, layer 0) and on the
 * heavy-tailed ones (layer 1); at 3 bits and below rows keep their gain (kernels/formats/fit.h). */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>
#include "base/hash.h"
#include "base/mem.h"
#include "base/sbuf.h"
#include "bench/artifact/gguf.h"
#include "kernels/formats/codec.h"
#include "tests/test_data.h"

static const struct golden {
    const char *file, *codec;
    bool importance, same_bytes;
    double normal, heavy; /* RMS ratios measured when this was committed: a rise of 0.002 fails */
    const char *decoded_sha256;
    const char *encoded_sha256; /* of our own bytes where no other encoder fixes them: the same on every machine */
    bool keeps_gain;            /* of the normal weights */
} golden[] = {
    {"pure-Q8_0", "q8_0", false, true, 1, 1, "04b0cccd6b07b94d0577054f5dc47000b412b627a671d32fcb77167ec13337b3"},
    {"pure-Q4_0", "q4_0", false, true, 1, 1, "a11c9dc11debe9c45a0970099155ccbd77e475caa4cbf060bcd92fea2094eef0"},
    {"pure-Q4_1", "q4_1", false, true, 1, 1, "394d67ecdd44b55799fda80e27257cb7cd34f4578e46f0a2102101af7cda4596"},
    {"pure-Q5_0", "q5_0", false, true, 1, 1, "82bf06c9c573c402928bb254eaf63fcc24112e0c71b61e3bfa7db6f47234edff"},
    {"pure-Q5_1", "q5_1", false, true, 1, 1, "8510990194ac0541d08811491e295d0181d08cc068e3d15e423df9a83fc9210f"},
    {"pure-Q2_K", "q2_k", false, false, 0.9090, 0.8769,
     "86e72fb1daaa23364b11cb7c49639a5423e6f9f3d9077114a89959d2b5ef128d",
     "0e5fd1571d6974a626f35383f214a87c28e2b42a5283811ceb0d1df8c60a3108", true},
    {"pure-Q3_K_S", "q3_k", false, false, 0.9592, 0.9728,
     "ca87c4055bb8ad380c4ef83219b67ea9a0fa67e1dd5cb5d74eb10cdca2c433db",
     "2b98ec0f4b265e3ac16e5711d232cd7773f7d0c2658853d459d331144664b4fa", true},
    {"pure-Q4_K_S", "q4_k", false, false, 0.9890, 0.9855,
     "38e8352e7ecdee8e6d70a5ef9fbe2d1378d1a38a621b5545734c686af10724b4",
     "23f0d062e868f21ae0afe627cd42cb066d6b8a9eeb68b2d58ff8f4059b2d70b4"},
    {"pure-Q5_K_S", "q5_k", false, false, 0.9713, 0.9719,
     "aeff6039db356dff45337efc88ae505ff2f15ab59623ef34a3b68c759ff61393",
     "35f59e39a4936888b37d77123d7dc0a58188a57fed57558e419fe00144ad0c70"},
    {"pure-Q6_K", "q6_k", false, false, 0.9643, 0.9712,
     "0045edc0bf16bc7bd1706f7d9c1b92ee4c692fcd17b32212ff68e55564f5609a",
     "9f4b10f34984d1dcd13d186f518ecded711f20b03cac2b11589b80e61884d1bf"},
    {"im-Q4_0", "q4_0", true, false, 0.9773, 0.9936, "d04e964249b74067900982bc504cf47405cc688be12e988ad97237343d7c3860",
     "d11c12e3cda6a26facf0eec0b732d5e0f6026e250bde4eede74ae612b9a3c49c"},
    {"im-Q2_K", "q2_k", true, false, 0.9591, 0.9452, "f07ca09a4716a6d180bba561a0350a0ae2c8e05fdf63e170a0699fceff796ca0",
     "7614e838881889cdb4936307b84f7b52ecda30f7d57100b9544fed2541d26e90", true},
    {"im-Q4_K_S", "q4_k", true, false, 0.9966, 0.9853,
     "ded87854eb0735626ea0df7b202c2c3878057043ce163543b913f7d5394a7ffe",
     "0617af2701b1737ae1aa730ec5776afaa4c07b5394fb0cb805b9551ab83e7842"},
    {"im-Q6_K", "q6_k", true, false, 0.9798, 0.9838, "b0741546762473c11b9e52327e151a41f8bedabcc7a7cb5db3ad5b2bebe12030",
     "4ec918c178f7b444a1e8071774594f5239e5e55b21468ab3100fec649353cb8b"},
    {"pure-IQ4_NL", "iq4_nl", false, false, 0.9773, 0.9757,
     "68a01ca5b1ea7e9a484813c223f9df4f73be1de17c1aec3dd2dfc0d26acf8ca9",
     "f42d30fa9f2488ab88e331c6a7e1b3e0b42b5e50679c654e2fb9a23baba97eae"},
    {"pure-IQ4_XS", "iq4_xs", false, false, 0.9718, 0.9728,
     "4fd1c82ca31ab8a1a343981edd4267cf621718c6cd7be2da74435ec802109def",
     "6bc35b93d1f945489f39ec5fc546e038cd906c9e59968f4fdd9c7bdbf78159c2"},
    {"im-IQ4_XS", "iq4_xs", true, false, 0.9801, 0.9794,
     "a0f5ef0639dd9ce2e53983831350e7998dccd33afde89cf71a7a9c23561d2873",
     "f8ca26e9e19077aa97cb6319bdd1d5493514fb14c0fe37153157e959110733de"},
    {"pure-IQ3_S", "iq3_s", false, false, 0.8285, 0.8408,
     "4e730adf86e6d0a52a0b362f2ab2aa34283a0cfa98b66ad7964475067db35fa2",
     "4238753b028ce8d3ab66d10852f18fdbc49cacae6f2bf577ac540c6a040dbaec", true},
    {"mix-IQ3_M", "iq3_s", true, false, 0.9431, 0.9994,
     "36896040f0024aadaed8581dff1e405d137e6b44b51cf471823982e1d283fbd2",
     "8f25fa0a14d18a1c6cf3c2601f9edd7ea0258ce22d9ea51d6b8d179070cfd098", true},
    {"im-IQ3_XXS", "iq3_xxs", true, false, 0.9352, 0.9911,
     "8a75957b51b5c9976967924bd02928a198a97f7b9ac4acf449ed56edb16a0cf2",
     "ecf38282aa8493af318fc06e3245a40a49889781a5dd51a1b3db22cd6efa492e", true},
    {"mix-IQ2_M", "iq2_s", true, false, 1.0045, 1.0125,
     "1ae7b2405383cc4a495a3e41fd470ef4f4d9146b569ec1648d83fbe1ab0d1dfe",
     "9ba7ea63a8fbd033e3ab7ac448084313c0d194d72be394073f44dbb75599d444", true},
    {"im-IQ2_XS", "iq2_xs", true, false, 1.0047, 1.0012,
     "97ea1a15d247e6d598b73146d4dbcdef1dd7112439e3b8264c47afe860af5663",
     "15557648af8abb4a5c2d6d593e5976780f77ed52d2a5a1ce0af3b2cf414574d5", true},
    {"im-IQ2_XXS", "iq2_xxs", true, false, 1.0155, 1.0045,
     "869bc95a40dfc96f1bda1a1a4526cc288f8f3a8e02df64ab19a10a9b442b4885",
     "ee0115b0c50ca145734a7ec7cb40dc44dc36c33dcc117a00edc28a9c9299b476", true},
    {"im-IQ1_M", "iq1_m", true, false, 0.9377, 1.0058,
     "cda33a7056845ddd81a0f079bf9480ecf9f7566bad91852c12b8700e95d3bff8",
     "4511f4b914c5d2e4cd13dda7f89b6d217db6af10450bf31ce44bda3c404bb295", true},
    {"im-IQ1_S", "iq1_s", true, false, 1.0036, 1.0121,
     "8b9e62e2ad7a80925d15b33ce5f105e96bac66ea08f9d15c445801710dd4c66c",
     "610ec60bb01b145ace58198636af772fb210f3215d701c05e53ebc4e890772bf", true},
    {"pure-TQ1_0", "tq1_0", false, true, 1, 1, "b753ae4528f5cc77654b4f89fe808378ed2497c5481582df903a2ca500157e16"},
    {"pure-TQ2_0", "tq2_0", false, true, 1, 1, "b753ae4528f5cc77654b4f89fe808378ed2497c5481582df903a2ca500157e16"},
    {"pure-Q1_0", "q1_0", false, true, 1, 1, "6f7f8ee40b23e84eccd4d3254a363403a311ef6b3f36b73ec49b161f4eeeaf05"},
    {"pure-Q2_0", "q2_0", false, true, 1, 1, "24cbad0f7ccb4eb1a42572f7ff294296273e9ff4bb98c410bba02644cfe49654"},
};

static struct gguf *source, *imatrix;

static struct gguf *open_golden(const char *name)
{
    char file[64];
    struct gguf *g = NULL;
    struct err e = {0};
    snprintf(file, sizeof file, "golden/%s.gguf", name);
    if (gguf_open(&g, test_data(file), NULL, &e) != 0)
        fail_msg("%s", e.text);
    return g;
}

/* Mean squared activations of a tensor's input, or ones where the file has none (embedding, output). */
static void read_importance(float *imp, const char *tensor, int64_t k)
{
    char name[160];
    snprintf(name, sizeof name, "%s.in_sum2", tensor);
    const struct gguf_tensor *sum = gguf_find_tensor(imatrix, name);
    snprintf(name, sizeof name, "%s.counts", tensor);
    const struct gguf_tensor *count = gguf_find_tensor(imatrix, name);
    for (int64_t i = 0; i < k; i++)
        imp[i] = 1;
    if (!sum || !count)
        return;
    assert_int_equal(sum->ne[0], k);
    float n;
    memcpy(&n, count->data, sizeof n);
    memcpy(imp, sum->data, (size_t)k * sizeof *imp);
    for (int64_t i = 0; i < k; i++)
        imp[i] /= n;
}

struct loss {
    double error;  /* squared error of the best multiple of each decoded row */
    double xx, xy; /* columns weighted by the root of their importance */
};

static void add_loss(struct loss *l, const float *x, const float *y, const float *imp, int64_t n, int64_t k)
{
    for (int64_t r = 0; r < n; r++, x += k, y += k) {
        double xx = 0, xy = 0, yy = 0;
        for (int64_t i = 0; i < k; i++) {
            xx += (double)imp[i] * (double)x[i] * (double)x[i];
            xy += (double)imp[i] * (double)x[i] * (double)y[i];
            yy += (double)imp[i] * (double)y[i] * (double)y[i];
            l->xx += sqrt((double)imp[i]) * (double)x[i] * (double)x[i];
            l->xy += sqrt((double)imp[i]) * (double)x[i] * (double)y[i];
        }
        l->error += yy > 0 ? xx - xy * xy / yy : xx;
    }
}

/* One matrix: decodes the golden bytes into y, encodes ours, adds what is lost to sum[0] (ours) and sum[1]. */
static void check_tensor(const struct golden *g, const struct gguf_tensor *src, const struct gguf_tensor *gold,
                         float *y, uint8_t *bytes, struct loss sum[2])
{
    int64_t k = src->ne[0], n = src->ne[1];
    struct qmat theirs, ours;
    float *imp = mem_alloc_n((size_t)k, sizeof *imp), *x = mem_alloc(src->bytes);
    struct calib cal = {imp};
    const struct codec *c = codec_by_gguf_type((int)gold->type);
    assert_non_null(c);
    assert_string_equal(c->name, g->codec);
    memcpy(x, src->data, src->bytes);
    read_importance(imp, g->importance ? src->name : "", k);
    assert_int_equal(c->layout(&theirs, n, k, NULL, NULL), 0);
    assert_int_equal(qmat_bytes(&theirs), gold->bytes);
    theirs.plane[PLANE_CODE].p = (uint8_t *)gold->data;
    c->decode(y, &theirs, 0, n);
    add_loss(&sum[1], x, y, imp, n, k);

    assert_int_equal(c->layout(&ours, n, k, NULL, NULL), 0);
    assert_int_equal(qmat_alloc(&ours, NULL), 0);
    assert_int_equal(c->encode(&ours, 0, n, x, NULL, g->importance ? &cal : NULL, NULL), 0);
    if (g->same_bytes)
        assert_memory_equal(ours.plane[PLANE_CODE].p, gold->data, gold->bytes);
    memcpy(bytes, ours.plane[PLANE_CODE].p, gold->bytes);
    float *z = mem_alloc(src->bytes);
    c->decode(z, &ours, 0, n);
    add_loss(&sum[0], x, z, imp, n, k);

    qmat_free(&ours);
    mem_free(z);
    mem_free(x);
    mem_free(imp);
}

static void check_file(const struct golden *g)
{
    struct gguf *f = open_golden(g->file);
    struct loss sum[2][2] = {0};
    size_t total = 0, at = 0, n_bytes = 0;
    char decoded[65], encoded[65];
    for (int64_t i = 0; i < source->n_tensors; i++)
        total += source->tensor[i].n_dims == 2 ? source->tensor[i].bytes : 0;
    float *y = mem_alloc(total);
    uint8_t *bytes = mem_alloc(total);
    for (int64_t i = 0; i < source->n_tensors; i++) {
        const struct gguf_tensor *src = &source->tensor[i];
        if (src->n_dims != 2)
            continue;
        const struct gguf_tensor *gold = gguf_find_tensor(f, src->name);
        if (codec_by_gguf_type((int)gold->type) != codec_find(g->codec))
            continue; /* another type of the mixture */
        check_tensor(g, src, gold, y + at, bytes + n_bytes, sum[strstr(src->name, "blk.1.") != NULL]);
        n_bytes += gold->bytes;
        at += src->bytes / sizeof *y;
    }
    sha256_hex(y, at * sizeof *y, decoded);
    sha256_hex(bytes, n_bytes, encoded);
    mem_free(y);
    mem_free(bytes);
    gguf_close(f);
    double normal = sqrt(sum[0][0].error / sum[0][1].error), heavy = sqrt(sum[1][0].error / sum[1][1].error);
    double gain = sum[0][0].xy / sum[0][0].xx, their_gain = sum[0][1].xy / sum[0][1].xx;
    print_message("%-12s RMS error against llama-quantize: normal %.4f, heavy-tailed %.4f; gain %.4f and %.4f\n",
                  g->file, normal, heavy, gain, their_gain);
    assert_string_equal(decoded, g->decoded_sha256);
    if (g->encoded_sha256)
        assert_string_equal(encoded, g->encoded_sha256);
    double most = g->keeps_gain ? 1.03 : 1.005;
    assert_true(normal < g->normal + 0.002 && normal < most);
    assert_true(!g->keeps_gain || fabs(gain - 1) < 0.001);
    assert_true(heavy < g->heavy + 0.002 && heavy < most);
}

static void golden_files_agree(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof golden / sizeof *golden; i++)
        check_file(&golden[i]);
}

/* llama-quantize --pure --tensor-type attn=TYPE --tensor-type ffn=TYPE --token-embedding-type TYPE
 * --output-tensor-type TYPE source-f32.gguf OUT q8_0: SHA-256 of the blocks of the 16 matrices in file order, and of
 * what the Python package makes of them. */
static void four_bit_floats_agree(void **state)
{
    static const struct {
        const char *codec, *encoded, *decoded;
    } want[] = {
        {"mxfp4", "88270688889f560f2e37a03394801670713e762f6c7280b94ae6f8524a1b7c37",
         "51a238da27c10a342ccaf3c038ae2cbb57c56a165cc475d71b907ab7f9ba9740"},
        {"nvfp4", "1bd4a6daa46fcb7fe110c7f1e115569d8232987a104220453d6c13b5329ee6e1",
         "06609126183f14d2244e080c743aff3ecc535d4a0c411817f4ff0d686cc8e588"},
    };
    (void)state;
    for (size_t w = 0; w < sizeof want / sizeof *want; w++) {
        const struct codec *c = codec_find(want[w].codec);
        struct sbuf blocks = {0}, values = {0};
        char sha[65];
        for (int64_t i = 0; i < source->n_tensors; i++) {
            const struct gguf_tensor *src = &source->tensor[i];
            struct qmat q;
            if (src->n_dims != 2)
                continue;
            float *x = mem_alloc(src->bytes);
            memcpy(x, src->data, src->bytes);
            assert_int_equal(c->layout(&q, src->ne[1], src->ne[0], NULL, NULL), 0);
            assert_int_equal(qmat_alloc(&q, NULL), 0);
            assert_int_equal(c->encode(&q, 0, q.n, x, NULL, NULL, NULL), 0);
            c->decode(x, &q, 0, q.n);
            sbuf_add(&blocks, q.plane[PLANE_CODE].p, q.plane[PLANE_CODE].bytes);
            sbuf_add(&values, x, src->bytes);
            qmat_free(&q);
            mem_free(x);
        }
        sha256_hex(blocks.p, blocks.n, sha);
        assert_string_equal(sha, want[w].encoded);
        sha256_hex(values.p, values.n, sha);
        assert_string_equal(sha, want[w].decoded);
        sbuf_free(&blocks);
        sbuf_free(&values);
    }
}

static int set_up(void **state)
{
    (void)state;
    source = open_golden("source-f32");
    imatrix = open_golden("imatrix");
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    gguf_close(source);
    gguf_close(imatrix);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(golden_files_agree), cmocka_unit_test(four_bit_floats_agree)};
    if (!test_data_there("golden/source-f32.gguf"))
        return TEST_SKIPPED;
    return cmocka_run_group_tests_name("encoders", tests, set_up, tear_down);
}
