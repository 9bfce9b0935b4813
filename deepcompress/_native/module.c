/* The one binding file: checks buffers, releases the GIL, runs a kernel, and turns
 * error codes into exceptions. Array shapes and dtypes are the business of the
 * Python callers; here only sizes and item sizes are checked, for memory safety. */
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include "context/context.h"
#include "huffman/huffman.h"
#include "kmeans/kmeans.h"
#include "positions/positions.h"

typedef struct {
    PyObject *corrupt_error;
} module_state;

/* ---- From codes to exceptions ------------------------------------------------ */

static PyObject *raise_code(PyObject *module, int64_t code)
{
    module_state *state = PyModule_GetState(module);
    switch (code) {
    case DC_ERROR_CORRUPT:
        PyErr_SetString(state->corrupt_error, "The compressed data is damaged.");
        break;
    case DC_ERROR_SPACE:
        PyErr_SetString(PyExc_ValueError, "The output buffer is too small.");
        break;
    default:
        PyErr_SetString(PyExc_ValueError, "An argument is outside the allowed range.");
    }
    return NULL;
}

static PyObject *count_or_raise(PyObject *module, int64_t result)
{
    return result < 0 ? raise_code(module, result) : PyLong_FromLongLong(result);
}

/* Where too much for the room is an answer and no mistake: -1. */
static PyObject *limit_or_raise(PyObject *module, int64_t result)
{
    return result == DC_ERROR_SPACE ? PyLong_FromLong(-1) : count_or_raise(module, result);
}

/* ---- Buffers ------------------------------------------------------------------- */

static size_t length_of(const Py_buffer *buffer)
{
    return (size_t)buffer->len / (size_t)buffer->itemsize;
}

static int has_itemsize(const Py_buffer *buffer, Py_ssize_t itemsize)
{
    if (buffer->itemsize == itemsize)
        return 1;
    PyErr_Format(PyExc_TypeError, "Expected items of %zd bytes, received %zd.", itemsize,
                 buffer->itemsize);
    return 0;
}

static int has_symbols(const Py_buffer *buffer)
{
    if (buffer->itemsize == 1 || buffer->itemsize == 2)
        return 1;
    PyErr_SetString(PyExc_TypeError, "Symbols must be uint8 or uint16.");
    return 0;
}

/* Room for `count` items; NULL with MemoryError set. */
static void *workspace(size_t count, size_t itemsize)
{
    void *memory = NULL;
    if (count <= PY_SSIZE_T_MAX / itemsize)
        memory = PyMem_Malloc(count ? count * itemsize : 1);
    if (!memory)
        PyErr_NoMemory();
    return memory;
}

static void *zeros(size_t count, size_t itemsize)
{
    void *memory = workspace(count, itemsize);
    if (memory)
        memset(memory, 0, count ? count * itemsize : 1);
    return memory;
}

static void release(Py_buffer *buffers, size_t count)
{
    for (size_t i = 0; i < count; i++)
        PyBuffer_Release(&buffers[i]);
}

/* A scan over n_elements from int64 lengths and strides. Its rank is 0 where they are
 * not those of one: all elements inside, and no length 0. */
static dc_scan scan_of(const Py_buffer *lengths, const Py_buffer *strides,
                       size_t n_elements)
{
    dc_scan scan = {lengths->buf, strides->buf, length_of(lengths), (int64_t)n_elements};
    int64_t product = 1, last = 0;
    int fits = lengths->itemsize == 8 && strides->itemsize == 8 &&
               length_of(strides) == scan.rank;
    for (size_t axis = 0; fits && axis < scan.rank; axis++) {
        int64_t length = scan.lengths[axis], stride = scan.strides[axis];
        fits = length > 0 && stride > 0 && length <= scan.n_elements / product &&
               (length == 1 || stride <= (scan.n_elements - 1 - last) / (length - 1));
        if (fits) {
            product *= length;
            last += (length - 1) * stride;
        }
    }
    if (!fits || product != scan.n_elements)
        scan.rank = 0;
    return scan;
}

/* ---- Huffman ------------------------------------------------------------------- */

static PyObject *huffman_lengths(PyObject *module, PyObject *args)
{
    Py_buffer b[2]; /* counts uint64 IN, lengths uint8 OUT */
    int max_length;
    if (!PyArg_ParseTuple(args, "y*iw*", &b[0], &max_length, &b[1]))
        return NULL;
    PyObject *result = NULL;
    dc_code_workspace w = {0};
    size_t n = has_itemsize(&b[0], 8) ? length_of(&b[0]) : 0;
    if (PyErr_Occurred() || !has_itemsize(&b[1], 1))
        goto done;
    if (length_of(&b[1]) != n || n > DC_MAX_ALPHABET || max_length < 1 ||
        max_length > DC_MAX_CODE_LENGTH) {
        raise_code(module, DC_ERROR_ARGUMENT);
        goto done;
    }
    w.leaves = workspace(n, sizeof *w.leaves);
    w.weights = w.leaves ? workspace(4 * n, sizeof *w.weights) : NULL;
    w.is_leaf = w.weights ? workspace(2 * n * (size_t)max_length, 1) : NULL;
    if (w.is_leaf) {
        int64_t used;
        Py_BEGIN_ALLOW_THREADS
        used = dc_huffman_lengths(b[0].buf, n, max_length, w, b[1].buf);
        Py_END_ALLOW_THREADS
        result = count_or_raise(module, used);
    }
done:
    PyMem_Free(w.leaves);
    PyMem_Free(w.weights);
    PyMem_Free(w.is_leaf);
    release(b, 2);
    return result;
}

