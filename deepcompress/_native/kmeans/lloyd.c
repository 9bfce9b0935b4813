/* Lloyd's iteration on sorted values.
 *
 * Clusters of sorted values are intervals between cuts: a center moves by a difference
 * of two sums, and a cut is found by halving. An iteration takes n_clusters * log n
 * steps and, for the sums, a walk through part of an element for each cut; it does not
 * go through the values.
 *
 * - Cuts never descend: the search for a cut begins at the one before and ends at n. So
 *   each is a position in the values, or n.
 * - A mean is taken only once no cluster is empty, and held within its cluster's
 *   values: centers stay ascending.
 * - The elements are checked first: their starts ascend from 0 to n, so that each
 *   position lies in one of them. */
#include "kmeans/kmeans.h"

#include <stdlib.h>

typedef struct {
    const void *values;
    int itemsize;
    const double *weights;
    size_t n;
    const dc_kmeans_node *nodes;
    const int64_t *starts;
    size_t n_elements;
    double shift;
} sorted_data;

/* Weight and sum of all values before `position`: those of the element it lies in,
 * and the few values from there on. */
static void sums_before(const sorted_data *data, size_t position, double *weight,
                        double *sum)
{
    size_t low = 0, high = data->n_elements;
    while (low < high) {
        size_t middle = high - (high - low) / 2;
        if ((size_t)data->starts[middle] <= position)
            low = middle;
        else
            high = middle - 1;
    }
    *weight = data->nodes[low].weight;
    *sum = data->nodes[low].sum;
    for (size_t i = (size_t)data->starts[low]; i < position; i++) {
        double w = data->weights ? data->weights[i] : 1;
        *weight += w;
        *sum += w * (dc_value(data->values, data->itemsize, i) - data->shift);
    }
}

/* The last value that is nearer to `lower` than to `upper`, or as near. */
static double threshold(double lower, double upper)
{
    double middle = 0.5 * lower + 0.5 * upper;
    return middle < upper && middle > lower ? middle : lower;
}

/* Cuts the values between the centers; returns whether a cut moved. */
static int assign(const sorted_data *data, const double *centers, size_t n_clusters,
                  int64_t *cuts)
{
    int moved = 0;
    for (size_t j = 1; j < n_clusters; j++) {
        double limit = threshold(centers[j - 1], centers[j]);
        size_t low = (size_t)cuts[j - 1], high = data->n;
        while (low < high) {
            size_t middle = low + (high - low) / 2;
            if (dc_value(data->values, data->itemsize, middle) <= limit)
                low = middle + 1;
            else
                high = middle;
        }
        moved |= cuts[j] != (int64_t)low;
        cuts[j] = (int64_t)low;
    }
    return moved;
}

static int ascending(const void *left, const void *right)
{
    double a = *(const double *)left, b = *(const double *)right;
    return (a > b) - (a < b);
}

static int farthest_first(const void *left, const void *right)
{
    const dc_kmeans_far *a = left, *b = right;
    if (a->distance != b->distance)
        return a->distance > b->distance ? -1 : 1;
    return (a->value > b->value) - (a->value < b->value);
}

/* Moves the centers of empty clusters to the values that lie farthest from their
 * own, at most one out of each cluster a round. Each round that leaves a cluster
 * empty has set more centers on values of their own, so rounds come to an end.
 * Returns 0 where there are fewer distinct values than clusters. */
static int fill_empty(const sorted_data *data, double *centers, size_t n_clusters,
                      dc_kmeans_far *far, int64_t *cuts)
{
    for (;;) {
        size_t n_far = 0, n_empty = 0, used = 0;
        for (size_t j = 0; j < n_clusters; j++) {
            if (cuts[j] == cuts[j + 1]) {
                n_empty++;
                continue;
            }
            double first = dc_value(data->values, data->itemsize, (size_t)cuts[j]);
            double last = dc_value(data->values, data->itemsize, (size_t)cuts[j + 1] - 1);
            double below = centers[j] - first, above = last - centers[j];
            dc_kmeans_far end = {above > below ? above : below,
                                 above > below ? last : first};
            if (end.distance > 0)
                far[n_far++] = end;
        }
        if (!n_empty)
            return 1;
        if (!n_far)
            return 0;
        qsort(far, n_far, sizeof *far, farthest_first);
        for (size_t j = 0; j < n_clusters && used < n_far; j++)
            if (cuts[j] == cuts[j + 1])
                centers[j] = far[used++].value;
        qsort(centers, n_clusters, sizeof *centers, ascending);
        assign(data, centers, n_clusters, cuts);
    }
}

/* Whether these are the starts of elements of n values. */
static int are_starts(const int64_t *starts, size_t n_elements, size_t n)
{
    if (n_elements < 1 || starts[0] != 0 || starts[n_elements] != (int64_t)n)
        return 0;
    for (size_t e = 0; e < n_elements; e++)
        if (starts[e] >= starts[e + 1])
            return 0;
    return 1;
}

int64_t dc_kmeans_lloyd(const void *values, int itemsize, const double *weights, size_t n,
                        const dc_kmeans_node *nodes, const int64_t *starts,
                        size_t n_elements, double shift, double *centers,
                        size_t n_clusters, int64_t max_iter, dc_kmeans_far *far,
                        int64_t *cuts)
{
    if ((itemsize != 4 && itemsize != 8) || n_clusters < 1 || n_clusters > n ||
        max_iter < 1 || !are_starts(starts, n_elements, n))
        return DC_ERROR_ARGUMENT;
    sorted_data data = {values, itemsize, weights, n, nodes, starts, n_elements, shift};
    for (size_t j = 0; j < n_clusters; j++)
        cuts[j] = 0;
    cuts[n_clusters] = (int64_t)n;
    int64_t iteration = 0;
    while (iteration < max_iter) {
        int moved = assign(&data, centers, n_clusters, cuts);
        if (!fill_empty(&data, centers, n_clusters, far, cuts))
            return DC_ERROR_ARGUMENT;
        if (!moved && iteration)
            break;
        iteration++;
        double weight = nodes[0].weight, sum = nodes[0].sum;
        for (size_t j = 0; j < n_clusters; j++) {
            double next_weight, next_sum;
            sums_before(&data, (size_t)cuts[j + 1], &next_weight, &next_sum);
            double first = dc_value(values, itemsize, (size_t)cuts[j]);
            double last = dc_value(values, itemsize, (size_t)cuts[j + 1] - 1);
            double mean = shift + (next_sum - sum) / (next_weight - weight);
            /* Rounding must not carry a center out of its cluster; weights too small
             * beside the others to be seen give no mean at all. */
            centers[j] = mean > first ? (mean < last ? mean : last) : first;
            weight = next_weight;
            sum = next_sum;
        }
    }
    return iteration;
}
