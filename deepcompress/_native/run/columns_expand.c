/* Columns as the dense rows that they stand for. */
#include <string.h>

#include "run/run.h"

int64_t dc_columns_expand(const dc_columns *columns, size_t first, size_t n, float *out)
{
    const size_t n_blocks = dc_n_blocks(columns->n_outputs, columns->n_bits);
    const size_t mask = ((size_t)1 << columns->n_bits) - 1;
    if (n && columns->n_outputs)
        memset(out, 0, n * columns->n_outputs * sizeof *out);
    for (size_t block = 0; block < n_blocks; block++)
        for (size_t row = 0; row < n; row++) {
            const size_t list = block * columns->n_inputs + first + row;
            if (!dc_is_list(columns, list))
                return DC_ERROR_ARGUMENT;
            for (size_t i = columns->starts[list]; i < columns->starts[list + 1]; i++) {
                const size_t output =
                    block << columns->n_bits | (columns->entries[i] & mask);
                if (output < columns->n_outputs)
                    out[row * columns->n_outputs + output] = dc_value_at(columns, i);
            }
        }
    return (int64_t)n;
}