static PyObject *table_write(PyObject *module, PyObject *args)
{
    Py_buffer b[2]; /* lengths uint8 IN, out bytes OUT */
    if (!PyArg_ParseTuple(args, "y*w*", &b[0], &b[1]))
        return NULL;
    int64_t written = dc_table_write(b[0].buf, (size_t)b[0].len, b[1].buf, (size_t)b[1].len);
    release(b, 2);
    return count_or_raise(module, written);
}

static PyObject *table_read(PyObject *module, PyObject *args)
{
    Py_buffer b[2]; /* data bytes IN, lengths uint8 OUT */
    if (!PyArg_ParseTuple(args, "y*w*", &b[0], &b[1]))
        return NULL;
    int64_t consumed = dc_table_read(b[0].buf, (size_t)b[0].len, (size_t)b[1].len, b[1].buf);
    release(b, 2);
    return count_or_raise(module, consumed);
}

static PyObject *huffman_count(PyObject *module, PyObject *args)
{
    Py_buffer b[2]; /* symbols IN, counts uint64 OUT */
    if (!PyArg_ParseTuple(args, "y*w*", &b[0], &b[1]))
        return NULL;
    PyObject *result = NULL;
    if (has_symbols(&b[0]) && has_itemsize(&b[1], 8)) {
        int64_t counted;
        Py_BEGIN_ALLOW_THREADS
        counted = dc_huffman_count(b[0].buf, (int)b[0].itemsize, length_of(&b[0]), b[1].buf,
                                   length_of(&b[1]));
        Py_END_ALLOW_THREADS
        result = count_or_raise(module, counted);
    }
    release(b, 2);
    return result;
}

static PyObject *huffman_encode(PyObject *module, PyObject *args)
{
    Py_buffer b[4]; /* symbols IN, lengths uint8 IN, stream sizes uint64 OUT, out OUT */
    if (!PyArg_ParseTuple(args, "y*y*w*w*", &b[0], &b[1], &b[2], &b[3]))
        return NULL;
    PyObject *result = NULL;
    uint32_t *codes = NULL;
    if (has_symbols(&b[0]) && has_itemsize(&b[1], 1) && has_itemsize(&b[2], 8) &&
        (codes = workspace(length_of(&b[1]), sizeof *codes))) {
        int64_t written;
        Py_BEGIN_ALLOW_THREADS
        written = dc_huffman_codes(b[1].buf, length_of(&b[1]), codes);
        if (written >= 0)
            written = dc_huffman_encode(b[0].buf, (int)b[0].itemsize, length_of(&b[0]),
                                        b[1].buf, codes, length_of(&b[1]),
                                        length_of(&b[2]), b[2].buf, b[3].buf,
                                        (size_t)b[3].len);
        Py_END_ALLOW_THREADS
        result = count_or_raise(module, written);
    }
    PyMem_Free(codes);
    release(b, 4);
    return result;
}

static PyObject *huffman_decode(PyObject *module, PyObject *args)
{
    Py_buffer b[4]; /* data IN, stream sizes uint64 IN, lengths uint8 IN, symbols OUT */
    if (!PyArg_ParseTuple(args, "y*y*y*w*", &b[0], &b[1], &b[2], &b[3]))
        return NULL;
    PyObject *result = NULL;
    uint16_t *ranked = NULL;
    if (has_itemsize(&b[1], 8) && has_itemsize(&b[2], 1) && has_symbols(&b[3]) &&
        (ranked = workspace(length_of(&b[2]), sizeof *ranked))) {
        int64_t decoded;
        Py_BEGIN_ALLOW_THREADS
        decoded = dc_huffman_decode(b[0].buf, (size_t)b[0].len, b[1].buf, length_of(&b[1]),
                                    b[2].buf, length_of(&b[2]), ranked, b[3].buf,
                                    (int)b[3].itemsize, length_of(&b[3]));
        Py_END_ALLOW_THREADS
        result = count_or_raise(module, decoded);
    }
    PyMem_Free(ranked);
    release(b, 4);
    return result;
}

/* ---- Gaps ---------------------------------------------------------------------- */

