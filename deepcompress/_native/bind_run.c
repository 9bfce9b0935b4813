/* Products with matrices that are held compressed, for Python. A matrix is a few arrays
 * from outside: the kernels trust none of what they hold. Here is checked that all arrays
 * have the sizes that belong to the matrix's shape.
 *
 * Of every form two functions take the same arguments: arrays, rows and shape, what else
 * tells the form, and an isa, whether or not there is a version for it. */
#include "bind_run.h"

/* Whether x and y are so many rows; the product of them. */
static int is_product(dc_product *product, dc_array x, dc_array y, Py_ssize_t n_rows,
                      Py_ssize_t n_inputs, Py_ssize_t n_outputs)
{
    if (!dc_is_shape(n_inputs, n_outputs) || n_rows < 0 ||
        n_rows > PTRDIFF_MAX / DC_MAX_SIDE)
        return 0;
    *product = (dc_product){x.items, y.items, (size_t)n_rows, (size_t)n_inputs,
                            (size_t)n_outputs};
    return x.n == product->n_rows * product->n_inputs &&
           y.n == product->n_rows * product->n_outputs;
}

/* What is stored of a matrix; codes may be left out where that is said. */
static int is_stored(dc_stored *stored, dc_array positions, dc_array codes,
                     Py_ssize_t n_inputs, Py_ssize_t n_outputs, int needs_codes)
{
    *stored = (dc_stored){positions.items, codes.n ? codes.items : NULL, positions.n,
                          (size_t)n_inputs, (size_t)n_outputs};
    return dc_is_shape(n_inputs, n_outputs) &&
           (codes.n == positions.n || (!needs_codes && codes.n == 0));
}

/* Whether a matrix has such rows, and `out` is as large as they are. */
static int are_rows_of(Py_ssize_t first, Py_ssize_t n, Py_ssize_t n_inputs, dc_array out,
                       Py_ssize_t n_outputs)
{
    return first >= 0 && n >= 0 && first <= n_inputs && n <= n_inputs - first &&
           out.n == (size_t)n * (size_t)n_outputs;
}

PyObject *dc_bind_run_has_isa(PyObject *module, PyObject *args)
{
    int isa;
    (void)module;
    if (!PyArg_ParseTuple(args, "i:run_has_isa", &isa))
        return NULL;
    return PyBool_FromLong(dc_has_isa(isa));
}

dc_array dc_take_bias(dc_call *call, PyObject *object)
{
    if (object == Py_None)
        return (dc_array){0};
    return dc_take(call, object, "bias", 4, DC_FLOAT, DC_READ);
}

static int is_bias_of(dc_array bias, const dc_product *product)
{
    return !bias.items || bias.n == product->n_outputs;
}

/* Runs a product, and what follows it, where inputs are finite; its result is 0 then, and
 * 1 where they are not, with nothing done. */
#define RUN_PRODUCT(CALL, RESULT, PRODUCT, BIAS, IS_RECTIFIED, KERNEL)                   \
    do {                                                                                 \
        if (!(CALL)->has_failed) {                                                       \
            Py_BEGIN_ALLOW_THREADS                                                       \
            if (!dc_are_finite((PRODUCT).x, (PRODUCT).n_rows * (PRODUCT).n_inputs)) {    \
                (RESULT) = 1;                                                            \
            } else if ((KERNEL) < 0) {                                                   \
                (RESULT) = DC_ERROR_ARGUMENT;                                            \
            } else {                                                                     \
                dc_finish(&(PRODUCT), (BIAS).items, IS_RECTIFIED);                       \
                (RESULT) = 0;                                                            \
            }                                                                            \
            Py_END_ALLOW_THREADS                                                         \
        }                                                                                \
    } while (0)

/* ---- Columns ---------------------------------------------------------------- */

PyObject *dc_bind_run_columns_build(PyObject *module, PyObject *args)
{
    PyObject *o[4];
    Py_ssize_t n_inputs, n_outputs;
    int n_bits;
    if (!PyArg_ParseTuple(args, "OOnniOO:run_columns_build", &o[0], &o[1], &n_inputs,
                          &n_outputs, &n_bits, &o[2], &o[3]))
        return NULL;
    dc_call call = {.module = module};
    const dc_array positions = dc_take(&call, o[0], "positions", 8, DC_SIGNED, DC_READ);
    const dc_array codes = dc_take(&call, o[1], "codes", 1, DC_UNSIGNED, DC_READ);
    const dc_array starts = dc_take(&call, o[2], "starts", 4, DC_UNSIGNED, DC_WRITE);
    const dc_array entries = dc_take(&call, o[3], "entries", 2, DC_UNSIGNED, DC_WRITE);
    dc_stored stored;
    dc_columns columns;
    int64_t built = DC_ERROR_ARGUMENT;
    if (is_stored(&stored, positions, codes, n_inputs, n_outputs, 0) &&
        positions.n == entries.n &&
        dc_are_columns(&columns, starts, entries, entries, n_bits, 0, n_inputs, n_outputs)) {
        uint32_t *next = dc_room(&call, starts.n, sizeof *next);
        DC_RUN(&call, built,
               dc_columns_build(&stored, n_bits, next, starts.items, entries.items));
    }
    return dc_close_count(&call, built);
}

