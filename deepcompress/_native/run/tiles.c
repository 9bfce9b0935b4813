/* A product from tiles: slots first, by a kernel of the instructions there are, then the
 * rest. Sums are kept for outputs in whole tiles. */
#include <string.h>

#include "run/run.h"

/* Inputs of a block; those behind the last are 0. */
static void take_inputs(const dc_product *rows, size_t row, size_t block, float *inputs)
{
    const size_t begin = block * DC_TILE_INPUTS, left = rows->n_inputs - begin;
    const size_t n = left < DC_TILE_INPUTS ? left : DC_TILE_INPUTS;
    memset(inputs, 0, DC_TILE_INPUTS * sizeof *inputs);
    memcpy(inputs, rows->x + row * rows->n_inputs + begin, n * sizeof *inputs);
}

static void add_slots(const dc_product *rows, const dc_tiles *tiles, float *sums)
{
    const size_t n_tiles = dc_units(rows->n_outputs, DC_TILE_OUTPUTS);
    const size_t n_blocks = dc_units(rows->n_inputs, DC_TILE_INPUTS);
    const size_t n_slots = tiles->code_bits == 5 ? 3 : 2;
    const int slot_bits = 5 + tiles->code_bits;
    const uint32_t mask = ((uint32_t)1 << tiles->code_bits) - 1;
    const uint32_t *words = tiles->words;
    for (size_t block = 0; block < n_blocks; block++) {
        const size_t n_words = dc_tile_words(tiles->depths[block], tiles->code_bits);
        for (size_t row = 0; row < rows->n_rows; row++) {
            float inputs[DC_TILE_INPUTS];
            take_inputs(rows, row, block, inputs);
            for (size_t tile = 0; tile < n_tiles; tile++) {
                const uint32_t *word = words + tile * n_words;
                float *to = sums + (row * n_tiles + tile) * DC_TILE_OUTPUTS;
                for (size_t i = 0; i < n_words; i++) {
                    uint32_t bits = word[i];
                    float sum = 0;
                    for (size_t slot = 0; slot < n_slots; slot++, bits >>= slot_bits)
                        sum += inputs[bits & 31] * tiles->table[bits >> 5 & mask];
                    to[i % DC_TILE_OUTPUTS] += sum;
                }
            }
        }
        words += n_words * n_tiles;
    }
}

static int add_rest(const dc_product *rows, const dc_tiles *tiles, float *sums)
{
    const size_t stride = dc_units(rows->n_outputs, DC_TILE_OUTPUTS) * DC_TILE_OUTPUTS;
    const size_t n_blocks = dc_units(rows->n_inputs, DC_TILE_INPUTS);
    float inputs[DC_TILE_ROWS][DC_TILE_INPUTS];
    for (size_t block = 0; block < n_blocks; block++) {
        const size_t begin = tiles->rest_starts[block];
        const size_t end = tiles->rest_starts[block + 1];
        if (begin == end)
            continue;
        for (size_t row = 0; row < rows->n_rows; row++)
            take_inputs(rows, row, block, inputs[row]);
        for (size_t i = begin; i < end; i++) {
            const uint32_t entry = tiles->rest[i];
            const size_t output = entry >> 12;
            const float value = tiles->table[entry >> 5 & (DC_TILE_TABLE - 1)];
            if (output >= rows->n_outputs)
                return 0;
            for (size_t row = 0; row < rows->n_rows; row++)
                sums[row * stride + output] += value * inputs[row][entry & 31];
        }
    }
    return 1;
}

static dc_tiles_kernel *kernel_of(int isa)
{
#if DC_HAS_X86
    if (isa >= DC_ISA_AVX512)
        return dc_tiles_avx512;
#endif
    (void)isa;
    return add_slots;
}

int64_t dc_tiles_multiply(const dc_product *product, const dc_tiles *tiles, int isa,
                          float *sums)
{
    const size_t n_inputs = product->n_inputs, n_outputs = product->n_outputs;
    const size_t stride = dc_units(n_outputs, DC_TILE_OUTPUTS) * DC_TILE_OUTPUTS;
    if (!dc_are_tiles(tiles, n_inputs, n_outputs))
        return DC_ERROR_ARGUMENT;
    sums = dc_aligned(sums);
    for (size_t row = 0, n; row < product->n_rows; row += n) {
        n = DC_TILE_ROWS;
        while (n > product->n_rows - row)
            n /= 2;
        const dc_product rows = {product->x + row * n_inputs,
                                 product->y + row * n_outputs, n, n_inputs, n_outputs};
        memset(sums, 0, n * stride * sizeof *sums);
        kernel_of(isa)(&rows, tiles, sums);
        if (!add_rest(&rows, tiles, sums))
            return DC_ERROR_ARGUMENT;
        for (size_t i = 0; i < n; i++)
            memcpy(rows.y + i * n_outputs, sums + i * stride, n_outputs * sizeof *sums);
    }
    return (int64_t)product->n_rows;
}