static PyObject *gaps_encode(PyObject *module, PyObject *args)
{
    Py_buffer b[2]; /* positions int64 IN, symbols OUT */
    int width;
    if (!PyArg_ParseTuple(args, "y*iw*", &b[0], &width, &b[1]))
        return NULL;
    PyObject *result = NULL;
    if (has_itemsize(&b[0], 8) && has_symbols(&b[1])) {
        int64_t written;
        Py_BEGIN_ALLOW_THREADS
        written = dc_gaps_encode(b[0].buf, length_of(&b[0]), width, b[1].buf,
                                 (int)b[1].itemsize, length_of(&b[1]));
        Py_END_ALLOW_THREADS
        result = count_or_raise(module, written);
    }
    release(b, 2);
    return result;
}

static PyObject *gaps_count(PyObject *module, PyObject *args)
{
    Py_buffer b[2]; /* positions int64 IN, counts uint64 OUT */
    if (!PyArg_ParseTuple(args, "y*w*", &b[0], &b[1]))
        return NULL;
    PyObject *result = NULL;
    if (has_itemsize(&b[0], 8) && has_itemsize(&b[1], 8)) {
        int64_t longest;
        Py_BEGIN_ALLOW_THREADS
        longest = dc_gaps_count(b[0].buf, length_of(&b[0]), b[1].buf, length_of(&b[1]));
        Py_END_ALLOW_THREADS
        result = count_or_raise(module, longest);
    }
    release(b, 2);
    return result;
}

static PyObject *gaps_count_reversed(PyObject *module, PyObject *args)
{
    /* positions int64 IN, lengths, strides of the columns int64 IN, counts uint64 OUT */
    Py_buffer b[4];
    Py_ssize_t n_rows, n_columns;
    if (!PyArg_ParseTuple(args, "y*ny*y*nw*", &b[0], &n_rows, &b[1], &b[2], &n_columns,
                          &b[3]))
        return NULL;
    PyObject *result = NULL;
    int64_t *first = NULL, *last = NULL;
    if (!has_itemsize(&b[0], 8) || !has_itemsize(&b[3], 8))
        goto done;
    dc_scan columns = scan_of(&b[1], &b[2], n_columns < 0 ? 0 : (size_t)n_columns);
    if (columns.rank < 1 || n_rows < 0 || n_rows > PY_SSIZE_T_MAX / n_columns) {
        raise_code(module, DC_ERROR_ARGUMENT);
        goto done;
    }
    first = workspace((size_t)n_columns, sizeof *first);
    last = first ? workspace((size_t)n_columns, sizeof *last) : NULL;
    if (last) {
        int64_t longest;
        Py_BEGIN_ALLOW_THREADS
        longest = dc_gaps_count_reversed(b[0].buf, length_of(&b[0]), n_rows, columns, first,
                                         last, b[3].buf, length_of(&b[3]));
        Py_END_ALLOW_THREADS
        result = count_or_raise(module, longest);
    }
done:
    PyMem_Free(first);
    PyMem_Free(last);
    release(b, 4);
    return result;
}

static PyObject *gaps_scatter(PyObject *module, PyObject *args)
{
    Py_buffer b[5]; /* symbols IN, lengths, strides int64 IN, values IN, elements OUT */
    int width;
    if (!PyArg_ParseTuple(args, "y*iy*y*y*w*", &b[0], &width, &b[1], &b[2], &b[3], &b[4]))
        return NULL;
    PyObject *result = NULL;
    if (has_symbols(&b[0]) && has_itemsize(&b[4], b[3].itemsize)) {
        dc_scan scan = scan_of(&b[1], &b[2], length_of(&b[4]));
        int64_t found = DC_ERROR_ARGUMENT;
        if (scan.rank > 0) {
            Py_BEGIN_ALLOW_THREADS
            found = dc_gaps_scatter(b[0].buf, (int)b[0].itemsize, length_of(&b[0]), width,
                                    scan, b[3].buf, (int)b[3].itemsize, length_of(&b[3]),
                                    b[4].buf);
            Py_END_ALLOW_THREADS
        }
        result = count_or_raise(module, found);
    }
    release(b, 5);
    return result;
}

/* ---- Positions and shared values ------------------------------------------------- */

static PyObject *nonzeros(PyObject *module, PyObject *args)
{
    Py_buffer b[3]; /* items IN, positions int64 OUT, values OUT */
    if (!PyArg_ParseTuple(args, "y*w*w*", &b[0], &b[1], &b[2]))
        return NULL;
    PyObject *result = NULL;
    if (has_itemsize(&b[1], 8) && has_itemsize(&b[2], b[0].itemsize)) {
        int64_t found = DC_ERROR_ARGUMENT;
        if (length_of(&b[1]) == length_of(&b[2])) {
            Py_BEGIN_ALLOW_THREADS
            found = dc_nonzeros(b[0].buf, (int)b[0].itemsize, length_of(&b[0]), b[1].buf,
                                b[2].buf, length_of(&b[1]));
            Py_END_ALLOW_THREADS
        }
        result = count_or_raise(module, found);
    }
    release(b, 3);
    return result;
}

