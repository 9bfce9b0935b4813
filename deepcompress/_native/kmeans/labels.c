/* The nearest center of each value, as the number of thresholds below it.
 *
 * An even grid over the range of the thresholds says how many lie below its cell for
 * certain; what lies inside the cell is searched by halving, without a branch. The map
 * to cells is monotone whatever its rounding, so it never puts a value on the wrong
 * side.
 *
 * A cell is held to the grid, NaN included, which goes to the first. `reach` is the
 * largest power of two that is not above the most thresholds of any cell: a search
 * looks less than 2 * reach places ahead, and the thresholds are padded with so many
 * infinities, which no value is above. So no label is above the number of thresholds. */
#include "kmeans/kmeans.h"

#include <math.h>

#define DEFINE_CELL(TYPE)                                                                \
    static size_t cell_##TYPE(TYPE value, TYPE low, TYPE scale)                          \
    {                                                                                    \
        TYPE cell = (value - low) * scale;                                               \
        cell = cell > 0 ? cell : 0;                                                      \
        cell = cell < (TYPE)(DC_LABEL_CELLS - 1) ? cell : (TYPE)(DC_LABEL_CELLS - 1);    \
        return (size_t)cell;                                                             \
    }                                                                                    \
                                                                                         \
    static TYPE scale_##TYPE(const TYPE *thresholds, size_t count)                       \
    {                                                                                    \
        TYPE width = count ? thresholds[count - 1] - thresholds[0] : 0;                  \
        TYPE scale = width > 0 ? (TYPE)DC_LABEL_CELLS / width : 0;                       \
        return scale - scale == 0 ? scale : 0; /* not where it overflows */              \
    }

DEFINE_CELL(float)
DEFINE_CELL(double)

#define DEFINE_LABELS(TYPE, LABEL)                                                       \
    static void labels_##TYPE##_##LABEL(const TYPE *values, size_t n, TYPE low,          \
                                        TYPE scale, const TYPE *padded, size_t reach,    \
                                        const uint32_t *below, LABEL *labels)            \
    {                                                                                    \
        for (size_t i = 0; i < n; i++) {                                                 \
            TYPE value = values[i];                                                      \
            size_t label = below[cell_##TYPE(value, low, scale)];                        \
            for (size_t half = reach; half; half >>= 1)                                  \
                label += value > padded[label + half - 1] ? half : 0;                    \
            labels[i] = (LABEL)label;                                                    \
        }                                                                                \
    }

DEFINE_LABELS(float, uint8_t)
DEFINE_LABELS(float, uint16_t)
DEFINE_LABELS(float, uint32_t)
DEFINE_LABELS(double, uint8_t)
DEFINE_LABELS(double, uint16_t)
DEFINE_LABELS(double, uint32_t)

/* Fills the grid and copies the thresholds with infinities behind them, up to where a
 * search may look. Stores the widest step of the search. */
#define DEFINE_PREPARE(TYPE)                                                             \
    static void prepare_##TYPE(const TYPE *thresholds, size_t count, uint32_t *below,    \
                               TYPE *padded, size_t *reach)                              \
    {                                                                                    \
        TYPE low = count ? thresholds[0] : 0, scale = scale_##TYPE(thresholds, count);   \
        size_t next = 0, most = 0;                                                       \
        for (size_t cell = 0; cell < DC_LABEL_CELLS; cell++) {                           \
            size_t first = next;                                                         \
            below[cell] = (uint32_t)first;                                               \
            while (next < count && cell_##TYPE(thresholds[next], low, scale) == cell)    \
                next++;                                                                  \
            most = next - first > most ? next - first : most;                            \
        }                                                                                \
        size_t half = most ? 1 : 0;                                                      \
        while (2 * half <= most && half)                                                 \
            half *= 2;                                                                   \
        *reach = half;                                                                   \
        for (size_t i = 0; i < count + 2 * half; i++)                                    \
            padded[i] = i < count ? thresholds[i] : (TYPE)INFINITY;                      \
    }

DEFINE_PREPARE(float)
DEFINE_PREPARE(double)

#define DEFINE_RUN(TYPE)                                                                 \
    static void run_##TYPE(const TYPE *values, size_t n, const TYPE *thresholds,         \
                           size_t count, uint32_t *below, TYPE *padded, void *labels,    \
                           int label_size)                                               \
    {                                                                                    \
        TYPE low = count ? thresholds[0] : 0, scale = scale_##TYPE(thresholds, count);   \
        size_t reach = 0;                                                                \
        prepare_##TYPE(thresholds, count, below, padded, &reach);                        \
        if (label_size == 1)                                                             \
            labels_##TYPE##_uint8_t(values, n, low, scale, padded, reach, below,         \
                                    labels);                                             \
        else if (label_size == 2)                                                        \
            labels_##TYPE##_uint16_t(values, n, low, scale, padded, reach, below,        \
                                     labels);                                            \
        else                                                                             \
            labels_##TYPE##_uint32_t(values, n, low, scale, padded, reach, below,        \
                                     labels);                                            \
    }

DEFINE_RUN(float)
DEFINE_RUN(double)

int64_t dc_kmeans_labels(const void *values, int itemsize, size_t n,
                         const void *thresholds, size_t n_thresholds, uint32_t *below,
                         void *padded, void *labels, int label_size)
{
    if ((itemsize != 4 && itemsize != 8) ||
        (label_size != 1 && label_size != 2 && label_size != 4) ||
        n_thresholds >= UINT32_MAX ||
        (label_size < 4 && n_thresholds >= (size_t)1 << 8 * label_size))
        return DC_ERROR_ARGUMENT;
    if (itemsize == 4)
        run_float(values, n, thresholds, n_thresholds, below, padded, labels,
                  label_size);
    else
        run_double(values, n, thresholds, n_thresholds, below, padded, labels,
                   label_size);
    return (int64_t)n;
}
