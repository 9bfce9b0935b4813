/* Runs a chain of layers where flash and memory are scarce: takes the place of dcz_run.c in
 * firmware. One input, and layers that each take what the one before gives: dense and
 * convolution layers, plain or channel by channel, pooling, also over all places, batch
 * normalization, flatten and activations, over at most two axes of places. Weights are
 * DCZ_STREAMED.
 *
 * The program stays as the file holds it, and is read again for each example. `step` reads
 * an operation, finds the shape of what it makes and computes it, or, when a net is
 * opened, only plans it. What an operation takes lies at one end of the arena, what it
 * makes at the other. */
#include "dcz_run.h"

/* As <string.h> has them, which is not there where no C library is. */
void *memcpy(void *to, const void *from, size_t n);
void *memset(void *to, int byte, size_t n);

/* As in dcz.c: so GCC makes less of it. */
#ifdef __GNUC__
#define APART __attribute__((noinline))
#else
#define APART
#endif
#if defined __OPTIMIZE_SIZE__ && defined __GNUC__ && !defined __clang__
#pragma GCC optimize("no-thread-jumps")
#endif

/* The numbers are those of the file. */
enum { DENSE = 2, CONV, DEPTHWISE_CONV, POOL = 6, FLATTEN, UNARY };
enum { REDUCE = 10, BATCH_NORMALIZATION };
enum { MEAN, MAX = 2 };
enum { GAMMA, BIAS, MEANS, VARIANCE };
enum { LINEAR, RELU, SIGMOID, TANH, SOFTMAX, RELU6 = 15 };
enum { VALID, SAME };
enum { ONE, LIST };

/* Of all values: what has fewer axes has ones ahead. */
enum { LINES, PIXELS, CHANNELS, RANK };

enum { N_PLACES = 2, MAX_WEIGHTS = 4, MAX_FIELDS = 5, ALIGNMENT = 8 };

static const size_t MAX_ELEMENTS = (size_t)1 << 26, NONE = SIZE_MAX;

/* The integers of a field; none where it is not stored. */
typedef struct {
    size_t n, at[N_PLACES];
} field;

/* How a window slides along an axis. */
typedef struct {
    size_t n_x, n_y, size, stride, before;
} slide;

typedef struct {
    const dcz_net *net;
    const uint8_t *at; /* of the program */
    unsigned form;
    size_t kind; /* the number of that of the operation, and 100; else 0 */
    dcz_status status;
    size_t cursor; /* the array that is expected next */
    size_t weights[MAX_WEIGHTS];
    field fields[MAX_FIELDS];
    size_t rank, shape[RANK], n; /* of what was made last */
    uint8_t *arena;              /* NULL: nothing is computed */
    const float *x;
    float *y;
    size_t held; /* bytes of the arena that x takes */
    int is_high; /* at the end of it */
    size_t activations, decoding; /* bytes that it takes */
    float work;                   /* multiplications */
    slide windows[N_PLACES];
    size_t n_channels; /* of x */
    int is_by_channel, is_most;
    unsigned part; /* of a normalization */
    float epsilon;
} machine;

/* ---- Bytes ------------------------------------------------------------------ */

static void stop(machine *m, dcz_status status)
{
    if (m->status == DCZ_OK)
        m->status = status;
    m->at = m->net->end;
}

static void corrupt(machine *m)
{
    stop(m, DCZ_ERROR_CORRUPT);
}

static void leave_out(machine *m)
{
    stop(m, DCZ_ERROR_LEFT_OUT);
}

static unsigned byte(machine *m)
{
    if (m->at < m->net->end)
        return *m->at++;
    corrupt(m);
    return 0;
}

/* Below 2^28: nothing that is larger can be run. */
static size_t varint(machine *m)
{
    size_t value = 0;
    unsigned next = 128;
    for (unsigned shift = 0; next > 127; shift += 7) {
        next = byte(m);
        value |= (size_t)(next & 127) << shift;
        if (shift == 21 && next > 127)
            leave_out(m);
    }
    return value;
}

static size_t unzigzag(size_t value)
{
    return value >> 1 ^ -(value & 1);
}

