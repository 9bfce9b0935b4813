/* A product from lists of inputs, one for each output.
 *
 * Nothing is written but an output at the end of its list, so that a processor without
 * vectors does most in a while. Many rows are done sixteen at once, each in a lane of
 * vectors. There is room for whole blocks of inputs, so that no entry leads out of it. */
#include <string.h>

#include "run/run.h"

static inline int are_in_order(const dc_lists *lists, size_t list)
{
    return lists->starts[list] <= lists->starts[list + 1] &&
           lists->starts[list + 1] <= lists->n_entries;
}

DC_INLINE float sum_of(const dc_lists *lists, size_t begin, size_t end,
                       const float *restrict x)
{
    const uint16_t *entries = lists->entries;
    const float *codebook = lists->codebook, *values = lists->values;
    const int n_bits = lists->n_bits;
    const size_t mask = ((size_t)1 << n_bits) - 1;
    float a = 0, b = 0, c = 0, d = 0;
    size_t i = begin;
    if (values) {
        for (; i + 4 <= end; i += 4) {
            a += x[entries[i]] * values[i];
            b += x[entries[i + 1]] * values[i + 1];
            c += x[entries[i + 2]] * values[i + 2];
            d += x[entries[i + 3]] * values[i + 3];
        }
        for (; i < end; i++)
            a += x[entries[i]] * values[i];
        return a + b + (c + d);
    }
    for (; i + 4 <= end; i += 4) {
        a += x[entries[i] & mask] * codebook[entries[i] >> n_bits];
        b += x[entries[i + 1] & mask] * codebook[entries[i + 1] >> n_bits];
        c += x[entries[i + 2] & mask] * codebook[entries[i + 2] >> n_bits];
        d += x[entries[i + 3] & mask] * codebook[entries[i + 3] >> n_bits];
    }
    for (; i < end; i++)
        a += x[entries[i] & mask] * codebook[entries[i] >> n_bits];
    return a + b + (c + d);
}

/* x has room for whole blocks. */
static int64_t single(const float *x, const dc_lists *lists, float *restrict y)
{
    const size_t n_blocks = dc_n_blocks(lists->n_places, lists->n_bits);
    memset(y, 0, lists->n_lists * sizeof *y);
    for (size_t block = 0; block < n_blocks; block++) {
        const uint32_t *starts = lists->starts + block * lists->n_lists;
        for (size_t output = 0; output < lists->n_lists; output++) {
            if (!are_in_order(lists, block * lists->n_lists + output))
                return DC_ERROR_ARGUMENT;
            y[output] += sum_of(lists, starts[output], starts[output + 1],
                                x + (block << lists->n_bits));
        }
    }
    return 1;
}

DC_INLINE int64_t many(const float *restrict x, const dc_lists *lists, float *restrict y)
{
    const size_t n_blocks = dc_n_blocks(lists->n_places, lists->n_bits);
    const size_t mask = ((size_t)1 << lists->n_bits) - 1;
    memset(y, 0, lists->n_lists * DC_LANES * sizeof *y);
    for (size_t block = 0; block < n_blocks; block++) {
        const float *restrict from = x + (block << lists->n_bits) * DC_LANES;
        for (size_t output = 0; output < lists->n_lists; output++) {
            const size_t list = block * lists->n_lists + output;
            if (!are_in_order(lists, list))
                return DC_ERROR_ARGUMENT;
            float sums[DC_LANES];
            memcpy(sums, y + output * DC_LANES, sizeof sums);
            for (size_t i = lists->starts[list]; i < lists->starts[list + 1]; i++) {
                const size_t entry = lists->entries[i];
                const float value = lists->values
                                        ? lists->values[i]
                                        : lists->codebook[entry >> lists->n_bits];
                for (size_t lane = 0; lane < DC_LANES; lane++)
                    sums[lane] += value * from[(entry & mask) * DC_LANES + lane];
            }
            memcpy(y + output * DC_LANES, sums, sizeof sums);
        }
    }
    return DC_LANES;
}

static int64_t many_portable(const float *x, const dc_lists *lists, float *y)
{
    return many(x, lists, y);
}

#if DC_HAS_X86
DC_AVX2 static int64_t many_avx2(const float *x, const dc_lists *lists, float *y)
{
    return many(x, lists, y);
}

DC_AVX512 static int64_t many_avx512(const float *x, const dc_lists *lists, float *y)
{
    return many(x, lists, y);
}
#endif

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

int64_t dc_rows(const dc_product *product, const dc_lists *lists, int isa, float *lanes)
{
    const size_t n_inputs = product->n_inputs, n_outputs = product->n_outputs;
    const size_t n_padded = dc_padded(n_inputs, lists->n_bits);
    lanes = dc_aligned(lanes);
    float *outputs = lanes + n_padded * DC_LANES;
    for (size_t row = 0; row < product->n_rows;) {
        const float *x = product->x + row * n_inputs;
        float *y = product->y + row * n_outputs;
        const size_t left = product->n_rows - row;
        if (left < DC_FEWEST_LANES) {
            memcpy(lanes, x, n_inputs * sizeof *x);
            if (single(lanes, lists, y) < 0)
                return DC_ERROR_ARGUMENT;
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