static PyObject *reverse(PyObject *module, PyObject *args)
{
    /* positions IN, lengths, strides IN, reversed, order, two workspaces OUT: int64 */
    Py_buffer b[7];
    Py_ssize_t n_elements;
    if (!PyArg_ParseTuple(args, "y*y*y*nw*w*w*w*", &b[0], &b[1], &b[2], &n_elements, &b[3],
                          &b[4], &b[5], &b[6]))
        return NULL;
    PyObject *result = NULL;
    size_t n = length_of(&b[0]);
    dc_scan scan = scan_of(&b[1], &b[2], n_elements < 0 ? 0 : (size_t)n_elements);
    int fits = scan.rank > 0 && has_itemsize(&b[0], 8);
    for (size_t i = 3; i < 7 && fits; i++)
        fits = has_itemsize(&b[i], 8) && length_of(&b[i]) == n;
    if (fits) {
        int64_t moved;
        Py_BEGIN_ALLOW_THREADS
        moved = dc_reverse(b[0].buf, n, scan, b[5].buf, b[6].buf, b[3].buf, b[4].buf);
        Py_END_ALLOW_THREADS
        result = count_or_raise(module, moved);
    } else if (!PyErr_Occurred()) {
        raise_code(module, DC_ERROR_ARGUMENT);
    }
    release(b, 7);
    return result;
}

static PyObject *codebook(PyObject *module, PyObject *args)
{
    Py_buffer b[4]; /* items IN, distinct uint64, counts uint64, places uint16 OUT */
    if (!PyArg_ParseTuple(args, "y*w*w*w*", &b[0], &b[1], &b[2], &b[3]))
        return NULL;
    PyObject *result = NULL;
    uint32_t *slots = NULL;
    size_t capacity = length_of(&b[1]), n_slots = 2;
    if (!has_itemsize(&b[1], 8) || !has_itemsize(&b[2], 8) || !has_itemsize(&b[3], 2))
        goto done;
    if (capacity > DC_MAX_ALPHABET || length_of(&b[2]) != capacity ||
        length_of(&b[3]) != length_of(&b[0])) {
        raise_code(module, DC_ERROR_ARGUMENT);
        goto done;
    }
    while (n_slots < 2 * capacity)
        n_slots *= 2;
    slots = workspace(n_slots, sizeof *slots);
    if (slots) {
        int64_t found;
        Py_BEGIN_ALLOW_THREADS
        found = dc_codebook(b[0].buf, (int)b[0].itemsize, length_of(&b[0]), slots, n_slots,
                            b[1].buf, b[2].buf, capacity, b[3].buf);
        Py_END_ALLOW_THREADS
        result = limit_or_raise(module, found);
    }
done:
    PyMem_Free(slots);
    release(b, 4);
    return result;
}

/* ---- k-means ------------------------------------------------------------------- */

/* A buffer that may be None: `buffer` then stays empty, its `buf` NULL. */
static int optional_buffer(PyObject *object, Py_buffer *buffer)
{
    return object == Py_None || PyObject_GetBuffer(object, buffer, PyBUF_SIMPLE) == 0;
}

static int has_weights(const Py_buffer *weights, size_t n)
{
    if (!weights->buf || (size_t)weights->len == n * sizeof(double))
        return 1;
    PyErr_SetString(PyExc_ValueError, "Expected one float64 weight for each value.");
    return 0;
}

static int has_nodes(const Py_buffer *nodes, const Py_buffer *starts, size_t n)
{
    size_t n_elements = (size_t)nodes->len / sizeof(dc_kmeans_node);
    const int64_t *start = starts->buf;
    int fits = (size_t)nodes->len % sizeof(dc_kmeans_node) == 0 && n_elements >= 2 &&
               length_of(starts) == n_elements && start[0] == 0 &&
               start[n_elements - 1] >= 0 && (size_t)start[n_elements - 1] == n;
    for (size_t e = 1; fits && e < n_elements; e++)
        fits = start[e] > start[e - 1];
    if (!fits)
        PyErr_SetString(PyExc_ValueError, "The nodes do not belong to these values.");
    return fits;
}

static PyObject *sort(PyObject *module, PyObject *args)
{
    Py_buffer b[3]; /* values float32 IN, sorted float32 OUT, workspace uint32 OUT */
    if (!PyArg_ParseTuple(args, "y*w*w*", &b[0], &b[1], &b[2]))
        return NULL;
    PyObject *result = NULL;
    if (has_itemsize(&b[0], 4) && has_itemsize(&b[1], 4) && has_itemsize(&b[2], 4)) {
        int64_t sorted = DC_ERROR_ARGUMENT;
        if (length_of(&b[0]) == length_of(&b[1])) {
            Py_BEGIN_ALLOW_THREADS
            sorted = dc_sort(b[0].buf, length_of(&b[0]), b[1].buf, b[2].buf,
                             length_of(&b[2]));
            Py_END_ALLOW_THREADS
        }
        result = limit_or_raise(module, sorted);
    }
    release(b, 3);
    return result;
}

