/* Huffman coding for Python. The length of an array says how many symbols an alphabet
 * has, and how many streams there are; workspaces are made to fit. */
#include "bind.h"
#include "huffman/huffman.h"

PyObject *dc_bind_huffman_lengths(PyObject *module, PyObject *args)
{
    PyObject *o[2];
    int max_length;
    if (!PyArg_ParseTuple(args, "OiO:huffman_lengths", &o[0], &max_length, &o[1]))
        return NULL;
    dc_call call = {.module = module};
    const dc_array counts = dc_take(&call, o[0], "counts", 8, DC_UNSIGNED, DC_READ);
    const dc_array lengths = dc_take(&call, o[1], "lengths", 1, DC_UNSIGNED, DC_WRITE);
    const size_t n = counts.n;
    int64_t used = DC_ERROR_ARGUMENT;
    if (lengths.n == n && n <= DC_MAX_ALPHABET && max_length >= 1 &&
        max_length <= DC_MAX_CODE_LENGTH) {
        dc_code_workspace w = {
            .leaves = dc_room(&call, n, sizeof *w.leaves),
            .weights = dc_room(&call, 4 * n, sizeof *w.weights),
            .is_leaf = dc_room(&call, 2 * n * (size_t)max_length, sizeof *w.is_leaf),
        };
        DC_RUN(&call, used,
               dc_huffman_lengths(counts.items, n, max_length, w, lengths.items));
    }
    return dc_close_count(&call, used);
}

PyObject *dc_bind_table_write(PyObject *module, PyObject *args)
{
    PyObject *o[2];
    if (!PyArg_ParseTuple(args, "OO:table_write", &o[0], &o[1]))
        return NULL;
    dc_call call = {.module = module};
    const dc_array lengths = dc_take(&call, o[0], "lengths", 1, DC_UNSIGNED, DC_READ);
    const dc_array out = dc_take(&call, o[1], "out", 1, DC_UNSIGNED, DC_WRITE);
    int64_t written = 0;
    DC_RUN(&call, written, dc_table_write(lengths.items, lengths.n, out.items, out.n));
    return dc_close_count(&call, written);
}

PyObject *dc_bind_table_read(PyObject *module, PyObject *args)
{
    PyObject *o[2];
    if (!PyArg_ParseTuple(args, "OO:table_read", &o[0], &o[1]))
        return NULL;
    dc_call call = {.module = module};
    const dc_array data = dc_take(&call, o[0], "data", 1, DC_PATTERN, DC_READ);
    const dc_array lengths = dc_take(&call, o[1], "lengths", 1, DC_UNSIGNED, DC_WRITE);
    int64_t consumed = 0;
    DC_RUN(&call, consumed, dc_table_read(data.items, data.n, lengths.n, lengths.items));
    return dc_close_count(&call, consumed);
}

PyObject *dc_bind_huffman_count(PyObject *module, PyObject *args)
{
    PyObject *o[2];
    if (!PyArg_ParseTuple(args, "OO:huffman_count", &o[0], &o[1]))
        return NULL;
    dc_call call = {.module = module};
    const dc_array symbols = dc_take(&call, o[0], "symbols", 1 | 2, DC_UNSIGNED, DC_READ);
    const dc_array counts = dc_take(&call, o[1], "counts", 8, DC_INTEGER, DC_WRITE);
    int64_t counted = 0;
    DC_RUN(&call, counted,
           dc_huffman_count(symbols.items, symbols.itemsize, symbols.n, counts.items,
                            counts.n));
    return dc_close_count(&call, counted);
}

