/* Runs the model that a `.dcz` file holds; dcz_run.h says how to use it, docs/program.md
 * what a program looks like.
 *
 * How it is made
 *
 * - The program stays as the file holds it, and is read again for each example. `apply`
 *   does one operation: it tells the shape of what comes out, and, where there are
 *   examples, computes it. So what is planned is what is done.
 * - dcz_run_open applies all operations without examples, and gives each value its place
 *   in the arena: the first that nothing else needs as long as it is needed.
 * - Weights come one by one, with their places: decoded on the way, or from the forms in
 *   which they are held. Each is added to all that it belongs to. */
#include "dcz_run.h"

/* As <string.h> has them, which is not there where no C library is. */
void *memcpy(void *to, const void *from, size_t n);
void *memset(void *to, int byte, size_t n);

/* Compilers take small functions into others where that makes larger code of all. */
#ifdef __GNUC__
#define APART __attribute__((noinline))
#else
#define APART
#endif

enum {
    RANK = DCZ_MAX_AXES + 1, /* with the axis of the examples, which has the length 1 */
    MAX_INPUTS = 16,
    MAX_WEIGHTS = 4,
    MAX_FIELDS = 5,
    MAX_VALUES = 2048,
    ALIGNMENT = 16
};

static const size_t NONE = SIZE_MAX;
static const size_t MAX_ELEMENTS = (size_t)1 << (sizeof(size_t) > 4 ? 32 : 26);

/* ---- Words ------------------------------------------------------------------ */

static const char KIND_NAMES[] =
    "constant\0weight\0dense\0conv\0depthwise_conv\0conv_transpose\0pool\0flatten\0unary\0"
    "binary\0reduce\0batch_normalization\0layer_normalization\0group_normalization\0"
    "embedding\0lstm\0gru\0simple_rnn\0reshape\0transpose\0concatenate\0stack\0split\0"
    "slice\0expand_dims\0squeeze\0pad\0repeat\0tile\0flip\0take\0one_hot\0cast\0where\0"
    "matmul\0einsum\0attention\0resize\0crop\0merge_axes\0split_axis\0broadcast\0cumsum\0"
    "top_k\0filled_like\0range_like\0lookup\0tokenize\0count\0discretize\0"
    "causal_mask_like\0patches";

/* The numbers are those of the file. */
enum {
    CONSTANT,
    WEIGHT,
    DENSE,
    CONV,
    DEPTHWISE_CONV,
    CONV_TRANSPOSE,
    POOL,
    FLATTEN,
    UNARY,
    BINARY,
    REDUCE,
    BATCH_NORMALIZATION,
    LAYER_NORMALIZATION,
    GROUP_NORMALIZATION,
    EMBEDDING,
    RESHAPE = 18,
    TRANSPOSE,
    CONCATENATE,
    EXPAND_DIMS = 24,
    SQUEEZE,
    PAD,
    REPEAT,
    FLIP = 29,
    CAST = 32,
    RESIZE = 37,
    CROP,
    N_KINDS = 52
};

enum {
    LINEAR,
    RELU,
    SIGMOID,
    TANH,
    SOFTMAX,
    ELU,
    SELU,
    GELU,
    GELU_TANH,
    SILU,
    SOFTPLUS,
    SOFTSIGN,
    EXPONENTIAL,
    HARD_SIGMOID,
    HARD_TANH,
    RELU6,
    LEAKY_RELU,
    MISH,
    LOG_SOFTMAX,
    LOG_SIGMOID,
    NEGATIVE = 28,
    ABSOLUTE,
    SQUARE,
    SQRT,
    RSQRT,
    EXP,
    RECIPROCAL = 45,
    STOP_GRADIENT = 55,
    HARD_SILU = 62,
    N_FUNCTIONS
};

enum { ADD, SUBTRACT, MULTIPLY, DIVIDE, MAXIMUM, MINIMUM, SQUARED_DIFFERENCE = 18, N_BINARY = 20 };
enum { MEAN, SUM, MAX, MIN, N_REDUCE = 12 };
enum { VALID, SAME, CAUSAL, N_PADDING };

/* What is read of a kind: the values and weights that it takes, and the types of its
 * fields: function, integer, Integers, real, text, array. */
typedef struct {
    uint8_t number, n_least, n_most, n_weights;
    char fields[MAX_FIELDS + 1];
} kind;

static const kind KINDS[] = {
    {DENSE, 1, 1, 2, "fi"},
    {CONV, 1, 1, 2, "fIfIi"},
    {POOL, 1, 1, 0, "fIIf"},
    {FLATTEN, 1, 1, 0, ""},
    {UNARY, 1, 1, 0, "frrri"},
    {RESHAPE, 1, 1, 0, "I"},
    {CONSTANT, 0, 0, 0, "a"},
    {WEIGHT, 0, 0, 1, ""},
    {DEPTHWISE_CONV, 1, 1, 2, "fIfI"},
    {CONV_TRANSPOSE, 1, 1, 2, "fIfII"},
    {BINARY, 2, 2, 0, "f"},
    {REDUCE, 1, 1, 0, "fIi"},
    {BATCH_NORMALIZATION, 1, 1, 4, "irif"},
    {LAYER_NORMALIZATION, 1, 1, 2, "irIi"},
    {GROUP_NORMALIZATION, 1, 1, 2, "iri"},
    {EMBEDDING, 1, 1, 1, ""},
    {TRANSPOSE, 1, 1, 0, "I"},
    {CONCATENATE, 1, MAX_INPUTS, 0, "i"},
    {EXPAND_DIMS, 1, 1, 0, "I"},
    {SQUEEZE, 1, 1, 0, "I"},
    {PAD, 1, 1, 0, "Ifr"},
    {REPEAT, 1, 1, 0, "ii"},
    {FLIP, 1, 1, 0, "I"},
    {CAST, 1, 1, 0, "t"},
    {RESIZE, 1, 1, 0, "If"},
    {CROP, 1, 1, 0, "I"},
};

enum { N_KNOWN = sizeof KINDS / sizeof *KINDS };

/* One of several words, each of which is ended by a 0. */
static const char *word(const char *words, size_t index)
{
    while (index--)
        while (*words++)
            ;
    return words;
}

static size_t length(const char *name)
{
    size_t n = 0;
    while (name[n])
        n++;
    return n;
}

/* Whether a name that is ended by no 0 is a word. */
static int is_word(const char *name, size_t size, const char *wanted)
{
    size_t i = 0;
    while (i < size && wanted[i] && name[i] == wanted[i])
        i++;
    return i == size && !wanted[i];
}

/* ---- Bytes ------------------------------------------------------------------ */

typedef struct {
    const uint8_t *at, *end;
    int has_failed;
} reader;

static const uint8_t *bytes(reader *r, size_t n)
{
    const uint8_t *at = r->at;
    if (n > (size_t)(r->end - at)) {
        r->has_failed = 1;
        n = (size_t)(r->end - at);
    }
    r->at += n;
    return at;
}

/* A number; no program that could run has one of more than 32 bits. */
static uint32_t varint(reader *r)
{
    uint32_t number = 0;
    unsigned shift = 0, next;
    do {
        const uint8_t *at = bytes(r, 1);
        next = r->has_failed ? 0 : *at;
        number |= (uint32_t)(next & 127) << shift;
        if ((next == 0 && shift) || (shift == 28 && next > 15))
            r->has_failed = 1;
        shift += 7;
    } while (next > 127 && !r->has_failed);
    return r->has_failed ? 0 : number;
}

/* How many things follow, of which each takes a byte at least. */
APART static size_t count(reader *r)
{
    const size_t n = varint(r);
    if (n > (size_t)(r->end - r->at))
        r->has_failed = 1;
    return r->has_failed ? 0 : n;
}

static int32_t unzigzag(uint32_t number)
{
    const int32_t half = (int32_t)(number >> 1);
    return number & 1 ? -half - 1 : half;
}

static float from_bits(uint32_t bits)
{
    float number;
    memcpy(&number, &bits, sizeof number);
    return number;
}

static float real(const uint8_t *at)
{
    const uint32_t word = (uint32_t)at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 |
                          (uint32_t)at[3] << 24;
    return from_bits(word);
}

/* ---- Values, operations ----------------------------------------------------- */

/* A value lies in the arena, or is an input; several may be one, seen in other shapes. */
struct dcz_run_value {
    size_t n, offset;
    uint32_t root;     /* the value whose memory it is */
    uint32_t last_use; /* of a root */
    uint32_t rank, shape[RANK];
};

typedef struct dcz_run_value value;

typedef struct {
    const kind *kind;
    const value *x;    /* what it takes first, */
    const float *from; /* and where that lies; NULL while it is planned */
    size_t n_inputs, n_weights;
    uint32_t inputs[MAX_INPUTS];
    size_t weights[MAX_WEIGHTS]; /* numbers of arrays, or NONE */
    const uint8_t *fields[MAX_FIELDS]; /* NULL: as by default */
    const uint8_t *end; /* of the program */
} operation;

/* How a weight is held: row by row along its last axis. */
enum { FLOATS, CODES, PLACED_CODES, PLACED_FLOATS };

struct dcz_run_weight {
    unsigned form;
    size_t n_rows, width;
    const float *floats;     /* of all elements, of those with places, or of codes */
    const uint8_t *codes;
    const uint16_t *columns; /* of the elements that are not 0, by rows */
    const uint32_t *starts;  /* where each row begins among them */
};

typedef struct dcz_run_weight weight;

/* What computes, or, without memory, plans. */
typedef struct {
    const dcz_net *net;
    uint8_t *arena; /* NULL: nothing is computed */
    const float *const *inputs;
    uint8_t *decoding; /* behind the activations: what decodes weights that are streamed */
    float *extra;      /* behind that: for one operation, */
    size_t extra_need; /* which needs so many bytes */
    float work;
    dcz_status status;
    const char *refused;
    size_t refused_size;
} machine;

static int is_held(const machine *m)
{
    return m->net->mode == DCZ_HELD;
}

APART static void stop(machine *m, dcz_status status)
{
    if (m->status == DCZ_OK)
        m->status = status;
}

APART static void corrupt(machine *m)
{
    stop(m, DCZ_ERROR_CORRUPT);
}

APART static void refuse(machine *m, const char *name)
{
    if (m->status == DCZ_OK) {
        m->refused = name;
        m->refused_size = length(name);
    }
    stop(m, DCZ_ERROR_LEFT_OUT);
}

APART static uint32_t number_of(const operation *o, size_t which, uint32_t otherwise)
{
    reader r = {o->fields[which], o->end, 0};
    return r.at ? varint(&r) : otherwise;
}

static int32_t integer(const operation *o, size_t which, int32_t otherwise)
{
    return o->fields[which] ? unzigzag(number_of(o, which, 0)) : otherwise;
}

APART static float float_of(const operation *o, size_t which, float otherwise)
{
    return o->fields[which] ? real(o->fields[which]) : otherwise;
}

/* How many numbers a field has, and one of them. */
APART static size_t n_items(const operation *o, size_t which)
{
    return number_of(o, which, 0);
}

static int32_t item(const operation *o, size_t which, size_t index, int32_t otherwise)
{
    reader r = {o->fields[which], o->end, 0};
    if (!r.at || index >= varint(&r))
        return otherwise;
    while (index--)
        varint(&r);
    return unzigzag(varint(&r));
}