static PyObject *kmeans_distinct(PyObject *module, PyObject *args)
{
    Py_buffer b[1]; /* sorted values float32 or float64 IN */
    Py_ssize_t limit;
    if (!PyArg_ParseTuple(args, "y*n", &b[0], &limit))
        return NULL;
    int64_t found = DC_ERROR_ARGUMENT;
    if (limit >= 0) {
        Py_BEGIN_ALLOW_THREADS
        found = dc_kmeans_distinct(b[0].buf, (int)b[0].itemsize, length_of(&b[0]),
                                   (size_t)limit);
        Py_END_ALLOW_THREADS
    }
    release(b, 1);
    return count_or_raise(module, found);
}

static PyObject *kmeans_nodes(PyObject *module, PyObject *args)
{
    /* sorted values IN, nodes float64 OUT, starts int64 OUT, weights float64 or None IN */
    Py_buffer b[4] = {{0}};
    PyObject *weights, *result = NULL;
    double shift, max_spread;
    Py_ssize_t max_count;
    if (!PyArg_ParseTuple(args, "y*Odndw*w*", &b[0], &weights, &shift, &max_count,
                          &max_spread, &b[1], &b[2]))
        return NULL;
    size_t n = length_of(&b[0]);
    if (optional_buffer(weights, &b[3]) && has_weights(&b[3], n) &&
        has_itemsize(&b[2], 8)) {
        size_t room = length_of(&b[2]);
        int64_t made = DC_ERROR_ARGUMENT;
        if (n && room && max_count > 0 &&
            (size_t)b[1].len / sizeof(dc_kmeans_node) >= room) {
            Py_BEGIN_ALLOW_THREADS
            made = dc_kmeans_nodes(b[0].buf, (int)b[0].itemsize, b[3].buf, n, shift,
                                   (size_t)max_count, max_spread, b[1].buf, b[2].buf,
                                   room - 1);
            Py_END_ALLOW_THREADS
        }
        result = count_or_raise(module, made);
    }
    release(b, 4);
    return result;
}

static PyObject *kmeans_optimal(PyObject *module, PyObject *args)
{
    Py_buffer b[2]; /* nodes float64 IN (scratch OUT), cuts int64 OUT */
    double guess, cost = 0;
    if (!PyArg_ParseTuple(args, "w*dw*", &b[0], &guess, &b[1]))
        return NULL;
    PyObject *result = NULL;
    dc_kmeans_workspace w = {0};
    size_t n_nodes = (size_t)b[0].len / sizeof(dc_kmeans_node);
    if (!has_itemsize(&b[1], 8))
        goto done;
    size_t n_cuts = length_of(&b[1]);
    if (n_nodes < 2 || n_cuts < 2 || n_cuts > n_nodes || n_nodes > UINT32_MAX) {
        raise_code(module, DC_ERROR_ARGUMENT);
        goto done;
    }
    w.begins = workspace(n_nodes, sizeof *w.begins);
    w.wins_from = w.begins ? workspace(n_nodes, sizeof *w.wins_from) : NULL;
    w.parents = w.wins_from ? workspace(n_nodes, sizeof *w.parents) : NULL;
    w.many = w.parents ? workspace(n_nodes, sizeof *w.many) : NULL;
    w.few = w.many ? workspace(n_cuts, sizeof *w.few) : NULL;
    if (w.few) {
        int64_t passes;
        Py_BEGIN_ALLOW_THREADS
        passes = dc_kmeans_optimal(b[0].buf, n_nodes - 1, n_cuts - 1, guess, w, b[1].buf,
                                   &cost);
        Py_END_ALLOW_THREADS
        result = passes < 0 ? raise_code(module, passes)
                            : Py_BuildValue("dL", cost, (long long)passes);
    }
done:
    PyMem_Free(w.begins);
    PyMem_Free(w.wins_from);
    PyMem_Free(w.parents);
    PyMem_Free(w.many);
    PyMem_Free(w.few);
    release(b, 2);
    return result;
}

static PyObject *kmeans_lloyd(PyObject *module, PyObject *args)
{
    /* sorted values IN, nodes float64 IN, starts int64 IN, centers float64 INOUT,
     * cuts int64 OUT, weights float64 or None IN */
    Py_buffer b[6] = {{0}};
    PyObject *weights, *result = NULL;
    double shift;
    long long max_iter;
    if (!PyArg_ParseTuple(args, "y*Oy*y*dLw*w*", &b[0], &weights, &b[1], &b[2], &shift,
                          &max_iter, &b[3], &b[4]))
        return NULL;
    size_t n = length_of(&b[0]);
    dc_kmeans_far *far = NULL;
    if (!optional_buffer(weights, &b[5]) || !has_weights(&b[5], n) ||
        !has_itemsize(&b[2], 8) || !has_nodes(&b[1], &b[2], n) ||
        !has_itemsize(&b[3], 8) || !has_itemsize(&b[4], 8))
        goto done;
    size_t n_clusters = length_of(&b[3]);
    if (length_of(&b[4]) != n_clusters + 1) {
        raise_code(module, DC_ERROR_ARGUMENT);
        goto done;
    }
    far = workspace(n_clusters, sizeof *far);
    if (far) {
        int64_t iterations;
        Py_BEGIN_ALLOW_THREADS
        iterations = dc_kmeans_lloyd(b[0].buf, (int)b[0].itemsize, b[5].buf, n, b[1].buf,
                                     b[2].buf, length_of(&b[2]) - 1, shift, b[3].buf,
                                     n_clusters, max_iter, far, b[4].buf);
        Py_END_ALLOW_THREADS
        result = count_or_raise(module, iterations);
    }
done:
    PyMem_Free(far);
    release(b, 6);
    return result;
}

