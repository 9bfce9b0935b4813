/* Words and their bits: the one place that knows the compiler and the byte order. */
#ifndef DEEPCOMPRESS_BITS_H
#define DEEPCOMPRESS_BITS_H

#include <stdint.h>
#include <string.h>

#if defined(__GNUC__) || defined(__clang__)

/* The zeros above the highest 1, or below the lowest, of a word that is not 0. */
static inline unsigned dc_clz64(uint64_t word)
{
    return (unsigned)__builtin_clzll(word);
}

static inline unsigned dc_ctz64(uint64_t word)
{
    return (unsigned)__builtin_ctzll(word);
}

/* How many bits are 1. */
static inline unsigned dc_popcount64(uint64_t word)
{
    return (unsigned)__builtin_popcountll(word);
}

#else /* Microsoft's compiler, of 64 bits */

#include <intrin.h>

static inline unsigned dc_clz64(uint64_t word)
{
    unsigned long highest;
    _BitScanReverse64(&highest, word);
    return 63 - (unsigned)highest;
}

static inline unsigned dc_ctz64(uint64_t word)
{
    unsigned long lowest;
    _BitScanForward64(&lowest, word);
    return (unsigned)lowest;
}

/* Not every processor has an instruction for it: sums of 2, 4 and 8 bits, then of all. */
static inline unsigned dc_popcount64(uint64_t word)
{
    word -= word >> 1 & 0x5555555555555555u;
    word = (word & 0x3333333333333333u) + (word >> 2 & 0x3333333333333333u);
    word = (word + (word >> 4)) & 0x0f0f0f0f0f0f0f0fu;
    return (unsigned)(word * 0x0101010101010101u >> 56);
}

#endif

#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
#define DC_SWAPPED(WORD) __builtin_bswap64(WORD)
#else
#define DC_SWAPPED(WORD) (WORD)
#endif

/* The bits of a number without leading zeros; none for 0. */
static inline unsigned dc_bit_length(uint64_t number)
{
    return number ? 64 - dc_clz64(number) : 0;
}

/* The lowest `length` bits, the first one last. */
static inline uint32_t dc_reverse_bits(uint32_t bits, int length)
{
    uint32_t result = 0;
    for (int i = 0; i < length; i++, bits >>= 1)
        result = result << 1 | (bits & 1);
    return result;
}

/* Eight bytes as a number, the lowest first, whatever the machine's own order. */
static inline uint64_t dc_load64(const uint8_t *bytes)
{
    uint64_t word;
    memcpy(&word, bytes, sizeof word);
    return DC_SWAPPED(word);
}

static inline void dc_store64(uint8_t *bytes, uint64_t word)
{
    word = DC_SWAPPED(word);
    memcpy(bytes, &word, sizeof word);
}

#endif
