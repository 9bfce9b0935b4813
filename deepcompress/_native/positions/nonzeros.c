/* Which elements of a tensor are not zero.
 *
 * Sixty-four items become a word of bits, which a compiler does with vectors; the
 * positions are then those of its bits. So zeros cost next to nothing, however few or
 * many there are.
 *
 * The items behind the end of the array are not read: the last word has zeros for them.
 * Before the bits of a word are written out, they are counted and held against the room
 * that is left. */
#include "bits.h"
#include "positions/positions.h"

#define DEFINE_NONZEROS(TYPE)                                                            \
    static int64_t nonzeros_##TYPE(const TYPE *items, size_t n, int64_t *positions,      \
                                   TYPE *values, size_t capacity)                        \
    {                                                                                    \
        size_t found = 0;                                                                \
        for (size_t start = 0; start < n; start += 64) {                                 \
            size_t length = n - start < 64 ? n - start : 64;                             \
            uint8_t is_set[64] = {0};                                                    \
            uint64_t bits = 0;                                                           \
            for (size_t i = 0; i < length; i++)                                          \
                is_set[i] = items[start + i] != 0;                                       \
            for (size_t i = 0; i < 64; i += 8)                                           \
                bits |= (dc_load64(is_set + i) * UINT64_C(0x0102040810204080) >> 56)     \
                        << i;                                                            \
            if (capacity - found < 64 &&                                                 \
                capacity - found < dc_popcount64(bits))                                  \
                return DC_ERROR_SPACE;                                                   \
            for (; bits; bits &= bits - 1) {                                             \
                size_t i = start + dc_ctz64(bits);                                       \
                positions[found] = (int64_t)i;                                           \
                values[found++] = items[i];                                              \
            }                                                                            \
        }                                                                                \
        return (int64_t)found;                                                           \
    }

DEFINE_NONZEROS(uint8_t)
DEFINE_NONZEROS(uint16_t)
DEFINE_NONZEROS(uint32_t)
DEFINE_NONZEROS(uint64_t)

int64_t dc_nonzeros(const void *items, int itemsize, size_t n, int64_t *positions,
                    void *values, size_t capacity)
{
    switch (itemsize) {
    case 1:
        return nonzeros_uint8_t(items, n, positions, values, capacity);
    case 2:
        return nonzeros_uint16_t(items, n, positions, values, capacity);
    case 4:
        return nonzeros_uint32_t(items, n, positions, values, capacity);
    case 8:
        return nonzeros_uint64_t(items, n, positions, values, capacity);
    default:
        return DC_ERROR_ARGUMENT;
    }
}
