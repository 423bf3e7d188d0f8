/* EXL3 folders (ExLlamaV3), decoded: a matrix of trellis values, rotated from both sides by Hadamard matrices of 128,
 * with a factor for each input and output. W^T = diag(suh) H T H diag(svh):
 *   trellis int16 [K/16][N/16][16 b]  a tile of 16 x 16 each, b bits per weight: 1 to 8, or 1.5, 2.5, 3.5
 *   suh f16 [K], svh f16 [N]          older files: su, sv int16 [K/16], [N/16], signs as bits
 *   mcg, mul1                         which codebook, by being there
 * A tile is a ring of 256 b bits, most significant first in words of 32; the 16 bits that end where the bits of step t
 * end are the state that step t's value is computed from. Both sides are padded to 128; the model cuts that off.
 * Rounded to halves where the package's own reconstruction rounds; sums are exact. */
#include <math.h>
#include <stdio.h>
#include "base/half.h"
#include "base/mem.h"
#include "bench/artifact/hf_quant.h"

int hf_check_exl3(const json_t *settings, struct err *e);
int hf_read_exl3(struct qmat *out, struct hf *h, const char *module, struct arena *a, struct err *e);

enum { SIDE = 128, TILE = 16, N_STEPS = 256, N_STATES = 65536, MAX_WORDS = 64 };
enum codebook { THREE_INST, MCG, MUL1 };

struct exl3 {
    const struct st_tensor *trellis;
    int64_t n, k;
    int twice_bits;
    float value[N_STATES];
    double block[2][SIDE][SIDE];
    float *input, *output; /* factors: suh [k], svh [n] */
};

int hf_check_exl3(const json_t *settings, struct err *e)
{
    (void)settings, (void)e;
    return 0;
}

static float half_of(double x)
{
    return f16_to_f32(f32_to_f16((float)x));
}

/* Two halves out of one product, added; or the sum of its bytes, brought to zero mean and unit variance. */
static float value_of(enum codebook book, uint32_t state)
{
    if (book == MUL1) {
        uint32_t p = state * 0x83dcd12d;
        uint32_t sum = (p & 255) + (p >> 8 & 255) + (p >> 16 & 255) + (p >> 24);
        return half_of((double)(1024 + sum) * (double)f16_to_f32(0x1eee) + (double)f16_to_f32(0xc931));
    }
    uint32_t p = book == MCG ? state * 0xcbac1fed : state * 89226354 + 64248484;
    p = (p & 0x8fff8fff) ^ 0x3b603b60;
    return half_of((double)f16_to_f32((uint16_t)p) + (double)f16_to_f32((uint16_t)(p >> 16)));
}

/* Steps come in the order in which a warp's threads hold a tile: eight to a thread. */
static void decode_tile(const struct exl3 *x, const uint8_t *tile, double block[SIDE][SIDE], int64_t k0, int64_t n0)
{
    const int n_words = 4 * x->twice_bits;
    uint32_t word[MAX_WORDS];
    for (int i = 0; i < n_words; i++)
        word[i] = rd_u32le(tile + 4 * i);
    for (int t = 0; t < N_STEPS; t++) {
        const int end = (t + 1) * x->twice_bits / 2, start = (end - 16 + 32 * n_words) % (32 * n_words);
        uint64_t two = (uint64_t)word[start / 32] << 32 | word[(start / 32 + 1) % n_words];
        uint32_t state = (uint32_t)(two >> (48 - start % 32)) & 0xffff;
        const int lane = t / 8, j = t % 8;
        const int row = 2 * (lane % 4) + j % 2 + (j & 2 ? 8 : 0), column = lane / 4 + (j & 4 ? 8 : 0);
        block[k0 + row][n0 + column] = (double)x->value[state];
    }
}

/* The first index by the orthonormal Hadamard matrix, in halves; then row i times factor[i]. */
static void rotate(double b[SIDE][SIDE], const float *factor)
{
    for (int half = 1; half < SIDE; half *= 2)
        for (int i = 0; i < SIDE; i++)
            for (int j = 0; j < SIDE && !(i & half); j++) {
                double x = b[i][j], y = b[i + half][j];
                b[i][j] = x + y;
                b[i + half][j] = x - y;
            }
    const double unit = 1 / sqrt(SIDE);
    for (int i = 0; i < SIDE; i++)
        for (int j = 0; j < SIDE; j++)
            b[i][j] = (double)half_of((double)(half_of(b[i][j] * unit) * factor[i]));
}

static void transpose(double dst[SIDE][SIDE], double src[SIDE][SIDE])
{
    for (int i = 0; i < SIDE; i++)
        for (int j = 0; j < SIDE; j++)
            dst[j][i] = src[i][j];
}