PyObject *dc_bind_huffman_encode(PyObject *module, PyObject *args)
{
    PyObject *o[4];
    if (!PyArg_ParseTuple(args, "OOOO:huffman_encode", &o[0], &o[1], &o[2], &o[3]))
        return NULL;
    dc_call call = {.module = module};
    const dc_array symbols = dc_take(&call, o[0], "symbols", 1 | 2, DC_UNSIGNED, DC_READ);
    const dc_array lengths = dc_take(&call, o[1], "lengths", 1, DC_UNSIGNED, DC_READ);
    const dc_array sizes = dc_take(&call, o[2], "sizes", 8, DC_UNSIGNED, DC_WRITE);
    const dc_array out = dc_take(&call, o[3], "out", 1, DC_UNSIGNED, DC_WRITE);
    uint32_t *codes = dc_room(&call, lengths.n, sizeof *codes);
    int64_t written = 0;
    DC_RUN(&call, written, dc_huffman_codes(lengths.items, lengths.n, codes));
    if (written >= 0)
        DC_RUN(&call, written,
               dc_huffman_encode(symbols.items, symbols.itemsize, symbols.n,
                                 lengths.items, codes, lengths.n, sizes.n, sizes.items,
                                 out.items, out.n));
    return dc_close_count(&call, written);
}

PyObject *dc_bind_huffman_decode(PyObject *module, PyObject *args)
{
    PyObject *o[4];
    if (!PyArg_ParseTuple(args, "OOOO:huffman_decode", &o[0], &o[1], &o[2], &o[3]))
        return NULL;
    dc_call call = {.module = module};
    const dc_array data = dc_take(&call, o[0], "data", 1, DC_PATTERN, DC_READ);
    const dc_array sizes = dc_take(&call, o[1], "sizes", 8, DC_UNSIGNED, DC_READ);
    const dc_array lengths = dc_take(&call, o[2], "lengths", 1, DC_UNSIGNED, DC_READ);
    const dc_array symbols = dc_take(&call, o[3], "symbols", 1 | 2, DC_UNSIGNED, DC_WRITE);
    uint16_t *ranked = dc_room(&call, lengths.n, sizeof *ranked);
    int64_t decoded = 0;
    DC_RUN(&call, decoded,
           dc_huffman_decode(data.items, data.n, sizes.items, sizes.n, lengths.items,
                             lengths.n, ranked, symbols.items, symbols.itemsize,
                             symbols.n));
    return dc_close_count(&call, decoded);
}

PyObject *dc_bind_planes_split(PyObject *module, PyObject *args)
{
    PyObject *o[2];
    int turn, fold;
    if (!PyArg_ParseTuple(args, "OiiO:planes_split", &o[0], &turn, &fold, &o[1]))
        return NULL;
    dc_call call = {.module = module};
    const dc_array words =
        dc_take(&call, o[0], "words", 1 | 2 | 4 | 8, DC_PATTERN, DC_READ);
    const dc_array planes = dc_take(&call, o[1], "planes", 1, DC_UNSIGNED, DC_WRITE);
    int64_t split = DC_ERROR_ARGUMENT;
    if (planes.n == words.n * (size_t)words.itemsize)
        DC_RUN(&call, split,
               dc_planes_split(words.items, words.itemsize, words.n, turn, fold,
                               planes.items));
    return dc_close_count(&call, split);
}

PyObject *dc_bind_planes_join(PyObject *module, PyObject *args)
{
    PyObject *o[2];
    int turn, fold;
    if (!PyArg_ParseTuple(args, "OiiO:planes_join", &o[0], &turn, &fold, &o[1]))
        return NULL;
    dc_call call = {.module = module};
    const dc_array planes = dc_take(&call, o[0], "planes", 1, DC_UNSIGNED, DC_READ);
    const dc_array words =
        dc_take(&call, o[1], "words", 1 | 2 | 4 | 8, DC_PATTERN, DC_WRITE);
    int64_t joined = DC_ERROR_ARGUMENT;
    if (planes.n == words.n * (size_t)words.itemsize)
        DC_RUN(&call, joined,
               dc_planes_join(planes.items, words.itemsize, words.n, turn, fold,
                              words.items));
    return dc_close_count(&call, joined);
}
