/* Windows that slide over arrays, for Python. */
#include "bind_run.h"

enum { MAX_NUMBER = 1 << 30, N_NUMBERS = 6 };

size_t dc_size_of(size_t product, const size_t *numbers)
{
    for (int axis = 0; axis < DC_AXES; axis++) {
        if (numbers[axis] && product > SIZE_MAX / 2 / numbers[axis])
            return SIZE_MAX;
        product *= numbers[axis];
    }
    return product;
}

int dc_is_window(dc_window *w, dc_array geometry, Py_ssize_t n_images,
                 Py_ssize_t n_channels)
{
    const size_t rank = geometry.n / N_NUMBERS;
    const int64_t *numbers = geometry.items;
    size_t *const rows[N_NUMBERS] = {w->sizes,   w->places,   w->window,
                                     w->strides, w->dilation, w->before};
    if (rank < 1 || rank > DC_AXES || geometry.n != rank * N_NUMBERS || n_images < 0 ||
        n_channels < 0 || n_images > MAX_NUMBER || n_channels > MAX_NUMBER)
        return 0;
    w->n_images = (size_t)n_images;
    w->n_channels = (size_t)n_channels;
    for (size_t row = 0; row < N_NUMBERS; row++)
        for (size_t axis = 0; axis < DC_AXES; axis++) {
            const size_t missing = DC_AXES - rank;
            int64_t number = row < N_NUMBERS - 1; /* of an axis that is missing */
            if (axis >= missing)
                number = numbers[row * rank + axis - missing];
            const int is_least = number == 0 && (rows[row] == w->strides ||
                                                 rows[row] == w->dilation);
            if (number < 0 || number > MAX_NUMBER || is_least)
                return 0;
            rows[row][axis] = (size_t)number;
        }
    return 1;
}

int dc_is_array_of(dc_array array, size_t n_images, size_t n_channels,
                   const size_t *sizes)
{
    return array.n == dc_size_of(n_images * n_channels, sizes);
}

PyObject *dc_bind_run_patches(PyObject *module, PyObject *args)
{
    PyObject *o[3];
    Py_ssize_t n_images, n_channels;
    if (!PyArg_ParseTuple(args, "OnnOO:run_patches", &o[0], &n_images, &n_channels, &o[1],
                          &o[2]))
        return NULL;
    dc_call call = {.module = module};
    const dc_array x = dc_take(&call, o[0], "x", 4, DC_FLOAT, DC_READ);
    const dc_array geometry = dc_take(&call, o[1], "geometry", 8, DC_SIGNED, DC_READ);
    const dc_array out = dc_take(&call, o[2], "out", 4, DC_FLOAT, DC_WRITE);
    dc_window w;
    int64_t result = DC_ERROR_ARGUMENT;
    if (dc_is_window(&w, geometry, n_images, n_channels) &&
        dc_is_array_of(x, w.n_images, w.n_channels, w.sizes)) {
        const size_t n_taps = dc_size_of(w.n_channels, w.window);
        if (n_taps <= PTRDIFF_MAX / MAX_NUMBER &&
            dc_is_array_of(out, w.n_images, n_taps, w.places))
            DC_RUN(&call, result, (dc_patches(&w, x.items, out.items), 0));
    }
    return dc_close_count(&call, result);
}

PyObject *dc_bind_run_pool(PyObject *module, PyObject *args)
{
    PyObject *o[3];
    Py_ssize_t n_images, n_channels;
    int is_mean;
    if (!PyArg_ParseTuple(args, "OnnOpO:run_pool", &o[0], &n_images, &n_channels, &o[1],
                          &is_mean, &o[2]))
        return NULL;
    dc_call call = {.module = module};
    const dc_array x = dc_take(&call, o[0], "x", 4, DC_FLOAT, DC_READ);
    const dc_array geometry = dc_take(&call, o[1], "geometry", 8, DC_SIGNED, DC_READ);
    const dc_array out = dc_take(&call, o[2], "out", 4, DC_FLOAT, DC_WRITE);
    dc_window w;
    int64_t result = DC_ERROR_ARGUMENT;
    if (dc_is_window(&w, geometry, n_images, n_channels) &&
        dc_is_array_of(x, w.n_images, w.n_channels, w.sizes) &&
        dc_is_array_of(out, w.n_images, w.n_channels, w.places))
        DC_RUN(&call, result, (dc_pool(&w, is_mean, x.items, out.items), 0));
    return dc_close_count(&call, result);
}