static void decode_block(uint8_t *dst, struct exl3 *x, int64_t k0, int64_t n0)
{
    for (int64_t k = 0; k < SIDE; k += TILE)
        for (int64_t n = 0; n < SIDE; n += TILE) {
            int64_t tile = (k0 + k) / TILE * x->trellis->dim[1] + (n0 + n) / TILE;
            decode_tile(x, x->trellis->data + tile * 2 * x->trellis->dim[2], x->block[0], k, n);
        }
    rotate(x->block[0], x->input + k0);
    transpose(x->block[1], x->block[0]);
    rotate(x->block[1], x->output + n0);
    for (int64_t n = 0; n < SIDE; n++)
        for (int64_t k = 0; k < SIDE; k++)
            wr_u16le(dst + 2 * ((n0 + n) * x->k + k0 + k), f32_to_f16((float)x->block[1][n][k]));
}

/* Factors as halves, or as signs, a bit each. */
static int read_factors(float **out, struct hf *h, const char *module, const char *halves, const char *signs, int64_t n,
                        struct err *e)
{
    const struct st_tensor *t;
    int rc = hf_part(&t, h, module, halves, ST_F16, 1, n, -1, e);
    bool bits = rc == ERR_MISSING;
    if (bits)
        rc = hf_part(&t, h, module, signs, ST_I16, 1, n / 16, -1, e);
    if (rc)
        return rc == ERR_MISSING ? ERR_FORMAT : rc;
    if (!(*out = mem_alloc_n((size_t)n, sizeof **out)))
        return err_nomem(e, (size_t)n * sizeof **out, "factors of a matrix");
    for (int64_t i = 0; i < n; i++)
        (*out)[i] = !bits ? f16_to_f32(rd_u16le(t->data + 2 * i))
                          : (rd_u16le(t->data + i / 16 * 2) >> i % 16 & 1 ? -1.0f : 1.0f);
    return 0;
}

static bool has_part(struct hf *h, const char *module, const char *part)
{
    char name[256];
    snprintf(name, sizeof name, "%s.%s", module, part);
    return hf_tensor(h, name);
}

/* The tensors hold the multipliers, which no reader looks at. */
static int find_codebook(enum codebook *book, struct hf *h, const char *module, struct err *e)
{
    bool mcg = has_part(h, module, "mcg"), mul1 = has_part(h, module, "mul1");
    *book = mcg ? MCG : mul1 ? MUL1 : THREE_INST;
    return mcg && mul1 ? err_set(e, ERR_FORMAT, "it names two codebooks, mcg and mul1") : 0;
}

static int check_trellis(struct exl3 *x, enum codebook book, struct err *e)
{
    const struct st_tensor *t = x->trellis;
    const int64_t words = t->dim[2];
    if (t->dim[0] > INT32_MAX || t->dim[1] > INT32_MAX || t->dim[0] % 8 || t->dim[1] % 8)
        return err_set(e, ERR_FORMAT, "its trellis has %lld x %lld tiles, which are no blocks of 8 x 8",
                       (long long)t->dim[0], (long long)t->dim[1]);
    if (words % 8 || words < 16 || words > 128 || (words % 16 && (words > 56 || book != MUL1)))
        return err_set(e, ERR_FORMAT,
                       "its trellis has %lld words per tile: 16 for each bit of a weight, 1 to 8 of them, and half "
                       "bits below 4 with the codebook mul1 alone",
                       (long long)words);
    x->twice_bits = (int)words / 8;
    x->k = t->dim[0] * TILE;
    x->n = t->dim[1] * TILE;
    return 0;
}

static int read_parts(struct exl3 *x, struct hf *h, const char *module, struct err *e)
{
    enum codebook book;
    int rc = find_codebook(&book, h, module, e);
    if (rc || (rc = check_trellis(x, book, e)) || (rc = read_factors(&x->input, h, module, "suh", "su", x->k, e)) ||
        (rc = read_factors(&x->output, h, module, "svh", "sv", x->n, e)))
        return rc;
    for (uint32_t s = 0; s < N_STATES; s++)
        x->value[s] = value_of(book, s);
    return 0;
}

int hf_read_exl3(struct qmat *out, struct hf *h, const char *module, struct arena *a, struct err *e)
{
    const struct st_tensor *trellis;
    int rc = hf_part(&trellis, h, module, "trellis", ST_I16, 3, -1, -1, e);
    if (rc)
        return rc;
    struct exl3 *x = mem_alloc(sizeof *x);
    if (!x)
        return err_nomem(e, sizeof *x, "a block of weights");
    x->trellis = trellis;
    if (!(rc = read_parts(x, h, module, e)))
        rc = hf_plain(out, "f16", x->n, x->k, NULL, a, e);
    for (int64_t n0 = 0; n0 < x->n && !rc; n0 += SIDE)
        for (int64_t k0 = 0; k0 < x->k; k0 += SIDE)
            decode_block(out->plane[PLANE_CODE].p, x, k0, n0);
    mem_free(x->input);
    mem_free(x->output);
    mem_free(x);
    return rc;
}
