/* Where values stand in a tensor and which they are: positions, gaps between them, and
 * codebooks of shared values. */
#ifndef DEEPCOMPRESS_POSITIONS_H
#define DEEPCOMPRESS_POSITIONS_H

#include "common.h"

enum {
    DC_MAX_GAP_WIDTH = 15 /* the widest gap symbol, in bits */
};

/* ---- Walks over a tensor ---------------------------------------------------- */

/* An order of a tensor's elements: the last axis runs fastest. An element lies at the
 * sum of its indices times the strides, counted in elements. There is at least one
 * axis, no length or stride is below 1, n_elements is the product of the lengths, and
 * every element lies within so many. */
typedef struct {
    const int64_t *lengths;
    const int64_t *strides;
    size_t rank;
    int64_t n_elements;
} dc_scan;

/* Whether a scan is as said above. */
static inline int dc_is_scan(const dc_scan *scan)
{
    int64_t product = 1, last = 0;
    for (size_t axis = 0; axis < scan->rank; axis++) {
        const int64_t length = scan->lengths[axis], stride = scan->strides[axis];
        if (length < 1 || stride < 1 || length > scan->n_elements / product ||
            (length > 1 && stride > (scan->n_elements - 1 - last) / (length - 1)))
            return 0;
        product *= length;
        last += (length - 1) * stride;
    }
    return scan->rank > 0 && product == scan->n_elements;
}

/* A place in a scan: the index along the last axis, the number of rows before, and
 * where the row begins. Starts as {0}. */
typedef struct {
    int64_t index;
    int64_t row;
    int64_t begin;
} dc_cursor;

/* The address of the cursor's element. The index may have run over the end of its row,
 * but not out of the scan. */
static inline int64_t dc_address(const dc_scan *scan, dc_cursor *cursor)
{
    const size_t last = scan->rank - 1;
    if (cursor->index >= scan->lengths[last]) {
        cursor->row += cursor->index / scan->lengths[last];
        cursor->index %= scan->lengths[last];
        cursor->begin = 0;
        int64_t row = cursor->row;
        for (size_t axis = last; axis-- > 0; row /= scan->lengths[axis])
            cursor->begin += row % scan->lengths[axis] * scan->strides[axis];
    }
    return cursor->begin + cursor->index * scan->strides[last];
}

/* ---- Where the non-zeros stand: nonzeros.c, reverse.c ----------------------- */

/* Positions and values of the items with a bit set, in order; itemsize 1, 2, 4 or 8.
 * Returns their number; DC_ERROR_SPACE where it passes capacity. */
int64_t dc_nonzeros(const void *items, int itemsize, size_t n, int64_t *positions,
                    void *values, size_t capacity);

/* Ascending positions in a tensor become those in the tensor with its axes in reverse,
 * ascending too; `order` says which of the old ones each was. The scan's strides are
 * those of the reversed tensor: each the product of the lengths before it. `spare` and
 * `spare_order` are workspaces for n entries. Returns n; DC_ERROR_ARGUMENT for what is
 * no scan, and for positions that do not ascend within the tensor. */
int64_t dc_reverse(const int64_t *positions, size_t n, dc_scan scan, int64_t *spare,
                   int64_t *spare_order, int64_t *reversed, int64_t *order);

/* ---- Gaps: gaps.c, gap_positions.c, gap_counts.c ---------------------------- */

/* Whether gap symbols of `width` bits fit in items of so many bytes. */
static inline int dc_is_gap_width(int itemsize, int width)
{
    return width >= 1 && width <= DC_MAX_GAP_WIDTH && (itemsize == 2 || width <= 8);
}

/* Ascending positions as gap symbols of `width` bits: the number of zeros before
 * each non-zero; 2^width - 1 says "so many zeros, and the gap goes on". Returns
 * the number of symbols. */
int64_t dc_gaps_encode(const int64_t *positions, size_t n_positions, int width,
                       void *symbols, int itemsize, size_t capacity);

/* Writes the values to the places in `out`, which has room for the scan, that the gaps
 * before them lead to; value_size is 1, 2, 4 or 8. Returns n_values; anything else than
 * exactly so many places inside the scan is DC_BROKEN_GAPS, with some of them already
 * written. */
int64_t dc_gaps_scatter(const void *symbols, int itemsize, size_t n_symbols, int width,
                        dc_scan scan, const void *values, int value_size, size_t n_values,
                        void *out);

/* The positions that the gaps lead to, ascending, within so many elements. Returns
 * n_positions; anything else than exactly so many is DC_BROKEN_GAPS, with some of them
 * already written. */
int64_t dc_gaps_positions(const void *symbols, int itemsize, size_t n_symbols, int width,
                          int64_t n_elements, int64_t *positions, size_t n_positions);

/* How often each gap, the number of zeros before a non-zero, occurs among ascending
 * positions. Gaps of n_counts and more are not counted. Returns the longest. */
int64_t dc_gaps_count(const int64_t *positions, size_t n_positions, uint64_t *counts,
                      size_t n_counts);

/* The same for the tensor with its axes in reverse, without sorting. Its first axis
 * has n_rows; `columns` walks over the others in reverse: its strides are those of the
 * tensor. `first` and `last` are workspaces for an entry a column. */
int64_t dc_gaps_count_reversed(const int64_t *positions, size_t n_positions,
                               int64_t n_rows, dc_scan columns, int64_t *first,
                               int64_t *last, uint64_t *counts, size_t n_counts);

/* ---- Shared values: codebook.c ---------------------------------------------- */

/* The distinct items in the order of their first appearance, widened to 64 bits, how
 * often each occurs, and for every item its place among them; itemsize 1, 2, 4 or 8.
 * `slots` is a workspace; n_slots a power of two, at least 2 * capacity. Returns the
 * number of distinct items; DC_ERROR_SPACE where it passes
 * capacity <= DC_MAX_ALPHABET. */
int64_t dc_codebook(const void *items, int itemsize, size_t n, uint32_t *slots,
                    size_t n_slots, uint64_t *distinct, uint64_t *counts, size_t capacity,
                    uint16_t *places);

#endif
