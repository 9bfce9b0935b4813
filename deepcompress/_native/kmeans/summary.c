/* Means and inertia of clusters, from the values themselves.
 *
 * The sums of lloyd.c and optimal.c run over all values, and a small cluster far out is
 * a small difference of large numbers. Here each cluster is summed up from an origin of
 * its own, so that nothing cancels: one pass over the values.
 *
 * Cuts are checked as they come: each cluster begins where the one before ended, ends
 * later, and ends within the values. */
#include "kmeans/kmeans.h"

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

int64_t dc_kmeans_summary(const void *values, int itemsize, const double *weights,
                          size_t n, const int64_t *cuts, size_t n_clusters,
                          double *centers, double *inertia)
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
