/* Tiles as the dense rows that they stand for. */
#include <string.h>

#include "run/run.h"

static void expand_words(const dc_tiles *tiles, const uint32_t *words, size_t n_words,
                         size_t begin, const dc_product *rows)
{
    const size_t n_tiles = dc_units(rows->n_outputs, DC_TILE_OUTPUTS);
    const size_t n_slots = tiles->code_bits == 5 ? 3 : 2;
    const uint32_t mask = ((uint32_t)1 << tiles->code_bits) - 1;
    for (size_t i = 0; i < n_words * n_tiles; i++) {
        const size_t output = i / n_words * DC_TILE_OUTPUTS + i % DC_TILE_OUTPUTS;
        uint32_t bits = words[i];
        for (size_t slot = 0; slot < n_slots; slot++, bits >>= 5 + tiles->code_bits) {
            const size_t row = begin + (bits & 31), code = bits >> 5 & mask;
            if (code && output < rows->n_outputs && row < rows->n_rows)
                rows->y[row * rows->n_outputs + output] = tiles->table[code];
        }
    }
}

int64_t dc_tiles_expand(const dc_tiles *tiles, size_t n_inputs, size_t n_outputs,
                        size_t first, size_t n, float *out)
{
    if (!dc_are_tiles(tiles, n_inputs, n_outputs))
        return DC_ERROR_ARGUMENT;
    const dc_product rows = {.y = out, .n_rows = n, .n_outputs = n_outputs};
    const size_t n_tiles = dc_units(n_outputs, DC_TILE_OUTPUTS);
    const uint32_t *words = tiles->words;
    if (n && n_outputs)
        memset(out, 0, n * n_outputs * sizeof *out);
    for (size_t block = 0; block * DC_TILE_INPUTS < first + n; block++) {
        const size_t n_words = dc_tile_words(tiles->depths[block], tiles->code_bits);
        /* The block's first row, counted from the first that is asked for: what comes
         * before wraps around, and is no row. */
        const size_t begin = block * DC_TILE_INPUTS - first;
        if (block >= first / DC_TILE_INPUTS) {
            expand_words(tiles, words, n_words, begin, &rows);
            for (size_t i = tiles->rest_starts[block]; i < tiles->rest_starts[block + 1];
                 i++) {
                const uint32_t entry = tiles->rest[i];
                const size_t row = begin + (entry & 31), output = entry >> 12;
                if (output < n_outputs && row < n)
                    out[row * n_outputs + output] =
                        tiles->table[entry >> 5 & (DC_TILE_TABLE - 1)];
            }
        }
        words += n_words * n_tiles;
    }
    return (int64_t)n;
}
