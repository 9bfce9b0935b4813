/* Layers one after the other, for Python. What they consist of is taken and checked once,
 * and kept, with its buffers, in a capsule: a call only takes what goes in and comes out. */
#include "bind_run.h"

static const char NAME[] = "deepcompress.chain";

enum { MAX_LINKS = 1 << 12, MAX_ROOM = 1 << 28 /* floats */ };

typedef struct {
    size_t n, n_room;
    int isa;
    dc_link *links;
    dc_window *pools;
    dc_call *calls; /* hold the buffers */
} chain;

static void let_go(chain *it)
{
    for (size_t i = 0; it->calls && i < it->n; i++)
        dc_close(&it->calls[i], 0);
    PyMem_Free(it->calls);
    PyMem_Free(it->pools);
    PyMem_Free(it->links);
    PyMem_Free(it);
}

static void destroy(PyObject *capsule)
{
    let_go(PyCapsule_GetPointer(capsule, NAME));
}

/* Takes a product: its kind, bias, whether it is rectified, arrays, sizes and facts. */
static int take_product(dc_call *call, PyObject *args, int kind, dc_link *link)
{
    PyObject *o[6];
    Py_ssize_t n_inputs, n_outputs, width;
    int is_link, n_bits, has_codes, isa;
    if (kind == DC_LINK_TILES) {
        if (!PyArg_ParseTuple(args, "iOpOOOOOnnii", &kind, &o[0], &link->is_rectified,
                              &o[1], &o[2], &o[3], &o[4], &o[5], &n_inputs, &n_outputs,
                              &n_bits, &isa))
            return -1;
        is_link = dc_take_tiles(call, &o[1], n_inputs, n_outputs, n_bits, &link->of.tiles);
    } else if (kind == DC_LINK_COLUMNS) {
        if (!PyArg_ParseTuple(args, "iOpOOOnnipi", &kind, &o[0], &link->is_rectified,
                              &o[1], &o[2], &o[3], &n_inputs, &n_outputs, &n_bits,
                              &has_codes, &isa))
            return -1;
        is_link = dc_take_columns(call, &o[1], n_inputs, n_outputs, n_bits, has_codes,
                                  &link->of.columns);
    } else {
        if (!PyArg_ParseTuple(args, "iOpOOnnnii", &kind, &o[0], &link->is_rectified, &o[1],
                              &o[2], &n_inputs, &n_outputs, &width, &n_bits, &isa))
            return -1;
        is_link = dc_take_codes(call, &o[1], n_inputs, n_outputs, width, n_bits,
                                &link->of.codes);
    }
    const dc_array bias = dc_take_bias(call, o[0]);
    link->bias = bias.items;
    link->n_inputs = (size_t)n_inputs;
    link->n_outputs = (size_t)n_outputs;
    return is_link && (!bias.items || bias.n == link->n_outputs);
}

/* Takes a convolution: besides, whether channels lie one behind the other. */
static int take_convolution(dc_call *call, PyObject *args, dc_link *link, dc_window *pool)
{
    PyObject *o[6];
    Py_ssize_t n_channels, n_filters, n_taps;
    int kind, n_bits, has_codes, isa;
    dc_convolution *it = &link->of.convolution;
    if (!PyArg_ParseTuple(args, "iOpOOOOOppnnnipi", &kind, &o[0], &it->is_rectified, &o[1],
                          &o[2], &o[3], &o[4], &o[5], &it->is_split, &it->makes_split,
                          &n_channels, &n_filters, &n_taps, &n_bits, &has_codes, &isa))
        return -1;
    const int is_one = dc_take_convolution(call, &o[1], 1, n_channels, n_filters, n_taps,
                                           n_bits, has_codes, it, pool);
    const dc_array bias = dc_take_bias(call, o[0]);
    it->bias = bias.items;
    if (!is_one || (bias.items && bias.n != it->filters.n_inputs))
        return 0;
    const size_t most = (size_t)1 << 31; /* of an array that a call may take */
    link->n_inputs = dc_size_of(it->window.n_channels, it->window.sizes);
    link->n_outputs =
        dc_size_of(it->filters.n_inputs, it->pool ? pool->places : it->window.places);
    return link->n_inputs <= most && link->n_outputs <= most;
}

