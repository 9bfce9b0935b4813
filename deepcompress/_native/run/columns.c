/* A product from lists of outputs, one for each input: inputs of 0 are passed over.
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
    MAX_TABLE = 64 /* a longer table takes more than the products that it saves */
};

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

static inline int are_in_order(const dc_lists *lists, size_t list)
{
    return lists->starts[list] <= lists->starts[list + 1] &&
           lists->starts[list + 1] <= lists->n_entries;
}

DC_INLINE void add_list(const dc_lists *lists, size_t begin, size_t end, float x,
                        float *restrict y)
{
    const uint16_t *entries = lists->entries;
    const int n_bits = lists->n_bits;
    const size_t mask = ((size_t)1 << n_bits) - 1;
    if (lists->values) {
        for (size_t i = begin; i < end; i++)
            y[entries[i]] += lists->values[i] * x;
        return;
    }
    float table[MAX_TABLE];
    const float *codebook = lists->codebook;
    const size_t n_codes = (size_t)1 << (16 - n_bits);
    if (n_codes > MAX_TABLE) {
        for (size_t i = begin; i < end; i++)
            y[entries[i] & mask] += codebook[entries[i] >> n_bits] * x;
        return;
    }
    for (size_t code = 0; code < n_codes; code++)
        table[code] = codebook[code] * x;
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

DC_INLINE int64_t single(const float *x, const dc_lists *lists, uint32_t *active,
                         float *y)
{
    const size_t n_active = find_active(x, lists->n_lists, active);
    const size_t n_blocks = dc_n_blocks(lists->n_places, lists->n_bits);
    memset(y, 0, lists->n_places * sizeof *y);
    for (size_t block = 0; block < n_blocks; block++) {
        const size_t before = block * lists->n_lists;
        for (size_t i = 0; i < n_active; i++) {
            const size_t list = before + active[i];
            if (i + AHEAD < n_active) {
                const size_t next = lists->starts[before + active[i + AHEAD]];
                for (size_t line = 0; line < 8; line++)
                    DC_PREFETCH((const char *)(lists->entries + next) + 64 * line);
            }
            if (!are_in_order(lists, list))
                return DC_ERROR_ARGUMENT;
            add_list(lists, lists->starts[list], lists->starts[list + 1], x[active[i]],
                     y + (block << lists->n_bits));
        }
    }
    return 1;
}

/* The outputs of DC_LANES rows; x and y have a row's number where others have a column. */
DC_INLINE int64_t many(const float *restrict x, const dc_lists *lists, float *restrict y)
{
    const size_t n_blocks = dc_n_blocks(lists->n_places, lists->n_bits);
    const size_t mask = ((size_t)1 << lists->n_bits) - 1;
    memset(y, 0, lists->n_places * DC_LANES * sizeof *y);
    for (size_t block = 0; block < n_blocks; block++) {
        float *restrict sums = y + (block << lists->n_bits) * DC_LANES;
        for (size_t input = 0; input < lists->n_lists; input++) {
            const size_t list = block * lists->n_lists + input;
            if (!are_in_order(lists, list))
                return DC_ERROR_ARGUMENT;
            float from[DC_LANES];
            memcpy(from, x + input * DC_LANES, sizeof from);
            for (size_t i = lists->starts[list]; i < lists->starts[list + 1]; i++) {
                const size_t entry = lists->entries[i];
                const float value = lists->values
                                        ? lists->values[i]
                                        : lists->codebook[entry >> lists->n_bits];
                float *restrict to = sums + (entry & mask) * DC_LANES;
                for (size_t lane = 0; lane < DC_LANES; lane++)
                    to[lane] += value * from[lane];
            }
        }
    }
    return DC_LANES;
}

static int64_t single_portable(const float *x, const dc_lists *lists, uint32_t *active,
                               float *y)
{
    return single(x, lists, active, y);
}

static int64_t many_portable(const float *x, const dc_lists *lists, float *y)
{
    return many(x, lists, y);
}

#if DC_HAS_X86
DC_AVX2 static int64_t single_avx2(const float *x, const dc_lists *lists,
                                   uint32_t *active, float *y)
{
    return single(x, lists, active, y);
}

DC_AVX2 static int64_t many_avx2(const float *x, const dc_lists *lists, float *y)
{
    return many(x, lists, y);
}

DC_AVX512 static int64_t many_avx512(const float *x, const dc_lists *lists, float *y)
{
    return many(x, lists, y);
}
#endif

static int64_t single_of(const float *x, const dc_lists *lists, int isa,
                         uint32_t *active, float *y)
{
#if DC_HAS_X86
    if (isa >= DC_ISA_AVX2)
        return single_avx2(x, lists, active, y);
#endif
    (void)isa;
    return single_portable(x, lists, active, y);
}

static int64_t many_of(const float *x, const dc_lists *lists, int isa, float *y)
{
#if DC_HAS_X86
    if (isa >= DC_ISA_AVX512)
        return many_avx512(x, lists, y);
    if (isa >= DC_ISA_AVX2)
        return many_avx2(x, lists, y);
#endif
    (void)isa;
    return many_portable(x, lists, y);
}

int64_t dc_columns(const dc_product *product, const dc_lists *lists, int isa,
                   uint32_t *active, float *lanes)
{
    const size_t n_inputs = product->n_inputs, n_outputs = product->n_outputs;
    lanes = dc_aligned(lanes);
    float *outputs = lanes + n_inputs * DC_LANES;
    for (size_t row = 0; row < product->n_rows;) {
        const float *x = product->x + row * n_inputs;
        float *y = product->y + row * n_outputs;
        const size_t left = product->n_rows - row;
        if (left < DC_FEWEST_LANES) {
            if (single_of(x, lists, isa, active, lanes) < 0)
                return DC_ERROR_ARGUMENT;
            memcpy(y, lanes, n_outputs * sizeof *y);
            row++;
            continue;
        }
        const size_t n = left < DC_LANES ? left : DC_LANES;
        dc_to_lanes(x, n, n_inputs, lanes);
        if (many_of(lanes, lists, isa, outputs) < 0)
            return DC_ERROR_ARGUMENT;
        dc_from_lanes(outputs, n, n_outputs, y);
        row += n;
    }
    return (int64_t)product->n_rows;
}
