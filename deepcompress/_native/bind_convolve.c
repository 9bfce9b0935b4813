/* Convolutions with filters that are held compressed, for Python. */
#include "bind_run.h"

int dc_take_convolution(dc_call *call, PyObject *const *o, Py_ssize_t n_images,
                        Py_ssize_t n_channels, Py_ssize_t n_filters, Py_ssize_t n_taps,
                        int n_bits, int has_codes, dc_convolution *it, dc_window *pool)
{
    const int are_columns =
        dc_take_columns(call, o, n_filters, n_taps, n_bits, has_codes, &it->filters);
    const dc_array geometry = dc_take(call, o[3], "geometry", 8, DC_SIGNED, DC_READ);
    const dc_array pooling = dc_take(call, o[4], "pooling", 8, DC_SIGNED, DC_READ);
    it->pool = pooling.n ? pool : NULL;
    return are_columns && dc_is_window(&it->window, geometry, n_images, n_channels) &&
           (!pooling.n || dc_is_window(pool, pooling, n_images, n_filters));
}

PyObject *dc_bind_run_convolve(PyObject *module, PyObject *args)
{
    PyObject *o[8];
    Py_ssize_t n_images, n_channels, n_filters, n_taps;
    int n_bits, has_codes, isa, is_rectified;
    if (!PyArg_ParseTuple(args, "OOOpOOOOOnnnnipi:run_convolve", &o[0], &o[1], &o[2],
                          &is_rectified, &o[3], &o[4], &o[5], &o[6], &o[7], &n_images,
                          &n_channels, &n_filters, &n_taps, &n_bits, &has_codes, &isa))
        return NULL;
    dc_call call = {.module = module};
    const dc_array x = dc_take(&call, o[0], "x", 4, DC_FLOAT, DC_READ);
    const dc_array y = dc_take(&call, o[1], "y", 4, DC_FLOAT, DC_WRITE);
    const dc_array bias = dc_take_bias(&call, o[2]);
    dc_convolution it = {.bias = bias.items, .is_rectified = is_rectified};
    dc_window pool;
    int64_t result = DC_ERROR_ARGUMENT;
    if (dc_take_convolution(&call, &o[3], n_images, n_channels, n_filters, n_taps, n_bits,
                            has_codes, &it, &pool) &&
        (!bias.items || bias.n == it.filters.n_inputs) &&
        dc_is_array_of(x, it.window.n_images, it.window.n_channels, it.window.sizes) &&
        dc_is_array_of(y, it.window.n_images, it.filters.n_inputs,
                       it.pool ? pool.places : it.window.places) &&
        dc_has_isa(isa)) {
        const size_t n_room = dc_convolve_room(&it);
        float *room = n_room ? dc_room(&call, n_room, sizeof *room) : NULL;
        if (room && !dc_are_finite(x.items, x.n))
            result = 1;
        else if (room)
            DC_RUN(&call, result,
                   dc_convolve(&it, isa, x.items, y.items, room) < 0 ? DC_ERROR_ARGUMENT
                                                                      : 0);
    }
    return dc_close_count(&call, result);
}