/* Reads the next operation, which may use the first n_values values. */
static void read_operation(machine *m, reader *r, operation *o, size_t n_values,
                           int32_t *cursor)
{
    memset(o, 0, sizeof *o);
    o->end = r->end;
    const uint32_t number = varint(r), flags = varint(r);
    for (size_t i = 0; i < N_KNOWN; i++)
        if (KINDS[i].number == number)
            o->kind = &KINDS[i];
    if (r->has_failed || number >= N_KINDS)
        corrupt(m);
    else if (!o->kind)
        refuse(m, word(KIND_NAMES, number));
    if (m->status)
        return;
    const kind *k = o->kind;
    const size_t n_fields = length(k->fields);
    if (flags >> (3 + n_fields))
        corrupt(m);
    o->n_inputs = flags & 1 ? count(r) : k->n_least;
    if (o->n_inputs < k->n_least || o->n_inputs > k->n_most) {
        /* Many values may be joined, or given a shape like another's; not here. */
        if (o->n_inputs > k->n_most && (k->number == CONCATENATE || k->number == RESHAPE))
            refuse(m, "so many values");
        else
            corrupt(m);
        return;
    }
    for (size_t i = 0; i < o->n_inputs; i++) {
        const size_t back = flags & 1 ? varint(r) : o->n_inputs - 1 - i;
        if (back >= n_values) {
            corrupt(m);
            return;
        }
        o->inputs[i] = (uint32_t)(n_values - 1 - back);
    }
    o->n_weights = flags & 2 ? count(r) : k->n_weights;
    if (o->n_weights > k->n_weights)
        corrupt(m);
    for (size_t i = 0; i < k->n_weights && !m->status; i++) {
        o->weights[i] = NONE;
        if (i >= o->n_weights)
            continue;
        const uint32_t step = flags & 2 ? varint(r) : 1;
        if (step == 0)
            continue;
        /* As unsigned, so that it may overflow: what is wrong stays too large. */
        *cursor = (int32_t)((uint32_t)*cursor + (uint32_t)unzigzag(step - 1));
        if ((uint32_t)*cursor >= m->net->file->n_arrays)
            corrupt(m);
        else
            o->weights[i] = (uint32_t)(*cursor)++;
    }
    if (flags & 4 && varint(r) != 1)
        corrupt(m); /* nothing that is known here makes several values */
    for (size_t i = 0; i < n_fields && !r->has_failed; i++) {
        if (!(flags >> (3 + i) & 1)) {
            if (k->fields[i] == 'a')
                corrupt(m);
            continue;
        }
        o->fields[i] = r->at;
        size_t n;
        switch (k->fields[i]) {
        case 'r':
            bytes(r, 4);
            break;
        case 'I':
            for (n = count(r); n; n--)
                varint(r);
            break;
        case 't':
            bytes(r, varint(r));
            break;
        case 'a':
            if (varint(r) != 0)
                refuse(m, "a constant that is not float32");
            size_t size = 4;
            for (n = count(r); n && !r->has_failed; n--) {
                const size_t axis = varint(r);
                if (axis && size > MAX_ELEMENTS / axis)
                    r->has_failed = 1;
                size *= axis;
            }
            bytes(r, size);
            break;
        default:
            varint(r);
        }
    }
    if (r->has_failed)
        corrupt(m);
}

/* ---- Functions -------------------------------------------------------------- */

static const float INFINITE = 3.4028235e38f * 2;

/* e^x, to 2e-7. */
static float exp_of(float x)
{
    if (!(x < 88.72f))
        return x != x ? x : INFINITE;
    if (x < -87.33f)
        return 0;
    const float scaled = x * 1.44269504f;
    const int32_t n = (int32_t)(scaled + (scaled < 0 ? -0.5f : 0.5f));
    const float r = x - (float)n * 0.693359375f + (float)n * 2.12194440e-4f;
    float p = 1.0f / 720;
    for (float k = 5; k >= 0; k--) {
        static const float OVER[] = {1, 1, 0.5f, 1.0f / 6, 1.0f / 24, 1.0f / 120};
        p = p * r + OVER[(int)k];
    }
    /* Twice, since 2^128 is none. */
    const int32_t half = n / 2;
    return p * from_bits((uint32_t)(half + 127) << 23) *
           from_bits((uint32_t)(n - half + 127) << 23);
}

static float sigmoid(float x)
{
    const float t = exp_of(x < 0 ? x : -x);
    return (x < 0 ? t : 1) / (1 + t);
}

static float tanh_of(float x)
{
    const float a = x < 0 ? -x : x;
    if (a < 0.12f)
        return x - x * x * x * (1.0f / 3 - x * x * (2.0f / 15));
    const float t = exp_of(-2 * a), y = (1 - t) / (1 + t);
    return x < 0 ? -y : y;
}

static uint32_t to_bits(float number)
{
    uint32_t bits;
    memcpy(&bits, &number, sizeof bits);
    return bits;
}

/* ln x of a positive number, to 2e-7. */
static float log_of(float x)
{
    uint32_t word = to_bits(x);
    /* Between the square roots of 1/2 and 2. */
    const int32_t n = (int32_t)(word - 0x3F3504F3) >> 23;
    word -= (uint32_t)n << 23;
    const float part = from_bits(word), s = (part - 1) / (part + 1), q = s * s;
    const float series = 1 + q * (1.0f / 3 + q * (0.2f + q * (1.0f / 7 + q * (1.0f / 9))));
    return 2 * s * series + (float)n * 0.69314718f;
}

static float sqrt_of(float x)
{
    if (!(x > 0) || x > 3.4e38f)
        return x == 0 || x > 0 ? x : INFINITE - INFINITE;
    float y = from_bits((to_bits(x) >> 1) + 0x1FBD1DF5);
    for (int i = 0; i < 4; i++)
        y = 0.5f * (y + x / y);
    return y;
}

static float softplus(float x)
{
    return (x > 0 ? x : 0) + log_of(1 + exp_of(x > 0 ? -x : x));
}

static float elu(float x, float alpha)
{
    /* Near 0 the exponential less 1 would lose what it differs by. */
    if (x > -0.1f)
        return x > 0 ? x : alpha * x * (1 + x * (0.5f + x * (1.0f / 6 + x / 24)));
    return alpha * (exp_of(x) - 1);
}

/* Abramowitz, Stegun 7.1.26, as the package has it. */
static float erf_of(float x)
{
    const float a = x < 0 ? -x : x, t = 1 / (1 + 0.3275911f * a);
    float p = 1.061405429f * t - 1.453152027f;
    p = p * t + 1.421413741f;
    p = p * t - 0.284496736f;
    p = p * t + 0.254829592f;
    const float y = 1 - p * t * exp_of(-a * a);
    return x < 0 ? -y : y;
}

static float clip(float x, float low, float high)
{
    return x < low ? low : x > high ? high : x;
}

/* A function of one element, with its three parameters. */
static float function_of(uint32_t which, float x, const float *p)
{
    switch (which) {
    case RELU:
        if (p[0] != 0 || p[2] != 0)
            x = x >= p[2] ? x : p[0] * (x - p[2]);
        else
            x = x > 0 ? x : 0;
        return p[1] != 0 && x > p[1] ? p[1] : x;
    case SIGMOID:
        return sigmoid(x);
    case TANH:
        return tanh_of(x);
    case RELU6:
        return x < 0 ? 0 : x > 6 ? 6 : x;
    case ELU:
        return elu(x, p[0]);
    case SELU:
        return 1.0507009873554805f * elu(x, 1.6732632423543772f);
    case GELU:
        return 0.5f * x * (1 + erf_of(x * 0.70710678f));
    case GELU_TANH:
        return 0.5f * x * (1 + tanh_of(0.79788456f * (x + 0.044715f * x * x * x)));
    case SILU:
        return x * sigmoid(x);
    case SOFTPLUS:
        return softplus(x);
    case SOFTSIGN:
        return x / (1 + (x < 0 ? -x : x));
    case EXPONENTIAL:
    case EXP:
        return exp_of(x);
    case HARD_SIGMOID:
        return clip(x / 6 + 0.5f, 0, 1);
    case HARD_TANH:
        return clip(x, -1, 1);
    case HARD_SILU:
        return x * clip(x / 6 + 0.5f, 0, 1);
    case LEAKY_RELU:
        return x >= 0 ? x : p[0] * x;
    case MISH:
        return x * tanh_of(softplus(x));
    case LOG_SIGMOID:
        return -softplus(-x);
    case NEGATIVE:
        return -x;
    case ABSOLUTE:
        return x < 0 ? -x : x;
    case SQUARE:
        return x * x;
    case SQRT:
        return sqrt_of(x);
    case RSQRT:
        return 1 / sqrt_of(x);
    case RECIPROCAL:
        return 1 / x;
    default:
        return x;
    }
}

static int is_function(uint32_t which)
{
    return which <= LOG_SIGMOID || (which >= NEGATIVE && which <= EXP) ||
           which == RECIPROCAL || which == STOP_GRADIENT || which == HARD_SILU;
}

static void check_function(machine *m, uint32_t which)
{
    if (which >= N_FUNCTIONS) {
        corrupt(m);
        return;
    }
    if (is_function(which))
        return;
    static const char NAMES[] =
        "celu\0glu\0hard_shrink\0soft_shrink\0tanh_shrink\0squareplus\0sparse_plus\0"
        "threshold\0expm1\0log\0log1p\0sin\0cos\0tan\0arcsin\0arccos\0arctan\0sinh\0cosh\0"
        "sign\0floor\0ceil\0round\0erf\0logical_not\0isnan\0isinf\0isfinite\0log2\0"
        "log10\0arcsinh\0arccosh\0arctanh\0sparse_sigmoid";
    size_t place = 0;
    for (uint32_t i = 0; i < which; i++)
        place += !is_function(i);
    refuse(m, word(NAMES, place));
}

/* Softmax of n elements that lie `step` apart, or its logarithm. */
static void softmax(float *x, size_t n, size_t step, int is_log)
{
    float most = -INFINITE, sum = 0;
    for (size_t i = 0; i < n; i++)
        most = x[i * step] > most ? x[i * step] : most;
    for (size_t i = 0; i < n; i++) {
        const float e = exp_of(x[i * step] - most);
        sum += e;
        if (!is_log)
            x[i * step] = e;
    }
    const float shift = most + log_of(sum);
    if (is_log)
        for (size_t i = 0; i < n; i++)
            x[i * step] -= shift;
    else
        for (size_t i = 0; i < n; i++)
            x[i * step] /= sum;
}

/* A function of all elements of a value, in place, along an axis of `step` and `n`. */
static void activate(uint32_t which, float *x, size_t size, const float *p, size_t n,
                     size_t step)
{
    if (which == SOFTMAX || which == LOG_SOFTMAX) {
        for (size_t i = 0; n && i < size; i += n * step)
            for (size_t k = 0; k < step; k++)
                softmax(x + i + k, n, step, which == LOG_SOFTMAX);
    } else if (which != LINEAR && which != STOP_GRADIENT) {
        for (size_t i = 0; i < size; i++)
            x[i] = function_of(which, x[i], p);
    }
}

static void activate_last(uint32_t which, float *x, const value *v)
{
    static const float NO_PARAMETERS[3] = {0, 0, 0};
    activate(which, x, v->n, NO_PARAMETERS, v->shape[v->rank - 1], 1);
}

/* ---- Weights ---------------------------------------------------------------- */

/* Is told of a weight and of its place. */
typedef void visitor(void *to, size_t place, float w);

static float widen(const uint8_t *bits, unsigned dtype)
{
    const uint32_t low = (uint32_t)bits[0] | (uint32_t)bits[1] << 8;
    if (dtype == DCZ_BFLOAT16)
        return from_bits(low << 16);
    if (dtype == DCZ_FLOAT16) {
        const uint32_t sign = low >> 15 << 31, exponent = low >> 10 & 31, part = low & 1023;
        if (exponent == 0)
            return (sign ? -1.0f : 1.0f) * (float)part * (1.0f / (1 << 24));
        return from_bits(sign | (exponent == 31 ? 255 : exponent + 112) << 23 | part << 13);
    }
    if (dtype == DCZ_FLOAT64) {
        uint64_t word = 0;
        for (int i = 8; i--;)
            word = word << 8 | bits[i];
        double wide;
        memcpy(&wide, &word, sizeof wide);
        return (float)wide;
    }
    return real(bits);
}

typedef struct {
    visitor *visit;
    void *to;
    unsigned dtype;
} widener;

static void visit_wide(void *to, size_t place, const uint8_t *bits, size_t code)
{
    const widener *w = to;
    (void)code;
    w->visit(w->to, place, widen(bits, w->dtype));
}

