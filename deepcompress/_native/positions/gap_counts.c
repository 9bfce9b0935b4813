/* How often each gap occurs, in a tensor and in the one with its axes reversed.
 *
 * In the reversed tensor the first axis runs fastest: a column, what lies at the same
 * place of all other axes, comes as one piece. Positions come row by row, so a gap
 * inside a column is counted when its second end is met, from the row where the column
 * was last met. What lies between two columns is known once all of them have been gone
 * through: the rows after the last of the one, and before the first of the other. That
 * is O(positions + columns), without sorting.
 *
 * Positions are checked one by one: each is above the one before, and its row is one of
 * n_rows. A column is a remainder of n_columns, and so an index into the workspaces. A
 * gap that is too long to be counted only makes the longest. */
#include "positions/positions.h"

#include <string.h>

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

int64_t dc_gaps_count_reversed(const int64_t *positions, size_t n_positions,
                               int64_t n_rows, dc_scan columns, int64_t *first,
                               int64_t *last, uint64_t *counts, size_t n_counts)
{
    const int64_t n_columns = columns.n_elements;
    if (!dc_is_scan(&columns) || n_rows < 0 || n_rows > INT64_MAX / n_columns)
        return DC_ERROR_ARGUMENT;
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