static PyObject *kmeans_summary(PyObject *module, PyObject *args)
{
    /* sorted values IN, cuts int64 IN, centers float64 OUT, weights or None IN */
    Py_buffer b[4] = {{0}};
    PyObject *weights, *result = NULL;
    if (!PyArg_ParseTuple(args, "y*Oy*w*", &b[0], &weights, &b[1], &b[2]))
        return NULL;
    size_t n = length_of(&b[0]);
    if (optional_buffer(weights, &b[3]) && has_weights(&b[3], n) &&
        has_itemsize(&b[1], 8) && has_itemsize(&b[2], 8)) {
        double inertia = 0;
        int64_t summed = DC_ERROR_ARGUMENT;
        if (length_of(&b[1]) == length_of(&b[2]) + 1) {
            Py_BEGIN_ALLOW_THREADS
            summed = dc_kmeans_summary(b[0].buf, (int)b[0].itemsize, b[3].buf, n, b[1].buf,
                                       length_of(&b[2]), b[2].buf, &inertia);
            Py_END_ALLOW_THREADS
        }
        result = summed < 0 ? raise_code(module, summed) : PyFloat_FromDouble(inertia);
    }
    release(b, 4);
    return result;
}

static PyObject *kmeans_labels(PyObject *module, PyObject *args)
{
    Py_buffer b[3]; /* values IN, thresholds of the same type IN, labels OUT */
    if (!PyArg_ParseTuple(args, "y*y*w*", &b[0], &b[1], &b[2]))
        return NULL;
    PyObject *result = NULL;
    uint32_t *below = NULL;
    void *padded = NULL;
    size_t n = length_of(&b[0]);
    if (!has_itemsize(&b[1], b[0].itemsize))
        goto done;
    if (length_of(&b[2]) != n) {
        raise_code(module, DC_ERROR_ARGUMENT);
        goto done;
    }
    below = workspace(DC_LABEL_CELLS, sizeof *below);
    padded = below ? workspace(3 * length_of(&b[1]) + 2, (size_t)b[0].itemsize) : NULL;
    if (padded) {
        int64_t labelled;
        Py_BEGIN_ALLOW_THREADS
        labelled = dc_kmeans_labels(b[0].buf, (int)b[0].itemsize, n, b[1].buf,
                                    length_of(&b[1]), below, padded, b[2].buf,
                                    (int)b[2].itemsize);
        Py_END_ALLOW_THREADS
        result = count_or_raise(module, labelled);
    }
done:
    PyMem_Free(below);
    PyMem_Free(padded);
    release(b, 3);
    return result;
}

/* ---- Context coding -------------------------------------------------------------- */

/* The state, from bytes of its size, and the section that it codes: to read from, or
 * writeable. NULL with an exception set. */
static dc_context *context_of(Py_buffer *state, PyObject *section, Py_buffer *data)
{
    dc_context *c = state->buf;
    if ((size_t)state->len != dc_context_size() || (uintptr_t)c % 8) {
        PyErr_SetString(PyExc_ValueError, "This is not the state of a coder.");
        return NULL;
    }
    const int decoding = dc_context_decodes(c);
    if (PyObject_GetBuffer(section, data, decoding ? PyBUF_SIMPLE : PyBUF_WRITABLE))
        return NULL;
    dc_context_data(c, decoding ? NULL : data->buf, decoding ? data->buf : NULL,
                    (size_t)data->len);
    return c;
}

static PyObject *context_begin(PyObject *module, PyObject *args)
{
    Py_buffer b[1]; /* state OUT */
    int decoding;
    (void)module;
    if (!PyArg_ParseTuple(args, "w*p", &b[0], &decoding))
        return NULL;
    PyObject *result = NULL;
    if ((size_t)b[0].len != dc_context_size() || (uintptr_t)b[0].buf % 8) {
        PyErr_SetString(PyExc_ValueError, "A state takes DC_CONTEXT_SIZE bytes.");
    } else {
        dc_context_begin(b[0].buf, decoding);
        result = Py_NewRef(Py_None);
    }
    release(b, 1);
    return result;
}

static PyObject *context_learn(PyObject *module, PyObject *args)
{
    Py_buffer b[3] = {{0}}; /* state, section, text IN */
    PyObject *section, *result = NULL;
    if (!PyArg_ParseTuple(args, "w*Oy*", &b[0], &section, &b[2]))
        return NULL;
    dc_context *c = context_of(&b[0], section, &b[1]);
    if (c)
        result = count_or_raise(module, dc_context_learn(c, b[2].buf, (size_t)b[2].len));
    release(b, 3);
    return result;
}

