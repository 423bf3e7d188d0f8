/* The recipe families, for the tables of recipe.c. assign() fills codec, wanted, par and why of each matrix (and head
 * where a tied embedding is stored twice); recipe_assign has put the source's codec everywhere before and sets the
 * activation rules after, where assign has not. */
#ifndef BENCH_QUANT_RECIPE_FAMILY_H
#define BENCH_QUANT_RECIPE_FAMILY_H
#include "bench/quant/recipe.h"

extern const struct recipe_family family_base, family_gguf, family_mlx, family_onnx, family_openvino,
    family_awq, family_gptq, family_exl2, family_hqq, family_bnb, family_torchao, family_fp8, family_bitnet;

/* Layers that the mixed recipes of MLX, ONNX Runtime and llama.cpp give more bits: the first and last eighth, and every
 * third between; `first` is the eighth as each of them rounds it. */
bool recipe_spread_half(int layer, int n_layer, int first);
/* What decides under a ratio, by its name; NULL: no such metric. */
const char *openvino_metric(const char *name);
/* The codec, or what llama-quantize takes in its place where rows of k do not divide into its blocks; NULL: nothing. */
const struct codec *gguf_fitting_codec(const struct codec *wanted, int64_t k);
void recipe_put(struct use_assign *a, const char *codec, const struct qpar *par);
#endif
