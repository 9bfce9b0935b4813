#include <stdlib.h>

#include "native.h"

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
static void sums_before(const sorted_data *data, size_t position, double *weight, double *sum)
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
            dc_kmeans_far end = {above > below ? above : below, above > below ? last : first};
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

int64_t dc_kmeans_lloyd(const void *values, int itemsize, const double *weights, size_t n,
                        const dc_kmeans_node *nodes, const int64_t *starts,
                        size_t n_elements, double shift, double *centers,
                        size_t n_clusters, int64_t max_iter, dc_kmeans_far *far,
                        int64_t *cuts)
{
    if ((itemsize != 4 && itemsize != 8) || n_clusters < 1 || n_clusters > n ||
        n_elements < 1 || max_iter < 1)
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

/* Weight, sum and squares of the distances from `origin`. Four sums side by side:
 * one would make the additions wait for each other. */
static dc_kmeans_node moments(const void *values, int itemsize, const double *weights,
                              size_t first, size_t last, double origin)
{
    double weight[4] = {0}, sum[4] = {0}, square[4] = {0};
    size_t i = first;
    for (; i + 4 <= last; i += 4)
        for (size_t lane = 0; lane < 4; lane++) {
            double w = weights ? weights[i + lane] : 1;
            double distance = dc_value(values, itemsize, i + lane) - origin;
            weight[lane] += w;
            sum[lane] += w * distance;
            square[lane] += w * distance * distance;
        }
    for (; i < last; i++) {
        double w = weights ? weights[i] : 1;
        double distance = dc_value(values, itemsize, i) - origin;
        weight[0] += w;
        sum[0] += w * distance;
        square[0] += w * distance * distance;
    }
    return (dc_kmeans_node){(weight[0] + weight[1]) + (weight[2] + weight[3]),
                            (sum[0] + sum[1]) + (sum[2] + sum[3]),
                            (square[0] + square[1]) + (square[2] + square[3]), 0};
}

int64_t dc_kmeans_summary(const void *values, int itemsize, const double *weights, size_t n,
                          const int64_t *cuts, size_t n_clusters, double *centers,
                          double *inertia)
{
    if (itemsize != 4 && itemsize != 8)
        return DC_ERROR_ARGUMENT;
    double total = 0;
    for (size_t j = 0; j < n_clusters; j++) {
        if (cuts[j] < 0 || cuts[j] >= cuts[j + 1] || (uint64_t)cuts[j + 1] > n)
            return DC_ERROR_ARGUMENT;
        size_t first = (size_t)cuts[j], last = (size_t)cuts[j + 1];
        double low = dc_value(values, itemsize, first);
        double high = dc_value(values, itemsize, last - 1);
        double origin = dc_value(values, itemsize, first + (last - first) / 2);
        dc_kmeans_node m = moments(values, itemsize, weights, first, last, origin);
        /* The median is within one deviation of the mean, so little cancels; with
         * weights it need not be, and a second look from the mean makes up for it. */
        if (weights) {
            origin += m.sum / m.weight;
            m = moments(values, itemsize, weights, first, last, origin);
        }
        double squares = m.square - m.sum / m.weight * m.sum;
        double mean = origin + m.sum / m.weight;
        centers[j] = mean > low ? (mean < high ? mean : high) : low;
        total += low < high && squares > 0 ? squares : 0;
    }
    *inertia = total;
    return (int64_t)n_clusters;
}