/* Tells of all elements of a row that are not 0. */
static void each_of_row(const weight *w, size_t row, visitor *visit, void *to)
{
    size_t begin = row * w->width, end = begin + w->width;
    const size_t place = begin;
    if (w->form >= PLACED_CODES) {
        begin = w->starts[row];
        end = w->starts[row + 1];
    }
    for (size_t i = begin; i < end; i++) {
        const size_t column = w->form >= PLACED_CODES ? w->columns[i] : i - begin;
        const int is_coded = w->form == CODES || w->form == PLACED_CODES;
        const float found = w->floats[is_coded ? w->codes[i] : i];
        if (found != 0)
            visit(to, place + column, found);
    }
}

/* Tells of all elements of an array that are not 0. */
static void each(machine *m, size_t index, visitor *visit, void *to)
{
    const dcz_net *net = m->net;
    if (net->mode == DCZ_HELD) {
        const weight *w = &net->weights[index];
        for (size_t row = 0; row < w->n_rows; row++)
            each_of_row(w, row, visit, to);
        return;
    }
    dcz_tensor_info info;
    dcz_scratch scratch = {m->decoding, net->decoding, 0, 0};
    dcz_tensor(net->file, index, &info);
    widener wide = {visit, to, info.dtype};
    const dcz_status status = dcz_each(net->file, index, visit_wide, &wide, &scratch);
    if (status)
        stop(m, status);
}

/* The shape of a weight, where it is one of floats; its axes, or 0. */
static size_t shape_of(machine *m, size_t index, dcz_tensor_info *info)
{
    if (index == NONE || dcz_tensor(m->net->file, index, info)) {
        corrupt(m);
        return 0;
    }
    int is_known = info->dtype == DCZ_FLOAT32;
    is_known |= info->dtype == DCZ_FLOAT16 || info->dtype == DCZ_BFLOAT16 ||
                info->dtype == DCZ_FLOAT64;
    if (!is_known) {
        refuse(m, "weights that are not floats");
        return 0;
    }
    if (info->n_elements > MAX_ELEMENTS)
        stop(m, DCZ_ERROR_TOO_LARGE);
    if (info->n_elements == 0 || info->rank == 0)
        corrupt(m);
    return m->status ? 0 : info->rank;
}

/* Whether a weight is a vector of n, or none. */
static void check_vector(machine *m, size_t index, size_t n)
{
    dcz_tensor_info info;
    if (index != NONE && shape_of(m, index, &info) && info.n_elements != n)
        corrupt(m);
}

/* Adds w times n numbers to others. Most time goes into this; where size is asked for,
 * compilers make no use of vectors by themselves. */
static void add_times(float *to, const float *from, size_t n, float w)
{
    size_t i = 0;
#ifdef __wasm_simd128__
    typedef float four __attribute__((vector_size(16), aligned(4)));
    for (; i + 4 <= n; i += 4)
        *(four *)(to + i) += w * *(const four *)(from + i);
#endif
    for (; i < n; i++)
        to[i] += w * from[i];
}

typedef struct {
    float *y;
    size_t n, step;
} vector;

static void add_everywhere(void *to, size_t place, float w)
{
    const vector *v = to;
    for (size_t i = 0; i < v->n; i++)
        v->y[i * v->step + place] += w;
}

/* 0, and a bias for each of n values that follow each other. */
static void begin_with(machine *m, size_t bias, float *y, size_t size, size_t n)
{
    vector all = {y, size / n, n};
    memset(y, 0, size * sizeof *y);
    if (bias != NONE)
        each(m, bias, add_everywhere, &all);
}

/* ---- Shapes ----------------------------------------------------------------- */

static void set_shape(machine *m, value *v, size_t rank, const uint32_t *shape)
{
    size_t n = 1;
    if (rank == 0 || rank > RANK) {
        refuse(m, "so many axes");
        return;
    }
    v->rank = (uint32_t)rank;
    for (size_t i = 0; i < rank; i++) {
        v->shape[i] = shape[i];
        if (shape[i] && n > MAX_ELEMENTS / shape[i]) {
            stop(m, DCZ_ERROR_TOO_LARGE);
            return;
        }
        n *= shape[i];
    }
    v->n = n;
    if (n == 0)
        corrupt(m);
}

static void like(value *v, const value *x)
{
    v->rank = x->rank;
    v->n = x->n;
    memcpy(v->shape, x->shape, sizeof v->shape);
}

/* An axis that may count from the end; or RANK, and that is wrong. */
APART static size_t axis_of(machine *m, int32_t axis, size_t rank)
{
    const size_t found = axis < 0 ? rank - 1 - (size_t)(-1 - axis) : (size_t)axis;
    if (found < rank)
        return found;
    corrupt(m);
    return 0;
}

/* Marks the axes that a field names, none of them twice. */
static void mark_axes(machine *m, const operation *o, size_t which, size_t rank,
                      uint8_t *marks)
{
    const size_t n = n_items(o, which);
    for (size_t i = 0; i < rank; i++)
        marks[i] = 0;
    for (size_t i = 0; i < n && !m->status; i++) {
        uint8_t *mark = &marks[axis_of(m, item(o, which, i, 0), rank)];
        if (*mark)
            corrupt(m);
        *mark = 1;
    }
}

APART static size_t product(const uint32_t *shape, size_t from, size_t to)
{
    size_t n = 1;
    for (; from < to; from++)
        n *= shape[from];
    return n;
}

/* ---- Windows ---------------------------------------------------------------- */

/* A window that slides along one axis, of x or, transposed, of y. */
typedef struct {
    size_t n_x, n_y, size, stride, dilation, before;
} slide;

/* How a value is laid out: elements from a pixel to the next, from a line, a channel. */
typedef struct {
    size_t pixel, line, channel;
} layout;

typedef struct {
    slide axis[2]; /* lines, pixels */
    int is_transposed;
    int is_max; /* the largest product instead of their sum */
    layout of_x, of_y;
    size_t n_x, n_y; /* channels of x that a filter meets, and filters */
    size_t n_groups;
    int is_flat; /* lines of y are as long as those of x, and behind each is room */
    const float *x;
    float *y;
    /* How one element of the window moves: of lines, of pixels. */
    size_t tap, n, n_lines, x_at, y_at, x_step, y_step, x_down, y_down;
} sliding;

/* The places `first` to before `end` at which an element of the window meets x. */
static void reach(const slide *s, int is_transposed, size_t element, size_t *first,
                  size_t *end)
{
    const size_t shift = element * s->dilation;
    const size_t n = is_transposed ? s->n_y : s->n_x; /* what must not be left */
    const size_t most = is_transposed ? s->n_x : s->n_y;
    *first = shift < s->before ? (s->before - shift + s->stride - 1) / s->stride : 0;
    *end = n + s->before > shift ? (n + s->before - shift - 1) / s->stride + 1 : 0;
    *end = *end < most ? *end : most;
}

/* Finds the lines of x and y that an element of the window brings together. */
static void aim(sliding *w, size_t tap)
{
    const slide *lines = &w->axis[0], *pixels = &w->axis[1];
    const layout *of_x = &w->of_x, *of_y = &w->of_y;
    const size_t line = tap / pixels->size, pixel = tap % pixels->size;
    size_t l, l_end, p, p_end;
    reach(lines, w->is_transposed, line, &l, &l_end);
    reach(pixels, w->is_transposed, pixel, &p, &p_end);
    w->tap = tap;
    w->n = p < p_end ? p_end - p : 0;
    w->n_lines = l < l_end ? l_end - l : 0;
    const size_t far_line = l * lines->stride + line * lines->dilation - lines->before;
    const size_t far_pixel = p * pixels->stride + pixel * pixels->dilation - pixels->before;
    const size_t down = lines->stride, right = pixels->stride;
    if (w->is_transposed) {
        w->x_at = l * of_x->line + p * of_x->pixel;
        w->y_at = far_line * of_y->line + far_pixel * of_y->pixel;
    } else {
        w->x_at = far_line * of_x->line + far_pixel * of_x->pixel;
        w->y_at = l * of_y->line + p * of_y->pixel;
    }
    w->x_step = of_x->pixel * (w->is_transposed ? 1 : right);
    w->y_step = of_y->pixel * (w->is_transposed ? right : 1);
    w->x_down = of_x->line * (w->is_transposed ? 1 : down);
    w->y_down = of_y->line * (w->is_transposed ? down : 1);
    if (w->is_flat && w->n && w->n_lines) {
        /* All lines in one go, with what nobody reads in between. */
        w->n += (w->n_lines - 1) * w->y_down;
        w->n_lines = 1;
    }
}

/* Adds what a weight makes of a channel of x to one of y, or keeps what is larger. */
static void slide_weight(sliding *w, size_t tap, size_t c, size_t f, float weight_)
{
    if (w->tap != tap)
        aim(w, tap);
    const size_t n = w->n, x_step = w->x_step, y_step = w->y_step;
    for (size_t l = 0; n && l < w->n_lines; l++) {
        const float *from = w->x + w->x_at + c * w->of_x.channel + l * w->x_down;
        float *to = w->y + w->y_at + f * w->of_y.channel + l * w->y_down;
        if (w->is_max)
            for (size_t i = 0; i < n; i++) {
                const float met = from[i * x_step];
                to[i * y_step] = met > to[i * y_step] ? met : to[i * y_step];
            }
        else if (x_step == 1 && y_step == 1)
            add_times(to, from, n, weight_);
        else
            for (size_t i = 0; i < n; i++)
                to[i * y_step] += weight_ * from[i * x_step];
    }
}

static void visit_filter(void *to, size_t place, float w)
{
    sliding *s = to;
    const size_t f = place % s->n_y, rest = place / s->n_y;
    const size_t group = s->n_groups == 1 ? 0 : f / (s->n_y / s->n_groups);
    slide_weight(s, rest / s->n_x, group * s->n_x + rest % s->n_x, f, w);
}

static void visit_depthwise(void *to, size_t place, float w)
{
    sliding *s = to;
    const size_t each_ = place % s->n_y, rest = place / s->n_y, c = rest % s->n_x;
    slide_weight(s, rest / s->n_x, c, c * s->n_y + each_, w);
}

static void visit_transposed(void *to, size_t place, float w)
{
    sliding *s = to;
    const size_t c = place % s->n_x, rest = place / s->n_x;
    slide_weight(s, rest / s->n_y, c, rest % s->n_y, w);
}

/* Reads how a window slides over x, whose axes lie between the first and the last; how
 * long they are afterwards. Its size along each is in `sizes`. */
static void read_slide(machine *m, const operation *o, sliding *s, const value *x,
                       const uint32_t *sizes, size_t rank, size_t first_field,
                       uint32_t *shape)
{
    const int is_pool = o->kind->number == POOL;
    const size_t n_strides = n_items(o, first_field);
    const uint32_t padding = number_of(o, first_field + 1, VALID);
    const size_t n_dilations = is_pool ? 0 : n_items(o, first_field + 2);
    const size_t n_more = s->is_transposed ? n_items(o, 4) : 0;
    memset(s->axis, 0, sizeof s->axis);
    if (rank > 2)
        refuse(m, "windows of three axes");
    if (rank == 0 || x->rank != rank + 2 || padding >= N_PADDING ||
        (n_strides && n_strides != rank) || (n_dilations && n_dilations != rank) ||
        (n_more && n_more != rank))
        corrupt(m);
    if (m->status)
        return;
    for (size_t i = 0; i < 2; i++) {
        slide *a = &s->axis[i];
        const slide one = {1, 1, 1, 1, 1, 0};
        *a = one;
        if (i + rank < 2)
            continue;
        const size_t k = i + rank - 2;
        const int32_t otherwise = is_pool ? (int32_t)sizes[k] : 1;
        const int32_t stride = item(o, first_field, k, otherwise);
        const int32_t dilation = is_pool ? 1 : item(o, first_field + 2, k, 1);
        const int32_t limit = 1 << 20;
        if (stride < 1 || dilation < 1 || stride > limit || dilation > limit ||
            sizes[k] < 1 || sizes[k] > (uint32_t)limit) {
            corrupt(m);
            return;
        }
        a->size = sizes[k];
        a->stride = (size_t)stride;
        a->dilation = (size_t)dilation;
        a->n_x = x->shape[1 + k];
        if (a->dilation > (size_t)limit / a->size) {
            stop(m, DCZ_ERROR_TOO_LARGE);
            return;
        }
        const size_t extent = (a->size - 1) * a->dilation + 1;
        size_t n = a->n_x, total = 0;
        if (s->is_transposed) {
            if (n > INT32_MAX / 2 / a->stride) {
                stop(m, DCZ_ERROR_TOO_LARGE);
                return;
            }
            const size_t inside = padding == SAME ? extent / 2 * 2 : 0;
            const int32_t more = item(o, 4, k, 0);
            if (n_more) {
                n = (n - 1) * a->stride + extent + (size_t)(more < 0 ? 0 : more);
                if (more < 0 || n <= inside) {
                    corrupt(m);
                    return;
                }
                n -= inside;
            } else {
                n *= a->stride;
                n += padding != SAME && extent > a->stride ? extent - a->stride : 0;
            }
            a->n_y = n;
        }
        if (padding == SAME) {
            const size_t needed = ((n + a->stride - 1) / a->stride - 1) * a->stride + extent;
            total = needed > n ? needed - n : 0;
            a->before = total / 2;
        } else if (padding == CAUSAL) {
            total = a->before = extent - 1;
        }
        if (!s->is_transposed) {
            if (n + total < extent) {
                corrupt(m);
                return;
            }
            a->n_y = (n + total - extent) / a->stride + 1;
        }
        if (a->n_y > INT32_MAX) {
            stop(m, DCZ_ERROR_TOO_LARGE);
            return;
        }
        shape[1 + k] = (uint32_t)a->n_y;
    }
}

