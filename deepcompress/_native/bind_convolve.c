/* Convolutions with filters that are held compressed, for Python. */
#include "bind_run.h"

PyObject *dc_bind_run_convolve(PyObject *module, PyObject *args)
{
    PyObject *o[8];
    Py_ssize_t n_images, n_channels, n_filters, n_taps;
    int n_bits, has_codes, isa, is_rectified;
    if (!PyArg_ParseTuple(args, "OOOpOOOnnOOnnipi:run_convolve", &o[0], &o[1], &o[2],
                          &is_rectified, &o[3], &o[4], &o[5], &n_images, &n_channels,
                          &o[6], &o[7], &n_filters, &n_taps, &n_bits, &has_codes, &isa))
        return NULL;
    dc_call call = {.module = module};
    const dc_array x = dc_take(&call, o[0], "x", 4, DC_FLOAT, DC_READ);
    const dc_array y = dc_take(&call, o[1], "y", 4, DC_FLOAT, DC_WRITE);
    const dc_array bias = dc_take_bias(&call, o[2]);
    const dc_array starts = dc_take(&call, o[3], "starts", 4, DC_UNSIGNED, DC_READ);
    const dc_array entries = dc_take(&call, o[4], "entries", 2, DC_UNSIGNED, DC_READ);
    const dc_array values = dc_take(&call, o[5], "values", 4, DC_FLOAT, DC_READ);
    const dc_array geometry = dc_take(&call, o[6], "geometry", 8, DC_SIGNED, DC_READ);
    const dc_array pooling = dc_take(&call, o[7], "pooling", 8, DC_SIGNED, DC_READ);
    dc_convolution c = {.bias = bias.items, .is_rectified = is_rectified};
    dc_window pool;
    int64_t result = DC_ERROR_ARGUMENT;
    if (dc_is_window(&c.window, geometry, n_images, n_channels) &&
        (!pooling.n || dc_is_window(&pool, pooling, n_images, n_filters)) &&
        dc_are_columns(&c.filters, starts, entries, values, n_bits, has_codes, n_filters,
                       n_taps) &&
        (!bias.items || bias.n == c.filters.n_inputs) &&
        dc_is_array_of(x, c.window.n_images, c.window.n_channels, c.window.sizes) &&
        dc_is_array_of(y, c.window.n_images, c.filters.n_inputs,
                       pooling.n ? pool.places : c.window.places) &&
        dc_has_isa(isa)) {
        c.pool = pooling.n ? &pool : NULL;
        const size_t n_room = dc_convolve_room(&c);
        float *room = n_room ? dc_room(&call, n_room, sizeof *room) : NULL;
        if (room)
            DC_RUN(&call, result,
                   dc_are_finite(x.items, x.n)
                       ? dc_convolve(&c, isa, x.items, y.items, room) < 0
                             ? DC_ERROR_ARGUMENT
                             : 0
                       : 1);
    }
    return dc_close_count(&call, result);
}