static PyObject *context_number(PyObject *module, PyObject *args)
{
    Py_buffer b[2] = {{0}}; /* state, section */
    PyObject *section, *result = NULL;
    unsigned long long value;
    int context;
    if (!PyArg_ParseTuple(args, "w*OKi", &b[0], &section, &value, &context))
        return NULL;
    dc_context *c = context_of(&b[0], section, &b[1]);
    if (c) {
        uint64_t number = value;
        int64_t code = dc_context_number(c, &number, context);
        result = code < 0 ? limit_or_raise(module, code) : PyLong_FromUnsignedLongLong(number);
    }
    release(b, 2);
    return result;
}

typedef int64_t (*patterns_kernel)(dc_context *, uint64_t *, size_t, int, int);

static PyObject *context_values(PyObject *module, PyObject *args, patterns_kernel kernel)
{
    Py_buffer b[3] = {{0}}; /* state, section, values uint64 INOUT */
    PyObject *section, *result = NULL;
    int n_bits, n_top;
    if (!PyArg_ParseTuple(args, "w*Ow*ii", &b[0], &section, &b[2], &n_bits, &n_top))
        return NULL;
    dc_context *c = context_of(&b[0], section, &b[1]);
    if (c && has_itemsize(&b[2], 8)) {
        int64_t coded;
        Py_BEGIN_ALLOW_THREADS
        coded = kernel(c, b[2].buf, length_of(&b[2]), n_bits, n_top);
        Py_END_ALLOW_THREADS
        result = limit_or_raise(module, coded);
    }
    release(b, 3);
    return result;
}

static PyObject *context_codebook(PyObject *module, PyObject *args)
{
    return context_values(module, args, dc_context_codebook);
}

static PyObject *context_patterns(PyObject *module, PyObject *args)
{
    return context_values(module, args, dc_context_patterns);
}

static PyObject *context_text(PyObject *module, PyObject *args)
{
    Py_buffer b[3] = {{0}}; /* state, section, text INOUT */
    PyObject *section, *result = NULL;
    if (!PyArg_ParseTuple(args, "w*Ow*", &b[0], &section, &b[2]))
        return NULL;
    dc_context *c = context_of(&b[0], section, &b[1]);
    if (c)
        result = limit_or_raise(module, dc_context_text(c, b[2].buf, (size_t)b[2].len));
    release(b, 3);
    return result;
}

static PyObject *context_codes(PyObject *module, PyObject *args)
{
    /* state, section, codes uint16 INOUT, side uint32 IN, counts uint32 OUT */
    Py_buffer b[5] = {{0}};
    PyObject *section, *result = NULL;
    Py_ssize_t n_rows, n_columns, step, stride;
    int n_codes, n_low, rarity;
    if (!PyArg_ParseTuple(args, "w*Ow*nnnniiiy*w*", &b[0], &section, &b[2], &n_rows,
                          &n_columns, &step, &stride, &n_codes, &n_low, &rarity, &b[3],
                          &b[4]))
        return NULL;
    dc_column *columns = NULL;
    dc_row *rows = NULL;
    uint16_t *pairs = NULL, *blank = NULL;
    dc_context *c = context_of(&b[0], section, &b[1]);
    if (!c || !has_itemsize(&b[2], 2) || !has_itemsize(&b[3], 4) || !has_itemsize(&b[4], 4))
        goto done;
    if (n_rows < 1 || n_columns < 1 || n_rows > PY_SSIZE_T_MAX / n_columns ||
        (size_t)(n_rows * n_columns) != length_of(&b[2]) || step < 1 || step > n_rows ||
        stride < 0 || stride > n_rows ||
        length_of(&b[4]) != (size_t)n_columns || n_low < 0 || n_codes < 1) {
        raise_code(module, DC_ERROR_ARGUMENT);
        goto done;
    }
    int64_t n_kept = dc_context_rows(n_rows, step, stride);
    columns = zeros((size_t)n_columns, sizeof *columns);
    rows = columns ? zeros((size_t)n_kept, sizeof *rows) : NULL;
    pairs = rows ? zeros((size_t)(step * n_columns), sizeof *pairs) : NULL;
    blank = pairs ? zeros((size_t)n_columns, sizeof *blank) : NULL;
    if (blank) {
        int64_t coded;
        dc_matrix matrix = {b[2].buf, n_rows, n_columns, step, stride, (uint32_t)n_codes,
                            (uint32_t)n_low, rarity, b[3].buf, (int64_t)length_of(&b[3]), columns,
                            rows, n_kept, pairs, blank};
        Py_BEGIN_ALLOW_THREADS
        coded = dc_context_codes(c, matrix);
        for (Py_ssize_t i = 0; i < n_columns; i++)
            ((uint32_t *)b[4].buf)[i] = (uint32_t)columns[i].found.count;
        Py_END_ALLOW_THREADS
        result = limit_or_raise(module, coded);
    }
done:
    PyMem_Free(columns);
    PyMem_Free(rows);
    PyMem_Free(pairs);
    PyMem_Free(blank);
    release(b, 5);
    return result;
}