/* Lays out x and y with so many channels: the last axis, or, turned, the first. */
static void lay_out(sliding *s, size_t n_x, size_t n_y, int is_turned)
{
    const slide *lines = &s->axis[0], *pixels = &s->axis[1];
    s->of_x.pixel = is_turned ? 1 : n_x;
    s->of_y.pixel = is_turned ? 1 : n_y;
    s->of_x.channel = is_turned ? lines->n_x * pixels->n_x : 1;
    s->of_y.channel = is_turned ? lines->n_y * pixels->n_y : 1;
    s->is_flat = 0;
    s->tap = NONE;
    s->of_x.line = pixels->n_x * s->of_x.pixel;
    s->of_y.line = pixels->n_y * s->of_y.pixel;
}

/* Memory for so many floats that one operation needs, NULL where there is none. */
static float *borrow(machine *m, size_t n)
{
    const size_t size = n * sizeof(float);
    m->extra_need = size > m->extra_need ? size : m->extra_need;
    return m->arena ? m->extra : NULL;
}

/* From channels last to channels apart, or back. */
static void turn(const float *from, size_t step, float *to, size_t n_rows, size_t n_columns)
{
    for (size_t k = 0; k < n_columns; k++)
        for (size_t i = 0; i < n_rows; i++)
            to[k * n_rows + i] = from[i * step + k];
}

static void apply_conv(machine *m, const operation *o, value *out, float *y)
{
    const value *x = o->x;
    const unsigned number = o->kind->number;
    dcz_tensor_info info;
    sliding s;
    uint32_t sizes[3] = {0}, shape[RANK] = {1};
    const size_t rank = shape_of(m, o->weights[0], &info);
    if (rank < 3 || rank > 5)
        corrupt(m);
    if (m->status)
        return;
    for (size_t i = 0; i < rank; i++) {
        if (info.shape[i] > INT32_MAX)
            corrupt(m);
        if (i < rank - 2)
            sizes[i] = (uint32_t)info.shape[i];
    }
    const size_t last = info.shape[rank - 1], second = info.shape[rank - 2];
    s.is_transposed = number == CONV_TRANSPOSE;
    s.n_x = s.is_transposed ? last : second;
    s.n_y = s.is_transposed ? second : last;
    read_slide(m, o, &s, x, sizes, rank - 2, 1, shape);
    const int32_t groups = number == CONV ? integer(o, 4, 1) : 1;
    const size_t n_made = number == DEPTHWISE_CONV ? s.n_x * s.n_y : s.n_y;
    s.n_groups = (size_t)groups;
    if (m->status || groups < 1 || s.n_y % s.n_groups || n_made > INT32_MAX ||
        x->shape[rank - 1] / s.n_groups != s.n_x ||
        x->shape[rank - 1] % s.n_groups) {
        corrupt(m);
        return;
    }
    const uint32_t activation = number_of(o, 0, LINEAR);
    check_function(m, activation);
    check_vector(m, o->weights[1], n_made);
    shape[rank - 1] = (uint32_t)n_made;
    set_shape(m, out, rank, shape);
    if (m->status)
        return;
    const size_t n_in = x->shape[rank - 1], x_pixels = x->n / n_in, y_pixels = out->n / n_made;
    m->work += (float)(s.is_transposed ? x_pixels : y_pixels) * (float)info.n_elements;
    /* Where weights are at hand, lines of pixels are worth two moves. */
    const int is_turned = is_held(m);
    const size_t turned_x = is_turned && n_in > 1 ? x->n : 0;
    size_t turned_y = is_turned && n_made > 1 ? out->n : 0;
    const slide *lines = &s.axis[0], *pixels = &s.axis[1];
    const int is_flat = turned_y && !s.is_transposed && lines->stride == 1 &&
                        pixels->stride == 1 && lines->before == 0 && pixels->before == 0 &&
                        pixels->n_x - pixels->n_y == (pixels->size - 1) * pixels->dilation;
    if (is_flat)
        turned_y = n_made * lines->n_y * pixels->n_x;
    float *extra = borrow(m, turned_x + turned_y);
    if (!y)
        return;
    s.x = o->from;
    s.y = turned_y ? extra + turned_x : y;
    lay_out(&s, n_in, n_made, is_turned);
    s.is_max = 0;
    if (is_flat) {
        s.is_flat = 1;
        s.of_y.line = pixels->n_x;
        s.of_y.channel = lines->n_y * pixels->n_x;
    }
    if (turned_x) {
        turn(s.x, n_in, extra, x_pixels, n_in);
        s.x = extra;
    }
    if (is_turned)
        memset(s.y, 0, (turned_y ? turned_y : out->n) * sizeof *y);
    else
        begin_with(m, o->weights[1], y, out->n, n_made);
    each(m, o->weights[0],
         number == CONV             ? visit_filter
         : number == DEPTHWISE_CONV ? visit_depthwise
                                    : visit_transposed,
         &s);
    for (size_t l = 0; turned_y && l < lines->n_y; l++)
        turn(s.y + l * s.of_y.line, s.of_y.channel, y + l * pixels->n_y * n_made, n_made,
             pixels->n_y);
    if (is_turned && o->weights[1] != NONE) {
        vector all = {y, y_pixels, n_made};
        each(m, o->weights[1], add_everywhere, &all);
    }
    activate_last(activation, y, out);
}

/* How many elements of a window lie in x. */
static size_t n_met(const slide *s, size_t place)
{
    const size_t at = place * s->stride;
    const size_t first = at < s->before ? s->before - at : 0;
    const size_t end = s->n_x + s->before - at;
    return (end < s->size ? end : s->size) - first;
}

static void apply_pool(machine *m, const operation *o, value *out, float *y)
{
    const value *x = o->x;
    const uint32_t is_mean = number_of(o, 0, 0);
    const int has_size = o->fields[1] != NULL;
    const size_t rank = has_size ? n_items(o, 1) : 2;
    uint32_t sizes[3] = {0}, shape[RANK] = {1};
    sliding s;
    s.is_transposed = 0;
    for (size_t i = 0; i < rank && i < 3; i++)
        sizes[i] = (uint32_t)item(o, 1, i, 2);
    if (is_mean > 1)
        corrupt(m);
    read_slide(m, o, &s, x, sizes, rank, 2, shape);
    if (m->status)
        return;
    const size_t n_channels = shape[rank + 1] = x->shape[rank + 1];
    set_shape(m, out, rank + 2, shape);
    m->work += (float)out->n * (float)s.axis[0].size * (float)s.axis[1].size;
    if (!y || m->status)
        return;
    const slide *lines = &s.axis[0], *pixels = &s.axis[1];
    lay_out(&s, n_channels, n_channels, 0);
    s.x = o->from;
    s.y = y;
    s.is_max = !is_mean;
    for (size_t i = 0; i < out->n; i++)
        y[i] = is_mean ? 0 : -INFINITE;
    for (size_t tap = 0; tap < lines->size * pixels->size; tap++)
        for (size_t c = 0; c < n_channels; c++)
            slide_weight(&s, tap, c, c, 1);
    for (size_t l = 0; is_mean && l < lines->n_y; l++)
        for (size_t p = 0; p < pixels->n_y; p++)
            for (size_t c = 0; c < n_channels; c++)
                *y++ /= (float)(n_met(lines, l) * n_met(pixels, p));
}

/* ---- Products --------------------------------------------------------------- */

typedef struct {
    const float *x;
    float *y;
    size_t n_in, n_out, n_rows;
} multiplication;

static void visit_dense(void *to, size_t place, float w)
{
    const multiplication *d = to;
    const size_t i = place / d->n_out, k = place % d->n_out;
    for (size_t row = 0; row < d->n_rows; row++)
        d->y[row * d->n_out + k] += w * d->x[row * d->n_in + i];
}

/* One row of x, where the rows of the weight are what its elements are multiplied with. */
static void multiply_row(const weight *w, const float *x, float *y)
{
    for (size_t i = 0; i < w->n_rows; i++) {
        const float factor = x[i];
        if (factor == 0)
            continue;
        if (w->form == PLACED_CODES) {
            const uint32_t end = w->starts[i + 1];
            for (uint32_t k = w->starts[i]; k < end; k++)
                y[w->columns[k]] += factor * w->floats[w->codes[k]];
        } else if (w->form == FLOATS) {
            add_times(y, w->floats + i * w->width, w->width, factor);
        } else if (w->form == CODES) {
            const uint8_t *row = w->codes + i * w->width;
            for (size_t k = 0; k < w->width; k++)
                y[k] += factor * w->floats[row[k]];
        } else {
            const uint32_t end = w->starts[i + 1];
            for (uint32_t k = w->starts[i]; k < end; k++)
                y[w->columns[k]] += factor * w->floats[k];
        }
    }
}

static void apply_dense(machine *m, const operation *o, value *out, float *y)
{
    const value *x = o->x;
    dcz_tensor_info info;
    const size_t rank = shape_of(m, o->weights[0], &info);
    const int32_t given = integer(o, 1, 1);
    if (m->status || given < 1 || (size_t)given > rank || (size_t)given > x->rank) {
        corrupt(m);
        return;
    }
    const size_t n_axes = (size_t)given, lead = x->rank - n_axes;
    uint32_t shape[RANK + DCZ_MAX_RANK];
    size_t n_in = 1, n_out = 1, n = 0;
    for (; n < lead; n++)
        shape[n] = x->shape[n];
    for (size_t i = 0; i < rank; i++) {
        if (i < n_axes) {
            if (info.shape[i] != x->shape[lead + i])
                corrupt(m);
            n_in *= info.shape[i];
        } else {
            if (info.shape[i] > INT32_MAX)
                corrupt(m);
            shape[n++] = (uint32_t)info.shape[i];
            n_out *= info.shape[i];
        }
    }
    const uint32_t activation = number_of(o, 0, LINEAR);
    check_function(m, activation);
    check_vector(m, o->weights[1], n_out);
    if (!m->status)
        set_shape(m, out, n, shape);
    if (m->status)
        return;
    multiplication d = {NULL, y, n_in, n_out, x->n / n_in};
    m->work += (float)d.n_rows * (float)info.n_elements;
    if (!y)
        return;
    d.x = o->from;
    begin_with(m, o->weights[1], y, out->n, n_out);
    const weight *w = m->net->mode == DCZ_HELD ? &m->net->weights[o->weights[0]] : NULL;
    if (w && w->width == n_out)
        for (size_t row = 0; row < d.n_rows; row++)
            multiply_row(w, d.x + row * n_in, y + row * n_out);
    else
        each(m, o->weights[0], visit_dense, &d);
    activate_last(activation, y, out);
}

