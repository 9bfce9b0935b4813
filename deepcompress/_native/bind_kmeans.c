/* k-means for Python. Values are given finite and in ascending order: where they are
 * not, a kernel stays within its arrays, but its result means nothing. */
#include "bind.h"
#include "kmeans/kmeans.h"

enum { PER_NODE = sizeof(dc_kmeans_node) / sizeof(double) };

/* The weights of n values; no items where they are None. */
static dc_array take_weights(dc_call *call, PyObject *object)
{
    if (object == Py_None)
        return (dc_array){0};
    return dc_take(call, object, "weights", 8, DC_FLOAT, DC_READ);
}

static int are_weights_of(dc_array weights, dc_array values)
{
    return !weights.items || weights.n == values.n;
}

PyObject *dc_bind_sort(PyObject *module, PyObject *args)
{
    PyObject *o[3];
    if (!PyArg_ParseTuple(args, "OOO:sort", &o[0], &o[1], &o[2]))
        return NULL;
    dc_call call = {.module = module};
    const dc_array values = dc_take(&call, o[0], "values", 4, DC_FLOAT, DC_READ);
    const dc_array sorted = dc_take(&call, o[1], "sorted", 4, DC_FLOAT, DC_WRITE);
    const dc_array spare = dc_take(&call, o[2], "spare", 4, DC_UNSIGNED, DC_WRITE);
    int64_t n = DC_ERROR_ARGUMENT;
    if (values.n == sorted.n)
        DC_RUN(&call, n,
               dc_sort(values.items, values.n, sorted.items, spare.items, spare.n));
    return dc_close_limit(&call, n);
}

PyObject *dc_bind_kmeans_distinct(PyObject *module, PyObject *args)
{
    PyObject *o[1];
    Py_ssize_t limit;
    if (!PyArg_ParseTuple(args, "On:kmeans_distinct", &o[0], &limit))
        return NULL;
    dc_call call = {.module = module};
    const dc_array values = dc_take(&call, o[0], "values", 4 | 8, DC_FLOAT, DC_READ);
    int64_t found = DC_ERROR_ARGUMENT;
    if (limit >= 0)
        DC_RUN(&call, found,
               dc_kmeans_distinct(values.items, values.itemsize, values.n, (size_t)limit));
    return dc_close_count(&call, found);
}

PyObject *dc_bind_kmeans_nodes(PyObject *module, PyObject *args)
{
    PyObject *o[4];
    double shift, max_spread;
    Py_ssize_t max_count;
    if (!PyArg_ParseTuple(args, "OOdndOO:kmeans_nodes", &o[0], &o[1], &shift, &max_count,
                          &max_spread, &o[2], &o[3]))
        return NULL;
    dc_call call = {.module = module};
    const dc_array values = dc_take(&call, o[0], "values", 4 | 8, DC_FLOAT, DC_READ);
    const dc_array weights = take_weights(&call, o[1]);
    const dc_array nodes = dc_take(&call, o[2], "nodes", 8, DC_FLOAT, DC_WRITE);
    const dc_array starts = dc_take(&call, o[3], "starts", 8, DC_SIGNED, DC_WRITE);
    int64_t made = DC_ERROR_ARGUMENT;
    if (are_weights_of(weights, values) && values.n && starts.n && max_count > 0 &&
        nodes.n / PER_NODE >= starts.n)
        DC_RUN(&call, made,
               dc_kmeans_nodes(values.items, values.itemsize, weights.items, values.n,
                               shift, (size_t)max_count, max_spread, nodes.items,
                               starts.items, starts.n - 1));
    return dc_close_count(&call, made);
}

PyObject *dc_bind_kmeans_optimal(PyObject *module, PyObject *args)
{
    PyObject *o[2];
    double guess, cost = 0;
    if (!PyArg_ParseTuple(args, "OdO:kmeans_optimal", &o[0], &guess, &o[1]))
        return NULL;
    dc_call call = {.module = module};
    const dc_array nodes = dc_take(&call, o[0], "nodes", 8, DC_FLOAT, DC_WRITE);
    const dc_array cuts = dc_take(&call, o[1], "cuts", 8, DC_SIGNED, DC_WRITE);
    const size_t n_nodes = nodes.n / PER_NODE;
    int64_t passes = DC_ERROR_ARGUMENT;
    if (n_nodes >= 2 && cuts.n >= 2 && cuts.n <= n_nodes && n_nodes <= UINT32_MAX) {
        dc_kmeans_workspace w = {
            .begins = dc_room(&call, n_nodes, sizeof *w.begins),
            .wins_from = dc_room(&call, n_nodes, sizeof *w.wins_from),
            .parents = dc_room(&call, n_nodes, sizeof *w.parents),
            .many = dc_room(&call, n_nodes, sizeof *w.many),
            .few = dc_room(&call, cuts.n, sizeof *w.few),
        };
        DC_RUN(&call, passes,
               dc_kmeans_optimal(nodes.items, n_nodes - 1, cuts.n - 1, guess, w,
                                 cuts.items, &cost));
    }
    return dc_close(&call, passes) ? Py_BuildValue("dL", cost, (long long)passes) : NULL;
}

