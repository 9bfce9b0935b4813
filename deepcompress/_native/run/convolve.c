/* Convolutions of small images with filters that are held as columns: no patches are
 * made. The channels of an image lie one behind the other, with the zeros of padding
 * around them, so that from one place to the next everything that a filter meets moves by
 * one float: a vector is several places, and what a weight adds is read from one offset
 * on. Where a row of the image ends, some sums belong to no place; they are left out.
 *
 * What is pooled is pooled before it is written. */
#include <string.h>

#include "run/run.h"

enum { AT_ONCE = 8 /* vectors of sums */, BLOCK = DC_LANES };

/* How everything lies. */
typedef struct {
    size_t sizes[DC_AXES]; /* of an image with its padding */
    size_t apart[DC_AXES]; /* floats from one element along an axis to the next */
    size_t n_channel, n_image;
    size_t n_flat;  /* from the first place to the last */
    size_t n_row;   /* floats for the sums of a filter */
    size_t n_offsets, n_filters, n_places;
} layout;

static size_t span_of(const dc_window *w, int axis)
{
    return (w->window[axis] - 1) * w->dilation[axis] + 1;
}

/* Multiplies a size. Whether the product is small enough to add some up. */
static int grow(size_t *size, size_t by)
{
    if (by && *size > ((size_t)1 << 31) / by)
        return 0;
    *size *= by;
    return 1;
}

static int lay_out(const dc_convolution *c, layout *it)
{
    const dc_window *w = &c->window, *out = c->pool ? c->pool : w;
    *it = (layout){.n_channel = 1, .n_flat = 1, .n_places = 1};
    for (int axis = DC_AXES; axis-- > 0;) {
        if (!w->window[axis] || w->strides[axis] != 1 || !w->places[axis])
            return 0;
        it->sizes[axis] = w->places[axis] - 1 + span_of(w, axis);
        it->apart[axis] = it->n_channel;
        it->n_flat += (w->places[axis] - 1) * it->n_channel;
        if (it->sizes[axis] < w->before[axis] || !grow(&it->n_channel, it->sizes[axis]) ||
            !grow(&it->n_places, out->places[axis]))
            return 0;
        if (c->pool && (!out->window[axis] || !out->places[axis] || out->before[axis] ||
                        out->dilation[axis] != 1 || out->sizes[axis] != w->places[axis] ||
                        out->window[axis] > w->places[axis] ||
                        (out->places[axis] - 1) * out->strides[axis] >
                            w->places[axis] - out->window[axis]))
            return 0;
    }
    size_t n_taps = w->n_channels, n_sums = c->filters.n_inputs;
    it->n_image = it->n_channel;
    it->n_filters = c->filters.n_inputs;
    it->n_row = dc_units(it->n_flat, BLOCK) * BLOCK;
    /* Rows that are whole pages apart would push each other out of the cache. */
    it->n_row += it->n_row % 64 ? 0 : BLOCK;
    it->n_offsets = dc_n_blocks(c->filters.n_outputs, c->filters.n_bits)
                    << c->filters.n_bits;
    return grow(&n_taps, w->window[0]) && grow(&n_taps, w->window[1]) &&
           grow(&n_taps, w->window[2]) && n_taps == c->filters.n_outputs &&
           grow(&it->n_image, w->n_channels) && grow(&n_sums, it->n_row);
}

size_t dc_convolve_room(const dc_convolution *c)
{
    layout it;
    if (!lay_out(c, &it))
        return 0;
    return it.n_offsets + it.n_image + BLOCK + (it.n_filters + 2) * it.n_row + DC_SPARE;
}

static void find_offsets(const dc_convolution *c, const layout *it, uint32_t *offsets)
{
    const dc_window *w = &c->window;
    size_t n = 0;
    for (size_t i = 0; i < w->window[0]; i++)
        for (size_t j = 0; j < w->window[1]; j++)
            for (size_t k = 0; k < w->window[2]; k++)
                for (size_t channel = 0; channel < w->n_channels; channel++)
                    offsets[n++] = (uint32_t)(channel * it->n_channel +
                                              i * w->dilation[0] * it->apart[0] +
                                              j * w->dilation[1] * it->apart[1] +
                                              k * w->dilation[2]);
    for (; n < it->n_offsets; n++)
        offsets[n] = 0; /* of entries that no filter should have */
}

/* Elements of an axis that lie within the image with its padding. */
static size_t n_inside(const dc_window *w, const layout *it, int axis)
{
    const size_t n = it->sizes[axis] - w->before[axis];
    return w->sizes[axis] < n ? w->sizes[axis] : n;
}

/* Whether an image has no padding. */
static int is_whole(const dc_window *w, const layout *it)
{
    for (int axis = 0; axis < DC_AXES; axis++)
        if (w->before[axis] || w->sizes[axis] != it->sizes[axis])
            return 0;
    return 1;
}