static void apply_unary(machine *m, const operation *o, value *out, float *y)
{
    const value *x = o->x;
    const uint32_t function = number_of(o, 0, RELU);
    const float p[3] = {float_of(o, 1, 0), float_of(o, 2, 0), float_of(o, 3, 0)};
    const size_t axis = axis_of(m, integer(o, 4, -1), x->rank);
    check_function(m, function);
    if (m->status)
        return;
    like(out, x);
    if (!y)
        return;
    const float *from = o->from;
    if (from != y)
        memcpy(y, from, x->n * sizeof *y);
    activate(function, y, x->n, p, x->shape[axis], product(x->shape, axis + 1, x->rank));
}

/* A value that is seen in another shape. */
static void apply_shape(machine *m, const operation *o, value *out)
{
    const value *x = o->x;
    uint32_t shape[RANK];
    size_t n = 2, rest = RANK, known = 1;
    shape[0] = 1;
    shape[1] = (uint32_t)(x->n / x->shape[0]);
    if (o->kind->number == RESHAPE) {
        n = n_items(o, 0);
        if (n > RANK) {
            refuse(m, "so many axes");
            return;
        }
        for (size_t i = 0; i < n; i++) {
            int32_t axis = item(o, 0, i, 0);
            if (axis == -1) {
                if (rest < RANK)
                    corrupt(m);
                rest = i;
                axis = 1;
            } else if (axis < 0) {
                axis = (int32_t)x->shape[axis_of(m, -2 - axis, x->rank)];
            }
            shape[i] = (uint32_t)axis;
            if (axis && known > MAX_ELEMENTS / (size_t)axis)
                corrupt(m);
            else
                known *= (size_t)axis;
        }
        if (rest < RANK && known)
            shape[rest] = (uint32_t)(x->n / known);
    }
    if (o->kind->number == CAST || o->kind->number == SQUEEZE ||
        o->kind->number == EXPAND_DIMS) {
        n = x->rank;
        memcpy(shape, x->shape, sizeof shape);
    }
    if (o->kind->number == CAST) {
        reader r = {o->fields[0], o->end, 0};
        const size_t size = r.at ? varint(&r) : 0;
        const char *name = (const char *)bytes(&r, size);
        static const char FLOATS_[] = "float32\0float16\0bfloat16\0float64";
        int is_float = !r.at; /* every float is float32 */
        for (size_t i = 0; i < 4; i++)
            is_float |= is_word(name, size, word(FLOATS_, i));
        if (!is_float)
            refuse(m, "a cast to what is not a float");
    }
    if (o->kind->number == EXPAND_DIMS) {
        const size_t more = n_items(o, 0);
        uint8_t is_new[RANK];
        if (more + n > RANK) {
            refuse(m, "so many axes");
            return;
        }
        n += more;
        mark_axes(m, o, 0, n, is_new);
        for (size_t i = 0, k = 0; i < n; i++)
            shape[i] = is_new[i] || k >= x->rank ? 1 : x->shape[k++];
    }
    if (o->kind->number == SQUEEZE) {
        const size_t fewer = n_items(o, 0);
        uint8_t is_gone[RANK];
        mark_axes(m, o, 0, n, is_gone);
        size_t left = 0;
        for (size_t i = 0; i < n; i++) {
            const int is_one = fewer ? is_gone[i] : x->shape[i] == 1;
            if (is_one && x->shape[i] != 1)
                corrupt(m);
            if (!is_one)
                shape[left++] = x->shape[i];
        }
        n = left;
    }
    if (m->status)
        return;
    set_shape(m, out, n, shape);
    if (out->n != x->n)
        corrupt(m);
}

static int is_view(unsigned number)
{
    return number == FLATTEN || number == RESHAPE || number == EXPAND_DIMS ||
           number == SQUEEZE || number == CAST;
}

/* ---- Other operations ------------------------------------------------------- */

/* Where the elements of an axis of y come from: those of x, `step` apart, each `times`
 * times, the first `before` behind, or ahead, of the first of y. */
typedef struct {
    size_t step, n, times;
    int64_t before;
    int is_reversed;
    size_t scaled; /* not 0: so many become n_y */
} source;

/* Which element of x the element of y at a place is, or NONE. */
static size_t source_of(const source *axes, const uint32_t *at, const uint32_t *shape,
                        size_t rank)
{
    size_t place = 0;
    for (size_t i = 0; i < rank; i++) {
        const source *a = &axes[i];
        int64_t k = (int64_t)at[i] - a->before;
        if (a->scaled) {
            /* In float32, as the package computes it. */
            const float middle = ((float)at[i] + 0.5f) * ((float)a->scaled / (float)shape[i]);
            k = (int64_t)middle;
            k = k < (int64_t)a->n ? k : (int64_t)a->n - 1;
        }
        if (a->is_reversed)
            k = (int64_t)a->n - 1 - k;
        if (k < 0 || (uint64_t)k / a->times >= a->n)
            return NONE;
        place += (size_t)k / a->times * a->step;
    }
    return place;
}

static void step_on(uint32_t *at, const uint32_t *shape, size_t rank)
{
    while (rank-- && ++at[rank] == shape[rank])
        at[rank] = 0;
}

static void gather(const value *out, float *y, const float *x, const source *axes, float fill)
{
    uint32_t at[RANK] = {0};
    for (size_t i = 0; i < out->n; i++) {
        const size_t place = source_of(axes, at, out->shape, out->rank);
        y[i] = place == NONE ? fill : x[place];
        step_on(at, out->shape, out->rank);
    }
}

static void apply_move(machine *m, const operation *o, value *out, float *y)
{
    const value *x = o->x;
    const unsigned number = o->kind->number;
    uint32_t shape[RANK];
    source axes[RANK];
    const size_t rank = x->rank;
    const size_t n = number == REPEAT ? 0 : n_items(o, 0);
    float fill = 0;
    for (size_t i = 0; i < rank; i++) {
        const source plain = {product(x->shape, i + 1, rank), x->shape[i], 1, 0, 0, 0};
        axes[i] = plain;
        shape[i] = x->shape[i];
    }
    if (number == TRANSPOSE) {
        source moved[RANK];
        unsigned seen = 0;
        if (n && n != rank)
            corrupt(m);
        for (size_t i = 0; i < rank; i++) {
            const int32_t given = n ? item(o, 0, i, 0) : (int32_t)(rank - 1 - i);
            const size_t from = axis_of(m, given, rank);
            seen |= 1u << from;
            moved[i] = axes[from];
            shape[i] = x->shape[from];
        }
        if (seen != (1u << rank) - 1)
            corrupt(m);
        memcpy(axes, moved, sizeof axes);
    } else if (number == PAD || number == CROP) {
        if (n != 2 * rank)
            corrupt(m);
        for (size_t i = 0; i < rank && !m->status; i++) {
            const int64_t before = item(o, 0, 2 * i, 0), after = item(o, 0, 2 * i + 1, 0);
            const int64_t made = (int64_t)x->shape[i] +
                                 (number == PAD ? before + after : -before - after);
            if (before < 0 || after < 0 || made < 1 || made > INT32_MAX) {
                corrupt(m);
                return;
            }
            axes[i].before = number == PAD ? before : -before;
            shape[i] = (uint32_t)made;
        }
        if (number == PAD) {
            if (number_of(o, 1, 0))
                refuse(m, "padding by what is there");
            fill = float_of(o, 2, 0);
        }
    } else if (number == REPEAT) {
        const int32_t times = integer(o, 0, 2);
        const size_t axis = axis_of(m, integer(o, 1, -1), rank);
        if (times < 1 || (uint64_t)times * x->shape[axis] > INT32_MAX) {
            corrupt(m);
            return;
        }
        axes[axis].times = (size_t)times;
        shape[axis] *= (uint32_t)times;
    } else if (number == FLIP) {
        uint8_t is_reversed[RANK];
        mark_axes(m, o, 0, rank, is_reversed);
        for (size_t i = 0; i < rank; i++)
            axes[i].is_reversed = n == 0 || is_reversed[i];
    } else { /* RESIZE */
        if (number_of(o, 1, 0))
            refuse(m, "resize by bilinear");
        if (rank != 4 || n != 2)
            corrupt(m);
        for (size_t i = 0; i < 2 && !m->status; i++) {
            const int32_t size = item(o, 0, i, 0);
            if (size < 1)
                corrupt(m);
            axes[1 + i].scaled = x->shape[1 + i];
            shape[1 + i] = (uint32_t)size;
        }
    }
    if (m->status)
        return;
    set_shape(m, out, rank, shape);
    if (y && !m->status)
        gather(out, y, o->from, axes, fill);
}

APART static const float *data(const machine *m, uint32_t number)
{
    const value *v = &m->net->values[number];
    if (v->root < m->net->n_inputs)
        return m->inputs[v->root];
    return (const float *)(const void *)(m->arena + m->net->values[v->root].offset);
}

static void apply_concatenate(machine *m, const operation *o, value *out, float *y)
{
    const value *values = m->net->values, *first = &values[o->inputs[0]];
    const size_t axis = axis_of(m, integer(o, 0, -1), first->rank);
    uint32_t shape[RANK];
    memcpy(shape, first->shape, sizeof shape);
    uint64_t all = 0;
    for (size_t i = 0; i < o->n_inputs && !m->status; i++) {
        const value *v = &values[o->inputs[i]];
        if (v->rank != first->rank) {
            corrupt(m);
            return;
        }
        for (size_t k = 0; k < v->rank; k++)
            if (k != axis && v->shape[k] != first->shape[k])
                corrupt(m);
        all += v->shape[axis];
    }
    if (all > INT32_MAX)
        stop(m, DCZ_ERROR_TOO_LARGE);
    if (m->status)
        return;
    shape[axis] = (uint32_t)all;
    set_shape(m, out, first->rank, shape);
    if (!y || m->status)
        return;
    const size_t n_blocks = product(shape, 0, axis), whole = out->n / n_blocks;
    for (size_t i = 0; i < o->n_inputs; i++) {
        const float *from = data(m, o->inputs[i]);
        const size_t block = values[o->inputs[i]].n / n_blocks;
        for (size_t k = 0; k < n_blocks; k++)
            memcpy(y + k * whole, from + k * block, block * sizeof *y);
        y += block;
    }
}

static void refuse_word(machine *m, const char *words, size_t index, size_t n)
{
    if (index >= n)
        corrupt(m);
    else
        refuse(m, word(words, index));
}

static void apply_binary(machine *m, const operation *o, value *out, float *y)
{
    const uint32_t function = number_of(o, 0, ADD);
    const value *x[2];
    source axes[2][RANK];
    uint32_t shape[RANK];
    size_t rank = 0;
    if (function > MINIMUM && function != SQUARED_DIFFERENCE) {
        static const char NAMES[] =
            "power\0floor_divide\0mod\0equal\0not_equal\0greater\0greater_equal\0less\0"
            "less_equal\0logical_and\0logical_or\0logical_xor\0arctan2";
        refuse_word(m, NAMES, (size_t)(function - 6 - (function > SQUARED_DIFFERENCE)),
                    N_BINARY - 7);
        return;
    }
    for (size_t i = 0; i < 2; i++) {
        x[i] = &m->net->values[o->inputs[i]];
        rank = x[i]->rank > rank ? x[i]->rank : rank;
    }
    for (size_t axis = 0; axis < rank; axis++) {
        shape[axis] = 1;
        for (size_t i = 0; i < 2; i++) {
            const size_t missing = rank - x[i]->rank;
            const uint32_t n = axis < missing ? 1 : x[i]->shape[axis - missing];
            if (n != 1 && shape[axis] != 1 && shape[axis] != n)
                corrupt(m);
            shape[axis] = n != 1 ? n : shape[axis];
            const source from = {
                n == 1 ? 0 : product(x[i]->shape, axis - missing + 1, x[i]->rank), n, 1, 0,
                0, 0};
            axes[i][axis] = from;
        }
        for (size_t i = 0; i < 2; i++)
            axes[i][axis].n = shape[axis];
    }
    if (m->status)
        return;
    set_shape(m, out, rank, shape);
    if (!y || m->status)
        return;
    const float *a = o->from, *b = data(m, o->inputs[1]);
    const int are_alike = x[0]->n == out->n && x[1]->n == out->n;
    uint32_t at[RANK] = {0};
    for (size_t i = 0; i < out->n; i++) {
        float p, q;
        if (are_alike) {
            p = a[i];
            q = b[i];
        } else {
            p = a[source_of(axes[0], at, shape, rank)];
            q = b[source_of(axes[1], at, shape, rank)];
            step_on(at, shape, rank);
        }
        y[i] = function == ADD        ? p + q
               : function == SUBTRACT ? p - q
               : function == MULTIPLY ? p * q
               : function == DIVIDE   ? p / q
               : function == MAXIMUM  ? (p > q ? p : q)
               : function == MINIMUM  ? (p < q ? p : q)
                                      : (p - q) * (p - q);
    }
}

