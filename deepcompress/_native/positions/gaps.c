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

static inline int64_t symbol_at(const void *symbols, int itemsize, size_t i)
{
    return itemsize == 1 ? ((const uint8_t *)symbols)[i] : ((const uint16_t *)symbols)[i];
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
            symbol = symbol_at(symbols, itemsize, i);                                    \
            if (symbol > escape || symbol > left)                                        \
                return DC_ERROR_CORRUPT;                                                 \
            left -= symbol;                                                              \
            cursor.index += symbol;                                                      \
            if (symbol == escape)                                                        \
                continue;                                                                \
            if (left == 0 || found == n_values)                                          \
                return DC_ERROR_CORRUPT;                                                 \
            out[dc_address(scan, &cursor)] = values[found++];                            \
            cursor.index++;                                                              \
            left--;                                                                      \
        }                                                                                \
        if (found != n_values || (n_symbols && symbol == escape))                        \
            return DC_ERROR_CORRUPT;                                                     \
        return (int64_t)found;                                                           \
    }

DEFINE_SCATTER(uint8_t)
DEFINE_SCATTER(uint16_t)
DEFINE_SCATTER(uint32_t)
DEFINE_SCATTER(uint64_t)

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

int64_t dc_gaps_scatter(const void *symbols, int itemsize, size_t n_symbols, int width,
                        dc_scan scan, const void *values, int value_size, size_t n_values,
                        void *out)
{
    if (!valid(itemsize, width) || scan.rank < 1 || scan.n_elements < 0)
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

/* Gaps of each length up to some, and the longest of all. */
typedef struct {
    uint64_t *counts;
    size_t n_counts;
    int64_t longest;
} histogram;

static inline void count_gap(histogram *seen, int64_t gap)
{
    seen->longest = gap > seen->longest ? gap : seen->longest;
    if ((uint64_t)gap < seen->n_counts)
        seen->counts[gap]++;
}

int64_t dc_gaps_count(const int64_t *positions, size_t n_positions, uint64_t *counts,
                      size_t n_counts)
{
    histogram seen = {counts, n_counts, 0};
    int64_t expected = 0;
    memset(counts, 0, n_counts * sizeof *counts);
    for (size_t i = 0; i < n_positions; i++) {
        if (positions[i] < expected)
            return DC_ERROR_ARGUMENT;
        count_gap(&seen, positions[i] - expected);
        expected = positions[i] + 1;
    }
    return seen.longest;
}

int64_t dc_gaps_count_reversed(const int64_t *positions, size_t n_positions, int64_t n_rows,
                               dc_scan columns, int64_t *first, int64_t *last,
                               uint64_t *counts, size_t n_counts)
{
    const int64_t n_columns = columns.n_elements;
    histogram seen = {counts, n_counts, 0};
    memset(counts, 0, n_counts * sizeof *counts);
    for (int64_t column = 0; column < n_columns; column++)
        last[column] = -1;

    int64_t row = 0, column = 0, expected = 0;
    for (size_t i = 0; i < n_positions; i++) {
        if (positions[i] < expected)
            return DC_ERROR_ARGUMENT;
        column += positions[i] - expected;
        if (column >= n_columns) {
            row += column / n_columns;
            column %= n_columns;
            if (row >= n_rows)
                return DC_ERROR_ARGUMENT;
        }
        if (last[column] < 0)
            first[column] = row;
        else
            count_gap(&seen, row - last[column] - 1);
        last[column++] = row;
        expected = positions[i] + 1;
    }

    /* Between two columns: what is left of the one and what the other begins with. */
    dc_cursor cursor = {0};
    int64_t zeros = 0;
    for (int64_t i = 0; i < n_columns; i++, cursor.index++) {
        int64_t address = dc_address(&columns, &cursor);
        if (last[address] < 0) {
            zeros += n_rows;
        } else {
            count_gap(&seen, zeros + first[address]);
            zeros = n_rows - 1 - last[address];
        }
    }
    return seen.longest;
}
