/* The one binding file: checks buffers, releases the GIL, runs a kernel, and turns
 * error codes into exceptions. Array shapes and dtypes are the business of the
 * Python callers; here only sizes and item sizes are checked, for memory safety. */
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include "native.h"

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

static void release(Py_buffer *buffers, size_t count)
{
    for (size_t i = 0; i < count; i++)
        PyBuffer_Release(&buffers[i]);
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

static PyObject *gaps_decode(PyObject *module, PyObject *args)
{
    Py_buffer b[2]; /* symbols IN, positions int64 OUT */
    int width;
    long long n_elements;
    if (!PyArg_ParseTuple(args, "y*iLw*", &b[0], &width, &n_elements, &b[1]))
        return NULL;
    PyObject *result = NULL;
    if (has_symbols(&b[0]) && has_itemsize(&b[1], 8)) {
        int64_t found;
        Py_BEGIN_ALLOW_THREADS
        found = dc_gaps_decode(b[0].buf, (int)b[0].itemsize, length_of(&b[0]), width,
                               n_elements, b[1].buf, length_of(&b[1]));
        Py_END_ALLOW_THREADS
        result = count_or_raise(module, found);
    }
    release(b, 2);
    return result;
}

/* ---- The module ---------------------------------------------------------------- */

static PyMethodDef methods[] = {
    {"huffman_lengths", huffman_lengths, METH_VARARGS, NULL},
    {"table_write", table_write, METH_VARARGS, NULL},
    {"table_read", table_read, METH_VARARGS, NULL},
    {"huffman_encode", huffman_encode, METH_VARARGS, NULL},
    {"huffman_decode", huffman_decode, METH_VARARGS, NULL},
    {"gaps_encode", gaps_encode, METH_VARARGS, NULL},
    {"gaps_decode", gaps_decode, METH_VARARGS, NULL},
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
                   PyModule_AddIntMacro(module, DC_STREAM_PADDING)
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
    .m_doc = "The compiled kernels of deepcompress; native.h documents them.",
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