/* Marks the axes that a field names, or all, and tells what is left of a shape. */
static size_t reduced(machine *m, const operation *o, size_t which, const value *x,
                      uint8_t *is_gone, uint32_t *shape)
{
    const size_t n = n_items(o, which);
    size_t n_gone = 1;
    mark_axes(m, o, which, x->rank, is_gone);
    for (size_t i = 0; i < x->rank; i++) {
        is_gone[i] |= n == 0;
        shape[i] = is_gone[i] ? 1 : x->shape[i];
        n_gone *= is_gone[i] ? x->shape[i] : 1;
    }
    return n_gone;
}

static void apply_reduce(machine *m, const operation *o, value *out, float *y)
{
    const value *x = o->x;
    const uint32_t function = number_of(o, 0, MEAN);
    uint8_t is_gone[RANK];
    uint32_t kept[RANK], shape[RANK];
    source axes[RANK];
    if (function > MIN) {
        refuse_word(m, "prod\0any\0all\0var\0std\0argmax\0argmin\0logsumexp",
                    (size_t)(function - MIN - 1), N_REDUCE - MIN - 1);
        return;
    }
    const size_t n_gone = reduced(m, o, 1, x, is_gone, kept);
    if (m->status)
        return;
    size_t n = 0;
    for (size_t i = 0; i < x->rank; i++)
        if (integer(o, 2, 0) || !is_gone[i])
            shape[n++] = kept[i];
    if (n == 0) { /* one number alone: the examples' axis is what is left */
        refuse(m, "a sum over all examples");
        return;
    }
    set_shape(m, out, n, shape);
    if (!y || m->status)
        return;
    size_t step = 1;
    for (size_t i = x->rank; i--;) {
        const source to = {is_gone[i] ? 0 : step, x->shape[i], 1, 0, 0, 0};
        axes[i] = to;
        step *= kept[i];
    }
    const float *from = o->from;
    uint32_t at[RANK] = {0};
    for (size_t i = 0; i < out->n; i++)
        y[i] = function == MAX ? -INFINITE : function == MIN ? INFINITE : 0;
    for (size_t i = 0; i < x->n; i++) {
        float *to = &y[source_of(axes, at, x->shape, x->rank)];
        if (function == MAX)
            *to = from[i] > *to ? from[i] : *to;
        else if (function == MIN)
            *to = from[i] < *to ? from[i] : *to;
        else
            *to += from[i];
        step_on(at, x->shape, x->rank);
    }
    for (size_t i = 0; function == MEAN && i < out->n; i++)
        y[i] /= (float)n_gone;
}

static void set_weight(void *to, size_t place, float w)
{
    ((float *)to)[place] = w;
}

/* Whether weights are vectors of n, and memory for them and for what lies behind them.
 * Those that `has` does not name are filled with `otherwise`, gammas and variances. */
static float *vectors(machine *m, const operation *o, int32_t has, size_t n, size_t n_all,
                      size_t behind)
{
    size_t next = 0, of[MAX_WEIGHTS];
    for (size_t i = 0; i < n_all; i++) {
        of[i] = has >> i & 1 && next < MAX_WEIGHTS ? o->weights[next++] : NONE;
        check_vector(m, of[i], n);
    }
    float *extra = m->status ? NULL : borrow(m, n_all * n + behind);
    for (size_t i = 0; extra && i < n_all; i++) {
        for (size_t k = 0; k < n; k++)
            extra[i * n + k] = of[i] == NONE && i % 3 == 0 ? 1.0f : 0.0f;
        if (of[i] != NONE)
            each(m, of[i], set_weight, extra + i * n);
    }
    return extra;
}

static void apply_batch_normalization(machine *m, const operation *o, value *out, float *y)
{
    const value *x = o->x;
    const int32_t has = integer(o, 0, 15);
    const float epsilon = float_of(o, 1, 1e-3f);
    const size_t axis = axis_of(m, integer(o, 2, -1), x->rank);
    const uint32_t activation = number_of(o, 3, LINEAR);
    check_function(m, activation);
    if ((has & 12) != 12)
        corrupt(m);
    if (m->status)
        return;
    like(out, x);
    const size_t n = x->shape[axis], step = product(x->shape, axis + 1, x->rank);
    const float *gamma = vectors(m, o, has, n, 4, 0);
    if (!y || m->status)
        return;
    const float *from = o->from;
    for (size_t c = 0; c < n; c++) {
        const float scale =
            gamma[c] / sqrt_of(gamma[3 * n + c] + epsilon);
        const float shift = gamma[n + c] - gamma[2 * n + c] * scale;
        for (size_t i = c * step; i < x->n; i += n * step)
            for (size_t k = i; k < i + step; k++)
                y[k] = from[k] * scale + shift;
    }
    activate_last(activation, y, out);
}

/* Normalizes groups of elements; element i is in group group[i]. */
static void apply_normalization(machine *m, const operation *o, value *out, float *y)
{
    const value *x = o->x;
    const int is_group = o->kind->number == GROUP_NORMALIZATION;
    const int32_t has = integer(o, 0, 3);
    const float epsilon = float_of(o, 1, 1e-3f);
    const int is_rms = !is_group && integer(o, 3, 0);
    const size_t n_channels = x->shape[x->rank - 1];
    uint8_t is_gone[RANK];
    uint32_t kept[RANK];
    source groups[RANK], places[RANK];
    size_t n_groups = 1, n = 1, n_each;
    if (is_group) {
        const int32_t given = integer(o, 2, 32);
        n_groups = given == -1 ? n_channels : (size_t)(given < 0 ? 0 : given);
        if (n_groups == 0 || n_channels % n_groups) {
            corrupt(m);
            return;
        }
        n = n_channels;
        n_each = x->n / n_groups;
    } else {
        if (n_items(o, 2) == 0) {
            for (size_t i = 0; i < x->rank; i++) {
                is_gone[i] = i + 1 == x->rank;
                kept[i] = is_gone[i] ? 1 : x->shape[i];
            }
            n_each = n_channels;
        } else {
            n_each = reduced(m, o, 2, x, is_gone, kept);
        }
        n_groups = x->n / n_each;
        n = n_each;
    }
    if (m->status)
        return;
    like(out, x);
    float *gamma = vectors(m, o, has, n, 2, 2 * n_groups);
    if (!y || m->status)
        return;
    size_t step = 1, place = 1;
    for (size_t i = x->rank; i--;) {
        const int is_last = i + 1 == x->rank;
        source group = {is_group ? 0 : is_gone[i] ? 0 : step, x->shape[i], 1, 0, 0, 0};
        source at_ = {is_group ? 0 : is_gone[i] ? place : 0, x->shape[i], 1, 0, 0, 0};
        if (is_group && is_last) {
            group.step = 1;
            group.times = n_channels / n_groups;
            at_.step = 1;
        }
        step *= is_group ? 1 : kept[i];
        place *= !is_group && is_gone[i] ? x->shape[i] : 1;
        groups[i] = group;
        places[i] = at_;
    }
    const float *from = o->from;
    float *beta = gamma + n, *means = beta + n, *powers = means + n_groups;
    memset(means, 0, 2 * n_groups * sizeof *means);
    for (int pass = is_rms; pass < 3; pass++) {
        uint32_t at[RANK] = {0};
        for (size_t i = 0; i < x->n; i++) {
            const size_t g = source_of(groups, at, x->shape, x->rank);
            const float centred = from[i] - (pass ? means[g] / (float)n_each : 0);
            if (pass == 0) {
                means[g] += centred;
            } else if (pass == 1) {
                powers[g] += centred * centred;
            } else {
                const size_t k = source_of(places, at, x->shape, x->rank);
                y[i] = centred / sqrt_of(powers[g] / (float)n_each + epsilon) * gamma[k] +
                       beta[k];
            }
            step_on(at, x->shape, x->rank);
        }
    }
}

typedef struct {
    const float *x;
    float *y;
    size_t n, width;
} looking_up;

static void visit_embedding(void *to, size_t place, float w)
{
    const looking_up *l = to;
    const size_t row = place / l->width, column = place % l->width;
    for (size_t i = 0; i < l->n; i++)
        if (l->x[i] == (float)row)
            l->y[i * l->width + column] = w;
}

static void apply_embedding(machine *m, const operation *o, value *out, float *y)
{
    const value *x = o->x;
    dcz_tensor_info info;
    const size_t rank = shape_of(m, o->weights[0], &info);
    uint32_t shape[RANK + 1];
    if (m->status || rank != 2 || info.shape[1] > INT32_MAX) {
        corrupt(m);
        return;
    }
    memcpy(shape, x->shape, sizeof x->shape);
    shape[x->rank] = (uint32_t)info.shape[1];
    set_shape(m, out, x->rank + 1, shape);
    if (!y || m->status)
        return;
    looking_up l = {o->from, y, x->n, info.shape[1]};
    memset(y, 0, out->n * sizeof *y);
    for (size_t i = 0; i < x->n; i++)
        if (!(l.x[i] >= 0 && l.x[i] < (float)info.shape[0])) {
            stop(m, DCZ_ERROR_ARGUMENT);
            return;
        }
    if (m->net->mode == DCZ_STREAMED) {
        each(m, o->weights[0], visit_embedding, &l);
        return;
    }
    for (size_t i = 0; i < x->n; i++) {
        /* Places count from the beginning of the array. */
        const size_t row = (size_t)l.x[i];
        const weight *w = &m->net->weights[o->weights[0]];
        looking_up one = {&l.x[i], y + i * l.width, 1, l.width};
        each_of_row(w, row, visit_embedding, &one);
    }
}

static void apply_constant(machine *m, const operation *o, value *out, float *y)
{
    reader r = {o->fields[0], o->end, 0};
    uint32_t shape[RANK] = {1};
    varint(&r); /* float32 */
    const size_t rank = count(&r);
    if (rank > RANK) {
        refuse(m, "so many axes");
        return;
    }
    for (size_t i = 0; i < rank; i++) {
        const uint32_t axis = varint(&r);
        shape[i] = axis > INT32_MAX ? INT32_MAX : axis;
    }
    /* A number alone is taken for one along one axis, which broadcasts as it would. */
    set_shape(m, out, rank ? rank : 1, shape);
    if (y && !m->status) {
        const uint8_t *at = bytes(&r, 4 * out->n);
        for (size_t i = 0; i < out->n; i++)
            y[i] = real(at + 4 * i);
    }
}

static void apply_weight(machine *m, const operation *o, value *out, float *y)
{
    dcz_tensor_info info;
    uint32_t shape[RANK];
    const size_t rank = shape_of(m, o->weights[0], &info);
    if (rank > RANK)
        refuse(m, "so many axes");
    if (m->status)
        return;
    for (size_t i = 0; i < rank; i++)
        shape[i] = (uint32_t)info.shape[i];
    set_shape(m, out, rank, shape);
    if (y && !m->status) {
        memset(y, 0, out->n * sizeof *y);
        each(m, o->weights[0], set_weight, y);
    }
}

