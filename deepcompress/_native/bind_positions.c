/* Positions, gaps and codebooks for Python. Lengths and strides of a scan are arrays from
 * outside: the kernels check that they stay within the elements there are. */
#include "bind.h"
#include "positions/positions.h"

/* Of rank 0, and so no scan, where lengths and strides are not as many. */
static dc_scan scan_of(dc_array lengths, dc_array strides, int64_t n_elements)
{
    const size_t rank = lengths.n == strides.n ? lengths.n : 0;
    return (dc_scan){lengths.items, strides.items, rank, n_elements};
}

PyObject *dc_bind_gaps_encode(PyObject *module, PyObject *args)
{
    PyObject *o[2];
    int width;
    if (!PyArg_ParseTuple(args, "OiO:gaps_encode", &o[0], &width, &o[1]))
        return NULL;
    dc_call call = {.module = module};
    const dc_array positions = dc_take(&call, o[0], "positions", 8, DC_SIGNED, DC_READ);
    const dc_array symbols = dc_take(&call, o[1], "symbols", 1 | 2, DC_UNSIGNED, DC_WRITE);
    int64_t written = 0;
    DC_RUN(&call, written,
           dc_gaps_encode(positions.items, positions.n, width, symbols.items,
                          symbols.itemsize, symbols.n));
    return dc_close_count(&call, written);
}

PyObject *dc_bind_gaps_count(PyObject *module, PyObject *args)
{
    PyObject *o[2];
    if (!PyArg_ParseTuple(args, "OO:gaps_count", &o[0], &o[1]))
        return NULL;
    dc_call call = {.module = module};
    const dc_array positions = dc_take(&call, o[0], "positions", 8, DC_SIGNED, DC_READ);
    const dc_array counts = dc_take(&call, o[1], "counts", 8, DC_INTEGER, DC_WRITE);
    int64_t longest = 0;
    DC_RUN(&call, longest,
           dc_gaps_count(positions.items, positions.n, counts.items, counts.n));
    return dc_close_count(&call, longest);
}

PyObject *dc_bind_gaps_count_reversed(PyObject *module, PyObject *args)
{
    PyObject *o[4];
    Py_ssize_t n_rows, n_columns;
    if (!PyArg_ParseTuple(args, "OnOOnO:gaps_count_reversed", &o[0], &n_rows, &o[1],
                          &o[2], &n_columns, &o[3]))
        return NULL;
    dc_call call = {.module = module};
    const dc_array positions = dc_take(&call, o[0], "positions", 8, DC_SIGNED, DC_READ);
    const dc_array lengths = dc_take(&call, o[1], "lengths", 8, DC_SIGNED, DC_READ);
    const dc_array strides = dc_take(&call, o[2], "strides", 8, DC_SIGNED, DC_READ);
    const dc_array counts = dc_take(&call, o[3], "counts", 8, DC_INTEGER, DC_WRITE);
    const dc_scan columns = scan_of(lengths, strides, n_columns);
    int64_t longest = DC_ERROR_ARGUMENT;
    if (dc_is_scan(&columns)) {
        int64_t *first = dc_room(&call, (size_t)n_columns, sizeof *first);
        int64_t *last = dc_room(&call, (size_t)n_columns, sizeof *last);
        DC_RUN(&call, longest,
               dc_gaps_count_reversed(positions.items, positions.n, n_rows, columns,
                                      first, last, counts.items, counts.n));
    }
    return dc_close_count(&call, longest);
}

PyObject *dc_bind_gaps_scatter(PyObject *module, PyObject *args)
{
    PyObject *o[5];
    int width;
    if (!PyArg_ParseTuple(args, "OiOOOO:gaps_scatter", &o[0], &width, &o[1], &o[2], &o[3],
                          &o[4]))
        return NULL;
    dc_call call = {.module = module};
    const dc_array symbols = dc_take(&call, o[0], "symbols", 1 | 2, DC_UNSIGNED, DC_READ);
    const dc_array lengths = dc_take(&call, o[1], "lengths", 8, DC_SIGNED, DC_READ);
    const dc_array strides = dc_take(&call, o[2], "strides", 8, DC_SIGNED, DC_READ);
    const dc_array values =
        dc_take(&call, o[3], "values", 1 | 2 | 4 | 8, DC_PATTERN, DC_READ);
    const dc_array out =
        dc_take(&call, o[4], "out", values.itemsize, DC_PATTERN, DC_WRITE);
    const dc_scan scan = scan_of(lengths, strides, (int64_t)out.n);
    int64_t found = 0;
    DC_RUN(&call, found,
           dc_gaps_scatter(symbols.items, symbols.itemsize, symbols.n, width, scan,
                           values.items, values.itemsize, values.n, out.items));
    return dc_close_count(&call, found);
}

