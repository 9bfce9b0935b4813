/* What every function of the module does in the same way: buffers, rooms and errors.
 *
 * A buffer is asked for with its format. That says what the items are, where the size
 * alone would take a float for an integer; and it is what makes the item's size reliable,
 * which a consumer that asks for plain bytes may not rely on. Formats are those of
 * Python's `struct`, of a single item; NumPy and ctypes write a byte order before it, and
 * for one size there are several letters, so that letters tell the kind and `itemsize`
 * the size. */
#include "bind.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
static const char NATIVE[] = "@=^>!";
#else
static const char NATIVE[] = "@=^<";
#endif

/* ---- Buffers ---------------------------------------------------------------- */

/* The kind of a format; 0 for what is none of them: another byte order, several items,
 * complex numbers, Python objects. */
static int kind_of(const char *format)
{
    if (*format && strchr(NATIVE, *format))
        format++;
    if (!format[0] || format[1])
        return 0;
    return strchr("BHILQN", *format)   ? DC_UNSIGNED
           : strchr("bhilqn", *format) ? DC_SIGNED
           : strchr("efd", *format)    ? DC_FLOAT
           : strchr("?c", *format)     ? DC_OTHER
                                       : 0;
}

static void append(char *text, size_t size, const char *word)
{
    const size_t length = strlen(text);
    snprintf(text + length, size - length, "%s%s", length ? " or " : "", word);
}

static void raise_type(const char *name, int itemsizes, int kinds, const char *format,
                       Py_ssize_t itemsize)
{
    static const char *const TYPES[] = {"uint", "int", "float"};
    char sizes[64] = "", types[128] = "", word[32];
    for (int size = 1; size <= 8; size *= 2) {
        if (!(itemsizes & size))
            continue;
        snprintf(word, sizeof word, "%d", size);
        append(sizes, sizeof sizes, word);
        for (int i = 0; i < 3 && kinds != DC_PATTERN; i++) {
            snprintf(word, sizeof word, "%s%d", TYPES[i], 8 * size);
            if (kinds >> i & 1)
                append(types, sizeof types, word);
        }
    }
    PyErr_Format(PyExc_TypeError,
                 "Expected items of %s byte%s (%s) for %s. Received: items of %zd bytes "
                 "of the format '%s'.",
                 sizes, itemsizes == 1 ? "" : "s",
                 kinds == DC_PATTERN ? "of any kind" : types, name, itemsize, format);
}

/* Puts the argument's name before what an object says that has no such buffer. */
static void name_error(const char *name)
{
    PyObject *const errors[] = {PyExc_TypeError, PyExc_ValueError, PyExc_BufferError};
    PyObject *type, *value, *traceback;
    for (size_t i = 0; i < sizeof errors / sizeof *errors; i++)
        if (PyErr_ExceptionMatches(errors[i])) {
            PyErr_Fetch(&type, &value, &traceback);
            PyErr_Format(errors[i], "%s: %S", name, value ? value : type);
            Py_XDECREF(type);
            Py_XDECREF(value);
            Py_XDECREF(traceback);
            return;
        }
}

dc_array dc_take(dc_call *call, PyObject *object, const char *name, int itemsizes,
                 int kinds, int access)
{
    const int flags = PyBUF_ND | PyBUF_FORMAT | (access == DC_WRITE ? PyBUF_WRITABLE : 0);
    assert(call->n_buffers < DC_MAX_BUFFERS);
    Py_buffer *buffer = &call->buffers[call->n_buffers];
    if (call->has_failed)
        return (dc_array){0};
    call->has_failed = 1;
    if (PyObject_GetBuffer(object, buffer, flags)) {
        name_error(name);
        return (dc_array){0};
    }
    call->n_buffers++;
    const char *format = buffer->format ? buffer->format : "B";
    const Py_ssize_t itemsize = buffer->itemsize;
    const int is_size = itemsize == 1 || itemsize == 2 || itemsize == 4 || itemsize == 8;
    if (!is_size || !(itemsize & itemsizes) || !(kind_of(format) & kinds)) {
        raise_type(name, itemsizes, kinds, format, itemsize);
    } else if (buffer->len && (uintptr_t)buffer->buf % (size_t)itemsize) {
        PyErr_Format(PyExc_ValueError, "%s: items of %zd bytes must be aligned.", name,
                     itemsize);
    } else {
        call->has_failed = 0;
        return (dc_array){buffer->buf, (size_t)(buffer->len / itemsize), (int)itemsize};
    }
    return (dc_array){0};
}

