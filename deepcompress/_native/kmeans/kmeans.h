/* k-means in one dimension: sorting, summing up, the exact optimum, Lloyd's iteration,
 * and labels.
 *
 * Values are ascending and finite, float (itemsize 4) or double (8); `weights` are
 * positive doubles in the same order, or NULL where each counts once. Neighbouring
 * values are joined into elements; equal values are always in the same one. */
#ifndef DEEPCOMPRESS_KMEANS_H
#define DEEPCOMPRESS_KMEANS_H

#include "common.h"

enum {
    DC_LABEL_CELLS = 4096 /* cells of the grid that speeds up labelling */
};

static inline double dc_value(const void *values, int itemsize, size_t i)
{
    return itemsize == 4 ? (double)((const float *)values)[i]
                         : ((const double *)values)[i];
}

/* ---- Sorting: sort.c -------------------------------------------------------- */

/* float32 values, as their bits, in ascending order. -0.0 comes before 0.0, a
 * NaN before or behind everything else. `spare` is a workspace; DC_ERROR_SPACE where
 * more than n_spare values have their highest 11 bits in common. Returns n. */
int64_t dc_sort(const uint32_t *values, size_t n, uint32_t *sorted, uint32_t *spare,
                size_t n_spare);

/* ---- Elements: nodes.c ------------------------------------------------------ */

/* Weight, sum and squares, less a shift, of the values before an element, counted
 * from an element in the middle (so that they may be negative). `best` is scratch. */
typedef struct {
    double weight;
    double sum;
    double square;
    double best;
} dc_kmeans_node;

/* The number of distinct values, or `limit` where there are at least so many. */
int64_t dc_kmeans_distinct(const void *values, int itemsize, size_t n, size_t limit);

/* Builds the elements: one goes on while it has fewer than max_count values and its
 * spread, their number times the square of the width up to the next element, is less
 * than max_spread (max_count 1: one element a distinct value). `nodes` and
 * `starts`, the position of each element's first value, have room for capacity + 1.
 * n >= 1. Returns the number of elements; DC_ERROR_SPACE where it passes capacity. */
int64_t dc_kmeans_nodes(const void *values, int itemsize, const double *weights, size_t n,
                        double shift, size_t max_count, double max_spread,
                        dc_kmeans_node *nodes, int64_t *starts, size_t capacity);

/* ---- The optimum: optimal.c ------------------------------------------------- */

/* Workspace of dc_kmeans_optimal: `begins`, `wins_from`, `parents` and `many` have
 * room for n + 1, `few` for n_clusters + 1: with the nodes, 48 bytes an element
 * whatever the number of clusters. */
typedef struct {
    uint32_t *begins;
    uint32_t *wins_from;
    uint32_t *parents;
    uint32_t *many;
    uint32_t *few;
} dc_kmeans_workspace;

/* The optimal clustering of n < 2^32 - 1 elements, none of them split: n_clusters + 1
 * ascending cuts, the first 0, the last n. Each pass is a dynamic program over all
 * elements, O(n log n) at worst and close to O(n), in which a cluster costs a penalty
 * instead of being counted; a search finds the penalty that gives n_clusters. A
 * positive `guess` is tried first. Returns the number of passes. */
int64_t dc_kmeans_optimal(dc_kmeans_node *nodes, size_t n, size_t n_clusters,
                          double guess, dc_kmeans_workspace workspace, int64_t *cuts,
                          double *best_cost);

/* ---- Lloyd's iteration: lloyd.c --------------------------------------------- */

/* A value and how far it lies from its center. */
typedef struct {
    double distance;
    double value;
} dc_kmeans_far;

/* Lloyd's iteration from ascending `centers` until no value changes its cluster, at
 * most max_iter times; a value halfway belongs to the lower center. Empty clusters
 * get the values farthest from their centers, so none is left. `far` is a workspace
 * for n_clusters. Leaves the means in `centers` and the n_clusters + 1 positions
 * between the clusters in `cuts`. Returns the number of iterations, or
 * DC_ERROR_ARGUMENT where there are fewer distinct values than clusters, or the elements
 * are not those of n values. */
int64_t dc_kmeans_lloyd(const void *values, int itemsize, const double *weights, size_t n,
                        const dc_kmeans_node *nodes, const int64_t *starts,
                        size_t n_elements, double shift, double *centers,
                        size_t n_clusters, int64_t max_iter, dc_kmeans_far *far,
                        int64_t *cuts);

/* ---- The result: summary.c, labels.c ---------------------------------------- */

/* Means and inertia of the clusters between `cuts`, from the values themselves:
 * nothing cancels as it does in sums over all of them. Returns n_clusters. */
int64_t dc_kmeans_summary(const void *values, int itemsize, const double *weights,
                          size_t n, const int64_t *cuts, size_t n_clusters,
                          double *centers, double *inertia);

/* For values in any order, the number of ascending thresholds (of the same type)
 * below each; labels are unsigned, label_size 1, 2 or 4 bytes. `below` is a workspace
 * for DC_LABEL_CELLS, `padded` for 3 * n_thresholds + 2 values. Returns n. */
int64_t dc_kmeans_labels(const void *values, int itemsize, size_t n,
                         const void *thresholds, size_t n_thresholds, uint32_t *below,
                         void *padded, void *labels, int label_size);

#endif
