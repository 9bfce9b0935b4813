/* A product with codes for all elements: each becomes its value on the way.
 *
 * Inputs of 0 are left out before the panels are gone through, for a row alone: of
 * several, hardly one is 0 in all. */
#include <string.h>

#include "run/run.h"

/* The inputs that are not 0; or all, if so asked for. */
static size_t find_active(const float *x, size_t n_inputs, int are_all, uint32_t *active)
{
    size_t found = 0;
    for (size_t i = 0; i < n_inputs; i++) {
        active[found] = (uint32_t)i;
        found += (size_t)(are_all || x[i] != 0);
    }
    return found;
}

static void add_panel(const dc_product *rows, const dc_codes *codes, const uint8_t *panel,
                      const uint32_t *active, size_t n_active, float *restrict sums)
{
    const size_t width = codes->width;
    for (size_t i = 0; i < n_active; i++) {
        const uint8_t *code = panel + active[i] * width;
        for (size_t begin = 0; begin < width; begin += DC_LANES) {
            float value[DC_LANES];
            for (size_t lane = 0; lane < DC_LANES; lane++)
                value[lane] = codes->codebook[code[begin + lane]];
            for (size_t row = 0; row < rows->n_rows; row++) {
                const float x = rows->x[row * rows->n_inputs + active[i]];
                float *restrict to = sums + row * DC_MAX_PANEL + begin;
                for (size_t lane = 0; lane < DC_LANES; lane++)
                    to[lane] += value[lane] * x;
            }
        }
    }
}

static dc_codes_kernel *kernel_of(int isa)
{
#if DC_HAS_X86
    if (isa >= DC_ISA_AVX512)
        return dc_codes_avx512;
    if (isa >= DC_ISA_AVX2)
        return dc_codes_avx2;
#endif
    (void)isa;
    return add_panel;
}

int64_t dc_codes_multiply(const dc_product *product, const dc_codes *codes, int isa,
                          uint32_t *active)
{
    enum { MOST_ROWS = 4 };
    const size_t n_inputs = product->n_inputs, n_outputs = product->n_outputs;
    const size_t width = codes->width;
    size_t n_active = find_active(product->x, n_inputs, 1, active);
    for (size_t row = 0, n; row < product->n_rows; row += n) {
        n = MOST_ROWS;
        while (n > product->n_rows - row)
            n /= 2;
        const dc_product rows = {product->x + row * n_inputs,
                                 product->y + row * n_outputs, n, n_inputs, n_outputs};
        if (n == 1)
            n_active = find_active(rows.x, n_inputs, 0, active);
        for (size_t begin = 0; begin < n_outputs; begin += width) {
            const size_t end = n_outputs - begin < width ? n_outputs : begin + width;
            float sums[MOST_ROWS * DC_MAX_PANEL] = {0};
            kernel_of(isa)(&rows, codes, codes->codes + begin * n_inputs, active,
                           n_active, sums);
            for (size_t i = 0; i < n; i++)
                memcpy(rows.y + i * n_outputs + begin, sums + i * DC_MAX_PANEL,
                       (end - begin) * sizeof *sums);
        }
    }
    return (int64_t)product->n_rows;
}

static void values_of(const dc_codes *codes, const uint8_t *from, size_t n, float *to)
{
    for (size_t i = 0; i < n; i++)
        to[i] = codes->codebook[from[i]];
}

int64_t dc_codes_expand(const dc_codes *codes, size_t n_inputs, size_t n_outputs, int isa,
                        size_t first, size_t n, float *out)
{
    const size_t width = codes->width;
    dc_codes_values *values = values_of;
#if DC_HAS_X86
    if (isa >= DC_ISA_AVX512)
        values = dc_codes_values_avx512;
#endif
    (void)isa;
    for (size_t begin = 0; begin < n_outputs; begin += width) {
        const size_t end = n_outputs - begin < width ? n_outputs : begin + width;
        const size_t whole = (end - begin) / DC_LANES * DC_LANES;
        for (size_t row = 0; row < n; row++) {
            const uint8_t *from = codes->codes + begin * n_inputs + (first + row) * width;
            float *to = out + row * n_outputs + begin;
            values(codes, from, whole, to);
            values_of(codes, from + whole, end - begin - whole, to + whole);
        }
    }
    return (int64_t)n;
}
