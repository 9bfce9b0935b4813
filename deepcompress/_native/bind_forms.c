/* The forms of a matrix as Python hands them over: whether all arrays have the sizes that
 * belong to its shape. The kernels trust none of what they hold. */
#include "bind_run.h"

int dc_is_shape(Py_ssize_t n_inputs, Py_ssize_t n_outputs)
{
    return n_inputs >= 0 && n_outputs >= 0 && n_inputs <= DC_MAX_SIDE &&
           n_outputs <= DC_MAX_SIDE;
}

int dc_are_columns(dc_columns *columns, dc_array starts, dc_array entries,
                   dc_array values, int n_bits, int has_codes, Py_ssize_t n_inputs,
                   Py_ssize_t n_outputs)
{
    if (!dc_is_shape(n_inputs, n_outputs) || n_bits < 8 || n_bits > 16)
        return 0;
    *columns = (dc_columns){.starts = starts.items,
                            .entries = entries.items,
                            .codebook = has_codes ? values.items : NULL,
                            .values = has_codes ? NULL : values.items,
                            .n_entries = entries.n,
                            .n_inputs = (size_t)n_inputs,
                            .n_outputs = (size_t)n_outputs,
                            .n_bits = n_bits};
    return values.n == (has_codes ? (size_t)1 << (16 - n_bits) : entries.n) &&
           starts.n == columns->n_inputs * dc_n_blocks(columns->n_outputs, n_bits) + 1;
}

int dc_take_columns(dc_call *call, PyObject *const *o, Py_ssize_t n_inputs,
                    Py_ssize_t n_outputs, int n_bits, int has_codes, dc_columns *columns)
{
    const dc_array starts = dc_take(call, o[0], "starts", 4, DC_UNSIGNED, DC_READ);
    const dc_array entries = dc_take(call, o[1], "entries", 2, DC_UNSIGNED, DC_READ);
    const dc_array values = dc_take(call, o[2], "values", 4, DC_FLOAT, DC_READ);
    return dc_are_columns(columns, starts, entries, values, n_bits, has_codes, n_inputs,
                          n_outputs);
}

/* Whether the arrays have the sizes of tiles; which ones. */
static int have_tile_sizes(dc_tiles *tiles, dc_array words, dc_array depths,
                           dc_array starts, dc_array rest, dc_array table, int code_bits,
                           Py_ssize_t n_inputs, Py_ssize_t n_outputs)
{
    *tiles = (dc_tiles){words.items, depths.items, starts.items, rest.items, table.items,
                        words.n, rest.n, code_bits};
    return dc_is_shape(n_inputs, n_outputs) &&
           depths.n == dc_units((size_t)n_inputs, DC_TILE_INPUTS) &&
           starts.n == depths.n + 1 && table.n == DC_TILE_TABLE;
}

int dc_take_tiles(dc_call *call, PyObject *const *o, Py_ssize_t n_inputs,
                  Py_ssize_t n_outputs, int code_bits, dc_tiles *tiles)
{
    const dc_array words = dc_take(call, o[0], "words", 4, DC_UNSIGNED, DC_READ);
    const dc_array depths = dc_take(call, o[1], "depths", 1, DC_UNSIGNED, DC_READ);
    const dc_array starts = dc_take(call, o[2], "rest_starts", 4, DC_UNSIGNED, DC_READ);
    const dc_array rest = dc_take(call, o[3], "rest", 4, DC_UNSIGNED, DC_READ);
    const dc_array table = dc_take(call, o[4], "table", 4, DC_FLOAT, DC_READ);
    return have_tile_sizes(tiles, words, depths, starts, rest, table, code_bits, n_inputs,
                           n_outputs);
}

/* Whether the arrays have the sizes of codes; which ones. */
static int have_code_sizes(dc_codes *it, dc_array codes, dc_array codebook,
                           Py_ssize_t width, int code_bits, Py_ssize_t n_inputs,
                           Py_ssize_t n_outputs)
{
    if (!dc_is_shape(n_inputs, n_outputs) || width < DC_LANES || width > DC_MAX_PANEL ||
        width % DC_LANES || code_bits < 1 || code_bits > 8)
        return 0;
    *it = (dc_codes){codes.items, codebook.items, (size_t)width, code_bits};
    return codebook.n == DC_CODEBOOK &&
           codes.n == (size_t)n_inputs * it->width *
                          dc_units((size_t)n_outputs, it->width);
}

int dc_take_codes(dc_call *call, PyObject *const *o, Py_ssize_t n_inputs,
                  Py_ssize_t n_outputs, Py_ssize_t width, int code_bits, dc_codes *it)
{
    const dc_array codes = dc_take(call, o[0], "codes", 1, DC_UNSIGNED, DC_READ);
    const dc_array codebook = dc_take(call, o[1], "codebook", 4, DC_FLOAT, DC_READ);
    return have_code_sizes(it, codes, codebook, width, code_bits, n_inputs, n_outputs);
}
