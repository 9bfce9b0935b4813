/* The border between Python and the kernels: only bind*.c and module.c know both.
 *
 * A function of the module parses its arguments, takes its buffers and rooms into a
 * dc_call, checks what the kernel takes on trust (that arrays belong together), runs the
 * kernel without Python's lock, and closes the call. Whatever fails before is noted in
 * the call: what comes after does nothing, and only closing it raises, releases and
 * frees. So no function has an error path of its own.
 *
 * Shapes are the business of the callers in Python; here is checked what memory safety
 * and the meaning of the bytes need. */
#ifndef DEEPCOMPRESS_BIND_H
#define DEEPCOMPRESS_BIND_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include "common.h"

/* All functions of the module, in the order of its table. */
#define DC_FUNCTIONS(FUNCTION)                                                           \
    FUNCTION(huffman_lengths)                                                            \
    FUNCTION(table_write)                                                                \
    FUNCTION(table_read)                                                                 \
    FUNCTION(huffman_count)                                                              \
    FUNCTION(huffman_encode)                                                             \
    FUNCTION(huffman_decode)                                                             \
    FUNCTION(planes_split)                                                               \
    FUNCTION(planes_join)                                                                \
    FUNCTION(gaps_encode)                                                                \
    FUNCTION(gaps_count)                                                                 \
    FUNCTION(gaps_count_reversed)                                                        \
    FUNCTION(gaps_scatter)                                                               \
    FUNCTION(gaps_positions)                                                             \
    FUNCTION(nonzeros)                                                                   \
    FUNCTION(reverse)                                                                    \
    FUNCTION(codebook)                                                                   \
    FUNCTION(sort)                                                                       \
    FUNCTION(kmeans_distinct)                                                            \
    FUNCTION(kmeans_nodes)                                                               \
    FUNCTION(kmeans_optimal)                                                             \
    FUNCTION(kmeans_lloyd)                                                               \
    FUNCTION(kmeans_summary)                                                             \
    FUNCTION(kmeans_labels)                                                              \
    FUNCTION(context_begin)                                                              \
    FUNCTION(context_learn)                                                              \
    FUNCTION(context_number)                                                             \
    FUNCTION(context_codebook)                                                           \
    FUNCTION(context_patterns)                                                           \
    FUNCTION(context_text)                                                               \
    FUNCTION(context_codes)                                                              \
    FUNCTION(context_bits)                                                               \
    FUNCTION(context_end)                                                                \
    FUNCTION(run_has_isa)                                                                \
    FUNCTION(run_columns_build)                                                          \
    FUNCTION(run_columns)                                                                \
    FUNCTION(run_columns_expand)                                                         \
    FUNCTION(run_columns_rows)                                                           \
    FUNCTION(run_tiles_count)                                                            \
    FUNCTION(run_tiles_build)                                                            \
    FUNCTION(run_tiles)                                                                  \
    FUNCTION(run_tiles_expand)                                                           \
    FUNCTION(run_codes)                                                                  \
    FUNCTION(run_codes_expand)                                                           \
    FUNCTION(run_patches)                                                                \
    FUNCTION(run_pool)                                                                   \
    FUNCTION(run_convolve)                                                               \
    FUNCTION(run_chain_build)                                                            \
    FUNCTION(run_chain)

#define DC_DECLARE(NAME) PyObject *dc_bind_##NAME(PyObject *module, PyObject *args);
DC_FUNCTIONS(DC_DECLARE)
#undef DC_DECLARE

typedef struct {
    PyObject *corrupt_error;
} dc_module_state;

/* What the items of a buffer are; a sum says that any of them will do. */
enum {
    DC_UNSIGNED = 1,
    DC_SIGNED = 2,
    DC_FLOAT = 4,
    DC_OTHER = 8, /* truth values and characters */
    DC_INTEGER = DC_UNSIGNED | DC_SIGNED,
    DC_PATTERN = DC_INTEGER | DC_FLOAT | DC_OTHER /* bits, whatever they stand for */
};

/* What is done to a buffer. */
enum { DC_READ, DC_WRITE };

enum { DC_MAX_BUFFERS = 8, DC_MAX_ROOMS = 5 };

/* A call from Python, with all that it holds. Starts as {.module = module}. */
typedef struct {
    PyObject *module;
    Py_buffer buffers[DC_MAX_BUFFERS];
    void *rooms[DC_MAX_ROOMS];
    int n_buffers, n_rooms;
    int has_failed; /* a Python exception is set */
} dc_call;

/* The items of a buffer. */
typedef struct {
    void *items;
    size_t n;
    int itemsize;
} dc_array;

/* Takes an object's buffer, which must be contiguous in C order, aligned, and of items
 * of the kinds and sizes given: `itemsizes` is a sum of 1, 2, 4 and 8. TypeError,
 * ValueError or BufferError name the argument and what was received. An array of no items
 * where the call has failed. */
dc_array dc_take(dc_call *call, PyObject *object, const char *name, int itemsizes,
                 int kinds, int access);

/* Room for `count` items until the call is closed; zeros, if so asked for. NULL where the
 * call has failed. */
void *dc_room(dc_call *call, size_t count, size_t itemsize);
void *dc_zeros(dc_call *call, size_t count, size_t itemsize);

/* Runs a kernel without Python's lock, if nothing has failed. */
#define DC_RUN(CALL, RESULT, KERNEL)                                                     \
    do {                                                                                 \
        if (!(CALL)->has_failed) {                                                       \
            Py_BEGIN_ALLOW_THREADS                                                       \
            (RESULT) = (KERNEL);                                                         \
            Py_END_ALLOW_THREADS                                                         \
        }                                                                                \
    } while (0)

/* Releases and frees what the call holds. Whether all went well; if not, an exception is
 * set: the one there is, or that of a kernel's error. */
int dc_close(dc_call *call, int64_t result);

/* Tells Python the names of the rules that kernels enforce. 0, or -1 with an exception. */
int dc_add_rules(PyObject *module);

/* Closes the call and returns the kernel's count; -1 where too much for the room is an
 * answer and no mistake. */
PyObject *dc_close_count(dc_call *call, int64_t result);
PyObject *dc_close_limit(dc_call *call, int64_t result);

#endif
