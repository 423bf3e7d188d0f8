/* Prototypes of the functions named in kernels.def; every kernel's file includes this. */
#ifndef KERNELS_KERNEL_ROWS_H
#define KERNELS_KERNEL_ROWS_H
#include "base/isa.h"
#include "kernels/kernels.h"

#if defined(__x86_64__)
#define KERNELS_X86 1
#else
#define KERNELS_X86 0
#endif
#if defined(__aarch64__)
#define KERNELS_ARM 1
#else
#define KERNELS_ARM 0
#endif

#define GEMM_F32(symbol, ...) kernel_gemm_f32 symbol;
#define MATVEC(symbol, ...)   kernel_matvec symbol;
#define MATMUL(symbol, codec, act, needs, scratch, ...)                                                      \
    kernel_matmul symbol;                                                                                    \
    size_t scratch(int64_t k);
#define MATVEC_OF(symbol, ...) kernel_matvec symbol;
#define MATMUL_OF              MATMUL
#define DECODE(symbol, ...)     kernel_decode symbol;
#define ENCODE_ACT(symbol, ...) kernel_encode_act symbol;
#define ROWS(symbol, ...)       extern const struct row_ops symbol;
#include "kernels/kernels.def"
#undef GEMM_F32
#undef MATVEC
#undef MATMUL
#undef MATVEC_OF
#undef MATMUL_OF
#undef DECODE
#undef ENCODE_ACT
#undef ROWS

/* takes.c: codes in groups with int8 activations in blocks; with activations that any rule makes floats of. */
bool takes_i8(const struct qmat *w, const struct act *a);
bool takes_tl(const struct qmat *w, const struct act *a); /* BitNet's layouts for lookup tables */
bool takes_f32(const struct qmat *w, const struct act *a);
bool takes_f32_whole(const struct qmat *w, const struct act *a); /* 2, 4 or 8 bits, whole numbers but for the scale */

uint64_t read_avx2(const void *p, size_t bytes);
#endif