/* Copies an image, channel by channel, to where it stands within its padding. */
static void take_image(const dc_convolution *c, const layout *it, const float *image,
                       float *to)
{
    const dc_window *w = &c->window;
    const size_t n_channels = w->n_channels, plane = w->sizes[0] * w->sizes[1] * w->sizes[2];
    const size_t between = c->is_split || n_channels == 1 ? 1 : n_channels;
    to += w->before[0] * it->apart[0] + w->before[1] * it->apart[1] + w->before[2];
    if (between == 1 && is_whole(w, it)) {
        memcpy(to, image, it->n_image * sizeof *to);
        return;
    }
    const size_t n = n_inside(w, it, 2);
    for (size_t i = 0; i < n_inside(w, it, 0); i++)
        for (size_t j = 0; j < n_inside(w, it, 1); j++) {
            const size_t row = (i * w->sizes[1] + j) * w->sizes[2];
            float *into = to + i * it->apart[0] + j * it->apart[1];
            for (size_t channel = 0; channel < n_channels; channel++) {
                const float *from = between == 1 ? image + channel * plane + row
                                                 : image + row * n_channels + channel;
                for (size_t k = 0; k < n; k++)
                    into[channel * it->n_channel + k] = from[k * between];
            }
        }
}

/* Writes the sums of the places that there are: all of a filter one behind the other. */
static void pick(const dc_convolution *c, const layout *it, const float *row, float *to)
{
    const dc_window *w = c->pool ? c->pool : &c->window;
    const size_t stride = w->strides[2];
    for (size_t i = 0; i < w->places[0]; i++)
        for (size_t j = 0; j < w->places[1]; j++) {
            const float *from = row + i * w->strides[0] * it->apart[0] +
                                j * w->strides[1] * it->apart[1];
            for (size_t k = 0; k < w->places[2]; k++)
                *to++ = from[k * stride];
        }
}

#define DEFINE_CONVOLVER(NAME, N_LANES, TARGET)                                          \
    TARGET DC_INLINE void NAME##_sums(const int n, const dc_convolution *c,              \
                                      const layout *it, const uint32_t *offsets,         \
                                      size_t filter, const float *x, float *y)           \
    {                                                                                    \
        typedef DC_VECTOR(N_LANES) vector;                                               \
        const dc_columns *filters = &c->filters;                                         \
        const size_t n_lanes = sizeof(vector) / sizeof *y;                               \
        const size_t mask = ((size_t)1 << filters->n_bits) - 1;                          \
        vector sums[AT_ONCE], met;                                                       \
        for (int k = 0; k < n; k++)                                                      \
            sums[k] = (vector){0};                                                       \
        for (size_t from = 0; from < it->n_offsets; from += mask + 1) {                  \
            const size_t list = (from >> filters->n_bits) * it->n_filters + filter;      \
            for (size_t i = filters->starts[list]; i < filters->starts[list + 1]; i++) { \
                const float *at = x + offsets[from + (filters->entries[i] & mask)];      \
                const float value = dc_value_at(filters, i);                             \
                for (int k = 0; k < n; k++) {                                            \
                    memcpy(&met, at + (size_t)k * n_lanes, sizeof met);                  \
                    sums[k] += met * value;                                              \
                }                                                                        \
            }                                                                            \
        }                                                                                \
        memcpy(y, sums, (size_t)n * sizeof(vector));                                     \
    }                                                                                    \
                                                                                         \
    TARGET static void NAME(const dc_convolution *c, const layout *it,                   \
                            const uint32_t *offsets, const float *x, float *y)           \
    {                                                                                    \
        const size_t n_lanes = sizeof(DC_VECTOR(N_LANES)) / sizeof *y;                   \
        for (size_t begin = 0, n; begin < it->n_flat; begin += n * n_lanes) {            \
            const size_t left = dc_units(it->n_flat - begin, n_lanes);                   \
            n = left < 2 ? 1 : left < 4 ? 2 : left < AT_ONCE ? 4 : AT_ONCE;              \
            for (size_t filter = 0; filter < it->n_filters; filter++) {                  \
                float *to = y + filter * it->n_row + begin;                              \
                const float *from = x + begin;                                           \
                if (n == AT_ONCE)                                                        \
                    NAME##_sums(AT_ONCE, c, it, offsets, filter, from, to);              \
                else if (n == 4)                                                         \
                    NAME##_sums(4, c, it, offsets, filter, from, to);                    \
                else if (n == 2)                                                         \
                    NAME##_sums(2, c, it, offsets, filter, from, to);                    \
                else                                                                     \
                    NAME##_sums(1, c, it, offsets, filter, from, to);                    \
            }                                                                            \
        }                                                                                \
    }                                                                                    \
                                                                                         \
    /* Adds a bias, and rectifies if that is asked for. */                               \
    TARGET static void NAME##_finish(float *y, size_t n, float bias, int is_rectified)   \
    {                                                                                    \
        for (size_t i = 0; i < n; i++)                                                   \
            y[i] += bias;                                                                \
        for (size_t i = 0; is_rectified && i < n; i++)                                   \
            y[i] = y[i] < 0 ? 0 : y[i];                                                  \
    }                                                                                    \
                                                                                         \
    /* The largest of each number and some that are equally far apart behind it. */      \
    TARGET static void NAME##_largest(const float *restrict from, size_t n, size_t apart, \
                                      size_t n_taps, float *restrict to)                 \
    {                                                                                    \
        memcpy(to, from, n * sizeof *to);                                                \
        for (size_t tap = 1; tap < n_taps; tap++) {                                      \
            const float *restrict other = from + tap * apart;                            \
            for (size_t i = 0; i < n; i++)                                               \
                to[i] = !(other[i] <= to[i]) && to[i] == to[i] ? other[i] : to[i];       \
        }                                                                                \
    }

