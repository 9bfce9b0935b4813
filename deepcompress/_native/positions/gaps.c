/* Positions as gap symbols, and the values back at the places that gaps lead to.
 *
 * A gap is the number of zeros before a non-zero. A symbol has `width` bits; its
 * highest value, the escape, stands for so many zeros with no non-zero behind them.
 *
 * Whoever reads gaps trusts no symbol. `left` is the number of elements that the walk
 * has not passed yet: a symbol that is above it is refused before the cursor moves, and
 * no value is written where nothing is left. So the cursor stays in the scan, whose
 * elements all lie in `out`; and no more values are read than there are. */
#include "positions/positions.h"

static inline void put(void *symbols, const int itemsize, size_t i, int64_t symbol)
{
    if (itemsize == 1)
        ((uint8_t *)symbols)[i] = (uint8_t)symbol;
    else
        ((uint16_t *)symbols)[i] = (uint16_t)symbol;
}

static inline int64_t encode(const int64_t *positions, size_t n_positions, int width,
                             void *symbols, const int itemsize, size_t capacity)
{
    const int64_t escape = ((int64_t)1 << width) - 1;
    int64_t expected = 0;
    size_t size = 0;
    for (size_t i = 0; i < n_positions; i++) {
        int64_t gap = positions[i] - expected;
        if (gap < 0)
            return DC_ERROR_ARGUMENT;
        expected = positions[i] + 1;
        for (; gap >= escape; gap -= escape) {
            if (size == capacity)
                return DC_ERROR_SPACE;
            put(symbols, itemsize, size++, escape);
        }
        if (size == capacity)
            return DC_ERROR_SPACE;
        put(symbols, itemsize, size++, gap);
    }
    return (int64_t)size;
}

#define DEFINE_SCATTER(TYPE)                                                             \
    static int64_t scatter_##TYPE(const void *symbols, int itemsize, size_t n_symbols,   \
                                  int64_t escape, const dc_scan *scan,                   \
                                  const TYPE *values, size_t n_values, TYPE *out)        \
    {                                                                                    \
        dc_cursor cursor = {0};                                                          \
        int64_t left = scan->n_elements, symbol = 0;                                     \
        size_t found = 0;                                                                \
        for (size_t i = 0; i < n_symbols; i++) {                                         \
            symbol = (int64_t)dc_symbol_at(symbols, itemsize, i);                        \
            if (symbol > escape || symbol > left)                                        \
                return DC_BROKEN_GAPS;                                                   \
            left -= symbol;                                                              \
            cursor.index += symbol;                                                      \
            if (symbol == escape)                                                        \
                continue;                                                                \
            if (left == 0 || found == n_values)                                          \
                return DC_BROKEN_GAPS;                                                   \
            out[dc_address(scan, &cursor)] = values[found++];                            \
            cursor.index++;                                                              \
            left--;                                                                      \
        }                                                                                \
        if (found != n_values || (n_symbols && symbol == escape))                        \
            return DC_BROKEN_GAPS;                                                       \
        return (int64_t)found;                                                           \
    }

DEFINE_SCATTER(uint8_t)
DEFINE_SCATTER(uint16_t)
DEFINE_SCATTER(uint32_t)
DEFINE_SCATTER(uint64_t)

int64_t dc_gaps_encode(const int64_t *positions, size_t n_positions, int width,
                       void *symbols, int itemsize, size_t capacity)
{
    if (!dc_is_gap_width(itemsize, width))
        return DC_ERROR_ARGUMENT;
    if (itemsize == 1)
        return encode(positions, n_positions, width, symbols, 1, capacity);
    return encode(positions, n_positions, width, symbols, 2, capacity);
}

int64_t dc_gaps_scatter(const void *symbols, int itemsize, size_t n_symbols, int width,
                        dc_scan scan, const void *values, int value_size, size_t n_values,
                        void *out)
{
    if (!dc_is_gap_width(itemsize, width) || !dc_is_scan(&scan))
        return DC_ERROR_ARGUMENT;
    const int64_t escape = ((int64_t)1 << width) - 1;
    switch (value_size) {
    case 1:
        return scatter_uint8_t(symbols, itemsize, n_symbols, escape, &scan, values,
                               n_values, out);
    case 2:
        return scatter_uint16_t(symbols, itemsize, n_symbols, escape, &scan, values,
                                n_values, out);
    case 4:
        return scatter_uint32_t(symbols, itemsize, n_symbols, escape, &scan, values,
                                n_values, out);
    case 8:
        return scatter_uint64_t(symbols, itemsize, n_symbols, escape, &scan, values,
                                n_values, out);
    default:
        return DC_ERROR_ARGUMENT;
    }
}
