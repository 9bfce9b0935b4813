/* Lists as the dense rows that they stand for. */
#include <string.h>

#include "run/run.h"

static inline float value_at(const dc_lists *lists, size_t i)
{
    return lists->values ? lists->values[i]
                         : lists->codebook[lists->entries[i] >> lists->n_bits];
}

int64_t dc_lists_expand(const dc_lists *lists, int of_inputs, size_t first, size_t n,
                        float *out)
{
    const size_t n_blocks = dc_n_blocks(lists->n_places, lists->n_bits);
    const size_t mask = ((size_t)1 << lists->n_bits) - 1;
    const size_t n_outputs = of_inputs ? lists->n_places : lists->n_lists;
    const size_t begin = of_inputs ? first : 0, count = of_inputs ? n : lists->n_lists;
    if (n && n_outputs)
        memset(out, 0, n * n_outputs * sizeof *out);
    for (size_t block = 0; block < n_blocks; block++) {
        const uint32_t *starts = lists->starts + block * lists->n_lists;
        for (size_t list = begin; list < begin + count; list++) {
            if (starts[list] > starts[list + 1] || starts[list + 1] > lists->n_entries)
                return DC_ERROR_ARGUMENT;
            for (size_t i = starts[list]; i < starts[list + 1]; i++) {
                const size_t place = block << lists->n_bits | (lists->entries[i] & mask);
                const size_t input = of_inputs ? list : place;
                const size_t output = of_inputs ? place : list;
                if (place < lists->n_places && input - first < n)
                    out[(input - first) * n_outputs + output] = value_at(lists, i);
            }
        }
    }
    return (int64_t)n;
}
