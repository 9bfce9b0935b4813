/* What the functions of the runtime check of their arrays, more than one file of them. */
#ifndef DEEPCOMPRESS_BIND_RUN_H
#define DEEPCOMPRESS_BIND_RUN_H

#include "bind.h"
#include "run/run.h"

/* Whether starts, entries and values are those of columns; which ones. Values are a
 * codebook, of as many as codes can tell apart, or else one for each entry. */
int dc_are_columns(dc_columns *columns, dc_array starts, dc_array entries,
                   dc_array values, int n_bits, int has_codes, Py_ssize_t n_inputs,
                   Py_ssize_t n_outputs);

/* The bias of a product; no items where it is None. */
dc_array dc_take_bias(dc_call *call, PyObject *object);

/* Whether the geometry is one, of three axes at most: rows of sizes, places, window,
 * strides, dilation and what is added before, with a number for each axis. */
int dc_is_window(dc_window *window, dc_array geometry, Py_ssize_t n_images,
                 Py_ssize_t n_channels);

/* Whether an array has as many items as images with channels of such sizes. */
int dc_is_array_of(dc_array array, size_t n_images, size_t n_channels,
                   const size_t *sizes);

#endif