/* One operation: the shape of what it makes, and, with memory, the elements. */
static void apply(machine *m, const operation *o, value *out, float *y)
{
    switch (o->kind->number) {
    case DENSE:
        apply_dense(m, o, out, y);
        break;
    case DEPTHWISE_CONV:
    case CONV_TRANSPOSE:
    case CONV:
        apply_conv(m, o, out, y);
        break;
    case POOL:
        apply_pool(m, o, out, y);
        break;
    case UNARY:
        apply_unary(m, o, out, y);
        break;
    case CONSTANT:
        apply_constant(m, o, out, y);
        break;
    case WEIGHT:
        apply_weight(m, o, out, y);
        break;
    case BINARY:
        apply_binary(m, o, out, y);
        break;
    case REDUCE:
        apply_reduce(m, o, out, y);
        break;
    case BATCH_NORMALIZATION:
        apply_batch_normalization(m, o, out, y);
        break;
    case LAYER_NORMALIZATION:
    case GROUP_NORMALIZATION:
        apply_normalization(m, o, out, y);
        break;
    case EMBEDDING:
        apply_embedding(m, o, out, y);
        break;
    case CONCATENATE:
        apply_concatenate(m, o, out, y);
        break;
    case TRANSPOSE:
    case PAD:
    case CROP:
    case REPEAT:
    case FLIP:
    case RESIZE:
        apply_move(m, o, out, y);
        break;
    default:
        apply_shape(m, o, out);
    }
}

/* ---- The program ------------------------------------------------------------ */

/* A string, as it is stored. */
static const char *text(reader *r, size_t *size)
{
    const size_t n = varint(r);
    const uint8_t *at = bytes(r, n);
    *size = r->has_failed ? 0 : n;
    return (const char *)at;
}

static void find_program(machine *m, dcz_net *net, const dcz_file *file)
{
    dcz_blob part;
    for (size_t i = 0; i < file->n_parts; i++) {
        const dcz_status status = dcz_part(file, i, &part);
        if (!is_word(part.name, part.name_size, "program"))
            continue;
        if (status)
            stop(m, status);
        net->program = part.data;
        net->end = part.data + part.size;
        return;
    }
    refuse(m, "");
}

enum { ONE, LIST, BY_NAME, REFUSED };
enum { STRING = 13 }; /* the last dtype of a program */

/* Reads an input; its name, and its shape, if there is room for it. */
static void read_input(machine *m, reader *r, value *v, dcz_value_info *info)
{
    const char *name = text(r, &info->name_size);
    info->name = name;
    const uint32_t dtype = varint(r); /* of what is given as floats here */
    if (dtype > STRING)
        corrupt(m);
    if (dtype == STRING)
        refuse(m, "an input of strings");
    const size_t rank = count(r);
    uint32_t shape[RANK] = {1};
    for (size_t i = 0; i < rank && !r->has_failed; i++) {
        const uint32_t n = varint(r);
        if (n == 0)
            refuse(m, "an input of any length");
        if (i + 1 < RANK)
            shape[i + 1] = n > INT32_MAX ? INT32_MAX : n;
    }
    if (r->has_failed)
        corrupt(m);
    if (rank + 1 > RANK)
        refuse(m, "so many axes");
    if (v && !m->status)
        set_shape(m, v, rank + 1, shape);
}

static void ignore(void *to, size_t place, const uint8_t *bits, size_t code)
{
    (void)to;
    (void)place;
    (void)bits;
    (void)code;
}

/* Asks what it takes to decode the weights of an operation. */
static void ask(machine *m, dcz_net *net, const operation *o)
{
    for (size_t i = 0; i < o->n_weights && !m->status; i++) {
        dcz_scratch none = {NULL, 0, 0, 0};
        if (o->weights[i] == NONE)
            continue;
        const dcz_status status =
            dcz_each(net->file, o->weights[i], ignore, m, &none);
        if (status && status != DCZ_ERROR_SCRATCH)
            stop(m, status);
        if (none.needed > SIZE_MAX / 4)
            stop(m, DCZ_ERROR_TOO_LARGE);
        net->decoding = none.needed > net->decoding ? none.needed : net->decoding;
    }
}

static void describe(const value *v, dcz_value_info *info)
{
    info->n_elements = v->n;
    info->rank = v->rank - 1;
    for (size_t i = 1; i < v->rank; i++)
        info->shape[i - 1] = v->shape[i];
}

/* Whether all of an input is finite. */
static int is_finite(const float *x, size_t n)
{
    float sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += x[i] * 0;
    return sum == 0;
}

/* Opens the program: what is told before the operations. */
static reader begin(machine *m, dcz_net *net, const dcz_file *file, dcz_mode mode)
{
    dcz_value_info info;
    memset(m, 0, sizeof *m);
    memset(net, 0, sizeof *net);
    net->file = file;
    net->mode = mode;
    m->net = net;
    m->refused = "";
    find_program(m, net, file);
    if (file->version == 2 && !is_held(m))
        refuse(m, "version 2, streamed");
    reader r = {net->program, net->end, 0};
    if (m->status)
        return r;
    const uint8_t *head = bytes(&r, 2);
    if (r.has_failed || head[0] != 1 || head[1] > REFUSED) {
        corrupt(m);
        return r;
    }
    net->form = head[1];
    if (net->form == REFUSED) {
        m->refused = text(&r, &m->refused_size);
        stop(m, r.has_failed || r.at != r.end ? DCZ_ERROR_CORRUPT : DCZ_ERROR_LEFT_OUT);
        return r;
    }
    net->n_inputs = count(&r);
    net->inputs = r.at;
    for (size_t i = 0; i < net->n_inputs && !m->status; i++)
        read_input(m, &r, NULL, &info);
    net->n_operations = count(&r);
    net->operations = r.at;
    if (r.has_failed)
        corrupt(m);
    if (net->n_inputs + net->n_operations > MAX_VALUES)
        refuse(m, "so many operations");
    return r;
}