DEFINE_CONVOLVER(portable, 4, )
#if DC_HAS_X86
DEFINE_CONVOLVER(avx2, 8, DC_AVX2)
DEFINE_CONVOLVER(avx512, 16, DC_AVX512)
#endif

/* What there is a version of for each isa. */
typedef struct {
    void (*convolve)(const dc_convolution *c, const layout *it, const uint32_t *offsets,
                     const float *x, float *y);
    void (*largest)(const float *restrict from, size_t n, size_t apart, size_t n_taps,
                    float *restrict to);
    void (*finish)(float *y, size_t n, float bias, int is_rectified);
} kernels;

static kernels kernels_of(int isa)
{
#if DC_HAS_X86
    if (isa >= DC_ISA_AVX512)
        return (kernels){avx512, avx512_largest, avx512_finish};
    if (isa >= DC_ISA_AVX2)
        return (kernels){avx2, avx2_largest, avx2_finish};
#endif
    (void)isa;
    return (kernels){portable, portable_largest, portable_finish};
}

/* Pools the sums of one filter. Returns where that then stands. */
static const float *pool(const dc_convolution *c, const layout *it, kernels run,
                         const float *row, float *spare)
{
    size_t n = it->n_flat;
    float *to = spare;
    for (int axis = DC_AXES; c->pool && axis-- > 0;) {
        const size_t n_taps = c->pool->window[axis];
        if (n_taps == 1)
            continue;
        n -= (n_taps - 1) * it->apart[axis];
        run.largest(row, n, it->apart[axis], n_taps, to);
        row = to;
        to = to == spare ? spare + it->n_row : spare;
    }
    return row;
}

static void turn(const float *rows, size_t n_row, size_t n_rows, size_t n, float *to)
{
    for (size_t i = 0; i < n; i++)
        for (size_t row = 0; row < n_rows; row++)
            *to++ = rows[row * n_row + i];
}

int64_t dc_convolve(const dc_convolution *c, int isa, const float *x, float *y, float *room)
{
    layout it;
    if (!lay_out(c, &it))
        return DC_ERROR_ARGUMENT;
    for (size_t i = 0; i < it.n_offsets >> c->filters.n_bits; i++)
        for (size_t filter = 0; filter < it.n_filters; filter++)
            if (!dc_is_list(&c->filters, i * it.n_filters + filter))
                return DC_ERROR_ARGUMENT;
    const kernels run = kernels_of(isa);
    const dc_window *w = &c->window;
    float *sums = dc_aligned(room), *spare = sums + it.n_filters * it.n_row;
    float *image = spare + 2 * it.n_row;
    uint32_t *offsets = (uint32_t *)(image + it.n_image + BLOCK);
    find_offsets(c, &it, offsets);
    memset(image, 0, (it.n_image + BLOCK) * sizeof *image);
    const size_t n_x = w->n_channels * w->sizes[0] * w->sizes[1] * w->sizes[2];
    for (size_t i = 0; i < w->n_images; i++, x += n_x) {
        take_image(c, &it, x, image);
        run.convolve(c, &it, offsets, image, sums);
        for (size_t filter = 0; filter < it.n_filters; filter++) {
            float *row = sums + filter * it.n_row;
            float *to = c->makes_split ? y + filter * it.n_places : row;
            /* Adding and rectifying change no order: after pooling there is less. */
            pick(c, &it, pool(c, &it, run, row, spare), to);
            run.finish(to, it.n_places, c->bias ? c->bias[filter] : 0, c->is_rectified);
        }
        if (!c->makes_split)
            turn(sums, it.n_row, it.n_filters, it.n_places, y);
        y += it.n_filters * it.n_places;
    }
    return (int64_t)w->n_images;
}
