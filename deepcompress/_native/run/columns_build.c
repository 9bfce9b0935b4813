/* Columns from positions: count, add up, fill. */
#include <string.h>

#include "run/run.h"

/* The list that a position belongs to, counted over all blocks, and its place there. */
typedef struct {
    size_t list, place;
} slot;

static inline slot slot_of(const dc_stored *stored, int n_bits, dc_row_walk *walk,
                           int64_t position)
{
    const size_t output = dc_walk_to(walk, (size_t)position, stored->n_outputs);
    const size_t mask = ((size_t)1 << n_bits) - 1;
    return (slot){(output >> n_bits) * stored->n_inputs + walk->row, output & mask};
}

int64_t dc_columns_build(const dc_stored *stored, int n_bits, uint32_t *next,
                         uint32_t *starts, uint16_t *entries)
{
    if (!dc_are_positions(stored) || stored->n > UINT32_MAX)
        return DC_ERROR_ARGUMENT;
    const size_t n_lists = stored->n_inputs * dc_n_blocks(stored->n_outputs, n_bits);
    dc_row_walk walk = {0};
    memset(next, 0, n_lists * sizeof *next);
    for (size_t i = 0; i < stored->n; i++)
        next[slot_of(stored, n_bits, &walk, stored->positions[i]).list]++;
    uint32_t sum = 0;
    for (size_t i = 0; i < n_lists; i++) {
        const uint32_t count = next[i];
        starts[i] = next[i] = sum;
        sum += count;
    }
    starts[n_lists] = sum;
    walk = (dc_row_walk){0};
    for (size_t i = 0; i < stored->n; i++) {
        const slot at = slot_of(stored, n_bits, &walk, stored->positions[i]);
        const unsigned code = stored->codes ? stored->codes[i] : 0;
        if (code >> (16 - n_bits))
            return DC_ERROR_ARGUMENT;
        entries[next[at.list]++] = (uint16_t)(code << n_bits | at.place);
    }
    return (int64_t)stored->n;
}
