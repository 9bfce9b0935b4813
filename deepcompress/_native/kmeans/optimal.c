/* The exact optimum: a dynamic program, once for each penalty that is tried.
 *
 * Sorted values make optimal clusters intervals, and the costs of intervals are Monge:
 * where a later beginning of the last cluster is better than an earlier one, it stays
 * better for all ends to come. If a cluster costs a penalty instead of being counted,
 * one pass with a queue of beginnings finds the best clustering, in linear space; a
 * larger penalty gives fewer clusters. A search brackets the penalty until the number
 * is the one asked for, or until nothing lies between the ends of the bracket: then the
 * two clusterings at its ends cost the same at that penalty, and are spliced into one
 * of the right number.
 *
 * - A beginning enters the queue once at most, so the queue has room for all of them;
 *   `parents` leads from each end to an earlier one, so every walk back ends at 0.
 * - Cuts ascend from 0 to n whatever the costs are. In splice `few` ends with n, above
 *   which no cut of `many` lies: its search ends within both.
 * - Every fourth penalty is that of the chord: it ends the search, or takes a
 *   clustering from between the ends, of which there are finitely many. So the search
 *   ends even where costs are no numbers. */
#include "kmeans/kmeans.h"

#include <string.h>

/* The squared distances of the elements first .. last - 1 from their mean. */
static double cost(const dc_kmeans_node *first, const dc_kmeans_node *last)
{
    double weight = last->weight - first->weight;
    double sum = last->sum - first->sum;
    double result = last->square - first->square - (weight > 0 ? sum * sum / weight : 0);
    return result > 0 ? result : 0;
}

/* The best clustering of the elements before `end` whose last cluster begins at
 * `begin`, penalties of that last cluster left out. */
static double reach(const dc_kmeans_node *nodes, size_t begin, size_t end)
{
    return nodes[begin].best + cost(&nodes[begin], &nodes[end]);
}

/* The first end above `known` (where it is not) from which on a last cluster that
 * begins at `later` beats one that begins at `earlier`; n + 1 where there is none. */
static size_t crossing(const dc_kmeans_node *nodes, size_t n, size_t earlier,
                       size_t later, size_t known)
{
    size_t low = known, high = known, step = 1;
    for (;; step *= 2) {
        high = step < n - low ? low + step : n;
        if (reach(nodes, later, high) < reach(nodes, earlier, high))
            break;
        if (high == n)
            return n + 1;
        low = high;
    }
    while (high - low > 1) {
        size_t middle = low + (high - low) / 2;
        int wins = reach(nodes, later, middle) < reach(nodes, earlier, middle);
        high = wins ? middle : high;
        low = wins ? low : middle;
    }
    return high;
}

/* The best clustering where each cluster costs `penalty` besides its squares. The
 * queue holds the beginnings that still can win, each with the first end where it does.
 * Returns the number of clusters; `parents` leads back through their beginnings. */
static size_t penalised(dc_kmeans_node *nodes, size_t n, double penalty,
                        dc_kmeans_workspace w)
{
    size_t head = 0, tail = 1;
    nodes[0].best = 0;
    w.begins[0] = 0;
    w.wins_from[0] = 1;
    for (size_t end = 1;; end++) {
        while (head + 1 < tail && w.wins_from[head + 1] <= end)
            head++;
        nodes[end].best = reach(nodes, w.begins[head], end) + penalty;
        w.parents[end] = w.begins[head];
        if (end == n)
            break;
        size_t wins = end + 1;
        while (tail > head) {
            size_t last = w.begins[tail - 1];
            size_t from = w.wins_from[tail - 1] > end ? w.wins_from[tail - 1] : end + 1;
            if (reach(nodes, end, from) < reach(nodes, last, from)) {
                tail--;
                continue;
            }
            wins = from < n ? crossing(nodes, n, last, end, from) : n + 1;
            break;
        }
        if (wins <= n) {
            w.begins[tail] = (uint32_t)end;
            w.wins_from[tail++] = (uint32_t)wins;
        }
    }
    size_t n_clusters = 0;
    for (size_t end = n; end; end = w.parents[end])
        n_clusters++;
    return n_clusters;
}

/* Lays the clustering that `parents` holds out as n_clusters + 1 ascending cuts. */
static void trace(const uint32_t *parents, size_t n, size_t n_clusters, uint32_t *cuts)
{
    size_t end = n;
    for (size_t j = n_clusters; j > 0; j--, end = parents[end])
        cuts[j] = (uint32_t)end;
    cuts[0] = 0;
}

static double total_cost(const dc_kmeans_node *nodes, const uint32_t *cuts,
                         size_t n_clusters)
{
    double total = 0;
    for (size_t j = 0; j < n_clusters; j++)
        total += cost(&nodes[cuts[j]], &nodes[cuts[j + 1]]);
    return total;
}

