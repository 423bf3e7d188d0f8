/* Which weights and activations the packed kernels of parametric codecs take. Whatever else there is has no packed
 * kernel. */
#include "kernels/formats/bitnet.h"
#include "kernels/kernel_rows.h"

/* Groups of 16 to 1024 weights in powers of two, or whole rows. */
static bool has_plain_groups(const struct qmat *w)
{
    int32_t g = w->seg->q.group;
    return w->k % 16 == 0 && w->n_seg == 1 && (g <= 0 || (g >= 16 && g <= 1024 && (g & (g - 1)) == 0));
}

/* Columns in order, with no factor of their own; before a fixed grid activations are divided by those, so that the
 * codes of both just multiply. */
static bool is_plain(const struct qmat *w, const struct act *a)
{
    return !w->plane[PLANE_PERM].bytes && (!w->plane[PLANE_COLUMN].bytes || a->scope == ACT_FIXED);
}

static bool has_bits(const struct qmat *w, unsigned allowed)
{
    return allowed >> w->seg->q.bits & 1;
}

static bool has_act(const struct qmat *w, const struct act *a)
{
    bool nbits = w->codec == &codec_onnx_nbits || w->codec == &codec_onnx_rtn || w->codec == &codec_onnx_k_quant;
    int block = nbits ? w->seg->q.group : w->codec == &codec_openvino_int ? 32 : 0;
    if (block > 0)
        return a->ragged && a->scope == ACT_BLOCK && a->block == block && a->block_bytes == 4 + block;
    return (w->codec == &codec_torchao_int8 && a == &act_torchao_int8) ||
           (w->codec == &codec_bitnet && a == &act_bitnet_int8 && w->seg->q.scale_type == BITNET_I2_S) ||
           (w->codec == &codec_onnx_int8 && (a == &act_u8_batch || a == &act_i8_fixed) && w->seg->q.sym) ||
           (w->codec == &codec_openvino_i8 && a == &act_i8_fixed);
}

/* Zero points of as many bits as the codes, or none; OpenVINO's asymmetric ones always. */
static bool has_zeros(const struct qmat *w)
{
    const struct qpar *p = &w->seg->q;
    return p->zero_type == ZERO_CODE || (p->zero_type == ZERO_NONE && (p->sym || w->codec != &codec_openvino_int));
}

/* MatMulNBits: blocks of activations as long as the groups; OpenVINO: of 32; the others: rows, or the whole call. */
bool takes_i8(const struct qmat *w, const struct act *a)
{
    const struct qpar *p = &w->seg->q;
    return has_act(w, a) && has_plain_groups(w) && p->group <= 256 && has_bits(w, 1 << 2 | 1 << 4 | 1 << 8) &&
           p->scale_type <= NUMBER_BF16 && has_zeros(w) && is_plain(w, a);
}

bool takes_tl(const struct qmat *w, const struct act *a)
{
    return w->codec == &codec_bitnet && a == &act_bitnet_int8 && w->seg->q.scale_type != BITNET_I2_S;
}

/* Which widths, and groups down to which size, a codec has as floats. */
static const struct floats {
    const struct codec *codec;
    unsigned bits;
    int least_group;
} floats[] = {
    {&codec_mlx_affine, 1 << 2 | 1 << 3 | 1 << 4 | 1 << 5 | 1 << 6 | 1 << 8, 32},
    {&codec_mlx_fp, 1 << 4 | 1 << 8, 16},
    {&codec_onnx_nbits, 1 << 2 | 1 << 4 | 1 << 8, 16},
    {&codec_onnx_rtn, 1 << 2 | 1 << 4 | 1 << 8, 16},
    {&codec_onnx_k_quant, 1 << 2 | 1 << 4 | 1 << 8, 16},
    {&codec_onnx_hqq, 1 << 2 | 1 << 4 | 1 << 8, 16},
    {&codec_openvino_int, 1 << 2 | 1 << 3 | 1 << 4 | 1 << 8, 32},
    {&codec_openvino_fp, 1 << 4 | 1 << 8, 16},
    {&codec_openvino_book, 1 << 4, 16},
    {&codec_awq, 1 << 4, 16},
    {&codec_gptq, 1 << 2 | 1 << 3 | 1 << 4 | 1 << 8, 32},
    {&codec_exl2, 1 << 2 | 1 << 3 | 1 << 4 | 1 << 5 | 1 << 6 | 1 << 8, 32},
    {&codec_hqq, 1 << 2 | 1 << 3 | 1 << 4 | 1 << 8, 32},
    {&codec_bnb_nf4, 1 << 4, 32},
    {&codec_bnb_fp4, 1 << 4, 32},
    {&codec_bnb_int8, 1 << 8, 32},
    {&codec_torchao_int4, 1 << 4, 32},
    {&codec_torchao_int8, 1 << 8, 32},
    {&codec_fp8_e4m3, 1 << 8, 32},
    {&codec_fp8_e5m2, 1 << 8, 32},
};

bool takes_f32(const struct qmat *w, const struct act *a)
{
    const struct qpar *p = &w->seg->q;
    bool float_rule = a == &act_f32 || a == &act_f16 || a == &act_bf16 || a == &act_fp8_e4m3 || a == &act_bnb_int8;
    for (size_t i = 0; i < sizeof floats / sizeof *floats && float_rule; i++)
        if (w->codec == floats[i].codec)
            return has_plain_groups(w) && has_bits(w, floats[i].bits) &&
                   (p->wide_percent == 0 || floats[i].bits >> p->wide_bits & 1) &&
                   (p->group <= 0 || p->group >= floats[i].least_group);
    return false;
}

bool takes_f32_whole(const struct qmat *w, const struct act *a)
{
    static const struct codec *const whole[] = {
        &codec_onnx_nbits,   &codec_onnx_rtn, &codec_onnx_k_quant, &codec_onnx_hqq,
        &codec_openvino_int, &codec_bnb_int8, &codec_torchao_int8,
    };
    bool is_whole = (w->codec == &codec_mlx_fp || w->codec == &codec_openvino_fp) && w->seg->q.bits == 4; /* E2M1 */
    for (size_t i = 0; i < sizeof whole / sizeof *whole; i++)
        is_whole = is_whole || w->codec == whole[i];
    return is_whole && takes_f32(w, a) && is_plain(w, a) && has_bits(w, 1 << 2 | 1 << 4 | 1 << 8);
}
