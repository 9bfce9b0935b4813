/* Codes with AVX-512: values come out of registers, by permutes of two of them that look
 * at five bits of a code; blends look at the bits above. Where that takes few permutes,
 * two or four rows share them. */
#include "run/run.h"

#if DC_HAS_X86
#include <immintrin.h>

enum { AHEAD = 8, MOST_PARTS = DC_MAX_PANEL / DC_LANES, MOST_VALUES = 256 / DC_LANES };

typedef struct {
    __m512 part[MOST_VALUES];
} values;

DC_AVX512 DC_INLINE values values_of(const dc_codes *codes, const int code_bits)
{
    values v;
    for (int i = 0; i < (1 << code_bits) / DC_LANES; i++)
        v.part[i] = _mm512_loadu_ps(codes->codebook + i * DC_LANES);
    return v;
}

/* The values of codes among two registers of them, or four, and so on. */
DC_AVX512 DC_INLINE __m512 among_2(const __m512 *part, __m512i codes)
{
    return _mm512_permutex2var_ps(part[0], codes, part[1]);
}

DC_AVX512 DC_INLINE __m512 among_4(const __m512 *part, __m512i codes, __mmask16 bit5)
{
    return _mm512_mask_mov_ps(among_2(part, codes), bit5, among_2(part + 2, codes));
}

DC_AVX512 DC_INLINE __m512 among_8(const __m512 *part, __m512i codes, __mmask16 bit5,
                                   __mmask16 bit6)
{
    return _mm512_mask_mov_ps(among_4(part, codes, bit5), bit6,
                              among_4(part + 4, codes, bit5));
}

DC_AVX512 DC_INLINE __mmask16 has_bit(__m512i codes, int bit)
{
    return _mm512_test_epi32_mask(codes, _mm512_set1_epi32(1 << bit));
}

/* The values of DC_LANES codes of 5, 6, 7 or 8 bits. */
DC_AVX512 DC_INLINE __m512 look_up(const values *v, const uint8_t *from,
                                   const int code_bits)
{
    const __m512i codes = _mm512_cvtepu8_epi32(_mm_loadu_si128((const __m128i *)from));
    if (code_bits == 5)
        return among_2(v->part, codes);
    const __mmask16 bit5 = has_bit(codes, 5);
    if (code_bits == 6)
        return among_4(v->part, codes, bit5);
    const __mmask16 bit6 = has_bit(codes, 6);
    const __m512 low = among_8(v->part, codes, bit5, bit6);
    if (code_bits == 7)
        return low;
    return _mm512_mask_mov_ps(low, has_bit(codes, 7),
                              among_8(v->part + 8, codes, bit5, bit6));
}

DC_AVX512 DC_INLINE void add_panel(const float *x, size_t n_inputs, const dc_codes *codes,
                                   const uint8_t *panel, const uint32_t *active,
                                   size_t n_active, float *sums, const int code_bits,
                                   const size_t n_rows, const size_t n_parts)
{
    const values v = values_of(codes, code_bits);
    const size_t width = n_parts * DC_LANES;
    __m512 sum[4][MOST_PARTS];
    for (size_t row = 0; row < n_rows; row++)
        for (size_t part = 0; part < n_parts; part++)
            sum[row][part] = _mm512_setzero_ps();
    for (size_t i = 0; i < n_active; i++) {
        const uint8_t *code = panel + active[i] * width;
        if (i + AHEAD < n_active)
            DC_PREFETCH(panel + active[i + AHEAD] * width);
        __m512 from[4];
        for (size_t row = 0; row < n_rows; row++)
            from[row] = _mm512_set1_ps(x[row * n_inputs + active[i]]);
        for (size_t part = 0; part < n_parts; part++) {
            const __m512 value = look_up(&v, code + part * DC_LANES, code_bits);
            for (size_t row = 0; row < n_rows; row++)
                sum[row][part] = _mm512_fmadd_ps(value, from[row], sum[row][part]);
        }
    }
    for (size_t row = 0; row < n_rows; row++)
        for (size_t part = 0; part < n_parts; part++)
            _mm512_storeu_ps(sums + row * DC_MAX_PANEL + part * DC_LANES, sum[row][part]);
}

#define PARTS(BITS, ROWS, N)                                                             \
    case N:                                                                              \
        add_panel(x, n_inputs, codes, panel, active, n_active, sums, BITS, ROWS, N);     \
        break;
#define DEFINE(BITS, ROWS)                                                               \
    DC_AVX512 static void add_##BITS##_##ROWS(                                           \
        const float *x, size_t n_inputs, const dc_codes *codes, const uint8_t *panel,    \
        const uint32_t *active, size_t n_active, float *sums)                            \
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
DEFINE(7, 1)
DEFINE(8, 1)

/* What all codes of a matrix fit in: 5 bits or more. */
static int bits_of(const dc_codes *codes)
{
    return codes->code_bits < 5 ? 5 : codes->code_bits;
}

void dc_codes_avx512(const dc_product *rows, const dc_codes *codes, const uint8_t *panel,
                     const uint32_t *active, size_t n_active, float *sums)
{
    typedef void kernel(const float *, size_t, const dc_codes *, const uint8_t *,
                        const uint32_t *, size_t, float *);
    /* For one row, two and four. */
    static kernel *const kernels[4][3] = {{add_5_1, add_5_2, add_5_4},
                                          {add_6_1, add_6_2, add_6_4},
                                          {add_7_1, NULL, NULL},
                                          {add_8_1, NULL, NULL}};
    kernel *const *const some = kernels[bits_of(codes) - 5];
    const size_t n_inputs = rows->n_inputs;
    if (some[rows->n_rows / 2]) {
        some[rows->n_rows / 2](rows->x, n_inputs, codes, panel, active, n_active, sums);
        return;
    }
    for (size_t row = 0; row < rows->n_rows; row++)
        some[0](rows->x + row * n_inputs, n_inputs, codes, panel, active, n_active,
                sums + row * DC_MAX_PANEL);
}

#define DEFINE_VALUES(BITS)                                                              \
    DC_AVX512 static void values_##BITS(const dc_codes *codes, const uint8_t *from,      \
                                        size_t n, float *to)                             \
    {                                                                                    \
        const values v = values_of(codes, BITS);                                         \
        for (size_t i = 0; i < n; i += DC_LANES)                                         \
            _mm512_storeu_ps(to + i, look_up(&v, from + i, BITS));                       \
    }
DEFINE_VALUES(5)
DEFINE_VALUES(6)
DEFINE_VALUES(7)
DEFINE_VALUES(8)

void dc_codes_values_avx512(const dc_codes *codes, const uint8_t *from, size_t n,
                            float *to)
{
    static dc_codes_values *const some[] = {values_5, values_6, values_7, values_8};
    some[bits_of(codes) - 5](codes, from, n, to);
}
#else
typedef int dc_nothing;
#endif
