/* The distinct values of an array, while they are few.
 *
 * A hash table with open addressing holds for each value its place among the distinct
 * ones, one more each so that zero says "free". The hash is the upper bits of a product
 * (Fibonacci hashing), so that it is an index without a remainder.
 *
 * The table has at least twice as many slots as there may be distinct values, and the
 * search ends with the first value too many: there is always a free slot, and every
 * probe comes to an end. What a slot holds was put there by this function and is below
 * `found`; the workspace is cleared first. */
#include "bits.h"
#include "positions/positions.h"

#define DEFINE_CODEBOOK(TYPE)                                                            \
    static int64_t codebook_##TYPE(const TYPE *items, size_t n, uint32_t *slots,         \
                                   int shift, uint64_t *distinct, uint64_t *counts,      \
                                   size_t capacity, uint16_t *places)                    \
    {                                                                                    \
        const size_t last = ((size_t)1 << (64 - shift)) - 1;                             \
        size_t found = 0;                                                                \
        for (size_t i = 0; i < n; i++) {                                                 \
            uint64_t item = items[i];                                                    \
            size_t slot = (size_t)(item * UINT64_C(0x9E3779B97F4A7C15) >> shift);        \
            while (slots[slot] && distinct[slots[slot] - 1] != item)                     \
                slot = (slot + 1) & last;                                                \
            if (!slots[slot]) {                                                          \
                if (found == capacity)                                                   \
                    return DC_ERROR_SPACE;                                               \
                distinct[found] = item;                                                  \
                counts[found] = 0;                                                       \
                slots[slot] = (uint32_t)++found;                                         \
            }                                                                            \
            counts[slots[slot] - 1]++;                                                   \
            places[i] = (uint16_t)(slots[slot] - 1);                                     \
        }                                                                                \
        return (int64_t)found;                                                           \
    }

DEFINE_CODEBOOK(uint8_t)
DEFINE_CODEBOOK(uint16_t)
DEFINE_CODEBOOK(uint32_t)
DEFINE_CODEBOOK(uint64_t)

int64_t dc_codebook(const void *items, int itemsize, size_t n, uint32_t *slots,
                    size_t n_slots, uint64_t *distinct, uint64_t *counts, size_t capacity,
                    uint16_t *places)
{
    if (n_slots < 2 || (n_slots & (n_slots - 1)) || n_slots / 2 < capacity ||
        capacity > DC_MAX_ALPHABET)
        return DC_ERROR_ARGUMENT;
    int shift = 64 - (int)dc_ctz64(n_slots);
    memset(slots, 0, n_slots * sizeof *slots);
    switch (itemsize) {
    case 1:
        return codebook_uint8_t(items, n, slots, shift, distinct, counts, capacity,
                                places);
    case 2:
        return codebook_uint16_t(items, n, slots, shift, distinct, counts, capacity,
                                 places);
    case 4:
        return codebook_uint32_t(items, n, slots, shift, distinct, counts, capacity,
                                 places);
    case 8:
        return codebook_uint64_t(items, n, slots, shift, distinct, counts, capacity,
                                 places);
    default:
        return DC_ERROR_ARGUMENT;
    }
}
