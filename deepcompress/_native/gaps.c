#include "native.h"

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
        for (;;) {
            if (size == capacity)
                return DC_ERROR_SPACE;
            int64_t symbol = gap < escape ? gap : escape;
            if (itemsize == 1)
                ((uint8_t *)symbols)[size++] = (uint8_t)symbol;
            else
                ((uint16_t *)symbols)[size++] = (uint16_t)symbol;
            if (gap < escape)
                break;
            gap -= escape;
        }
    }
    return (int64_t)size;
}

static inline int64_t decode(const void *symbols, const int itemsize, size_t n_symbols,
                             int width, int64_t n_elements, int64_t *positions,
                             size_t n_positions)
{
    const int64_t escape = ((int64_t)1 << width) - 1;
    int64_t position = 0;
    int64_t symbol = 0;
    size_t found = 0;
    for (size_t i = 0; i < n_symbols; i++) {
        symbol = itemsize == 1 ? ((const uint8_t *)symbols)[i]
                               : ((const uint16_t *)symbols)[i];
        if (symbol > escape || symbol > n_elements - position)
            return DC_ERROR_CORRUPT;
        position += symbol;
        if (symbol == escape)
            continue;
        if (position == n_elements || found == n_positions)
            return DC_ERROR_CORRUPT;
        positions[found++] = position++;
    }
    if (found != n_positions || (n_symbols && symbol == escape))
        return DC_ERROR_CORRUPT;
    return (int64_t)found;
}

static int valid(int itemsize, int width)
{
    return width >= 1 && width <= DC_MAX_GAP_WIDTH && (itemsize == 2 || width <= 8);
}

int64_t dc_gaps_encode(const int64_t *positions, size_t n_positions, int width,
                       void *symbols, int itemsize, size_t capacity)
{
    if (!valid(itemsize, width))
        return DC_ERROR_ARGUMENT;
    if (itemsize == 1)
        return encode(positions, n_positions, width, symbols, 1, capacity);
    return encode(positions, n_positions, width, symbols, 2, capacity);
}

int64_t dc_gaps_decode(const void *symbols, int itemsize, size_t n_symbols, int width,
                       int64_t n_elements, int64_t *positions, size_t n_positions)
{
    if (!valid(itemsize, width) || n_elements < 0)
        return DC_ERROR_ARGUMENT;
    if (itemsize == 1)
        return decode(symbols, 1, n_symbols, width, n_elements, positions, n_positions);
    return decode(symbols, 2, n_symbols, width, n_elements, positions, n_positions);
}
