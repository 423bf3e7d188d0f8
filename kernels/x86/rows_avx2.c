/* Row operations for AVX2. */
#include "kernels/row_loops.h"

ROW_OPS(rows_avx2);
