/* What kernels this machine may run, by the compiler's or the kernel's word: the probe is under test elsewhere. */
#ifndef TESTS_HOST_ISA_H
#define TESTS_HOST_ISA_H
#include <stdint.h>
#ifdef __aarch64__
#include <sys/auxv.h>
#endif
#include "base/isa.h"

static inline uint64_t host_isa(void)
{
    uint64_t m = 0;
#if defined(__x86_64__)
    __builtin_cpu_init();
    m |= __builtin_cpu_supports("avx2") ? ISA(AVX) | ISA(AVX2) : 0;
    m |= __builtin_cpu_supports("f16c") ? ISA(F16C) : 0;
    m |= __builtin_cpu_supports("fma") ? ISA(FMA) : 0;
    m |= __builtin_cpu_supports("avx512f") ? ISA(AVX512F) : 0;
    m |= __builtin_cpu_supports("avx512bw") ? ISA(AVX512BW) : 0;
    m |= __builtin_cpu_supports("avx512vl") ? ISA(AVX512VL) : 0;
    m |= __builtin_cpu_supports("avx512dq") ? ISA(AVX512DQ) : 0;
    m |= __builtin_cpu_supports("avx512vnni") ? ISA(AVX512_VNNI) : 0;
    m |= __builtin_cpu_supports("avx512vbmi") ? ISA(AVX512_VBMI) : 0;
#elif defined(__aarch64__)
    const unsigned long hw = getauxval(AT_HWCAP);
    m |= ISA(NEON);
    m |= hw & HWCAP_ASIMDHP ? ISA(FP16) : 0;
    m |= hw & HWCAP_ASIMDDP ? ISA(DOTPROD) : 0;
    m |= getauxval(AT_HWCAP2) & HWCAP2_I8MM ? ISA(I8MM) : 0;
#endif
    return m;
}
#endif