/* ---- Rooms ------------------------------------------------------------------ */

static void *keep(dc_call *call, void *room)
{
    assert(call->n_rooms < DC_MAX_ROOMS);
    if (room) {
        call->rooms[call->n_rooms++] = room;
    } else {
        call->has_failed = 1;
        PyErr_NoMemory();
    }
    return room;
}

void *dc_room(dc_call *call, size_t count, size_t itemsize)
{
    if (call->has_failed)
        return NULL;
    const int fits = count <= PY_SSIZE_T_MAX / itemsize;
    return keep(call, fits ? PyMem_Malloc(count * itemsize) : NULL);
}

void *dc_zeros(dc_call *call, size_t count, size_t itemsize)
{
    return call->has_failed ? NULL : keep(call, PyMem_Calloc(count, itemsize));
}

/* ---- The end of a call ------------------------------------------------------ */

static const struct {
    const char *id, *words;
} RULES[] = {
#define ROW_OF(NAME, ID, WORDS) {ID, WORDS},
    DC_RULES(ROW_OF)
#undef ROW_OF
};

int dc_add_rules(PyObject *module)
{
    PyObject *ids = PyTuple_New(DC_N_RULES);
    for (Py_ssize_t i = 0; ids && i < DC_N_RULES; i++) {
        PyObject *id = PyUnicode_FromString(RULES[i].id);
        if (!id || PyTuple_SetItem(ids, i, id))
            Py_CLEAR(ids);
    }
    const int result = ids ? PyModule_AddObjectRef(module, "DC_RULES", ids) : -1;
    Py_XDECREF(ids);
    return result;
}

static void raise_broken(PyObject *module, int64_t rule)
{
    const dc_module_state *state = PyModule_GetState(module);
    PyObject *error = PyObject_CallFunction(state->corrupt_error, "ss", RULES[rule].words,
                                            RULES[rule].id);
    if (!error)
        return;
    PyErr_SetObject(state->corrupt_error, error);
    Py_DECREF(error);
}

/* The one place where a kernel's error becomes an exception. */
static void raise_error(PyObject *module, int64_t error)
{
    switch (error) {
    case DC_ERROR_SPACE:
        PyErr_SetString(PyExc_ValueError, "The output buffer is too small.");
        break;
    case DC_ERROR_STATE:
        PyErr_SetString(PyExc_ValueError, "This is not the state of such a section.");
        break;
    case DC_ERROR_ARGUMENT:
        PyErr_SetString(PyExc_ValueError, "An argument is outside the allowed range.");
        break;
    default:
        raise_broken(module, DC_BROKEN_FIRST - error);
    }
}

int dc_close(dc_call *call, int64_t result)
{
    while (call->n_rooms > 0)
        PyMem_Free(call->rooms[--call->n_rooms]);
    while (call->n_buffers > 0)
        PyBuffer_Release(&call->buffers[--call->n_buffers]);
    if (!call->has_failed && result < 0) {
        call->has_failed = 1;
        raise_error(call->module, result);
    }
    return !call->has_failed;
}

PyObject *dc_close_count(dc_call *call, int64_t result)
{
    return dc_close(call, result) ? PyLong_FromLongLong(result) : NULL;
}

PyObject *dc_close_limit(dc_call *call, int64_t result)
{
    const int is_full = result == DC_ERROR_SPACE;
    return dc_close(call, is_full ? 0 : result)
               ? PyLong_FromLongLong(is_full ? -1 : result)
               : NULL;
}
