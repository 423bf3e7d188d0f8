/* Architectures of real models with no file needed: their speed is measured on synthesized weights (shape-measured).
 * Numbers: the models' published configurations, the same as in datasets/models.csv; a test compares the two. */
#include <string.h>
#include "bench/measure.h"

/* Heads attend with 1/sqrt(head_dim) in all of these; whole heads are rotated
 * (of Phi-4 mini three quarters, which no speed shows). */
#define SCALE(hd) ((hd) == 64 ? 0.125 : (hd) == 96 ? 0.10206207261596577 : (hd) == 256 ? 0.0625 : 0.08838834764831845)
#define SHAPE(shape_id, arch_id, layers, width, ff, heads, heads_kv, hd, vocab, ctx, eps, base, ties, ...)  \
    {                                                                                                       \
        .id = shape_id,                                                                                     \
        .d = {.arch = &archs[ARCH_##arch_id], .name = shape_id, .n_layer = layers, .d_model = width, .d_ff = ff,\
              .n_head = heads, .n_head_kv = heads_kv, .head_dim = hd, .n_ctx_train = ctx, .n_vocab = vocab, \
              .rope_dim = hd, .norm_eps = eps, .rope_base = base, .rope_scale = 1, .tied = ties,            \
              .attn_scale = SCALE(hd), ##__VA_ARGS__},                                                      \
    }
/* Gemma 3: five layers of six see a window only, and rotate by another base. */
#define LOCAL(window) .sliding_window = window, .rope_base_local = 10000

/*       id              arch    layers  d    ff   heads kv  hd  vocab   ctx     eps    base   tied */
const struct shape shapes[] = {
    SHAPE("smollm2-135m", LLAMA, 30, 576, 1536, 9, 3, 64, 49152, 8192, 1e-5, 1e5, true),
    SHAPE("smollm2-360m", LLAMA, 32, 960, 2560, 15, 5, 64, 49152, 8192, 1e-5, 1e5, true),
    SHAPE("smollm2-1.7b", LLAMA, 24, 2048, 8192, 32, 32, 64, 49152, 8192, 1e-5, 1.3e5, true),
    SHAPE("llama-3.2-1b", LLAMA, 16, 2048, 8192, 32, 8, 64, 128256, 131072, 1e-5, 5e5, true),
    SHAPE("llama-3.2-3b", LLAMA, 28, 3072, 8192, 24, 8, 128, 128256, 131072, 1e-5, 5e5, true),
    SHAPE("llama-3.1-8b", LLAMA, 32, 4096, 14336, 32, 8, 128, 128256, 131072, 1e-5, 5e5, false),
    SHAPE("llama-2-7b", LLAMA, 32, 4096, 11008, 32, 32, 128, 32000, 4096, 1e-5, 1e4, false),
    SHAPE("tinyllama-1.1b", LLAMA, 22, 2048, 5632, 32, 4, 64, 32000, 2048, 1e-5, 1e4, false),
    SHAPE("qwen2.5-0.5b", QWEN2, 24, 896, 4864, 14, 2, 64, 151936, 32768, 1e-6, 1e6, true),
    SHAPE("qwen2.5-1.5b", QWEN2, 28, 1536, 8960, 12, 2, 128, 151936, 32768, 1e-6, 1e6, true),
    SHAPE("qwen2.5-7b", QWEN2, 28, 3584, 18944, 28, 4, 128, 152064, 32768, 1e-6, 1e6, false),
    SHAPE("qwen3-0.6b", QWEN3, 28, 1024, 3072, 16, 8, 128, 151936, 40960, 1e-6, 1e6, true),
    SHAPE("qwen3-1.7b", QWEN3, 28, 2048, 6144, 16, 8, 128, 151936, 40960, 1e-6, 1e6, true),
    SHAPE("qwen3-4b", QWEN3, 36, 2560, 9728, 32, 8, 128, 151936, 40960, 1e-6, 1e6, true),
    SHAPE("qwen3-8b", QWEN3, 36, 4096, 12288, 32, 8, 128, 151936, 40960, 1e-6, 1e6, false),
    SHAPE("mistral-7b-v0.3", LLAMA, 32, 4096, 14336, 32, 8, 128, 32768, 32768, 1e-5, 1e6, false),
    SHAPE("phi-3-mini-4k", PHI3, 32, 3072, 8192, 32, 32, 96, 32064, 4096, 1e-5, 1e4, false, .sliding_window = 2047),
    SHAPE("phi-4-mini", PHI3, 32, 3072, 8192, 24, 8, 128, 200064, 131072, 1e-5, 1e4, true),
    SHAPE("gemma-3-270m", GEMMA3, 18, 640, 2048, 4, 1, 256, 262144, 32768, 1e-6, 1e6, true, LOCAL(512)),
    SHAPE("gemma-3-1b", GEMMA3, 26, 1152, 6912, 4, 1, 256, 262144, 32768, 1e-6, 1e6, true, LOCAL(512)),
};
const int n_shapes = (int)(sizeof shapes / sizeof *shapes);

const struct shape *shape_find(const char *id)
{
    for (int i = 0; i < n_shapes; i++)
        if (strcmp(id, shapes[i].id) == 0)
            return &shapes[i];
    return NULL;
}
