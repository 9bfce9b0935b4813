#include "native.h"

/* Sixty-four items become a word of bits, which a compiler does with vectors; the
 * positions are then those of its bits. */
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
                capacity - found < (size_t)__builtin_popcountll(bits))                   \
                return DC_ERROR_SPACE;                                                   \
            for (; bits; bits &= bits - 1) {                                             \
                size_t i = start + (size_t)__builtin_ctzll(bits);                        \
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

/* One stable pass of a radix sort by `bits` bits of reversed / divisor. */
static void sort_by_digit(const int64_t *reversed, const int64_t *order, size_t n,
                          int64_t divisor, int shift, int bits, int64_t *sorted,
                          int64_t *sorted_order)
{
    const int64_t mask = ((int64_t)1 << bits) - 1;
    size_t starts[257] = {0};
    for (size_t i = 0; i < n; i++)
        starts[(reversed[i] / divisor >> shift & mask) + 1]++;
    for (int64_t digit = 0; digit < mask; digit++)
        starts[digit + 1] += starts[digit];
    for (size_t i = 0; i < n; i++) {
        size_t place = starts[reversed[i] / divisor >> shift & mask]++;
        sorted[place] = reversed[i];
        sorted_order[place] = order[i];
    }
}

int64_t dc_reverse(const int64_t *positions, size_t n, dc_scan scan, int64_t *spare,
                   int64_t *spare_order, int64_t *reversed, int64_t *order)
{
    /* They are sorted by the first axis, the lowest in the reversed tensor. What is
     * left is a stable sort by all the others at once, in digits of up to 8 bits. */
    const int64_t divisor = scan.lengths[0];
    int width = 0;
    while ((scan.n_elements - 1) / divisor >> width)
        width++;
    const int n_passes = (width + 7) / 8;
    int64_t *from = n_passes % 2 ? spare : reversed, *to = n_passes % 2 ? reversed : spare;
    int64_t *from_order = n_passes % 2 ? spare_order : order;
    int64_t *to_order = n_passes % 2 ? order : spare_order;

    dc_cursor cursor = {0};
    int64_t expected = 0;
    for (size_t i = 0; i < n; i++) {
        if (positions[i] < expected || positions[i] >= scan.n_elements)
            return DC_ERROR_ARGUMENT;
        cursor.index += positions[i] - expected;
        from[i] = dc_address(&scan, &cursor);
        from_order[i] = (int64_t)i;
        cursor.index++;
        expected = positions[i] + 1;
    }
    for (int pass = 0, shift = 0; pass < n_passes; pass++) {
        int bits = (width - shift + n_passes - pass - 1) / (n_passes - pass);
        sort_by_digit(from, from_order, n, divisor, shift, bits, to, to_order);
        shift += bits;
        int64_t *swap = from, *swap_order = from_order;
        from = to;
        from_order = to_order;
        to = swap;
        to_order = swap_order;
    }
    return (int64_t)n;
}
