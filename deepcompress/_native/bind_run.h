/* What the functions of the runtime check of their arrays, more than one file of them. */
#ifndef DEEPCOMPRESS_BIND_RUN_H
#define DEEPCOMPRESS_BIND_RUN_H

#include "bind.h"
#include "run/run.h"

enum { DC_MAX_SIDE = 1 << 30 /* inputs or outputs: floats of both fit in 63 bits */ };

int dc_is_shape(Py_ssize_t n_inputs, Py_ssize_t n_outputs);

/* Whether starts, entries and values are those of columns; which ones. Values are a
 * codebook, of as many as codes can tell apart, or else one for each entry. */
int dc_are_columns(dc_columns *columns, dc_array starts, dc_array entries,
                   dc_array values, int n_bits, int has_codes, Py_ssize_t n_inputs,
                   Py_ssize_t n_outputs);

/* Take the arrays of a form: three, five and two. Whether they are such; which ones. */
int dc_take_columns(dc_call *call, PyObject *const *arrays, Py_ssize_t n_inputs,
                    Py_ssize_t n_outputs, int n_bits, int has_codes, dc_columns *columns);
int dc_take_tiles(dc_call *call, PyObject *const *arrays, Py_ssize_t n_inputs,
                  Py_ssize_t n_outputs, int code_bits, dc_tiles *tiles);
int dc_take_codes(dc_call *call, PyObject *const *arrays, Py_ssize_t n_inputs,
                  Py_ssize_t n_outputs, Py_ssize_t width, int code_bits, dc_codes *codes);

/* The bias of a product; no items where it is None. */
dc_array dc_take_bias(dc_call *call, PyObject *object);

/* Whether the geometry is one, of three axes at most: rows of sizes, places, window,
 * strides, dilation and what is added before, with a number for each axis. */
int dc_is_window(dc_window *window, dc_array geometry, Py_ssize_t n_images,
                 Py_ssize_t n_channels);

/* The product of some sizes and a first one; SIZE_MAX where it is larger. */
size_t dc_size_of(size_t first, const size_t *sizes);

/* Whether an array has as many items as images with channels of such sizes. */
int dc_is_array_of(dc_array array, size_t n_images, size_t n_channels,
                   const size_t *sizes);

/* Takes what a convolution is: the three arrays of columns, the geometry, and that of a
 * pooling behind it, empty if there is none, which is kept in `pool`. */
int dc_take_convolution(dc_call *call, PyObject *const *arrays, Py_ssize_t n_images,
                        Py_ssize_t n_channels, Py_ssize_t n_filters, Py_ssize_t n_taps,
                        int n_bits, int has_codes, dc_convolution *it, dc_window *pool);

#endif
