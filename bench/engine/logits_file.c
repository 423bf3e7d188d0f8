/* Reading through a mapping, so that memory stays small whatever the file's size; every length checked first.
 */
#include "bench/engine/logits_file.h"

#include <math.h>
#include <string.h>
#include "base/half.h"
#include "base/mem.h"

enum { HEADER_BYTES = 8 + 3 * 4, LEVELS = 65535 };
static const char magic[8] = {'_', 'l', 'o', 'g', 'i', 't', 's', '_'};
static const float floor_below_max =
    16.0f; /* log-probabilities further down are stored as if they were here */

size_t logits_row_bytes(int n_vocab)
{
    return 2 * (2 * (((size_t)n_vocab + 1) / 2) + 4);
}

static int check_sizes(struct logits_file *f, const char *path, struct err *e)
{
    if (f->n_ctx < 4 || f->n_ctx > 1 << 24 || f->n_vocab < 1 || f->n_vocab > 1 << 24 || f->n_chunks < 1)
        return err_set(e, ERR_FORMAT, "%s: %d chunks of %d tokens over a vocabulary of %d make no sense",
                       path, f->n_chunks, f->n_ctx, f->n_vocab);
    f->rows_per_chunk = f->n_ctx - 1 - f->n_ctx / 2;
    f->row_bytes = logits_row_bytes(f->n_vocab);
    size_t n_tokens, chunk, rows;
    if (!mem_mul((size_t)f->n_chunks, (size_t)f->n_ctx * 4, &n_tokens) ||
        !mem_mul((size_t)f->rows_per_chunk, f->row_bytes, &chunk) ||
        !mem_mul(chunk, (size_t)f->n_chunks, &rows) || n_tokens > f->map.n || rows > f->map.n ||
        HEADER_BYTES + n_tokens + rows > f->map.n)
        return err_set(e, ERR_FORMAT,
                       "%s is cut short: it announces %d chunks of %d tokens over a vocabulary of %d", path,
                       f->n_chunks, f->n_ctx, f->n_vocab);
    f->tokens = f->map.p + HEADER_BYTES;
    f->rows = f->tokens + n_tokens;
    return 0;
}

int logits_file_open(struct logits_file *f, const char *path, struct err *e)
{
    *f = (struct logits_file){0};
    int rc = file_map_open(&f->map, path, e);
    if (rc)
        return rc;
    if (f->map.n < HEADER_BYTES || memcmp(f->map.p, magic, sizeof magic) != 0) {
        rc = err_set(e, ERR_FORMAT, "%s is not a file of log-probabilities (no _logits_ at its start)", path);
    } else {
        f->n_ctx = (int)rd_u32le(f->map.p + 8);
        f->n_vocab = (int)rd_u32le(f->map.p + 12);
        f->n_chunks = (int)rd_u32le(f->map.p + 16);
        rc = check_sizes(f, path, e);
    }
    if (rc)
        logits_file_close(f);
    return rc;
}

void logits_file_close(struct logits_file *f)
{
    if (f->map.p)
        file_map_close(&f->map);
    *f = (struct logits_file){0};
}

int32_t logits_file_token(const struct logits_file *f, int64_t i)
{
    return (int32_t)rd_u32le(f->tokens + 4 * i);
}

void logits_file_row(const struct logits_file *f, int chunk, int i, float *dst)
{
    const uint8_t *p = f->rows + ((size_t)chunk * (size_t)f->rows_per_chunk + (size_t)i) * f->row_bytes;
    float scale = f32_from_bits(rd_u32le(p)), min = f32_from_bits(rd_u32le(p + 4));
    p += 8;
    for (int t = 0; t < f->n_vocab; t++)
        dst[t] = scale * (float)rd_u16le(p + 2 * t) + min;
}

void logits_row_encode(uint8_t *dst, const float *logits, int n_vocab, float max, double log_sum)
{
    float min = INFINITY, ln = (float)log_sum;
    for (int t = 0; t < n_vocab; t++)
        min = logits[t] < min ? logits[t] : min;
    min = min > max - floor_below_max ? min : max - floor_below_max;
    float scale = (max - min) / (float)LEVELS, inv = scale != 0 ? 1.0f / scale : 0.0f;
    memset(dst, 0, logits_row_bytes(n_vocab));
    wr_u32le(dst, f32_bits(scale));
    wr_u32le(dst + 4, f32_bits(min - max - ln));
    for (int t = 0; t < n_vocab; t++) {
        /* Adding 1.5 * 2^23 rounds half to even and leaves the integer in the low mantissa bits. */
        float code = (logits[t] > min ? inv * (logits[t] - min) : 0.0f) + 12582912.0f;
        wr_u16le(dst + 8 + 2 * t, (uint16_t)f32_bits(code));
    }
}

int logits_file_begin(struct file_out *f, const char *path, int n_ctx, int n_vocab, int n_chunks,
                      const int32_t *tokens, struct err *e)
{
    uint8_t head[HEADER_BYTES];
    memcpy(head, magic, sizeof magic);
    wr_u32le(head + 8, (uint32_t)n_ctx);
    wr_u32le(head + 12, (uint32_t)n_vocab);
    wr_u32le(head + 16, (uint32_t)n_chunks);
    int rc = file_out_open(f, path, e);
    if (rc)
        return rc;
    file_out_write(f, head, sizeof head);
    for (int c = 0; c < n_chunks; c++)
        for (int i0 = 0; i0 < n_ctx; i0 += 1024) {
            uint8_t t[4 * 1024];
            int n = n_ctx - i0 < 1024 ? n_ctx - i0 : 1024;
            for (int i = 0; i < n; i++)
                wr_u32le(t + 4 * i, (uint32_t)tokens[(int64_t)c * n_ctx + i0 + i]);
            file_out_write(f, t, 4 * (size_t)n);
        }
    return 0;
}
