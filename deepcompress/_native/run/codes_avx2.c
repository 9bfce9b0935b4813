/* Codes with AVX2: up to 32 values come out of registers by permutes, more of them out of
 * the cache by gathers. One row at a time has its sums in registers. */
#include "run/run.h"

#if DC_HAS_X86
#include <immintrin.h>

enum { AHEAD = 8, WIDTH = 8, MOST_PARTS = DC_MAX_PANEL / WIDTH };

/* The values of eight codes of so many bits: 3, 4, 5, or 8. Blends look at the highest
 * bit of a lane. */
DC_AVX2 DC_INLINE __m256 look_up(const __m256 *v, const float *codebook,
                                 const uint8_t *from, const int code_bits)
{
    const __m256i codes = _mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i *)from));
    if (code_bits > 5)
        return _mm256_i32gather_ps(codebook, codes, 4);
    const __m256 a = _mm256_permutevar8x32_ps(v[0], codes);
    if (code_bits < 4)
        return a;
    const __m256 bit3 = _mm256_castsi256_ps(_mm256_slli_epi32(codes, 28));
    const __m256 b = _mm256_permutevar8x32_ps(v[1], codes);
    const __m256 low = _mm256_blendv_ps(a, b, bit3);
    if (code_bits < 5)
        return low;
    const __m256 bit4 = _mm256_castsi256_ps(_mm256_slli_epi32(codes, 27));
    const __m256 c = _mm256_permutevar8x32_ps(v[2], codes);
    const __m256 d = _mm256_permutevar8x32_ps(v[3], codes);
    return _mm256_blendv_ps(low, _mm256_blendv_ps(c, d, bit3), bit4);
}

DC_AVX2 DC_INLINE void add_row(const float *x, const dc_codes *codes,
                               const uint8_t *panel, const uint32_t *active,
                               size_t n_active, float *sums, const int code_bits,
                               const size_t n_parts)
{
    const size_t width = n_parts * WIDTH;
    __m256 sum[MOST_PARTS], v[4];
    for (int i = 0; i < 4; i++)
        v[i] = _mm256_loadu_ps(codes->codebook + i * WIDTH);
    for (size_t part = 0; part < n_parts; part++)
        sum[part] = _mm256_setzero_ps();
    for (size_t i = 0; i < n_active; i++) {
        const uint8_t *code = panel + active[i] * width;
        const __m256 from = _mm256_set1_ps(x[active[i]]);
        if (i + AHEAD < n_active)
            DC_PREFETCH(panel + active[i + AHEAD] * width);
        for (size_t part = 0; part < n_parts; part++)
            sum[part] = _mm256_fmadd_ps(
                look_up(v, codes->codebook, code + part * WIDTH, code_bits), from,
                sum[part]);
    }
    for (size_t part = 0; part < n_parts; part++)
        _mm256_storeu_ps(sums + part * WIDTH, sum[part]);
}

#define PARTS(BITS, N)                                                                   \
    case N:                                                                              \
        add_row(x, codes, panel, active, n_active, sums, BITS, N);                       \
        break;
#define DEFINE(BITS)                                                                     \
    DC_AVX2 static void add_##BITS(const float *x, const dc_codes *codes,                \
                                   const uint8_t *panel, const uint32_t *active,         \
                                   size_t n_active, float *sums)                         \
    {                                                                                    \
        switch (codes->width / WIDTH) {                                                  \
            PARTS(BITS, 2)                                                               \
            PARTS(BITS, 4)                                                               \
            PARTS(BITS, 6)                                                               \
            PARTS(BITS, 8)                                                               \
        }                                                                                \
    }
DEFINE(3)
DEFINE(4)
DEFINE(5)
DEFINE(8)

void dc_codes_avx2(const dc_product *rows, const dc_codes *codes, const uint8_t *panel,
                   const uint32_t *active, size_t n_active, float *sums)
{
    for (size_t row = 0; row < rows->n_rows; row++) {
        const float *x = rows->x + row * rows->n_inputs;
        const int bits = codes->code_bits;
        (bits < 4    ? add_3
         : bits == 4 ? add_4
         : bits == 5 ? add_5
                     : add_8)(x, codes, panel, active, n_active,
                              sums + row * DC_MAX_PANEL);
    }
}
#else
typedef int dc_nothing;
#endif