/* Adds up what dcz_run needs. */
static dcz_status finish(machine *m, dcz_net *net)
{
    net->decoding = (net->decoding + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    if (m->extra_need > SIZE_MAX / 8 || net->decoding > SIZE_MAX / 8)
        stop(m, DCZ_ERROR_TOO_LARGE);
    net->work = m->work;
    net->arena = net->activations + net->decoding + m->extra_need + ALIGNMENT;
    net->refused = m->refused;
    net->refused_size = m->refused_size;
    return m->status;
}

/* Divides the arena, and looks at the inputs: whether there is something to compute. */
static void lend(machine *m, const dcz_net *net, void *arena)
{
    memset(m, 0, sizeof *m);
    m->net = net;
    m->arena = (uint8_t *)arena + (size_t)(-(uintptr_t)arena % ALIGNMENT);
    m->decoding = m->arena + net->activations;
    m->extra = (float *)(void *)(m->decoding + net->decoding);
}

static void fill_with_nan(float *y, size_t n)
{
    while (n--)
        y[n] = INFINITE - INFINITE;
}

/* ---- Graphs ----------------------------------------------------------------- */

/* Is told of each operation in turn, and of the number of the value that it makes. */
typedef void operation_visitor(machine *m, dcz_net *net, const operation *o, size_t number);

static const uint8_t *walk(machine *m, dcz_net *net, operation_visitor *visit)
{
    reader r = {net->operations, net->end, 0};
    int32_t cursor = 0;
    operation o;
    for (size_t i = 0; i < net->n_operations && !m->status; i++) {
        read_operation(m, &r, &o, net->n_inputs + i, &cursor);
        if (o.n_inputs && net->values && !m->status) {
            o.x = &net->values[o.inputs[0]];
            o.from = m->arena ? data(m, o.inputs[0]) : NULL;
        }
        if (visit && !m->status)
            visit(m, net, &o, net->n_inputs + i);
    }
    return r.at;
}

/* Whether an operation may write over its first value: element by element. */
static int is_in_place(const dcz_net *net, const operation *o, const value *out)
{
    const unsigned number = o->kind->number;
    const value *x = &net->values[o->inputs[0]], *other = &net->values[o->inputs[1]];
    if (number == BINARY && x->root == other->root && x != other)
        return 0;
    return (number == UNARY || number == BATCH_NORMALIZATION ||
            number == LAYER_NORMALIZATION || number == GROUP_NORMALIZATION ||
            number == BINARY) &&
           x->n == out->n;
}

/* Finds the shape of a value, and how long those that it is made of are needed. */
static void shape_value(machine *m, dcz_net *net, const operation *o, size_t number)
{
    value *v = &net->values[number];
    memset(v, 0, sizeof *v);
    v->root = v->last_use = (uint32_t)number;
    for (size_t i = 0; i < o->n_weights && net->weights; i++)
        if (o->weights[i] != NONE)
            net->weights[o->weights[i]].n_rows = 1; /* used */
    for (size_t i = 0; i < o->n_inputs; i++)
        net->values[net->values[o->inputs[i]].root].last_use = (uint32_t)number;
    apply(m, o, v, NULL);
    ask(m, net, o);
    if (is_view(o->kind->number)) {
        v->root = net->values[o->inputs[0]].root;
        return;
    }
    /* An element takes as long as some multiplications, a function as many. */
    m->work += 8 * (float)v->n;
    for (size_t i = 0; i < o->n_inputs; i++)
        m->work += 8 * (float)net->values[o->inputs[i]].n;
}

/* Gives a value the first place that is free. */
static void place_value(machine *m, dcz_net *net, const operation *o, size_t number)
{
    value *const all = net->values, *v = &all[number];
    if (v->root != number) {
        v->root = all[v->root].root;
        return;
    }
    if (o->n_inputs) {
        const value *x = &all[o->inputs[0]];
        value *root = &all[x->root];
        if (is_in_place(net, o, v) && x->root >= net->n_inputs && root->last_use == number) {
            root->last_use = v->last_use;
            v->root = x->root;
            return;
        }
    }
    const size_t size = (v->n * sizeof(float) + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    size_t offset = 0;
    for (size_t i = net->n_inputs; i < number; i++) {
        const value *other = &all[i];
        const size_t end = other->offset + other->n * sizeof(float);
        if (other->root == i && other->last_use >= number && offset < end &&
            other->offset < offset + size) {
            offset = (end + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
            i = net->n_inputs - 1;
        }
    }
    if (offset + size > SIZE_MAX / 8)
        stop(m, DCZ_ERROR_TOO_LARGE);
    v->offset = offset;
    if (offset + size > net->activations)
        net->activations = offset + size;
}

/* Memory from the caller, and how much of it was asked for. */
typedef struct {
    dcz_scratch *scratch;
    size_t used;
} lender;

static void *take(lender *l, size_t size)
{
    dcz_scratch *s = l->scratch;
    const size_t skip = (size_t)(-(uintptr_t)s->memory % ALIGNMENT), begin = l->used + skip;
    l->used += (size + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    if (s->needed < l->used + ALIGNMENT)
        s->needed = l->used + ALIGNMENT;
    return s->needed <= s->size ? (uint8_t *)s->memory + begin : NULL;
}

/* ---- Holding weights -------------------------------------------------------- */

typedef struct {
    unsigned dtype, form;
    int is_sorted, is_shared;
    size_t n_elements, width, n, n_codes, last, row;
    float *floats;
    uint8_t *codes;
    uint16_t *columns;
    uint32_t *starts;
} holder;

static void count_weight(void *to, size_t place, const uint8_t *bits, size_t code)
{
    holder *h = to;
    if (widen(bits, h->dtype) == 0)
        return;
    h->is_sorted &= h->n == 0 || place > h->last;
    h->last = place;
    h->n++;
    if (code == NONE)
        h->is_shared = 0;
    else if (code >= h->n_codes)
        h->n_codes = code + 1;
}

static void count_in_row(void *to, size_t place, const uint8_t *bits, size_t code)
{
    holder *h = to;
    (void)code;
    if (widen(bits, h->dtype) != 0)
        h->starts[place / h->width + 1]++;
}

static void hold_weight(void *to, size_t place, const uint8_t *bits, size_t code)
{
    holder *h = to;
    const float w = widen(bits, h->dtype);
    if (w == 0)
        return;
    size_t at = place;
    if (h->form >= PLACED_CODES) {
        const size_t row = place / h->width;
        if (h->is_sorted) {
            at = h->n++;
            while (h->row <= row)
                h->starts[h->row++] = (uint32_t)at;
        } else {
            at = h->starts[row]++;
        }
        h->columns[at] = (uint16_t)(place % h->width);
    }
    if (h->form == FLOATS || h->form == PLACED_FLOATS) {
        h->floats[at] = w;
    } else {
        h->codes[at] = (uint8_t)(code + 1);
        h->floats[code + 1] = w;
    }
}

/* Tells of the elements of a section, with what memory is left. */
static void tell(machine *m, lender *l, size_t section, dcz_visitor *visit, void *const *tos)
{
    dcz_scratch *s = l->scratch, rest = {NULL, 0, 0, 0};
    const size_t used = l->used + ALIGNMENT; /* wherever the memory begins */
    if (s->size > used && s->memory) {
        rest.memory = (uint8_t *)s->memory + used;
        rest.size = s->size - used;
    }
    const dcz_status status = dcz_each_of_section(m->net->file, section, visit, tos, &rest);
    const size_t needed = rest.needed > SIZE_MAX / 4 ? SIZE_MAX / 2 : used + rest.needed;
    if (s->needed < needed)
        s->needed = needed;
    if (status)
        stop(m, status);
}

enum { BOOK = 256 };

/* Takes the memory for a weight whose elements were counted, in the form that needs least. */
static void reserve(lender *l, holder *h)
{
    const size_t n = h->n_elements, n_rows = n / h->width;
    const int has_codes = h->is_shared && h->n_codes < BOOK;
    const size_t book = has_codes ? BOOK * sizeof(float) : 0;
    const size_t per_weight = has_codes ? 1 : sizeof(float);
    const size_t whole = n * per_weight + book;
    const size_t placed = h->n * (per_weight + 2) + book + (n_rows + 1) * sizeof(uint32_t);
    const int is_placed = placed < whole && h->width <= 65536;
    h->form = (is_placed ? PLACED_CODES : FLOATS) + (unsigned)(is_placed ^ has_codes);
    const size_t n_stored = is_placed ? h->n : n;
    const size_t n_floats = has_codes ? BOOK : n_stored;
    h->codes = has_codes ? take(l, n_stored) : NULL;
    h->floats = take(l, n_floats * sizeof(float));
    if (is_placed) {
        h->columns = take(l, h->n * sizeof *h->columns);
        h->starts = take(l, (n_rows + 1) * sizeof *h->starts);
    }
    if (l->scratch->needed > l->scratch->size)
        return;
    memset(h->floats, 0, n_floats * sizeof(float));
    if (has_codes)
        memset(h->codes, 0, n_stored);
    if (is_placed)
        memset(h->starts, 0, (n_rows + 1) * sizeof *h->starts);
    h->is_sorted |= !is_placed;
    h->n = h->row = 0;
}

/* Holds the weights of a section, whose arrays are decoded together. */
static void hold(machine *m, lender *l, size_t section, holder *holders, void **tos)
{
    dcz_tensor_info info;
    size_t first, count_, n_held = 0, n_unsorted = 0;
    if (dcz_section_arrays(m->net->file, section, &first, &count_))
        return;
    weight *weights = m->net->weights + first;
    for (size_t k = 0; k < count_; k++) {
        holder *h = &holders[k];
        tos[k] = NULL;
        if (!weights[k].n_rows || !shape_of(m, first + k, &info))
            continue;
        memset(h, 0, sizeof *h);
        h->dtype = info.dtype;
        h->n_elements = info.n_elements;
        h->width = info.shape[info.rank - 1];
        h->is_sorted = h->is_shared = 1;
        tos[k] = h;
        n_held++;
    }
    if (n_held)
        tell(m, l, section, count_weight, tos);
    if (!n_held || m->status)
        return;
    for (size_t k = 0; k < count_; k++)
        if (tos[k])
            reserve(l, &holders[k]);
    if (l->scratch->needed > l->scratch->size) {
        stop(m, DCZ_ERROR_SCRATCH);
        return;
    }
    for (size_t k = 0; k < count_; k++)
        n_unsorted += tos[k] && !holders[k].is_sorted;
    if (n_unsorted) {
        for (size_t k = 0; k < count_; k++)
            tos[k] = tos[k] && !holders[k].is_sorted ? &holders[k] : NULL;
        tell(m, l, section, count_in_row, tos);
        for (size_t k = 0; k < count_; k++) {
            const holder *h = tos[k];
            for (size_t row = 0; h && row < h->n_elements / h->width; row++)
                h->starts[row + 1] += h->starts[row];
            tos[k] = weights[k].n_rows ? &holders[k] : NULL;
        }
    }
    tell(m, l, section, hold_weight, tos);
    for (size_t k = 0; k < count_; k++) {
        holder *h = tos[k];
        weight *w = &weights[k];
        if (!h)
            continue;
        w->form = h->form;
        w->n_rows = h->n_elements / h->width;
        w->width = h->width;
        w->floats = h->floats;
        w->codes = h->codes;
        w->columns = h->columns;
        w->starts = h->starts;
        if (h->form < PLACED_CODES)
            continue;
        if (h->is_sorted)
            while (h->row <= w->n_rows)
                h->starts[h->row++] = (uint32_t)h->n;
        for (size_t row = w->n_rows; !h->is_sorted && row; row--)
            h->starts[row] = h->starts[row - 1];
        h->starts[0] = 0;
    }
}

/* ---- Opening ---------------------------------------------------------------- */

dcz_status dcz_run_open(dcz_net *net, const dcz_file *file, dcz_mode mode,
                        dcz_scratch *scratch)
{
    machine m;
    dcz_value_info info;
    lender l = {scratch, 0};
    reader r = begin(&m, net, file, mode);
    scratch->needed = 0;
    if (!scratch->memory)
        scratch->size = 0;
    if (!m.status)
        r.at = walk(&m, net, NULL);
    if (m.status)
        return finish(&m, net);
    const size_t n_values = net->n_inputs + net->n_operations;
    net->n_outputs = net->form == ONE ? 1 : count(&r);
    net->outputs = r.at;
    for (size_t i = 0; i < net->n_outputs; i++)
        if (varint(&r) >= n_values)
            corrupt(&m);
    for (size_t i = 0; net->form == BY_NAME && i < net->n_outputs; i++)
        text(&r, &info.name_size);
    if (r.has_failed || r.at != r.end)
        corrupt(&m);

    net->values = take(&l, n_values * sizeof *net->values);
    size_t most = 0, first, n;
    for (size_t i = 0; i < file->n_sections; i++)
        if (dcz_section_arrays(file, i, &first, &n) == DCZ_OK && n > most)
            most = n;
    holder *holders = NULL;
    void **tos = NULL;
    if (is_held(&m)) {
        net->weights = take(&l, file->n_arrays * sizeof *net->weights);
        holders = take(&l, most * sizeof *holders);
        tos = take(&l, most * sizeof *tos);
    }
    if (scratch->needed > scratch->size)
        stop(&m, DCZ_ERROR_SCRATCH);
    if (m.status)
        return finish(&m, net);
    if (is_held(&m))
        memset(net->weights, 0, file->n_arrays * sizeof *net->weights);
    r.at = net->inputs;
    for (size_t i = 0; i < net->n_inputs && !m.status; i++) {
        value *v = &net->values[i];
        memset(v, 0, sizeof *v);
        v->root = (uint32_t)i;
        read_input(&m, &r, v, &info);
    }
    walk(&m, net, shape_value);
    if (m.status)
        return finish(&m, net);
    r.at = net->outputs;
    for (size_t i = 0; i < net->n_outputs; i++) {
        const value *v = &net->values[n_values - 1 - varint(&r)];
        net->values[v->root].last_use = UINT32_MAX;
        if (v->shape[0] != 1)
            refuse(&m, "outputs that are not of one example");
    }
    walk(&m, net, place_value);
    for (size_t i = 0; i < file->n_sections && is_held(&m) && !m.status; i++) {
        hold(&m, &l, i, holders, tos);
        if (m.status == DCZ_ERROR_SCRATCH)
            m.status = DCZ_OK; /* so that more of what is needed is known */
    }
    if (scratch->needed > scratch->size)
        stop(&m, DCZ_ERROR_SCRATCH);
    if (is_held(&m))
        net->decoding = 0;
    net->kept = l.used + ALIGNMENT;
    return finish(&m, net);
}

/* ---- Running ---------------------------------------------------------------- */

dcz_status dcz_run_input(const dcz_net *net, size_t index, dcz_value_info *info)
{
    machine m;
    reader r = {net->inputs, net->end, 0};
    memset(&m, 0, sizeof m);
    if (index >= net->n_inputs)
        return DCZ_ERROR_ARGUMENT;
    for (size_t i = 0; i <= index; i++)
        read_input(&m, &r, NULL, info);
    describe(&net->values[index], info);
    return DCZ_OK;
}

/* The number of the value that an output is. */
static size_t output(const dcz_net *net, size_t index, reader *r)
{
    size_t back = 0;
    r->at = net->outputs;
    r->end = net->end;
    r->has_failed = 0;
    for (size_t i = 0; i <= index; i++)
        back = varint(r);
    return net->n_inputs + net->n_operations - 1 - back;
}

dcz_status dcz_run_output(const dcz_net *net, size_t index, dcz_value_info *info)
{
    reader r;
    if (index >= net->n_outputs)
        return DCZ_ERROR_ARGUMENT;
    describe(&net->values[output(net, index, &r)], info);
    info->name = "";
    info->name_size = 0;
    if (net->form == BY_NAME) {
        output(net, net->n_outputs - 1, &r);
        for (size_t i = 0; i <= index; i++)
            info->name = text(&r, &info->name_size);
    }
    return DCZ_OK;
}

static void compute(machine *m, dcz_net *net, const operation *o, size_t number)
{
    /* What others read of it at the same time stays as it is. */
    value out = net->values[number];
    if (!is_view(o->kind->number))
        apply(m, o, &out, (float *)(void *)(m->arena + net->values[out.root].offset));
}

dcz_status dcz_run(const dcz_net *net, const float *const *inputs, float *const *outputs,
                   void *arena, size_t size)
{
    machine m;
    reader r;
    dcz_net copy = *net;
    if (size < net->arena || !arena)
        return DCZ_ERROR_ARGUMENT;
    lend(&m, net, arena);
    m.inputs = inputs;
    int are_finite = 1;
    for (size_t i = 0; i < net->n_inputs; i++)
        are_finite &= is_finite(inputs[i], net->values[i].n);
    if (are_finite)
        walk(&m, &copy, compute);
    for (size_t i = 0; i < net->n_outputs && !m.status; i++) {
        const size_t number = output(net, i, &r);
        const size_t n = net->values[number].n;
        if (are_finite)
            memcpy(outputs[i], data(&m, (uint32_t)number), n * sizeof(float));
        else
            fill_with_nan(outputs[i], n);
    }
    return m.status;
}

/* ---- Pictures --------------------------------------------------------------- */

dcz_status dcz_run_operation(const dcz_net *net, size_t index, dcz_operation_info *info)
{
    machine m;
    reader r = {net->operations, net->end, 0};
    operation o;
    int32_t cursor = 0;
    if (index >= net->n_operations)
        return DCZ_ERROR_ARGUMENT;
    memset(&m, 0, sizeof m);
    m.net = net;
    for (size_t i = 0; i <= index && !m.status; i++)
        read_operation(&m, &r, &o, net->n_inputs + i, &cursor);
    if (m.status)
        return m.status;
    const value *v = &net->values[net->n_inputs + index];
    info->name = word(KIND_NAMES, o.kind->number);
    info->n_weights = 0;
    for (size_t i = 0; i < o.n_weights; i++)
        if (o.weights[i] != NONE)
            info->weights[info->n_weights++] = o.weights[i];
    info->rank = v->rank - 1;
    for (size_t i = 1; i < v->rank; i++)
        info->shape[i - 1] = v->shape[i];
    return DCZ_OK;
}

