/* Codes of 1 to 8 bits in an LSB-first stream: code i takes bits [i*bits, (i + 1)*bits) of the little-endian integer
 * that the bytes are. Every run starts at a byte. */
#ifndef KERNELS_FORMATS_BITSTREAM_H
#define KERNELS_FORMATS_BITSTREAM_H
#include <stddef.h>
#include <stdint.h>
#include <string.h>

static inline size_t bits_bytes(int64_t n, int bits)
{
    return (size_t)(n / 8) * (size_t)bits + ((size_t)(n % 8) * (size_t)bits + 7) / 8;
}

static inline unsigned bits_get(const uint8_t *src, int64_t i, int bits)
{
    size_t at = (size_t)i * (size_t)bits, byte = at / 8, shift = at % 8;
    unsigned v = src[byte];
    if (shift + (size_t)bits > 8)
        v |= (unsigned)src[byte + 1] << 8;
    return v >> shift & ((1u << bits) - 1);
}

static inline void bits_set(uint8_t *dst, int64_t i, int bits, unsigned v)
{
    size_t at = (size_t)i * (size_t)bits, byte = at / 8, shift = at % 8;
    unsigned mask = ((1u << bits) - 1) << shift, put = v << shift & mask;
    dst[byte] = (uint8_t)((dst[byte] & ~mask) | put);
    if (shift + (size_t)bits > 8)
        dst[byte + 1] = (uint8_t)((dst[byte + 1] & ~(mask >> 8)) | put >> 8);
}

/* Eight codes fill `bits` whole bytes. */
static inline void bits_unpack(uint8_t *codes, const uint8_t *src, int n, int bits)
{
    int i = 0;
    uint64_t mask = (1u << bits) - 1;
    if (bits == 8) {
        memcpy(codes, src, (size_t)n);
        return;
    }
    if (bits == 4)
        for (; i + 2 <= n; i += 2) {
            codes[i] = src[i / 2] & 15;
            codes[i + 1] = src[i / 2] >> 4;
        }
    for (; i + 8 <= n; i += 8) {
        uint64_t v = 0;
        for (int b = 0; b < bits; b++)
            v |= (uint64_t)src[i / 8 * bits + b] << 8 * b;
        for (int j = 0; j < 8; j++)
            codes[i + j] = (uint8_t)(v >> j * bits & mask);
    }
    for (; i < n; i++)
        codes[i] = (uint8_t)bits_get(src, i, bits);
}

static inline void bits_pack(uint8_t *dst, const uint8_t *codes, int n, int bits)
{
    memset(dst, 0, bits_bytes(n, bits));
    for (int i = 0; i < n; i++) {
        size_t at = (size_t)i * (size_t)bits;
        unsigned v = (unsigned)codes[i] << at % 8;
        dst[at / 8] |= (uint8_t)v;
        if (v > 255)
            dst[at / 8 + 1] |= (uint8_t)(v >> 8);
    }
}
#endif