PyObject *dc_bind_gaps_positions(PyObject *module, PyObject *args)
{
    PyObject *o[2];
    int width;
    Py_ssize_t n_elements;
    if (!PyArg_ParseTuple(args, "OinO:gaps_positions", &o[0], &width, &n_elements, &o[1]))
        return NULL;
    dc_call call = {.module = module};
    const dc_array symbols = dc_take(&call, o[0], "symbols", 1 | 2, DC_UNSIGNED, DC_READ);
    const dc_array positions = dc_take(&call, o[1], "positions", 8, DC_SIGNED, DC_WRITE);
    int64_t found = 0;
    DC_RUN(&call, found,
           dc_gaps_positions(symbols.items, symbols.itemsize, symbols.n, width,
                             n_elements, positions.items, positions.n));
    return dc_close_count(&call, found);
}

PyObject *dc_bind_nonzeros(PyObject *module, PyObject *args)
{
    PyObject *o[3];
    if (!PyArg_ParseTuple(args, "OOO:nonzeros", &o[0], &o[1], &o[2]))
        return NULL;
    dc_call call = {.module = module};
    const dc_array items =
        dc_take(&call, o[0], "items", 1 | 2 | 4 | 8, DC_PATTERN, DC_READ);
    const dc_array positions = dc_take(&call, o[1], "positions", 8, DC_SIGNED, DC_WRITE);
    const dc_array values =
        dc_take(&call, o[2], "values", items.itemsize, DC_PATTERN, DC_WRITE);
    int64_t found = DC_ERROR_ARGUMENT;
    if (positions.n == values.n)
        DC_RUN(&call, found,
               dc_nonzeros(items.items, items.itemsize, items.n, positions.items,
                           values.items, values.n));
    return dc_close_count(&call, found);
}

PyObject *dc_bind_reverse(PyObject *module, PyObject *args)
{
    PyObject *o[7];
    Py_ssize_t n_elements;
    if (!PyArg_ParseTuple(args, "OOOnOOOO:reverse", &o[0], &o[1], &o[2], &n_elements,
                          &o[3], &o[4], &o[5], &o[6]))
        return NULL;
    dc_call call = {.module = module};
    const dc_array positions = dc_take(&call, o[0], "positions", 8, DC_SIGNED, DC_READ);
    const dc_array lengths = dc_take(&call, o[1], "lengths", 8, DC_SIGNED, DC_READ);
    const dc_array strides = dc_take(&call, o[2], "strides", 8, DC_SIGNED, DC_READ);
    const dc_array reversed = dc_take(&call, o[3], "reversed", 8, DC_SIGNED, DC_WRITE);
    const dc_array order = dc_take(&call, o[4], "order", 8, DC_SIGNED, DC_WRITE);
    const dc_array spare = dc_take(&call, o[5], "spare", 8, DC_SIGNED, DC_WRITE);
    const dc_array spare_order =
        dc_take(&call, o[6], "spare_order", 8, DC_SIGNED, DC_WRITE);
    const dc_scan scan = scan_of(lengths, strides, n_elements);
    const size_t n = positions.n;
    int64_t moved = DC_ERROR_ARGUMENT;
    if (reversed.n == n && order.n == n && spare.n == n && spare_order.n == n)
        DC_RUN(&call, moved,
               dc_reverse(positions.items, n, scan, spare.items, spare_order.items,
                          reversed.items, order.items));
    return dc_close_count(&call, moved);
}

PyObject *dc_bind_codebook(PyObject *module, PyObject *args)
{
    PyObject *o[4];
    if (!PyArg_ParseTuple(args, "OOOO:codebook", &o[0], &o[1], &o[2], &o[3]))
        return NULL;
    dc_call call = {.module = module};
    const dc_array items =
        dc_take(&call, o[0], "items", 1 | 2 | 4 | 8, DC_PATTERN, DC_READ);
    const dc_array distinct = dc_take(&call, o[1], "distinct", 8, DC_UNSIGNED, DC_WRITE);
    const dc_array counts = dc_take(&call, o[2], "counts", 8, DC_INTEGER, DC_WRITE);
    const dc_array places = dc_take(&call, o[3], "places", 2, DC_UNSIGNED, DC_WRITE);
    const size_t capacity = distinct.n;
    int64_t found = DC_ERROR_ARGUMENT;
    if (capacity <= DC_MAX_ALPHABET && counts.n == capacity && places.n == items.n) {
        size_t n_slots = 2;
        while (n_slots < 2 * capacity)
            n_slots *= 2;
        uint32_t *slots = dc_room(&call, n_slots, sizeof *slots);
        DC_RUN(&call, found,
               dc_codebook(items.items, items.itemsize, items.n, slots, n_slots,
                           distinct.items, counts.items, capacity, places.items));
    }
    return dc_close_limit(&call, found);
}