PyObject *dc_bind_run_columns(PyObject *module, PyObject *args)
{
    PyObject *o[6];
    Py_ssize_t n_rows, n_inputs, n_outputs;
    int n_bits, has_codes, isa, is_rectified;
    if (!PyArg_ParseTuple(args, "OOOpOOOnnnipi:run_columns", &o[0], &o[1], &o[2],
                          &is_rectified, &o[3], &o[4], &o[5], &n_rows, &n_inputs,
                          &n_outputs, &n_bits, &has_codes, &isa))
        return NULL;
    dc_call call = {.module = module};
    const dc_array x = dc_take(&call, o[0], "x", 4, DC_FLOAT, DC_READ);
    const dc_array y = dc_take(&call, o[1], "y", 4, DC_FLOAT, DC_WRITE);
    const dc_array bias = dc_take_bias(&call, o[2]);
    dc_columns columns;
    const int are_columns =
        dc_take_columns(&call, &o[3], n_inputs, n_outputs, n_bits, has_codes, &columns);
    dc_product product;
    int64_t result = DC_ERROR_ARGUMENT;
    if (is_product(&product, x, y, n_rows, n_inputs, n_outputs) &&
        is_bias_of(bias, &product) &&
        are_columns &&
        dc_has_isa(isa)) {
        const size_t n_sums = dc_n_blocks(columns.n_outputs, n_bits) << n_bits;
        const size_t n =
            n_rows < DC_FEWEST_LANES ? n_sums : DC_LANES * (columns.n_inputs + n_sums);
        float *room = dc_room(&call, n + DC_SPARE, sizeof *room);
        uint32_t *active = dc_room(&call, columns.n_inputs + 1, sizeof *active);
        RUN_PRODUCT(&call, result, product, bias, is_rectified,
                    dc_columns_multiply(&product, &columns, isa, active, room));
    }
    return dc_close_count(&call, result);
}

PyObject *dc_bind_run_columns_expand(PyObject *module, PyObject *args)
{
    PyObject *o[4];
    Py_ssize_t n_inputs, n_outputs, first, n;
    int n_bits, has_codes, isa;
    if (!PyArg_ParseTuple(args, "OOOnnipinnO:run_columns_expand", &o[0], &o[1], &o[2],
                          &n_inputs, &n_outputs, &n_bits, &has_codes, &isa, &first, &n,
                          &o[3]))
        return NULL;
    dc_call call = {.module = module};
    dc_columns columns;
    const int are_columns =
        dc_take_columns(&call, &o[0], n_inputs, n_outputs, n_bits, has_codes, &columns);
    const dc_array out = dc_take(&call, o[3], "out", 4, DC_FLOAT, DC_WRITE);
    int64_t result = DC_ERROR_ARGUMENT;
    if (are_columns &&
        are_rows_of(first, n, n_inputs, out, n_outputs) && dc_has_isa(isa))
        DC_RUN(&call, result,
               dc_columns_expand(&columns, (size_t)first, (size_t)n, out.items));
    return dc_close_count(&call, result);
}

PyObject *dc_bind_run_columns_rows(PyObject *module, PyObject *args)
{
    PyObject *o[5];
    Py_ssize_t n_inputs, n_outputs;
    int n_bits, has_codes;
    if (!PyArg_ParseTuple(args, "OOOnnipOO:run_columns_rows", &o[0], &o[1], &o[2],
                          &n_inputs, &n_outputs, &n_bits, &has_codes, &o[3], &o[4]))
        return NULL;
    dc_call call = {.module = module};
    dc_columns columns;
    const int are_columns =
        dc_take_columns(&call, &o[0], n_inputs, n_outputs, n_bits, has_codes, &columns);
    const dc_array rows = dc_take(&call, o[3], "rows", 8, DC_SIGNED, DC_READ);
    const dc_array out = dc_take(&call, o[4], "out", 4, DC_FLOAT, DC_WRITE);
    int64_t result = DC_ERROR_ARGUMENT;
    if (are_columns &&
        out.n == rows.n * columns.n_outputs)
        DC_RUN(&call, result,
               dc_columns_rows(&columns, rows.items, rows.n, out.items));
    return dc_close_count(&call, result);
}

