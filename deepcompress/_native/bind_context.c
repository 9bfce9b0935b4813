/* Context coding for Python. The state is an array that the caller keeps and that only
 * these functions write to; the section is what the state says, bytes to read or room to
 * write. */
#include "bind.h"
#include "context/context.h"

/* Makes a state from its array; 0 or DC_ERROR_STATE. */
static int64_t state_of(dc_call *call, PyObject *object, int access, dc_context **c)
{
    const dc_array state = dc_take(call, object, "state", 8, DC_UNSIGNED, access);
    *c = state.items;
    return state.n * 8 == dc_context_size() ? 0 : DC_ERROR_STATE;
}

/* Goes on with a section; 0 or DC_ERROR_STATE. */
static int64_t resume(dc_call *call, PyObject *state, PyObject *section, dc_context **c)
{
    const int64_t result = state_of(call, state, DC_WRITE, c);
    if (result < 0 || call->has_failed)
        return result;
    const int reads = dc_context_decodes(*c);
    const dc_array data = dc_take(call, section, "section", 1, DC_PATTERN,
                                  reads ? DC_READ : DC_WRITE);
    if (call->has_failed)
        return 0;
    return dc_context_data(*c, reads ? NULL : data.items, reads ? data.items : NULL,
                           data.n);
}

PyObject *dc_bind_context_begin(PyObject *module, PyObject *args)
{
    PyObject *o[1];
    int decoding;
    if (!PyArg_ParseTuple(args, "Op:context_begin", &o[0], &decoding))
        return NULL;
    dc_call call = {.module = module};
    dc_context *c;
    int64_t result = state_of(&call, o[0], DC_WRITE, &c);
    if (result == 0)
        DC_RUN(&call, result, (dc_context_begin(c, decoding), 0));
    return dc_close(&call, result) ? Py_NewRef(Py_None) : NULL;
}

PyObject *dc_bind_context_learn(PyObject *module, PyObject *args)
{
    PyObject *o[3];
    if (!PyArg_ParseTuple(args, "OOO:context_learn", &o[0], &o[1], &o[2]))
        return NULL;
    dc_call call = {.module = module};
    dc_context *c;
    int64_t learnt = resume(&call, o[0], o[1], &c);
    const dc_array text = dc_take(&call, o[2], "text", 1, DC_PATTERN, DC_READ);
    if (learnt == 0)
        DC_RUN(&call, learnt, dc_context_learn(c, text.items, text.n));
    return dc_close_count(&call, learnt);
}

PyObject *dc_bind_context_number(PyObject *module, PyObject *args)
{
    PyObject *o[2];
    unsigned long long value;
    int context;
    if (!PyArg_ParseTuple(args, "OOKi:context_number", &o[0], &o[1], &value, &context))
        return NULL;
    dc_call call = {.module = module};
    dc_context *c;
    uint64_t number = value;
    int64_t result = resume(&call, o[0], o[1], &c);
    /* With the lock: some hundred bits at most, less than it takes to get it back. */
    if (result == 0 && !call.has_failed)
        result = dc_context_number(c, &number, context);
    if (result < 0 || call.has_failed)
        return dc_close_limit(&call, result);
    return dc_close(&call, result) ? PyLong_FromUnsignedLongLong(number) : NULL;
}

typedef int64_t (*patterns_kernel)(dc_context *, uint64_t *, size_t, int, int);

static PyObject *code_values(PyObject *module, PyObject *args, const char *format,
                             patterns_kernel kernel)
{
    PyObject *o[3];
    int n_bits, n_top;
    if (!PyArg_ParseTuple(args, format, &o[0], &o[1], &o[2], &n_bits, &n_top))
        return NULL;
    dc_call call = {.module = module};
    dc_context *c;
    int64_t coded = resume(&call, o[0], o[1], &c);
    const dc_array values = dc_take(&call, o[2], "values", 8, DC_UNSIGNED, DC_WRITE);
    if (coded == 0)
        DC_RUN(&call, coded, kernel(c, values.items, values.n, n_bits, n_top));
    return dc_close_limit(&call, coded);
}

PyObject *dc_bind_context_codebook(PyObject *module, PyObject *args)
{
    return code_values(module, args, "OOOii:context_codebook", dc_context_codebook);
}

PyObject *dc_bind_context_patterns(PyObject *module, PyObject *args)
{
    return code_values(module, args, "OOOii:context_patterns", dc_context_patterns);
}

