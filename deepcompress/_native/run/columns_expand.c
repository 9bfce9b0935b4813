/* Columns as the dense rows that they stand for. */
#include "run/run.h"

static int64_t expand_row(const dc_columns *columns, size_t row, float *out)
{
    const size_t n_blocks = dc_n_blocks(columns->n_outputs, columns->n_bits);
    const size_t mask = ((size_t)1 << columns->n_bits) - 1;
    for (size_t i = 0; i < columns->n_outputs; i++)
        out[i] = 0;
    for (size_t block = 0; block < n_blocks; block++) {
        const size_t list = block * columns->n_inputs + row;
        if (!dc_is_list(columns, list))
            return DC_ERROR_ARGUMENT;
        for (size_t i = columns->starts[list]; i < columns->starts[list + 1]; i++) {
            const size_t output = block << columns->n_bits | (columns->entries[i] & mask);
            if (output < columns->n_outputs)
                out[output] = dc_value_at(columns, i);
        }
    }
    return 1;
}

int64_t dc_columns_expand(const dc_columns *columns, size_t first, size_t n, float *out)
{
    for (size_t i = 0; i < n; i++)
        if (expand_row(columns, first + i, out + i * columns->n_outputs) < 0)
            return DC_ERROR_ARGUMENT;
    return (int64_t)n;
}

int64_t dc_columns_rows(const dc_columns *columns, const int64_t *rows, size_t n,
                        float *out)
{
    for (size_t i = 0; i < n; i++)
        if (rows[i] < 0 || (uint64_t)rows[i] >= columns->n_inputs ||
            expand_row(columns, (size_t)rows[i], out + i * columns->n_outputs) < 0)
            return DC_ERROR_ARGUMENT;
    return (int64_t)n;
}
