/* Only in builds with -Dtest_hooks=true: a kernel made slower on purpose, so that a test can see whether the gate finds
 * it. WHICHQUANT_TEST_SLOW="matvec_q4_0_avx2=1.2": that row takes 1.2 times as long; several with commas. In records
 * such a program is another build. */
#ifndef KERNELS_SLOW_H
#define KERNELS_SLOW_H
#include "base/os.h"

/* Waits until the call that began at t0 (clock_ns) has taken its factor longer; at once for other kernels. */
void kernel_slow_down(const char *name, uint64_t t0);
#endif
