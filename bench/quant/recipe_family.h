/* The recipe families, for the tables of recipe.c. assign() fills codec, wanted, par and why of each matrix;
 * recipe_assign has put the source's codec everywhere before and sets the activation rules after. */
#ifndef BENCH_QUANT_RECIPE_FAMILY_H
#define BENCH_QUANT_RECIPE_FAMILY_H
#include "bench/quant/recipe.h"

extern const struct recipe_family family_base, family_gguf;
#endif
