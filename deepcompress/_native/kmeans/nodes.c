/* Neighbouring values as elements, and the sums over elements from which costs come.
 *
 * With the weights, sums and squares of all values before an element, those of any run
 * of elements are a difference of two nodes, and so is the cost of making it a cluster.
 * Such a difference is worth no more digits than its terms: so the caller gives a shift
 * from the middle of the values to count from, sums run from the middle outwards, and
 * what each addition rounds off is carried along.
 *
 * Each turn of the loop takes at least one value, and none behind the last. There is
 * room for capacity + 1 nodes, the last of which closes the last element; an element
 * that would need more is refused before it is written. */
#include "kmeans/kmeans.h"

int64_t dc_kmeans_distinct(const void *values, int itemsize, size_t n, size_t limit)
{
    if (itemsize != 4 && itemsize != 8)
        return DC_ERROR_ARGUMENT;
    size_t found = n && limit ? 1 : 0;
    for (size_t i = 1; i < n && found < limit; i++)
        found += dc_value(values, itemsize, i) > dc_value(values, itemsize, i - 1);
    return (int64_t)found;
}

/* A running sum whose error does not grow with the number of terms (Neumaier). */
typedef struct {
    double high;
    double low;
} exact_sum;

static double advance(exact_sum *sum, double term)
{
    double total = sum->high + term;
    double rounded = total - sum->high;
    sum->low += (sum->high - (total - rounded)) + (term - rounded);
    sum->high = total;
    return sum->high + sum->low;
}

/* The sums of the elements become sums from the middle outwards: far outliers at
 * either end then cost the bulk of the values no digits. */
static void accumulate(dc_kmeans_node *nodes, size_t n_elements)
{
    size_t middle = n_elements / 2;
    dc_kmeans_node held = nodes[middle];
    exact_sum weight = {0, 0}, sum = {0, 0}, square = {0, 0};
    nodes[middle] = (dc_kmeans_node){0, 0, 0, 0};
    for (size_t e = middle; e < n_elements; e++) {
        dc_kmeans_node element = held;
        held = nodes[e + 1];
        nodes[e + 1].weight = advance(&weight, element.weight);
        nodes[e + 1].sum = advance(&sum, element.sum);
        nodes[e + 1].square = advance(&square, element.square);
        nodes[e + 1].best = 0;
    }
    weight = sum = square = (exact_sum){0, 0};
    for (size_t e = middle; e-- > 0;) {
        nodes[e].weight = advance(&weight, -nodes[e].weight);
        nodes[e].sum = advance(&sum, -nodes[e].sum);
        nodes[e].square = advance(&square, -nodes[e].square);
    }
}

int64_t dc_kmeans_nodes(const void *values, int itemsize, const double *weights, size_t n,
                        double shift, size_t max_count, double max_spread,
                        dc_kmeans_node *nodes, int64_t *starts, size_t capacity)
{
    if (itemsize != 4 && itemsize != 8)
        return DC_ERROR_ARGUMENT;
    size_t n_elements = 0;
    for (size_t i = 0; i < n;) {
        if (n_elements == capacity)
            return DC_ERROR_SPACE;
        size_t start = i;
        double first = dc_value(values, itemsize, i), value = first;
        dc_kmeans_node element = {0, 0, 0, 0};
        do {
            /* Equal values are multiplied, not added up: no rounding builds up. */
            double weight = 0, tied = value - shift;
            double current = value;
            do {
                weight += weights ? weights[i] : 1;
                i++;
                value = i < n ? dc_value(values, itemsize, i) : 0;
            } while (i < n && value <= current);
            element.weight += weight;
            element.sum += weight * tied;
            element.square += weight * tied * tied;
        } while (i < n && i - start < max_count &&
                 (double)(i - start) * (value - first) * (value - first) < max_spread);
        starts[n_elements] = (int64_t)start;
        nodes[n_elements++] = element;
    }
    starts[n_elements] = (int64_t)n;
    nodes[n_elements] = (dc_kmeans_node){0, 0, 0, 0};
    accumulate(nodes, n_elements);
    return (int64_t)n_elements;
}