PyObject *dc_bind_context_text(PyObject *module, PyObject *args)
{
    PyObject *o[3];
    if (!PyArg_ParseTuple(args, "OOO:context_text", &o[0], &o[1], &o[2]))
        return NULL;
    dc_call call = {.module = module};
    dc_context *c;
    int64_t coded = resume(&call, o[0], o[1], &c);
    const dc_array text = dc_take(&call, o[2], "text", 1, DC_PATTERN, DC_WRITE);
    if (coded == 0)
        DC_RUN(&call, coded, dc_context_text(c, text.items, text.n));
    return dc_close_limit(&call, coded);
}

/* The codes, and then how many of each column are not 0. */
static int64_t code_matrix(dc_context *c, dc_matrix matrix, uint32_t *counts)
{
    const int64_t coded = dc_context_codes(c, matrix);
    for (int64_t j = 0; j < matrix.n_columns; j++)
        counts[j] = (uint32_t)matrix.columns[j].found.count;
    return coded;
}

PyObject *dc_bind_context_codes(PyObject *module, PyObject *args)
{
    PyObject *o[5];
    Py_ssize_t n_rows, n_columns, step, stride;
    int n_codes, n_low, rarity;
    if (!PyArg_ParseTuple(args, "OOOnnnniiiOO:context_codes", &o[0], &o[1], &o[2],
                          &n_rows, &n_columns, &step, &stride, &n_codes, &n_low, &rarity,
                          &o[3], &o[4]))
        return NULL;
    dc_call call = {.module = module};
    dc_context *c;
    int64_t coded = resume(&call, o[0], o[1], &c);
    const dc_array codes = dc_take(&call, o[2], "codes", 2, DC_UNSIGNED, DC_WRITE);
    const dc_array side = dc_take(&call, o[3], "side", 4, DC_UNSIGNED, DC_READ);
    const dc_array counts = dc_take(&call, o[4], "counts", 4, DC_UNSIGNED, DC_WRITE);
    /* What the sizes of the rooms need; the kernel checks the rest. */
    if (coded == 0 &&
        (n_rows < 1 || n_columns < 1 || n_rows > PY_SSIZE_T_MAX / n_columns ||
         (size_t)(n_rows * n_columns) != codes.n || (size_t)n_columns != counts.n ||
         step < 1 || step > n_rows || stride < 0 || stride > n_rows || n_codes < 1 ||
         n_low < 0))
        coded = DC_ERROR_ARGUMENT;
    if (coded == 0 && !call.has_failed) {
        const size_t width = (size_t)n_columns;
        const int64_t n_kept = dc_context_rows(n_rows, step, stride);
        const dc_matrix matrix = {
            .codes = codes.items,
            .n_rows = n_rows,
            .n_columns = n_columns,
            .step = step,
            .stride = stride,
            .n_codes = (uint32_t)n_codes,
            .n_low = (uint32_t)n_low,
            .rarity = rarity,
            .side = side.items,
            .n_side = (int64_t)side.n,
            .columns = dc_zeros(&call, width, sizeof *matrix.columns),
            .rows = dc_zeros(&call, (size_t)n_kept, sizeof *matrix.rows),
            .n_kept = n_kept,
            .pairs = dc_zeros(&call, (size_t)step * width, sizeof *matrix.pairs),
            .blank = dc_zeros(&call, width, sizeof *matrix.blank),
        };
        DC_RUN(&call, coded, code_matrix(c, matrix, counts.items));
    }
    return dc_close_limit(&call, coded);
}

PyObject *dc_bind_context_bits(PyObject *module, PyObject *args)
{
    PyObject *o[1];
    if (!PyArg_ParseTuple(args, "O:context_bits", &o[0]))
        return NULL;
    dc_call call = {.module = module};
    dc_context *c;
    int64_t bits = state_of(&call, o[0], DC_READ, &c);
    /* With the lock: two numbers of the state are looked at. */
    if (bits == 0 && !call.has_failed)
        bits = dc_context_bits(c);
    return dc_close_count(&call, bits);
}

PyObject *dc_bind_context_end(PyObject *module, PyObject *args)
{
    PyObject *o[2];
    if (!PyArg_ParseTuple(args, "OO:context_end", &o[0], &o[1]))
        return NULL;
    dc_call call = {.module = module};
    dc_context *c;
    int64_t size = resume(&call, o[0], o[1], &c);
    /* With the lock: four bytes at most, and a carry. */
    if (size == 0 && !call.has_failed)
        size = dc_context_end(c);
    return dc_close_limit(&call, size);
}
