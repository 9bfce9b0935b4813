/* The positions that gaps lead to; gaps.c writes values there instead.
 *
 * As there, no symbol is trusted: one above what is left of the elements is refused
 * before the walk goes on, and no more positions are written than there is room for. */
#include "positions/positions.h"

static inline int64_t walk(const void *symbols, const int itemsize, size_t n_symbols,
                           int64_t escape, int64_t n_elements, int64_t *positions,
                           size_t n_positions)
{
    int64_t at = 0, symbol = 0;
    size_t found = 0;
    for (size_t i = 0; i < n_symbols; i++) {
        symbol = (int64_t)dc_symbol_at(symbols, itemsize, i);
        if (symbol > escape || symbol > n_elements - at)
            return DC_BROKEN_GAPS;
        at += symbol;
        if (symbol == escape)
            continue;
        if (at == n_elements || found == n_positions)
            return DC_BROKEN_GAPS;
        positions[found++] = at++;
    }
    if (found != n_positions || (n_symbols && symbol == escape))
        return DC_BROKEN_GAPS;
    return (int64_t)found;
}

int64_t dc_gaps_positions(const void *symbols, int itemsize, size_t n_symbols, int width,
                          int64_t n_elements, int64_t *positions, size_t n_positions)
{
    if (!dc_is_gap_width(itemsize, width) || n_elements < 0)
        return DC_ERROR_ARGUMENT;
    const int64_t escape = ((int64_t)1 << width) - 1;
    if (itemsize == 1)
        return walk(symbols, 1, n_symbols, escape, n_elements, positions, n_positions);
    return walk(symbols, 2, n_symbols, escape, n_elements, positions, n_positions);
}
