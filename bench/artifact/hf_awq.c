/* AWQ folders (AutoAWQ, version "gemm"): qweight int32 [K][N/8] and qzeros int32 [K/g][N/8], eight outputs in the
 * nibbles of a word in the order 0 2 4 6 1 3 5 7; scales f16 [K/g][N]. */
#include <strings.h>
#include "base/half.h"
#include "bench/artifact/hf_quant.h"
#include "kernels/formats/bitstream.h"

int hf_check_awq(const json_t *settings, struct err *e);
int hf_read_awq(struct qmat *out, struct hf *h, const char *module, struct arena *a, struct err *e);

static const int nibble_of[8] = {0, 4, 1, 5, 2, 6, 3, 7};

int hf_check_awq(const json_t *settings, struct err *e)
{
    int64_t bits, group;
    const char *version = json_get_str(settings, "version", "gemm");
    int rc = hf_setting(settings, "bits", 4, &bits, e);
    if (rc || (rc = hf_setting(settings, "group_size", 128, &group, e)))
        return rc;
    if (bits != 4 || strcasecmp(version, "gemm") || json_is_false(json_object_get(settings, "zero_point")))
        return err_set(e, ERR_UNSUPPORTED,
                       "AWQ with %lld bits, version \"%.20s\"%s is not supported: 4 bits with zero "
                       "points in version \"gemm\" are",
                       (long long)bits, version,
                       json_is_false(json_object_get(settings, "zero_point")) ? " and no zero points" : "");
    return 0;
}

static unsigned nibble(const struct st_tensor *t, int64_t row, int64_t output)
{
    return rd_u32le(t->data + 4 * (row * t->dim[1] + output / 8)) >> 4 * nibble_of[output % 8] & 15;
}

static void fill(struct qmat *q, const struct st_tensor *w, const struct st_tensor *zeros,
                 const struct st_tensor *scales)
{
    for (int64_t k = 0; k < q->k; k += 2) /* two codes are a byte of each row */
        for (int64_t n = 0; n < q->n; n++)
            q->plane[PLANE_CODE].p[(size_t)n * q->plane[PLANE_CODE].row_stride + (size_t)k / 2] =
                (uint8_t)(nibble(w, k, n) | nibble(w, k + 1, n) << 4);
    for (int64_t n = 0; n < q->n; n++)
        for (int64_t g = 0; g < scales->dim[0]; g++) {
            bits_set(q->plane[PLANE_ZERO].p + (size_t)n * q->plane[PLANE_ZERO].row_stride, g, 4, nibble(zeros, g, n));
            wr_u16le(q->plane[PLANE_SCALE].p + (size_t)n * q->plane[PLANE_SCALE].row_stride + 2 * g,
                     rd_u16le(scales->data + 2 * (g * q->n + n)));
        }
}

int hf_read_awq(struct qmat *out, struct hf *h, const char *module, struct arena *a, struct err *e)
{
    const struct st_tensor *w, *zeros, *scales;
    int64_t group;
    int rc = hf_part(&w, h, module, "qweight", ST_I32, 2, -1, -1, e);
    if (rc || (rc = hf_setting(h->quant_settings, "group_size", 128, &group, e)))
        return rc;
    const int64_t k = w->dim[0], n = w->dim[1] > INT32_MAX / 8 ? -1 : 8 * w->dim[1];
    const int64_t n_groups = group > 0 ? k / group : 1;
    const struct qpar par = {.bits = 4, .group = group > 0 ? (int32_t)group : 0};
    if ((rc = codec_find("awq")->layout(out, n, k, &par, e)) ||
        (rc = hf_part(&zeros, h, module, "qzeros", ST_I32, 2, n_groups, n / 8, e)) ||
        (rc = hf_part(&scales, h, module, "scales", ST_F16, 2, n_groups, n, e)) || (rc = hf_planes(out, a, e)))
        return rc == ERR_MISSING ? ERR_FORMAT : rc;
    if (k % 2)
        return err_set(e, ERR_FORMAT, "rows of %lld are odd", (long long)k);
    fill(out, w, zeros, scales);
    return 0;
}
