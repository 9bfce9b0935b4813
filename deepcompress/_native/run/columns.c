/* A product from columns: inputs of 0 are passed over.
 *
 * A row alone: what an input adds to an output is looked up in a table of all values
 * times this input, where they are few. Its list is asked for a few inputs ahead, since
 * which one comes next depends on the inputs.
 *
 * Many rows: sixteen at once, each in a lane of vectors.
 *
 * There is room for whole blocks of outputs, so that no entry leads out of it. */
#include <string.h>

#include "run/run.h"

enum {
    AHEAD = 6,
    LINES = 6,     /* of a list that are asked for */
    MAX_TABLE = 64 /* a longer table takes more than the products that it saves */
};

/* ---- One row ---------------------------------------------------------------- */

/* The inputs that are not 0. */
static size_t find_active(const float *x, size_t n, uint32_t *active)
{
    size_t found = 0;
    for (size_t i = 0; i < n; i++) {
        active[found] = (uint32_t)i;
        found += x[i] != 0;
    }
    return found;
}

DC_INLINE void add_list(const dc_columns *columns, size_t begin, size_t end, float x,
                        float *restrict y)
{
    const uint16_t *entries = columns->entries;
    const int n_bits = columns->n_bits;
    const size_t mask = ((size_t)1 << n_bits) - 1;
    const size_t n_codes = (size_t)1 << (16 - n_bits);
    if (columns->values || n_codes > MAX_TABLE) {
        for (size_t i = begin; i < end; i++)
            y[entries[i] & mask] += dc_value_at(columns, i) * x;
        return;
    }
    float table[MAX_TABLE];
    for (size_t code = 0; code < n_codes; code++)
        table[code] = columns->codebook[code] * x;
    size_t i = begin;
    for (; i + 4 <= end; i += 4) {
        const unsigned a = entries[i], b = entries[i + 1];
        const unsigned c = entries[i + 2], d = entries[i + 3];
        y[a & mask] += table[a >> n_bits];
        y[b & mask] += table[b >> n_bits];
        y[c & mask] += table[c >> n_bits];
        y[d & mask] += table[d >> n_bits];
    }
    for (; i < end; i++)
        y[entries[i] & mask] += table[entries[i] >> n_bits];
}

DC_INLINE int64_t single(const float *x, const dc_columns *columns, uint32_t *active,
                         float *y)
{
    const size_t n_active = find_active(x, columns->n_inputs, active);
    const size_t n_blocks = dc_n_blocks(columns->n_outputs, columns->n_bits);
    memset(y, 0, columns->n_outputs * sizeof *y);
    for (size_t block = 0; block < n_blocks; block++) {
        const size_t before = block * columns->n_inputs;
        for (size_t i = 0; i < n_active; i++) {
            const size_t list = before + active[i];
            if (i + AHEAD < n_active) {
                const size_t next = columns->starts[before + active[i + AHEAD]];
                for (size_t line = 0; line < LINES; line++)
                    DC_PREFETCH((const char *)(columns->entries + next) +
                                line * DC_CACHE_LINE);
            }
            if (!dc_is_list(columns, list))
                return DC_ERROR_ARGUMENT;
            add_list(columns, columns->starts[list], columns->starts[list + 1],
                     x[active[i]], y + (block << columns->n_bits));
        }
    }
    return 1;
}

/* ---- Many rows -------------------------------------------------------------- */

#if defined(__GNUC__) || defined(__clang__)
#define VECTOR(N_LANES) float __attribute__((vector_size((N_LANES) * sizeof(float))))
#else
#define VECTOR(N_LANES) float
#endif

/* The outputs of DC_LANES rows, with vectors of so many of them. */
#define DEFINE_MANY(NAME, N_LANES, TARGET)                                               \
    TARGET static int64_t NAME(const dc_lanes *x, const dc_columns *columns, dc_lanes *y) \
    {                                                                                    \
        typedef VECTOR(N_LANES) vector;                                                  \
        typedef struct {                                                                 \
            vector part[sizeof(dc_lanes) / sizeof(vector)];                              \
        } vectors;                                                                       \
        const size_t n_blocks = dc_n_blocks(columns->n_outputs, columns->n_bits);        \
        const size_t mask = ((size_t)1 << columns->n_bits) - 1;                          \
        memset(y, 0, columns->n_outputs * sizeof *y);                                    \
        for (size_t list = 0; list < n_blocks * columns->n_inputs; list++) {             \
            const size_t block = list / columns->n_inputs;                               \
            vectors *sums = (vectors *)y + (block << columns->n_bits);                   \
            const vectors from = ((const vectors *)x)[list % columns->n_inputs];         \
            if (!dc_is_list(columns, list))                                              \
                return DC_ERROR_ARGUMENT;                                                \
            for (size_t i = columns->starts[list]; i < columns->starts[list + 1]; i++) { \
                vectors *to = &sums[columns->entries[i] & mask];                         \
                const float value = dc_value_at(columns, i);                             \
                for (size_t k = 0; k < sizeof to->part / sizeof *to->part; k++)          \
                    to->part[k] += from.part[k] * value;                                 \
            }                                                                            \
        }                                                                                \
        return DC_LANES;                                                                 \
    }

DEFINE_MANY(many_portable, 4, )
#if DC_HAS_X86
DEFINE_MANY(many_avx2, 8, DC_AVX2)
DEFINE_MANY(many_avx512, 16, DC_AVX512)
#endif

static int64_t many(const dc_lanes *x, const dc_columns *columns, int isa, dc_lanes *y)
{
#if DC_HAS_X86
    if (isa >= DC_ISA_AVX512)
        return many_avx512(x, columns, y);
    if (isa >= DC_ISA_AVX2)
        return many_avx2(x, columns, y);
#endif
    (void)isa;
    return many_portable(x, columns, y);
}

int64_t dc_columns_multiply(const dc_product *product, const dc_columns *columns, int isa,
                            uint32_t *active, float *room)
{
    const size_t n_inputs = product->n_inputs, n_outputs = product->n_outputs;
    float *sums = dc_aligned(room);
    dc_lanes *inputs = (dc_lanes *)sums, *outputs = inputs + n_inputs;
    for (size_t row = 0, n; row < product->n_rows; row += n) {
        const float *x = product->x + row * n_inputs;
        float *y = product->y + row * n_outputs;
        const size_t left = product->n_rows - row;
        n = left < DC_FEWEST_LANES ? 1 : left < DC_LANES ? left : DC_LANES;
        if (n == 1) {
            if (single(x, columns, active, sums) < 0)
                return DC_ERROR_ARGUMENT;
            memcpy(y, sums, n_outputs * sizeof *y);
        } else {
            dc_to_lanes(x, n, n_inputs, inputs);
            if (many(inputs, columns, isa, outputs) < 0)
                return DC_ERROR_ARGUMENT;
            dc_from_lanes(outputs, n, n_outputs, y);
        }
    }
    return (int64_t)product->n_rows;
}