APART static float from_bits(uint32_t bits)
{
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static float real(const uint8_t *at)
{
    return from_bits((uint32_t)at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 |
                     (uint32_t)at[3] << 24);
}

/* The square root, to 2e-7. */
static float root(float x)
{
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    float y = from_bits(bits / 2 + UINT32_C(0x1FBD1DF5));
    for (int i = 3; i--;)
        y = (y + x / y) / 2;
    return y;
}

/* ---- Activations ------------------------------------------------------------ */

/* e^x of what is not above 0, to 2e-7. */
static float exp_of(float x)
{
    if (!(x > -87))
        return x < 0 ? 0 : x;
    const int32_t n = (int32_t)(x * 1.44269504f - 0.5f);
    const float r = x - (float)n * 0.693359375f + (float)n * 2.12194440e-4f;
    float p = 1;
    for (int32_t k = 7; k; k--)
        p = 1 + p * r / (float)k;
    return p * from_bits((uint32_t)(n + 127) << 23);
}

static float sigmoid(float x)
{
    const float t = exp_of(x < 0 ? x : -x);
    return (x < 0 ? t : 1) / (1 + t);
}

static void softmax(float *x, size_t n)
{
    float most = *x, sum = 0;
    for (size_t i = 0; i < n; i++)
        most = x[i] > most ? x[i] : most;
    for (size_t i = 0; i < n; i++)
        sum += x[i] = exp_of(x[i] - most);
    for (size_t i = 0; i < n; i++)
        x[i] /= sum;
}

/* A function of all that was made. */
static void activate(machine *m, size_t which)
{
    if (which > SOFTMAX && which != RELU6)
        leave_out(m);
    if (!m->arena || m->status)
        return;
    const size_t step = which == SOFTMAX ? m->shape[CHANNELS] : 1;
    for (float *y = m->y, *end = y + m->n; y < end; y += step) {
        if (which == SOFTMAX)
            softmax(y, step);
        else if (which == SIGMOID)
            *y = sigmoid(*y);
        else if (which == TANH)
            *y = 2 * sigmoid(2 * *y) - 1;
        else if (which != LINEAR && *y < 0)
            *y = 0;
        else if (which == RELU6 && *y > 6)
            *y = 6;
    }
}

/* ---- Weights and windows ---------------------------------------------------- */

/* Adds what a weight makes of the part of a channel of x that it meets to a channel of y,
 * or takes the most of them. The places of a window are counted line by line. */
static void meet(const machine *m, size_t place, size_t from, size_t to, float w)
{
    const slide *lines = &m->windows[LINES], *pixels = &m->windows[PIXELS];
    const size_t shift = place % pixels->size, stride = pixels->stride;
    const size_t n_x = m->n_channels, n_y = m->shape[CHANNELS];
    const float *x = m->x;
    float *y = m->y;
    size_t line = place / pixels->size - lines->before, first = 0, end = pixels->n_y;
    while (first < end && first * stride + shift < pixels->before)
        first++;
    while (first < end && (end - 1) * stride + shift - pixels->before >= pixels->n_x)
        end--;
    for (size_t l = 0; l < lines->n_y; l++, line += lines->stride) {
        /* What is below 0 is far above the end, too. */
        if (line >= lines->n_x)
            continue;
        const size_t pixel = first * stride + shift - pixels->before;
        size_t at = (line * pixels->n_x + pixel) * n_x + from;
        size_t k = (l * pixels->n_y + first) * n_y + to;
        for (size_t p = first; p < end; p++, at += stride * n_x, k += n_y)
            if (!m->is_most)
                y[k] += w * x[at];
            else if (y[k] < x[at])
                y[k] = x[at];
    }
}

static void visit_kernel(void *to, size_t place, const uint8_t *bits, size_t code)
{
    const machine *m = to;
    const size_t n_y = m->shape[CHANNELS], f = place % n_y;
    (void)code;
    place /= n_y;
    if (m->is_by_channel)
        meet(m, place, f / (n_y / m->n_channels), f, real(bits));
    else
        meet(m, place / m->n_channels, place % m->n_channels, f, real(bits));
}

/* What belongs to the channels of y: a bias, or a part of a normalization. Nothing may be
 * told of a 0. So gamma makes its values where zeros were, and divides by what belongs to
 * a variance of 0; other variances have no more to divide by than what is left of theirs. */
static void visit_channel(void *to, size_t place, const uint8_t *bits, size_t code)
{
    const machine *m = to;
    float w = real(bits);
    (void)code;
    if (m->part == MEANS)
        w = -w;
    else if (m->part == VARIANCE)
        w = root(m->epsilon / (w + m->epsilon));
    else if (m->part == GAMMA)
        w /= root(m->epsilon);
    for (; place < m->n; place += m->shape[CHANNELS])
        m->y[place] = m->part == BIAS || m->part == MEANS ? m->y[place] + w : w * m->x[place];
}

static void ignore(void *to, size_t place, const uint8_t *bits, size_t code)
{
    (void)to;
    (void)place;
    (void)bits;
    (void)code;
}

/* What is told of a weight of this operation, where there is one and it can be run. */
static size_t find_weight(machine *m, unsigned which, dcz_tensor_info *info)
{
    if (dcz_tensor(m->net->file, m->weights[which], info))
        corrupt(m);
    else if (info->dtype != DCZ_FLOAT32)
        leave_out(m);
    return m->status ? 0 : info->n_elements;
}

/* Tells of the elements of an array, or finds what memory that takes. */
static void each(machine *m, size_t index, dcz_visitor *visit)
{
    dcz_scratch scratch = {NULL, 0, 0, 0};
    if (m->arena) {
        scratch.memory = m->arena + m->net->activations;
        scratch.size = m->net->decoding;
    }
    const dcz_status status =
        dcz_each(m->net->file, index, m->arena ? visit : ignore, m, &scratch);
    if (scratch.needed > m->decoding)
        m->decoding = scratch.needed;
    if (status && (m->arena || status != DCZ_ERROR_SCRATCH))
        stop(m, status);
}

/* ---- Operations ------------------------------------------------------------- */

/* How many elements there are in a shape, where there are not too many. */
static void count(machine *m)
{
    m->n = 1;
    for (unsigned axis = 0; axis < RANK; axis++) {
        const size_t length = m->shape[axis];
        if (length - 1 >= MAX_ELEMENTS / m->n) {
            stop(m, DCZ_ERROR_TOO_LARGE);
            return;
        }
        m->n *= length;
    }
}

/* Finds room for what is made, in the shape that was set, of so many values for each that
 * is made, and fills it. */
static void make(machine *m, size_t n_met, float filler)
{
    count(m);
    m->work += (float)n_met * (float)m->n;
    const size_t size = (m->n * sizeof(float) + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    if (m->activations < m->held + size)
        m->activations = m->held + size;
    m->held = size;
    m->is_high = !m->is_high;
    if (!m->arena || m->status)
        return;
    m->y = (float *)(void *)(m->arena + (m->is_high ? m->net->activations - size : 0));
    for (size_t i = 0; i < m->n; i++)
        m->y[i] = filler;
}

/* What a field says of an axis of places: the last of them are told, or none. */
static size_t along(const field *f, unsigned axis, size_t otherwise)
{
    if (!f->n)
        return otherwise;
    return axis + f->n < N_PLACES ? 1 : f->at[axis + f->n - N_PLACES];
}

/* Slides a window along an axis, which gets another length. */
static void slide_along(machine *m, unsigned axis, size_t size, size_t stride,
                        const field *padding)
{
    slide *s = &m->windows[axis];
    const size_t n = m->shape[axis], is_same = padding->n ? padding->at[0] : VALID;
    if (is_same > SAME)
        leave_out(m);
    if (size - 1 >= MAX_ELEMENTS || stride - 1 >= MAX_ELEMENTS || (!is_same && size > n))
        corrupt(m);
    if (m->status)
        return;
    s->n_x = n;
    s->size = size;
    s->stride = stride;
    m->shape[axis] = s->n_y = (n - (is_same ? 1 : size)) / stride + 1;
    const size_t met = (s->n_y - 1) * stride + size;
    s->before = met > n ? (met - n) / 2 : 0;
}

static void apply_weights(machine *m, unsigned kind)
{
    const field nothing = {0, {0}}, *given = m->fields;
    /* A dense layer is a window of one place. Where others have strides it has the number
     * of axes that it takes as one. */
    const field *strides = &given[1], *padding = kind == DENSE ? &nothing : &given[2];
    dcz_tensor_info info;
    const size_t n_elements = find_weight(m, 0, &info);
    if (n_elements == 0 || info.rank < 2 || info.rank > 2 + N_PLACES ||
        (kind == DENSE && (strides->n || info.rank > 2)) || given[3].n || given[4].n)
        leave_out(m);
    if (m->status)
        return;
    const size_t n_places = info.rank - 2;
    for (unsigned axis = 0; axis < N_PLACES; axis++) {
        const size_t is_told = axis + n_places >= N_PLACES;
        slide_along(m, axis, is_told ? info.shape[axis + n_places - N_PLACES] : 1,
                    along(strides, axis, 1), padding);
    }
    if (info.shape[n_places] != m->n_channels)
        corrupt(m);
    if (m->status)
        return;
    m->is_by_channel = kind == DEPTHWISE_CONV;
    m->part = BIAS;
    m->shape[CHANNELS] = info.shape[n_places + 1] * (m->is_by_channel ? m->n_channels : 1);
    make(m, n_elements / m->shape[CHANNELS], 0);
    const int has_bias = m->weights[1] != NONE;
    if (has_bias && find_weight(m, 1, &info) != m->shape[CHANNELS])
        corrupt(m);
    if (m->status)
        return;
    each(m, m->weights[0], visit_kernel);
    if (has_bias && !m->status)
        each(m, m->weights[1], visit_channel);
}

static void apply_pool(machine *m)
{
    const field *given = m->fields;
    const size_t is_mean = given[0].n && given[0].at[0];
    size_t n = 1;
    for (unsigned axis = 0; axis < N_PLACES; axis++) {
        const size_t size = along(&given[1], axis, 2);
        slide_along(m, axis, size, along(&given[2], axis, size), &given[3]);
        n *= m->windows[axis].size;
    }
    /* At the borders there are fewer to take the mean of. */
    if (is_mean && given[3].n)
        leave_out(m);
    m->is_by_channel = 1;
    m->is_most = !is_mean;
    make(m, n, is_mean ? 0 : -from_bits(0x7F800000));
    for (size_t i = 0; m->arena && i < n && !m->status; i++)
        for (size_t c = 0; c < m->n_channels; c++)
            meet(m, i, c, c, 1 / (float)n);
    m->is_most = 0;
}

static void normalize(machine *m)
{
    static const uint8_t ORDER[MAX_WEIGHTS] = {MEANS, VARIANCE, GAMMA, BIAS};
    const field *given = m->fields;
    dcz_tensor_info info;
    m->epsilon = given[1].n ? from_bits((uint32_t)given[1].at[0]) : 0.001f;
    if (given[0].n || given[2].n || !(m->epsilon > 1e-12f))
        leave_out(m);
    for (unsigned i = 0; i < MAX_WEIGHTS && !m->status; i++) {
        m->part = ORDER[i];
        if (find_weight(m, m->part, &info) != m->shape[CHANNELS])
            corrupt(m);
        m->x = m->y;
        if (m->part == GAMMA)
            make(m, 1, 0);
        if (!m->status)
            each(m, m->weights[m->part], visit_channel);
    }
}

/* Makes of what is reduced along all axes of places a pool as large as these. */
static void widen_pool(machine *m)
{
    field *given = m->fields;
    const size_t function = given[0].n ? given[0].at[0] : MEAN, n = m->rank - 1;
    if (n - 1 >= N_PLACES || given[1].n != n || given[1].at[0] != 1 ||
        (n > 1 && given[1].at[1] != 2) || given[2].n || (function != MEAN && function != MAX))
        leave_out(m);
    given[0].n = 1;
    given[0].at[0] = function == MEAN;
    given[1].n = N_PLACES;
    memcpy(given[1].at, m->shape, sizeof given[1].at);
    m->rank = 1;
}

/* Reads an operation, and does it. */
APART static void step(machine *m)
{
    static const struct {
        uint8_t number, n_weights;
        char fields[MAX_FIELDS + 1]; /* f: a function, i: an integer, I: several, r: a float */
    } KINDS[] = {{DENSE, 2, "fi"}, {CONV, 2, "fIfIi"}, {DEPTHWISE_CONV, 2, "fIfI"},
                 {POOL, 0, "fIIf"}, {FLATTEN, 0, ""}, {UNARY, 0, "frrri"},
                 {REDUCE, 0, "fIi"}, {BATCH_NORMALIZATION, 4, "irif"}};
    const size_t number = varint(m), n_kinds = sizeof KINDS / sizeof *KINDS;
    m->kind = 100 + number;
    size_t flags = varint(m), k = 0;
    while (k < n_kinds && KINDS[k].number != number)
        k++;
    if (k == n_kinds)
        leave_out(m);
    if (flags & 1 && varint(m) != 1)
        leave_out(m);
    if (flags & 1 && varint(m) != 0)
        leave_out(m);
    if (m->status)
        return;
    const size_t n_weights = flags & 2 ? varint(m) : KINDS[k].n_weights;
    for (size_t i = 0; i < MAX_WEIGHTS; i++) {
        m->weights[i] = NONE;
        const size_t next = i >= n_weights ? 0 : flags & 2 ? varint(m) : 1;
        if (next) {
            m->cursor += unzigzag(next - 1);
            m->weights[i] = m->cursor++;
        }
    }
    if (n_weights > KINDS[k].n_weights || (flags & 4 && varint(m) != 1))
        corrupt(m);
    memset(m->fields, 0, sizeof m->fields);
    flags >>= 3;
    for (field *f = m->fields; f < m->fields + MAX_FIELDS; f++, flags >>= 1) {
        const char type = KINDS[k].fields[f - m->fields];
        if (!(flags & 1))
            continue;
        f->n = type == 'I' ? varint(m) : 1;
        if (!type || f->n > N_PLACES)
            leave_out(m);
        for (size_t i = 0; i < f->n && !m->status; i++) {
            if (type == 'r') {
                for (unsigned shift = 0; shift < 32; shift += 8)
                    f->at[0] |= (size_t)byte(m) << shift;
                continue;
            }
            const size_t value = varint(m);
            f->at[i] = type == 'f' ? value : unzigzag(value);
        }
    }
    if (flags)
        corrupt(m);
    if (m->status)
        return;
    size_t function = m->fields->n ? m->fields->at[0] : LINEAR;
    m->n_channels = m->shape[CHANNELS];
    if (number == FLATTEN) {
        m->shape[LINES] = m->shape[PIXELS] = m->rank = 1;
        m->shape[CHANNELS] = m->n;
        return;
    }
    if (number == UNARY || number == BATCH_NORMALIZATION) {
        if (!m->fields->n)
            function = RELU;
        if (number == UNARY)
            for (unsigned i = 1; i < MAX_FIELDS; i++)
                if (m->fields[i].n)
                    leave_out(m);
        /* In place, but not where the input of the net is. */
        if (!m->held) {
            make(m, 1, 0);
            for (size_t i = 0; m->arena && i < m->n; i++)
                m->y[i] = m->x[i];
        }
        if (number == BATCH_NORMALIZATION) {
            function = m->fields[3].n ? m->fields[3].at[0] : LINEAR;
            normalize(m);
        }
    } else if (number == POOL || number == REDUCE) {
        if (number == REDUCE)
            widen_pool(m);
        function = LINEAR;
        apply_pool(m);
    } else {
        apply_weights(m, (unsigned)number);
    }
    activate(m, function);
    m->x = m->y;
}

/* ---- The program ------------------------------------------------------------ */

/* Reads what stands ahead of the operations. */
static void begin(machine *m, const dcz_net *net)
{
    memset(m, 0, sizeof *m);
    m->net = net;
    m->at = net->program;
    if (byte(m) != 1)
        corrupt(m);
    m->form = byte(m);
    if (m->form > LIST || varint(m) != 1)
        leave_out(m);
    for (size_t n = varint(m); n && !m->status; n--)
        byte(m); /* of its name */
    varint(m);   /* its dtype: it is given as floats */
    m->rank = varint(m);
    if (m->rank > RANK)
        leave_out(m);
    for (size_t axis = 0; axis < RANK && !m->status; axis++) {
        m->shape[axis] = axis + m->rank < RANK ? 1 : varint(m);
        if (!m->shape[axis])
            leave_out(m); /* of any length */
    }
    if (!m->status)
        count(m);
}

/* Reads the program, and runs it if there is an arena. */
static void walk(machine *m)
{
    for (size_t n = varint(m); n && !m->status; n--)
        step(m);
    if (!m->status)
        m->kind = 0;
    if ((m->form == LIST && varint(m) != 1) || varint(m) != 0)
        leave_out(m);
    if (m->at != m->net->end)
        corrupt(m);
}

APART static void describe(const machine *m, dcz_value_info *info)
{
    info->name = "";
    info->name_size = 0;
    info->n_elements = m->n;
    info->rank = m->rank;
    for (size_t axis = 0; axis < m->rank; axis++)
        info->shape[axis] = m->shape[RANK - m->rank + axis];
}

dcz_status dcz_run_open(dcz_net *net, const dcz_file *file, dcz_mode mode,
                        dcz_scratch *scratch)
{
    static const char NAME[] = {'p', 'r', 'o', 'g', 'r', 'a', 'm'};
    machine m;
    memset(net, 0, sizeof *net);
    scratch->needed = 0;
    net->file = file;
    net->refused = "";
    for (size_t i = 0; i < file->n_parts && !net->program; i++) {
        dcz_blob part;
        size_t n = 0;
        const dcz_status status = dcz_part(file, i, &part);
        while (n < part.name_size && n < sizeof NAME && part.name[n] == NAME[n])
            n++;
        if (n != part.name_size || n != sizeof NAME)
            continue;
        if (status)
            return status;
        net->program = part.data;
        net->end = part.data + part.size;
    }
    if (!net->program || mode != DCZ_STREAMED)
        return DCZ_ERROR_LEFT_OUT;
    begin(&m, net);
    walk(&m);
    net->n_inputs = net->n_outputs = 1;
    net->activations = m.activations;
    net->decoding = m.decoding;
    net->work = m.work;
    net->arena = m.activations + m.decoding + ALIGNMENT;
    if (m.status == DCZ_ERROR_LEFT_OUT) {
        net->refused = "inputs or outputs";
        net->refused_size = 17;
        if (m.kind) {
            memcpy(net->words, "kind 00", 7);
            net->words[5] += (char)(m.kind / 10 % 10);
            net->words[6] += (char)(m.kind % 10);
            net->refused = net->words;
            net->refused_size = 7;
        }
    }
    return m.status;
}

dcz_status dcz_run_input(const dcz_net *net, size_t index, dcz_value_info *info)
{
    machine m;
    begin(&m, net);
    describe(&m, info);
    return index ? DCZ_ERROR_ARGUMENT : DCZ_OK;
}

dcz_status dcz_run_output(const dcz_net *net, size_t index, dcz_value_info *info)
{
    machine m;
    begin(&m, net);
    walk(&m);
    describe(&m, info);
    return index ? DCZ_ERROR_ARGUMENT : DCZ_OK;
}

dcz_status dcz_run_operation(const dcz_net *net, size_t index, dcz_operation_info *info)
{
    (void)net;
    (void)index;
    (void)info;
    return DCZ_ERROR_LEFT_OUT;
}

/* ---- Running ---------------------------------------------------------------- */

dcz_status dcz_run(const dcz_net *net, const float *const *inputs, float *const *outputs,
                   void *arena, size_t size)
{
    machine m;
    float sum = 0;
    if (size < net->arena || !arena)
        return DCZ_ERROR_ARGUMENT;
    begin(&m, net);
    m.x = *inputs;
    for (size_t i = 0; i < m.n; i++)
        sum += m.x[i] * 0;
    m.arena = (uint8_t *)arena + (size_t)(-(uintptr_t)arena % ALIGNMENT);
    walk(&m);
    for (size_t i = 0; i < m.n && !m.status; i++)
        outputs[0][i] = m.x[i] + sum; /* not a number, where not all inputs are finite */
    return m.status;
}
