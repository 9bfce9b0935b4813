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

#if DC_HAS_X86
#include <immintrin.h>
#endif

enum {
    AHEAD = 4,
    LINES = 3, /* of a list that are asked for */
    SHORT = 16 /* entries for which there is no table */
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

/* Adds what an input gives to the outputs of its list. */
typedef void adder(const dc_columns *columns, size_t begin, size_t end, float x,
                   float *restrict y);

/* Eight entries in a row, since fewer leave a processor waiting. */
#define DEFINE_ADDER(NAME, N_BITS, N_TABLE, VALUE)                                       \
    static void NAME(const dc_columns *columns, size_t begin, size_t end, float x,       \
                     float *restrict y)                                                  \
    {                                                                                    \
        const int n_bits = N_BITS, n_table = N_TABLE;                                    \
        const unsigned mask = (1u << n_bits) - 1;                                        \
        const uint16_t *entry = columns->entries + begin;                                \
        float table[(N_TABLE) + 1];                                                      \
        for (int code = 0; code < n_table; code++)                                       \
            table[code] = columns->codebook[code] * x;                                   \
        (void)table;                                                                     \
        size_t i = begin;                                                                \
        for (; i + 8 <= end; i += 8, entry += 8) {                                       \
            const unsigned a = entry[0], b = entry[1], c = entry[2], d = entry[3];       \
            const unsigned e = entry[4], f = entry[5], g = entry[6], h = entry[7];       \
            y[a & mask] += VALUE(i, a);                                                  \
            y[b & mask] += VALUE(i + 1, b);                                              \
            y[c & mask] += VALUE(i + 2, c);                                              \
            y[d & mask] += VALUE(i + 3, d);                                              \
            y[e & mask] += VALUE(i + 4, e);                                              \
            y[f & mask] += VALUE(i + 5, f);                                              \
            y[g & mask] += VALUE(i + 6, g);                                              \
            y[h & mask] += VALUE(i + 7, h);                                              \
        }                                                                                \
        for (; i < end; i++, entry++)                                                    \
            y[*entry & mask] += VALUE(i, *entry);                                        \
    }

#define FROM_VALUES(I, ENTRY) (columns->values[I] * x)
#define FROM_CODEBOOK(I, ENTRY) (columns->codebook[(ENTRY) >> n_bits] * x)
#define FROM_TABLE(I, ENTRY) table[(ENTRY) >> n_bits]
DEFINE_ADDER(add_values, columns->n_bits, 0, FROM_VALUES)
DEFINE_ADDER(add_coded, columns->n_bits, 0, FROM_CODEBOOK)
DEFINE_ADDER(add_from_32, 11, 32, FROM_TABLE)
DEFINE_ADDER(add_from_64, 10, 64, FROM_TABLE)

#if DC_HAS_X86
/* Of 32 values: the table stays in registers, where eight are looked up at once. */
DC_AVX2 static void add_from_registers(const dc_columns *columns, size_t begin,
                                       size_t end, float x, float *restrict y)
{
    enum { N_BITS = 11, MASK = (1 << N_BITS) - 1 };
    float table[32];
    __m256 part[4];
    for (int i = 0; i < 4; i++) {
        part[i] = _mm256_mul_ps(_mm256_loadu_ps(columns->codebook + 8 * i),
                                _mm256_set1_ps(x));
        _mm256_storeu_ps(table + 8 * i, part[i]);
    }
    for (; begin + 8 <= end; begin += 8) {
        const uint16_t *entries = columns->entries + begin;
        const __m256i wide =
            _mm256_cvtepu16_epi32(_mm_loadu_si128((const __m128i *)entries));
        const __m256i codes = _mm256_srli_epi32(wide, N_BITS);
        /* The fourth and the fifth bit of a code, where a blend looks for them. */
        const __m256 bit3 = _mm256_castsi256_ps(_mm256_slli_epi32(codes, 28));
        const __m256 bit4 = _mm256_castsi256_ps(_mm256_slli_epi32(codes, 27));
        const __m256 low =
            _mm256_blendv_ps(_mm256_permutevar8x32_ps(part[0], codes),
                             _mm256_permutevar8x32_ps(part[1], codes), bit3);
        const __m256 high =
            _mm256_blendv_ps(_mm256_permutevar8x32_ps(part[2], codes),
                             _mm256_permutevar8x32_ps(part[3], codes), bit3);
        const __m256 found = _mm256_blendv_ps(low, high, bit4);
        const __m128 half[2] = {_mm256_castps256_ps128(found),
                                _mm256_extractf128_ps(found, 1)};
        for (int i = 0; i < 8; i++)
            y[entries[i] & MASK] += half[i / 4][i % 4];
    }
    for (; begin < end; begin++)
        y[columns->entries[begin] & MASK] += table[columns->entries[begin] >> N_BITS];
}
#endif

static adder *adder_of(const dc_columns *columns, int isa)
{
    if (columns->values)
        return add_values;
#if DC_HAS_X86
    if (isa >= DC_ISA_AVX2 && columns->n_bits == 11)
        return add_from_registers;
#endif
    (void)isa;
    return columns->n_bits == 11   ? add_from_32
           : columns->n_bits == 10 ? add_from_64
                                   : add_coded;
}

/* Asks for a list's first cache lines. */
static void ask_for(const dc_columns *columns, size_t list)
{
    enum { PER_LINE = DC_CACHE_LINE / sizeof *columns->entries };
    size_t begin = columns->starts[list], end = columns->starts[list + 1];
    if (end > begin + LINES * PER_LINE)
        end = begin + LINES * PER_LINE;
    for (; begin < end; begin += PER_LINE)
        DC_PREFETCH(columns->entries + begin);
}

static int64_t single(const float *x, const dc_columns *columns, int isa,
                      uint32_t *active, float *y)
{
    const size_t n_active = find_active(x, columns->n_inputs, active);
    const size_t n_blocks = dc_n_blocks(columns->n_outputs, columns->n_bits);
    adder *const add = adder_of(columns, isa);
    adder *const add_few = columns->values ? add_values : add_coded;
    memset(y, 0, columns->n_outputs * sizeof *y);
    for (size_t block = 0; block < n_blocks; block++) {
        const size_t before = block * columns->n_inputs;
        for (size_t i = 0; i < n_active; i++) {
            const size_t list = before + active[i];
            if (i + AHEAD < n_active)
                ask_for(columns, before + active[i + AHEAD]);
            if (!dc_is_list(columns, list))
                return DC_ERROR_ARGUMENT;
            const size_t begin = columns->starts[list], end = columns->starts[list + 1];
            (end - begin < SHORT ? add_few : add)(columns, begin, end, x[active[i]],
                                                  y + (block << columns->n_bits));
        }
    }
    return 1;
}

/* ---- Many rows -------------------------------------------------------------- */

/* The outputs of DC_LANES rows, with vectors of so many of them. */
#define DEFINE_MANY(NAME, N_LANES, TARGET)                                               \
    TARGET static int64_t NAME(const dc_lanes *x, const dc_columns *columns,             \
                               dc_lanes *y)                                              \
    {                                                                                    \
        typedef DC_VECTOR(N_LANES) vector;                                                  \
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
            if (single(x, columns, isa, active, sums) < 0)
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
