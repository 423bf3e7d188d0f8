/* Row operations for AVX-512. */
#include "kernels/row_loops.h"

ROW_OPS(rows_avx512);