PyObject *dc_bind_kmeans_lloyd(PyObject *module, PyObject *args)
{
    PyObject *o[6];
    double shift;
    long long max_iter;
    if (!PyArg_ParseTuple(args, "OOOOdLOO:kmeans_lloyd", &o[0], &o[1], &o[2], &o[3],
                          &shift, &max_iter, &o[4], &o[5]))
        return NULL;
    dc_call call = {.module = module};
    const dc_array values = dc_take(&call, o[0], "values", 4 | 8, DC_FLOAT, DC_READ);
    const dc_array weights = take_weights(&call, o[1]);
    const dc_array nodes = dc_take(&call, o[2], "nodes", 8, DC_FLOAT, DC_READ);
    const dc_array starts = dc_take(&call, o[3], "starts", 8, DC_SIGNED, DC_READ);
    const dc_array centers = dc_take(&call, o[4], "centers", 8, DC_FLOAT, DC_WRITE);
    const dc_array cuts = dc_take(&call, o[5], "cuts", 8, DC_SIGNED, DC_WRITE);
    int64_t iterations = DC_ERROR_ARGUMENT;
    if (are_weights_of(weights, values) && starts.n >= 2 &&
        nodes.n == PER_NODE * starts.n && cuts.n == centers.n + 1) {
        dc_kmeans_far *far = dc_room(&call, centers.n, sizeof *far);
        DC_RUN(&call, iterations,
               dc_kmeans_lloyd(values.items, values.itemsize, weights.items, values.n,
                               nodes.items, starts.items, starts.n - 1, shift,
                               centers.items, centers.n, max_iter, far, cuts.items));
    }
    return dc_close_count(&call, iterations);
}

PyObject *dc_bind_kmeans_summary(PyObject *module, PyObject *args)
{
    PyObject *o[4];
    double inertia = 0;
    if (!PyArg_ParseTuple(args, "OOOO:kmeans_summary", &o[0], &o[1], &o[2], &o[3]))
        return NULL;
    dc_call call = {.module = module};
    const dc_array values = dc_take(&call, o[0], "values", 4 | 8, DC_FLOAT, DC_READ);
    const dc_array weights = take_weights(&call, o[1]);
    const dc_array cuts = dc_take(&call, o[2], "cuts", 8, DC_SIGNED, DC_READ);
    const dc_array centers = dc_take(&call, o[3], "centers", 8, DC_FLOAT, DC_WRITE);
    int64_t summed = DC_ERROR_ARGUMENT;
    if (are_weights_of(weights, values) && cuts.n == centers.n + 1)
        DC_RUN(&call, summed,
               dc_kmeans_summary(values.items, values.itemsize, weights.items, values.n,
                                 cuts.items, centers.n, centers.items, &inertia));
    return dc_close(&call, summed) ? PyFloat_FromDouble(inertia) : NULL;
}

PyObject *dc_bind_kmeans_labels(PyObject *module, PyObject *args)
{
    PyObject *o[3];
    if (!PyArg_ParseTuple(args, "OOO:kmeans_labels", &o[0], &o[1], &o[2]))
        return NULL;
    dc_call call = {.module = module};
    const dc_array values = dc_take(&call, o[0], "values", 4 | 8, DC_FLOAT, DC_READ);
    const dc_array thresholds =
        dc_take(&call, o[1], "thresholds", values.itemsize, DC_FLOAT, DC_READ);
    const dc_array labels =
        dc_take(&call, o[2], "labels", 1 | 2 | 4, DC_UNSIGNED, DC_WRITE);
    int64_t labelled = DC_ERROR_ARGUMENT;
    if (labels.n == values.n) {
        uint32_t *below = dc_room(&call, DC_LABEL_CELLS, sizeof *below);
        void *padded =
            dc_room(&call, 3 * thresholds.n + 2, (size_t)thresholds.itemsize);
        DC_RUN(&call, labelled,
               dc_kmeans_labels(values.items, values.itemsize, values.n, thresholds.items,
                                thresholds.n, below, padded, labels.items,
                                labels.itemsize));
    }
    return dc_close_count(&call, labelled);
}