/* One end of the bracket round the penalty sought. */
typedef struct {
    double penalty;
    double cost;
    size_t n_clusters;
    uint32_t *cuts;
} bracket_end;

/* Every element a cluster: laid out only when needed, which is next to never. */
static const uint32_t *each_apart(bracket_end *many)
{
    for (size_t i = 0; i <= many->n_clusters; i++)
        many->cuts[i] = (uint32_t)i;
    return many->cuts;
}

/* From one optimum with too few and one with too many clusters at the same penalty,
 * one with exactly n_clusters: `many` up to a cut inside a cluster of `few`, then
 * `few` (Aggarwal, Schieber and Tokuyama 1994, section 3). */
static void splice(const bracket_end *few, const bracket_end *many, size_t n_clusters,
                   uint32_t *cuts)
{
    size_t extra = n_clusters - few->n_clusters, j = 0;
    while (many->cuts[j + extra + 1] > few->cuts[j + 1])
        j++;
    for (size_t i = 0; i <= j + extra; i++)
        cuts[i] = many->cuts[i];
    for (size_t i = j + 1; i <= few->n_clusters; i++)
        cuts[i + extra] = few->cuts[i];
}

/* Halfway between two numbers >= 0 as their bits count: 64 halvings leave nothing
 * between any two. */
static double halfway(double low, double high)
{
    uint64_t a, b;
    memcpy(&a, &low, sizeof a);
    memcpy(&b, &high, sizeof b);
    a += (b - a) / 2;
    memcpy(&low, &a, sizeof low);
    return low;
}

/* The next penalty to try. Only the chord between the ends can prove that nothing
 * lies between them; the law that penalties go as 1 / n_clusters^3 gets there in
 * fewer steps, and halving holds where the data does not follow it. */
static double next_penalty(const bracket_end *few, const bracket_end *many,
                           size_t n_clusters, int64_t step, int *is_chord)
{
    double chord =
        (few->cost - many->cost) / (double)(many->n_clusters - few->n_clusters);
    double guess = chord;
    if (many->n_clusters - few->n_clusters > 2 && step % 4 < 2) {
        double below = (double)few->n_clusters / (double)n_clusters;
        double above = (double)many->n_clusters / (double)n_clusters;
        int from_few = below * above > 1 || !(many->penalty > 0);
        guess = from_few ? few->penalty * below * below * below
                         : many->penalty * above * above * above;
    } else if (many->n_clusters - few->n_clusters > 2 && step % 4 == 3) {
        guess = halfway(many->penalty, few->penalty);
    }
    *is_chord = guess == chord || !(guess > many->penalty && guess < few->penalty);
    return *is_chord ? chord : guess;
}

int64_t dc_kmeans_optimal(dc_kmeans_node *nodes, size_t n, size_t n_clusters,
                          double guess, dc_kmeans_workspace w, int64_t *cuts,
                          double *best_cost)
{
    if (n_clusters < 1 || n_clusters > n || n >= UINT32_MAX)
        return DC_ERROR_ARGUMENT;
    /* More clusters only ever cost less: one penalty up or down moves their number
     * the other way, and an optimum for a penalty is one for its own number. */
    bracket_end few = {cost(&nodes[0], &nodes[n]), 0, 1, w.few};
    bracket_end many = {0, 0, n, w.many};
    few.cost = few.penalty;
    few.cuts[0] = 0;
    few.cuts[1] = (uint32_t)n;
    int64_t passes = 0;
    const uint32_t *found = n_clusters == 1 ? few.cuts : NULL;
    if (n_clusters == n)
        found = each_apart(&many);
    while (!found) {
        int is_chord = 0;
        double penalty = guess;
        if (passes || !(guess > 0 && guess < few.penalty))
            penalty = next_penalty(&few, &many, n_clusters, passes, &is_chord);
        size_t m = penalised(nodes, n, penalty, w);
        passes++;
        /* Outside the bracket is what rounding makes of a tie with one of its ends. */
        int is_between = m > few.n_clusters && m < many.n_clusters;
        if (m == n_clusters || (is_chord && !is_between)) {
            found = w.begins; /* the queue is done with */
            if (m == n_clusters) {
                trace(w.parents, n, m, w.begins);
            } else {
                if (many.n_clusters == n)
                    each_apart(&many);
                splice(&few, &many, n_clusters, w.begins);
            }
        } else if (m < n_clusters) {
            few.penalty = penalty;
            if (is_between) {
                few.n_clusters = m;
                trace(w.parents, n, m, few.cuts);
                few.cost = total_cost(nodes, few.cuts, m);
            }
        } else {
            many.penalty = penalty;
            if (is_between) {
                many.n_clusters = m;
                trace(w.parents, n, m, many.cuts);
                many.cost = total_cost(nodes, many.cuts, m);
            }
        }
    }
    *best_cost = total_cost(nodes, found, n_clusters);
    for (size_t j = 0; j <= n_clusters; j++)
        cuts[j] = found[j];
    return passes;
}
