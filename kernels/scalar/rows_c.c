/* Row operations at the baseline. */
#include "kernels/row_loops.h"

ROW_OPS(rows_c);