/* ---- Tiles ------------------------------------------------------------------ */

PyObject *dc_bind_run_tiles_count(PyObject *module, PyObject *args)
{
    PyObject *o[4];
    Py_ssize_t n_inputs, n_outputs;
    int code_bits;
    if (!PyArg_ParseTuple(args, "OOnniOO:run_tiles_count", &o[0], &o[1], &n_inputs,
                          &n_outputs, &code_bits, &o[2], &o[3]))
        return NULL;
    dc_call call = {.module = module};
    const dc_array positions = dc_take(&call, o[0], "positions", 8, DC_SIGNED, DC_READ);
    const dc_array codes = dc_take(&call, o[1], "codes", 1, DC_UNSIGNED, DC_READ);
    const dc_array counts = dc_take(&call, o[2], "counts", 8, DC_INTEGER, DC_WRITE);
    const dc_array n_rest = dc_take(&call, o[3], "n_rest", 8, DC_INTEGER, DC_WRITE);
    dc_stored stored;
    int64_t counted = DC_ERROR_ARGUMENT;
    if (is_stored(&stored, positions, codes, n_inputs, n_outputs, 1) &&
        (code_bits == 5 || code_bits == 6) &&
        n_rest.n == dc_units(stored.n_inputs, DC_TILE_INPUTS) &&
        counts.n == n_rest.n * (DC_MAX_DEPTH + 1)) {
        uint8_t *filled = dc_room(&call, stored.n_outputs + 1, 1);
        DC_RUN(&call, counted,
               dc_tiles_count(&stored, code_bits, filled, counts.items, n_rest.items));
    }
    return dc_close_count(&call, counted);
}

PyObject *dc_bind_run_tiles_build(PyObject *module, PyObject *args)
{
    PyObject *o[6];
    Py_ssize_t n_inputs, n_outputs;
    int code_bits;
    if (!PyArg_ParseTuple(args, "OOnniOOOO:run_tiles_build", &o[0], &o[1], &n_inputs,
                          &n_outputs, &code_bits, &o[2], &o[3], &o[4], &o[5]))
        return NULL;
    dc_call call = {.module = module};
    const dc_array positions = dc_take(&call, o[0], "positions", 8, DC_SIGNED, DC_READ);
    const dc_array codes = dc_take(&call, o[1], "codes", 1, DC_UNSIGNED, DC_READ);
    const dc_array depths = dc_take(&call, o[2], "depths", 1, DC_UNSIGNED, DC_READ);
    const dc_array words = dc_take(&call, o[3], "words", 4, DC_UNSIGNED, DC_WRITE);
    const dc_array starts = dc_take(&call, o[4], "rest_starts", 4, DC_UNSIGNED, DC_WRITE);
    const dc_array rest = dc_take(&call, o[5], "rest", 4, DC_UNSIGNED, DC_WRITE);
    dc_stored stored;
    int64_t built = DC_ERROR_ARGUMENT;
    if (is_stored(&stored, positions, codes, n_inputs, n_outputs, 1) &&
        depths.n == dc_units(stored.n_inputs, DC_TILE_INPUTS) &&
        starts.n == depths.n + 1) {
        const dc_tiles tiles = {.depths = depths.items,
                                .rest_starts = starts.items,
                                .n_words = words.n,
                                .n_rest = rest.n,
                                .code_bits = code_bits};
        uint8_t *filled = dc_room(&call, stored.n_outputs + 1, 1);
        DC_RUN(&call, built,
               dc_tiles_build(&stored, &tiles, filled, words.items, starts.items,
                              rest.items));
    }
    return dc_close_count(&call, built);
}

PyObject *dc_bind_run_tiles(PyObject *module, PyObject *args)
{
    PyObject *o[8];
    Py_ssize_t n_rows, n_inputs, n_outputs;
    int code_bits, isa, is_rectified;
    if (!PyArg_ParseTuple(args, "OOOpOOOOOnnnii:run_tiles", &o[0], &o[1], &o[2],
                          &is_rectified, &o[3], &o[4], &o[5], &o[6], &o[7], &n_rows,
                          &n_inputs, &n_outputs, &code_bits, &isa))
        return NULL;
    dc_call call = {.module = module};
    const dc_array x = dc_take(&call, o[0], "x", 4, DC_FLOAT, DC_READ);
    const dc_array y = dc_take(&call, o[1], "y", 4, DC_FLOAT, DC_WRITE);
    const dc_array bias = dc_take_bias(&call, o[2]);
    dc_tiles tiles;
    const int are_tiles =
        dc_take_tiles(&call, &o[3], n_inputs, n_outputs, code_bits, &tiles);
    dc_product product;
    int64_t result = DC_ERROR_ARGUMENT;
    if (is_product(&product, x, y, n_rows, n_inputs, n_outputs) &&
        is_bias_of(bias, &product) &&
        are_tiles &&
        dc_has_isa(isa)) {
        const size_t n_sums =
            DC_TILE_ROWS * DC_TILE_OUTPUTS * dc_units(product.n_outputs, DC_TILE_OUTPUTS);
        float *sums = dc_room(&call, n_sums + DC_SPARE, sizeof *sums);
        RUN_PRODUCT(&call, result, product, bias, is_rectified,
                    dc_tiles_multiply(&product, &tiles, isa, sums));
    }
    return dc_close_count(&call, result);
}

