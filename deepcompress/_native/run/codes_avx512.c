/* Codes with AVX-512: up to 64 values come out of registers by permutes, more of them out
 * of the cache by gathers. Four rows share what is looked up. */
#include "run/run.h"

#if DC_HAS_X86
#include <immintrin.h>

enum { AHEAD = 8, MOST_PARTS = DC_MAX_PANEL / DC_LANES };

typedef struct {
    __m512 part[4];
    const float *codebook;
} values;

DC_AVX512 DC_INLINE values values_of(const dc_codes *codes)
{
    values v = {.codebook = codes->codebook};
    for (int i = 0; i < 4; i++)
        v.part[i] = _mm512_loadu_ps(codes->codebook + i * DC_LANES);
    return v;
}

/* The values of DC_LANES codes of so many bits. */
DC_AVX512 DC_INLINE __m512 look_up(const values *v, const uint8_t *from,
                                   const int code_bits)
{
    const __m512i codes = _mm512_cvtepu8_epi32(_mm_loadu_si128((const __m128i *)from));
    if (code_bits > 6)
        return _mm512_i32gather_ps(codes, v->codebook, 4);
    const __m512 low = _mm512_permutex2var_ps(v->part[0], codes, v->part[1]);
    if (code_bits < 6)
        return low;
    const __m512 high = _mm512_permutex2var_ps(v->part[2], codes, v->part[3]);
    return _mm512_mask_mov_ps(
        low, _mm512_test_epi32_mask(codes, _mm512_set1_epi32(32)), high);
}

DC_AVX512 DC_INLINE void add_panel(const dc_product *rows, const dc_codes *codes,
                                   const uint8_t *panel, const uint32_t *active,
                                   size_t n_active, float *sums, const int code_bits,
                                   const size_t n_rows, const size_t n_parts)
{
    const values v = values_of(codes);
    const size_t width = n_parts * DC_LANES;
    __m512 sum[4][MOST_PARTS];
    for (size_t row = 0; row < n_rows; row++)
        for (size_t part = 0; part < n_parts; part++)
            sum[row][part] = _mm512_setzero_ps();
    for (size_t i = 0; i < n_active; i++) {
        const uint8_t *code = panel + active[i] * width;
        if (i + AHEAD < n_active)
            DC_PREFETCH(panel + active[i + AHEAD] * width);
        __m512 x[4];
        for (size_t row = 0; row < n_rows; row++)
            x[row] = _mm512_set1_ps(rows->x[row * rows->n_inputs + active[i]]);
        for (size_t part = 0; part < n_parts; part++) {
            const __m512 value = look_up(&v, code + part * DC_LANES, code_bits);
            for (size_t row = 0; row < n_rows; row++)
                sum[row][part] = _mm512_fmadd_ps(value, x[row], sum[row][part]);
        }
    }
    for (size_t row = 0; row < n_rows; row++)
        for (size_t part = 0; part < n_parts; part++)
            _mm512_storeu_ps(sums + row * DC_MAX_PANEL + part * DC_LANES, sum[row][part]);
}

#define PARTS(BITS, ROWS, N)                                                             \
    case N:                                                                              \
        add_panel(rows, codes, panel, active, n_active, sums, BITS, ROWS, N);            \
        break;
#define DEFINE(BITS, ROWS)                                                               \
    DC_AVX512 static void add_##BITS##_##ROWS(const dc_product *rows,                    \
                                              const dc_codes *codes,                     \
                                              const uint8_t *panel,                      \
                                              const uint32_t *active, size_t n_active,   \
                                              float *sums)                               \
    {                                                                                    \
        switch (codes->width / DC_LANES) {                                               \
            PARTS(BITS, ROWS, 1)                                                         \
            PARTS(BITS, ROWS, 2)                                                         \
            PARTS(BITS, ROWS, 3)                                                         \
            PARTS(BITS, ROWS, 4)                                                         \
        }                                                                                \
    }
DEFINE(5, 1)
DEFINE(5, 2)
DEFINE(5, 4)
DEFINE(6, 1)
DEFINE(6, 2)
DEFINE(6, 4)
DEFINE(8, 1)
DEFINE(8, 2)
DEFINE(8, 4)

void dc_codes_avx512(const dc_product *rows, const dc_codes *codes, const uint8_t *panel,
                     const uint32_t *active, size_t n_active, float *sums)
{
    static dc_codes_kernel *const kernels[3][3] = {
        {add_5_1, add_5_2, add_5_4}, {add_6_1, add_6_2, add_6_4}, {add_8_1, add_8_2, add_8_4}};
    const int bits = codes->code_bits;
    kernels[bits < 6 ? 0 : bits == 6 ? 1 : 2][rows->n_rows / 2](rows, codes, panel, active,
                                                                n_active, sums);
}

DC_AVX512 static void values_5(const dc_codes *codes, const uint8_t *from, size_t n,
                               float *to)
{
    const values v = values_of(codes);
    for (size_t i = 0; i < n; i += DC_LANES)
        _mm512_storeu_ps(to + i, look_up(&v, from + i, 5));
}

DC_AVX512 static void values_6(const dc_codes *codes, const uint8_t *from, size_t n,
                               float *to)
{
    const values v = values_of(codes);
    for (size_t i = 0; i < n; i += DC_LANES)
        _mm512_storeu_ps(to + i, look_up(&v, from + i, 6));
}

DC_AVX512 static void values_8(const dc_codes *codes, const uint8_t *from, size_t n,
                               float *to)
{
    const values v = values_of(codes);
    for (size_t i = 0; i < n; i += DC_LANES)
        _mm512_storeu_ps(to + i, look_up(&v, from + i, 8));
}

void dc_codes_values_avx512(const dc_codes *codes, const uint8_t *from, size_t n,
                            float *to)
{
    const int bits = codes->code_bits;
    (bits < 6 ? values_5 : bits == 6 ? values_6 : values_8)(codes, from, n, to);
}
#else
typedef int dc_nothing;
#endif
