/* What windows meet that slide over arrays, with zeros around them that padding adds:
 * copied side by side, or the largest, or the mean. */
#include <math.h>

#include "run/run.h"

/* Where a window's element stands along an axis; behind the end if it is not inside. */
static inline size_t at(const dc_window *w, int axis, size_t place, size_t tap)
{
    /* What is before the first element wraps around. */
    return place * w->strides[axis] + tap * w->dilation[axis] - w->before[axis];
}

/* The channels of an element of an image; NULL where the window reaches out of it. */
static inline const float *element(const dc_window *w, const float *image,
                                   const size_t *place, const size_t *tap)
{
    size_t index = 0;
    for (int axis = 0; axis < DC_AXES; axis++) {
        const size_t i = at(w, axis, place[axis], tap[axis]);
        if (i >= w->sizes[axis])
            return NULL;
        index = index * w->sizes[axis] + i;
    }
    return image + index * w->n_channels;
}

static const size_t ZEROS[DC_AXES];

/* Goes on to the next index, the last axis first. Whether there is one. */
static inline int next(size_t *index, const size_t *begins, const size_t *ends)
{
    for (int axis = DC_AXES; axis-- > 0; index[axis] = begins[axis])
        if (++index[axis] < ends[axis])
            return 1;
    return 0;
}

static inline size_t n_of(const size_t *sizes)
{
    return sizes[0] * sizes[1] * sizes[2];
}

/* Copies n numbers, a few as a rule, for which a call would take longer. */
static inline void copy(const float *from, size_t n, float *to)
{
    for (size_t i = 0; i < n; i++)
        to[i] = from[i];
}

/* The elements along the last axis from one on that are side by side. */
static inline size_t run_length(const dc_window *w, size_t place, size_t tap)
{
    const size_t last = DC_AXES - 1, i = at(w, (int)last, place, tap);
    const size_t inside = w->sizes[last] - i, left = w->window[last] - tap;
    return w->dilation[last] > 1 ? 1 : inside < left ? inside : left;
}

void dc_patches(const dc_window *w, const float *x, float *out)
{
    const size_t n_image = n_of(w->sizes) * w->n_channels;
    if (!n_of(w->places) || !n_of(w->window) || !w->n_channels)
        return;
    for (size_t image = 0; image < w->n_images; image++, x += n_image) {
        size_t place[DC_AXES] = {0};
        do {
            size_t tap[DC_AXES] = {0};
            do {
                const float *from = element(w, x, place, tap);
                size_t n = 1;
                if (from) {
                    n = run_length(w, place[DC_AXES - 1], tap[DC_AXES - 1]);
                    copy(from, n * w->n_channels, out);
                } else {
                    for (size_t i = 0; i < w->n_channels; i++)
                        out[i] = 0;
                }
                out += n * w->n_channels;
                tap[DC_AXES - 1] += n - 1;
            } while (next(tap, ZEROS, w->window));
        } while (next(place, ZEROS, w->places));
    }
}

static inline void take_largest(const float *restrict from, size_t n, float *restrict to)
{
    for (size_t i = 0; i < n; i++)
        to[i] = from[i] > to[i] || isnan(from[i]) ? from[i] : to[i];
}

static inline void add(const float *restrict from, size_t n, float *restrict to)
{
    for (size_t i = 0; i < n; i++)
        to[i] += from[i];
}

/* The elements of a window that are inside the image. Whether there are any. */
static int find_inside(const dc_window *w, const size_t *place, size_t *begins,
                       size_t *ends)
{
    for (int axis = 0; axis < DC_AXES; axis++) {
        const size_t start = place[axis] * w->strides[axis], apart = w->dilation[axis];
        const size_t before = w->before[axis], end = w->sizes[axis] + before;
        begins[axis] = start < before ? dc_units(before - start, apart) : 0;
        ends[axis] = start < end ? dc_units(end - start, apart) : 0;
        if (ends[axis] > w->window[axis])
            ends[axis] = w->window[axis];
        if (begins[axis] >= ends[axis])
            return 0;
    }
    return 1;
}

void dc_pool(const dc_window *w, int is_mean, const float *x, float *out)
{
    const size_t n_image = n_of(w->sizes) * w->n_channels, n = w->n_channels;
    if (!n_of(w->places) || !n_of(w->window) || !w->n_channels)
        return;
    for (size_t image = 0; image < w->n_images; image++, x += n_image) {
        size_t place[DC_AXES] = {0};
        do {
            size_t begins[DC_AXES], ends[DC_AXES];
            float count = 0;
            for (size_t i = 0; i < n; i++)
                out[i] = is_mean ? 0 : -INFINITY;
            if (find_inside(w, place, begins, ends)) {
                size_t tap[DC_AXES] = {begins[0], begins[1], begins[2]};
                do {
                    const float *from = element(w, x, place, tap);
                    count++;
                    if (is_mean)
                        add(from, n, out);
                    else
                        take_largest(from, n, out);
                } while (next(tap, begins, ends));
            }
            for (size_t i = 0; is_mean && i < n; i++)
                out[i] /= count;
            out += n;
        } while (next(place, ZEROS, w->places));
    }
}