/* 1 for a link, 0 for what is none, -1 with an exception. */
static int take_link(chain *it, size_t i, PyObject *args)
{
    if (!PyTuple_Check(args) || PyTuple_Size(args) < 1) {
        PyErr_SetString(PyExc_TypeError, "A link is a tuple that is not empty.");
        return -1;
    }
    const long kind = PyLong_AsLong(PyTuple_GetItem(args, 0));
    if (kind == -1 && PyErr_Occurred())
        return -1;
    if (kind < DC_LINK_TILES || kind > DC_LINK_CONVOLUTION)
        return 0;
    it->links[i].kind = (int)kind;
    const int result =
        kind == DC_LINK_CONVOLUTION
            ? take_convolution(&it->calls[i], args, &it->links[i], &it->pools[i])
            : take_product(&it->calls[i], args, (int)kind, &it->links[i]);
    return it->calls[i].has_failed ? -1 : result;
}

PyObject *dc_bind_run_chain_build(PyObject *module, PyObject *args)
{
    PyObject *links;
    int isa;
    if (!PyArg_ParseTuple(args, "O!i:run_chain_build", &PyTuple_Type, &links, &isa))
        return NULL;
    const Py_ssize_t n = PyTuple_Size(links);
    chain *it = PyMem_Calloc(1, sizeof *it);
    if (!it)
        return PyErr_NoMemory();
    int is_chain = n > 0 && n <= MAX_LINKS && dc_has_isa(isa);
    if (is_chain) {
        it->links = PyMem_Calloc((size_t)n, sizeof *it->links);
        it->pools = PyMem_Calloc((size_t)n, sizeof *it->pools);
        it->calls = PyMem_Calloc((size_t)n, sizeof *it->calls);
        if (!it->links || !it->pools || !it->calls) {
            PyErr_NoMemory();
            is_chain = -1;
        }
    }
    it->isa = isa;
    for (Py_ssize_t i = 0; is_chain == 1 && i < n; i++) {
        it->calls[i].module = module;
        it->n++;
        is_chain = take_link(it, (size_t)i, PyTuple_GetItem(links, i));
    }
    if (is_chain == 1) {
        it->n_room = dc_chain_room(it->links, it->n);
        is_chain = it->n_room > 0 && it->n_room <= MAX_ROOM;
    }
    PyObject *capsule = is_chain == 1 ? PyCapsule_New(it, NAME, destroy) : NULL;
    if (!capsule)
        let_go(it);
    if (is_chain == 0)
        PyErr_SetString(PyExc_ValueError, "An argument is outside the allowed range.");
    return capsule;
}

PyObject *dc_bind_run_chain(PyObject *module, PyObject *args)
{
    PyObject *capsule, *o[2];
    Py_ssize_t n_rows;
    if (!PyArg_ParseTuple(args, "OOOn:run_chain", &capsule, &o[0], &o[1], &n_rows))
        return NULL;
    const chain *it = PyCapsule_GetPointer(capsule, NAME);
    if (!it)
        return NULL;
    dc_call call = {.module = module};
    const dc_array x = dc_take(&call, o[0], "x", 4, DC_FLOAT, DC_READ);
    const dc_array y = dc_take(&call, o[1], "y", 4, DC_FLOAT, DC_WRITE);
    int64_t result = DC_ERROR_ARGUMENT;
    if (n_rows >= 0 && n_rows <= DC_MAX_SIDE &&
        x.n == (size_t)n_rows * it->links[0].n_inputs &&
        y.n == (size_t)n_rows * it->links[it->n - 1].n_outputs) {
        float *room = dc_room(&call, it->n_room + DC_SPARE, sizeof *room);
        DC_RUN(&call, result,
               dc_chain_run(it->links, it->n, it->isa, (size_t)n_rows, x.items, y.items,
                            dc_aligned(room)));
    }
    return dc_close_count(&call, result);
}