PyObject *dc_bind_run_tiles_expand(PyObject *module, PyObject *args)
{
    PyObject *o[6];
    Py_ssize_t n_inputs, n_outputs, first, n;
    int code_bits, isa;
    if (!PyArg_ParseTuple(args, "OOOOOnniinnO:run_tiles_expand", &o[0], &o[1], &o[2],
                          &o[3], &o[4], &n_inputs, &n_outputs, &code_bits, &isa, &first,
                          &n, &o[5]))
        return NULL;
    dc_call call = {.module = module};
    dc_tiles tiles;
    const int are_tiles =
        dc_take_tiles(&call, &o[0], n_inputs, n_outputs, code_bits, &tiles);
    const dc_array out = dc_take(&call, o[5], "out", 4, DC_FLOAT, DC_WRITE);
    int64_t result = DC_ERROR_ARGUMENT;
    if (are_tiles &&
        are_rows_of(first, n, n_inputs, out, n_outputs) && dc_has_isa(isa))
        DC_RUN(&call, result,
               dc_tiles_expand(&tiles, (size_t)n_inputs, (size_t)n_outputs,
                               (size_t)first, (size_t)n, out.items));
    return dc_close_count(&call, result);
}

/* ---- Codes ------------------------------------------------------------------ */

PyObject *dc_bind_run_codes(PyObject *module, PyObject *args)
{
    PyObject *o[5];
    Py_ssize_t width, n_rows, n_inputs, n_outputs;
    int code_bits, isa, is_rectified;
    if (!PyArg_ParseTuple(args, "OOOpOOnnnnii:run_codes", &o[0], &o[1], &o[2],
                          &is_rectified, &o[3], &o[4], &n_rows, &n_inputs, &n_outputs,
                          &width, &code_bits, &isa))
        return NULL;
    dc_call call = {.module = module};
    const dc_array x = dc_take(&call, o[0], "x", 4, DC_FLOAT, DC_READ);
    const dc_array y = dc_take(&call, o[1], "y", 4, DC_FLOAT, DC_WRITE);
    const dc_array bias = dc_take_bias(&call, o[2]);
    dc_codes matrix;
    const int are_codes =
        dc_take_codes(&call, &o[3], n_inputs, n_outputs, width, code_bits, &matrix);
    dc_product product;
    int64_t result = DC_ERROR_ARGUMENT;
    if (is_product(&product, x, y, n_rows, n_inputs, n_outputs) &&
        is_bias_of(bias, &product) &&
        are_codes &&
        dc_has_isa(isa)) {
        uint32_t *active = dc_room(&call, product.n_inputs + 1, sizeof *active);
        RUN_PRODUCT(&call, result, product, bias, is_rectified,
                    dc_codes_multiply(&product, &matrix, isa, active));
    }
    return dc_close_count(&call, result);
}

PyObject *dc_bind_run_codes_expand(PyObject *module, PyObject *args)
{
    PyObject *o[3];
    Py_ssize_t width, n_inputs, n_outputs, first, n;
    int code_bits, isa;
    if (!PyArg_ParseTuple(args, "OOnnniinnO:run_codes_expand", &o[0], &o[1], &n_inputs,
                          &n_outputs, &width, &code_bits, &isa, &first, &n, &o[2]))
        return NULL;
    dc_call call = {.module = module};
    dc_codes matrix;
    const int are_codes =
        dc_take_codes(&call, &o[0], n_inputs, n_outputs, width, code_bits, &matrix);
    const dc_array out = dc_take(&call, o[2], "out", 4, DC_FLOAT, DC_WRITE);
    int64_t result = DC_ERROR_ARGUMENT;
    if (are_codes &&
        are_rows_of(first, n, n_inputs, out, n_outputs) && dc_has_isa(isa))
        DC_RUN(&call, result,
               dc_codes_expand(&matrix, (size_t)n_inputs, (size_t)n_outputs, isa,
                               (size_t)first, (size_t)n, out.items));
    return dc_close_count(&call, result);
}
