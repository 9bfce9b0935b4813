/* Positions in the tensor whose axes are reversed, in ascending order.
 *
 * A walk along the axes turns each position into the one in the reversed tensor. These
 * are in order already by the first axis, the lowest of the reversed tensor; what is
 * left is a stable sort by all the others at once, by digits of up to 8 bits, as few
 * and as even as they can be. The passes go to and fro between two pairs of arrays, and
 * which pair is first is chosen so that the last pass ends in the result.
 *
 * A position is checked before it is walked to: it is above the one before and within
 * the tensor. So every result is below n_elements, and no digit is above its mask, for
 * which there are counters. */
#include "bits.h"
#include "positions/positions.h"

/* One stable pass of a radix sort by `bits` bits of reversed / divisor. */
static void sort_by_digit(const int64_t *reversed, const int64_t *order, size_t n,
                          int64_t divisor, int shift, int bits, int64_t *sorted,
                          int64_t *sorted_order)
{
    const int64_t mask = ((int64_t)1 << bits) - 1;
    size_t starts[257] = {0};
    for (size_t i = 0; i < n; i++)
        starts[(reversed[i] / divisor >> shift & mask) + 1]++;
    for (int64_t digit = 0; digit < mask; digit++)
        starts[digit + 1] += starts[digit];
    for (size_t i = 0; i < n; i++) {
        size_t place = starts[reversed[i] / divisor >> shift & mask]++;
        sorted[place] = reversed[i];
        sorted_order[place] = order[i];
    }
}

int64_t dc_reverse(const int64_t *positions, size_t n, dc_scan scan, int64_t *spare,
                   int64_t *spare_order, int64_t *reversed, int64_t *order)
{
    if (!dc_is_scan(&scan))
        return DC_ERROR_ARGUMENT;
    const int64_t divisor = scan.lengths[0];
    const int width = (int)dc_bit_length((uint64_t)((scan.n_elements - 1) / divisor));
    const int n_passes = (width + 7) / 8;
    int64_t *from = n_passes % 2 ? spare : reversed;
    int64_t *to = n_passes % 2 ? reversed : spare;
    int64_t *from_order = n_passes % 2 ? spare_order : order;
    int64_t *to_order = n_passes % 2 ? order : spare_order;

    dc_cursor cursor = {0};
    int64_t expected = 0;
    for (size_t i = 0; i < n; i++) {
        if (positions[i] < expected || positions[i] >= scan.n_elements)
            return DC_ERROR_ARGUMENT;
        cursor.index += positions[i] - expected;
        from[i] = dc_address(&scan, &cursor);
        from_order[i] = (int64_t)i;
        cursor.index++;
        expected = positions[i] + 1;
    }
    for (int pass = 0, shift = 0; pass < n_passes; pass++) {
        int bits = (width - shift + n_passes - pass - 1) / (n_passes - pass);
        sort_by_digit(from, from_order, n, divisor, shift, bits, to, to_order);
        shift += bits;
        int64_t *swap = from, *swap_order = from_order;
        from = to;
        from_order = to_order;
        to = swap;
        to_order = swap_order;
    }
    return (int64_t)n;
}