static PyObject *context_bits(PyObject *module, PyObject *args)
{
    Py_buffer b[1]; /* state */
    if (!PyArg_ParseTuple(args, "y*", &b[0]))
        return NULL;
    int64_t bits = DC_ERROR_ARGUMENT;
    if ((size_t)b[0].len == dc_context_size() && (uintptr_t)b[0].buf % 8 == 0)
        bits = dc_context_bits(b[0].buf);
    release(b, 1);
    return count_or_raise(module, bits);
}

static PyObject *context_end(PyObject *module, PyObject *args)
{
    Py_buffer b[2] = {{0}}; /* state, section */
    PyObject *section, *result = NULL;
    if (!PyArg_ParseTuple(args, "w*O", &b[0], &section))
        return NULL;
    dc_context *c = context_of(&b[0], section, &b[1]);
    if (c)
        result = limit_or_raise(module, dc_context_end(c));
    release(b, 2);
    return result;
}

/* ---- The module ---------------------------------------------------------------- */

static PyMethodDef methods[] = {
    {"huffman_lengths", huffman_lengths, METH_VARARGS, NULL},
    {"table_write", table_write, METH_VARARGS, NULL},
    {"table_read", table_read, METH_VARARGS, NULL},
    {"huffman_count", huffman_count, METH_VARARGS, NULL},
    {"huffman_encode", huffman_encode, METH_VARARGS, NULL},
    {"huffman_decode", huffman_decode, METH_VARARGS, NULL},
    {"gaps_encode", gaps_encode, METH_VARARGS, NULL},
    {"gaps_count", gaps_count, METH_VARARGS, NULL},
    {"gaps_count_reversed", gaps_count_reversed, METH_VARARGS, NULL},
    {"gaps_scatter", gaps_scatter, METH_VARARGS, NULL},
    {"nonzeros", nonzeros, METH_VARARGS, NULL},
    {"reverse", reverse, METH_VARARGS, NULL},
    {"codebook", codebook, METH_VARARGS, NULL},
    {"sort", sort, METH_VARARGS, NULL},
    {"kmeans_distinct", kmeans_distinct, METH_VARARGS, NULL},
    {"kmeans_nodes", kmeans_nodes, METH_VARARGS, NULL},
    {"kmeans_optimal", kmeans_optimal, METH_VARARGS, NULL},
    {"kmeans_lloyd", kmeans_lloyd, METH_VARARGS, NULL},
    {"kmeans_summary", kmeans_summary, METH_VARARGS, NULL},
    {"kmeans_labels", kmeans_labels, METH_VARARGS, NULL},
    {"context_begin", context_begin, METH_VARARGS, NULL},
    {"context_learn", context_learn, METH_VARARGS, NULL},
    {"context_number", context_number, METH_VARARGS, NULL},
    {"context_codebook", context_codebook, METH_VARARGS, NULL},
    {"context_patterns", context_patterns, METH_VARARGS, NULL},
    {"context_text", context_text, METH_VARARGS, NULL},
    {"context_codes", context_codes, METH_VARARGS, NULL},
    {"context_bits", context_bits, METH_VARARGS, NULL},
    {"context_end", context_end, METH_VARARGS, NULL},
    {NULL, NULL, 0, NULL},
};

static int module_exec(PyObject *module)
{
    module_state *state = PyModule_GetState(module);
    PyObject *errors = PyImport_ImportModule("deepcompress.errors");
    if (!errors)
        return -1;
    state->corrupt_error = PyObject_GetAttrString(errors, "CorruptFileError");
    Py_DECREF(errors);
    if (!state->corrupt_error)
        return -1;
    return PyModule_AddIntMacro(module, DC_MAX_CODE_LENGTH) ||
                   PyModule_AddIntMacro(module, DC_MAX_ALPHABET) ||
                   PyModule_AddIntMacro(module, DC_MAX_GAP_WIDTH) ||
                   PyModule_AddIntMacro(module, DC_MAX_RARITY) ||
                   PyModule_AddIntConstant(module, "DC_CONTEXT_SIZE",
                                           (long)dc_context_size())
               ? -1
               : 0;
}

static int module_traverse(PyObject *module, visitproc visit, void *arg)
{
    module_state *state = PyModule_GetState(module);
    Py_VISIT(state->corrupt_error);
    return 0;
}

static int module_clear(PyObject *module)
{
    module_state *state = PyModule_GetState(module);
    Py_CLEAR(state->corrupt_error);
    return 0;
}

static PyModuleDef_Slot slots[] = {
    {Py_mod_exec, module_exec},
    {0, NULL},
};

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT,
    .m_name = "deepcompress._native",
    .m_doc = "The compiled kernels of deepcompress; their headers document them.",
    .m_size = sizeof(module_state),
    .m_methods = methods,
    .m_slots = slots,
    .m_traverse = module_traverse,
    .m_clear = module_clear,
};

PyMODINIT_FUNC PyInit__native(void)
{
    return PyModuleDef_Init(&definition);
}
