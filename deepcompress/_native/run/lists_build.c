/* Lists of places from positions: count, add up, fill. */
#include <string.h>

#include "run/run.h"

/* The list that a position belongs to, counted over all blocks, and its place. */
typedef struct {
    size_t list, place;
} slot;

static inline slot slot_of(const dc_stored *stored, const int of_inputs, int n_bits,
                           dc_row_walk *walk, int64_t position)
{
    const size_t column = dc_walk_to(walk, (size_t)position, stored->n_outputs);
    const size_t major = of_inputs ? walk->row : column;
    const size_t minor = of_inputs ? column : walk->row;
    const size_t n_lists = of_inputs ? stored->n_inputs : stored->n_outputs;
    const size_t mask = ((size_t)1 << n_bits) - 1;
    return (slot){(minor >> n_bits) * n_lists + major, minor & mask};
}

static inline int64_t build(const dc_stored *stored, const int of_inputs, int n_bits,
                            uint32_t *next, uint32_t *starts, uint16_t *entries)
{
    const int64_t *positions = stored->positions;
    const size_t n_places = of_inputs ? stored->n_outputs : stored->n_inputs;
    const size_t n_lists = of_inputs ? stored->n_inputs : stored->n_outputs;
    const size_t n_slots = n_lists * dc_n_blocks(n_places, n_bits);
    const int64_t size = (int64_t)(stored->n_inputs * stored->n_outputs);
    int64_t last = -1;
    dc_row_walk walk = {0};
    memset(next, 0, n_slots * sizeof *next);
    for (size_t i = 0; i < stored->n; i++) {
        if (positions[i] <= last || positions[i] >= size)
            return DC_ERROR_ARGUMENT;
        last = positions[i];
        next[slot_of(stored, of_inputs, n_bits, &walk, last).list]++;
    }
    uint32_t sum = 0;
    for (size_t i = 0; i < n_slots; i++) {
        const uint32_t count = next[i];
        starts[i] = next[i] = sum;
        sum += count;
    }
    starts[n_slots] = sum;
    walk = (dc_row_walk){0};
    for (size_t i = 0; i < stored->n; i++) {
        const slot at = slot_of(stored, of_inputs, n_bits, &walk, positions[i]);
        const uint32_t to = next[at.list]++;
        const unsigned code = stored->codes ? stored->codes[i] : 0;
        if (code >> (16 - n_bits))
            return DC_ERROR_ARGUMENT;
        entries[to] = (uint16_t)(code << n_bits | at.place);
    }
    return (int64_t)stored->n;
}

int64_t dc_lists_build(const dc_stored *stored, int of_inputs, int n_bits, uint32_t *next,
                       uint32_t *starts, uint16_t *entries)
{
    if (n_bits < 8 || n_bits > 16 || stored->n > UINT32_MAX)
        return DC_ERROR_ARGUMENT;
    if (of_inputs)
        return build(stored, 1, n_bits, next, starts, entries);
    return build(stored, 0, n_bits, next, starts, entries);
}
