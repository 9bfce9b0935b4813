/* Tiles from positions: count what each output has among 32 inputs, then fill. */
#include <string.h>

#include "run/run.h"

int dc_are_tiles(const dc_tiles *tiles, size_t n_inputs, size_t n_outputs)
{
    const size_t n_blocks = dc_units(n_inputs, DC_TILE_INPUTS);
    const size_t n_tiles = dc_units(n_outputs, DC_TILE_OUTPUTS);
    size_t n_words = 0;
    if (n_outputs > DC_MAX_TILE_OUTPUTS || tiles->code_bits < 5 || tiles->code_bits > 6)
        return 0;
    for (size_t block = 0; block < n_blocks; block++) {
        if (tiles->depths[block] > DC_MAX_DEPTH ||
            tiles->rest_starts[block] > tiles->rest_starts[block + 1])
            return 0;
        n_words += dc_tile_words(tiles->depths[block], tiles->code_bits) * n_tiles;
    }
    return n_words == tiles->n_words && tiles->rest_starts[n_blocks] <= tiles->n_rest;
}

/* What all positions of a block of inputs are below. */
static int64_t end_of_block(const dc_stored *stored, size_t block)
{
    return (int64_t)((block + 1) * DC_TILE_INPUTS * stored->n_outputs);
}

int64_t dc_tiles_count(const dc_stored *stored, int code_bits, uint8_t *filled,
                       uint64_t *counts, uint64_t *n_rest)
{
    if (!dc_are_positions(stored))
        return DC_ERROR_ARGUMENT;
    const size_t n_blocks = dc_units(stored->n_inputs, DC_TILE_INPUTS);
    dc_row_walk walk = {0};
    size_t i = 0;
    for (size_t block = 0; block < n_blocks; block++) {
        memset(filled, 0, stored->n_outputs);
        n_rest[block] = 0;
        const int64_t end = end_of_block(stored, block);
        for (; i < stored->n && stored->positions[i] < end; i++) {
            const size_t output =
                dc_walk_to(&walk, (size_t)stored->positions[i], stored->n_outputs);
            if (stored->codes[i] >> code_bits)
                n_rest[block]++;
            else
                filled[output]++;
        }
        memset(counts, 0, (DC_MAX_DEPTH + 1) * sizeof *counts);
        for (size_t output = 0; output < stored->n_outputs; output++)
            counts[filled[output]]++;
        counts += DC_MAX_DEPTH + 1;
    }
    return (int64_t)stored->n;
}

int64_t dc_tiles_build(const dc_stored *stored, const dc_tiles *tiles, uint8_t *filled,
                       uint32_t *words, uint32_t *rest_starts, uint32_t *rest)
{
    const size_t n_blocks = dc_units(stored->n_inputs, DC_TILE_INPUTS);
    const size_t n_tiles = dc_units(stored->n_outputs, DC_TILE_OUTPUTS);
    const int code_bits = tiles->code_bits, slot_bits = 5 + code_bits;
    const size_t n_slots = code_bits == 5 ? 3 : 2;
    memset(rest_starts, 0, (n_blocks + 1) * sizeof *rest_starts);
    if (!dc_are_tiles(tiles, stored->n_inputs, stored->n_outputs) ||
        !dc_are_positions(stored))
        return DC_ERROR_ARGUMENT;
    dc_row_walk walk = {0};
    size_t i = 0, n_rest = 0;
    for (size_t block = 0; block < n_blocks; block++) {
        const size_t depth = tiles->depths[block];
        const size_t size = dc_tile_words(depth, code_bits);
        memset(words, 0, size * n_tiles * sizeof *words);
        memset(filled, 0, stored->n_outputs);
        const int64_t end = end_of_block(stored, block);
        for (; i < stored->n && stored->positions[i] < end; i++) {
            const size_t output =
                dc_walk_to(&walk, (size_t)stored->positions[i], stored->n_outputs);
            const uint32_t input = walk.row % DC_TILE_INPUTS, code = stored->codes[i];
            if (code == 0 || code >= DC_TILE_TABLE)
                return DC_ERROR_ARGUMENT;
            if (code >> code_bits == 0 && filled[output] < depth) {
                const size_t slot = filled[output]++;
                words[output / DC_TILE_OUTPUTS * size +
                      slot / n_slots * DC_TILE_OUTPUTS + output % DC_TILE_OUTPUTS] |=
                    (code << 5 | input) << (int)(slot % n_slots) * slot_bits;
            } else if (n_rest == tiles->n_rest) {
                return DC_ERROR_SPACE;
            } else {
                rest[n_rest++] = (uint32_t)output << 12 | code << 5 | input;
            }
        }
        words += size * n_tiles;
        rest_starts[block + 1] = (uint32_t)n_rest;
    }
    return (int64_t)n_rest;
}
