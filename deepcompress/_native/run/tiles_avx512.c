/* Slots of tiles with AVX-512: both the input and the value of a weight come out of
 * registers, by permutes of two of them that look at five bits of each lane.
 *
 * One to eight rows go through a tile together, since each costs one permute and one
 * product more while the values stay. Outputs are taken piece by piece, so that the sums
 * of all rows stay in the cache. */
#include "run/run.h"

#if DC_HAS_X86
#include <immintrin.h>

enum {
    SUM_BYTES = 1 << 15, /* of all rows of a piece */
    TILE_BYTES = DC_TILE_OUTPUTS * sizeof(float)
};

/* The values by code: two registers of them, or four where codes have six bits. */
typedef struct {
    __m512 part[4];
} values;

DC_AVX512 DC_INLINE __m512 value_of(const values *v, __m512i codes, const int code_bits)
{
    const __m512 low = _mm512_permutex2var_ps(v->part[0], codes, v->part[1]);
    if (code_bits == 5)
        return low;
    const __m512 high = _mm512_permutex2var_ps(v->part[2], codes, v->part[3]);
    return _mm512_mask_mov_ps(
        low, _mm512_test_epi32_mask(codes, _mm512_set1_epi32(32)), high);
}

/* A slot, whose input is in the lowest five bits of `bits`. */
DC_AVX512 DC_INLINE void add_slot(__m512i bits, const values *v, const int code_bits,
                                  const int n_rows, const __m512 (*x)[2], __m512 *sums)
{
    const __m512 value = value_of(v, _mm512_srli_epi32(bits, 5), code_bits);
    for (int row = 0; row < n_rows; row++)
        sums[row] = _mm512_fmadd_ps(
            _mm512_permutex2var_ps(x[row][0], bits, x[row][1]), value, sums[row]);
}

DC_AVX512 DC_INLINE void add_tile(const uint32_t *words, const int depth, const values *v,
                                  const int code_bits, const int n_rows,
                                  const __m512 (*x)[2], float *sums, size_t stride)
{
    const int n_slots = code_bits == 5 ? 3 : 2;
    __m512 sum[DC_TILE_ROWS];
    for (int row = 0; row < n_rows; row++)
        sum[row] = _mm512_load_ps(sums + (size_t)row * stride);
    for (int slot = 0; slot < depth; slot += n_slots, words += DC_TILE_OUTPUTS) {
        const __m512i bits = _mm512_loadu_si512(words);
        add_slot(bits, v, code_bits, n_rows, x, sum);
        if (slot + 1 < depth)
            add_slot(_mm512_srli_epi32(bits, (unsigned)(5 + code_bits)), v, code_bits,
                     n_rows, x, sum);
        if (n_slots > 2 && slot + 2 < depth)
            add_slot(_mm512_srli_epi32(bits, (unsigned)(2 * (5 + code_bits))), v,
                     code_bits, n_rows, x, sum);
    }
    for (int row = 0; row < n_rows; row++)
        _mm512_store_ps(sums + (size_t)row * stride, sum[row]);
}

DC_AVX512 DC_INLINE void add_tiles(const uint32_t *words, size_t n_tiles, const int depth,
                                   const values *v, const int code_bits,
                                   const int n_rows, const __m512 (*x)[2], float *sums,
                                   size_t stride)
{
    const size_t size = dc_tile_words((size_t)depth, code_bits);
    for (size_t tile = 0; tile < n_tiles; tile++)
        add_tile(words + tile * size, depth, v, code_bits, n_rows, x,
                 sums + tile * DC_TILE_OUTPUTS, stride);
}

/* The usual depths, for which there is no loop over slots. */
#define DEPTH(N)                                                                         \
    case N:                                                                              \
        add_tiles(words, n_tiles, N, v, code_bits, n_rows, x, sums, stride);             \
        break

DC_AVX512 DC_INLINE void add_block(const uint32_t *words, size_t n_tiles, int depth,
                                   const values *v, const int code_bits,
                                   const int n_rows, const __m512 (*x)[2], float *sums,
                                   size_t stride)
{
    switch (depth) {
    case 0:
        break;
        DEPTH(1);
        DEPTH(2);
        DEPTH(3);
        DEPTH(4);
        DEPTH(5);
        DEPTH(6);
        DEPTH(7);
        DEPTH(8);
    default:
        add_tiles(words, n_tiles, depth, v, code_bits, n_rows, x, sums, stride);
    }
}

/* Inputs of a block, those behind the last as 0. Whether one of them is not. */
DC_AVX512 DC_INLINE int take_inputs(const float *x, size_t left, __m512 *inputs)
{
    const __mmask32 mask =
        left < DC_TILE_INPUTS ? ((__mmask32)1 << left) - 1 : ~(__mmask32)0;
    inputs[0] = _mm512_maskz_loadu_ps((__mmask16)mask, x);
    inputs[1] = _mm512_maskz_loadu_ps((__mmask16)(mask >> 16), x + DC_LANES);
    const __m512i any = _mm512_or_si512(_mm512_castps_si512(inputs[0]),
                                        _mm512_castps_si512(inputs[1]));
    return _mm512_test_epi32_mask(any, any) != 0;
}

DC_AVX512 DC_INLINE void add_slots(const dc_product *rows, const dc_tiles *tiles,
                                   float *sums, const int code_bits, const int n_rows)
{
    const size_t n_tiles = dc_units(rows->n_outputs, DC_TILE_OUTPUTS);
    const size_t n_blocks = dc_units(rows->n_inputs, DC_TILE_INPUTS);
    const size_t stride = n_tiles * DC_TILE_OUTPUTS;
    const size_t piece = SUM_BYTES / TILE_BYTES / (size_t)n_rows;
    values v;
    for (int i = 0; i < 4; i++)
        v.part[i] = _mm512_loadu_ps(tiles->table + i * DC_LANES);
    for (size_t begin = 0; begin < n_tiles; begin += piece) {
        const size_t n = n_tiles - begin < piece ? n_tiles - begin : piece;
        const uint32_t *words = tiles->words;
        for (size_t block = 0; block < n_blocks; block++) {
            const size_t size = dc_tile_words(tiles->depths[block], code_bits);
            const size_t first = block * DC_TILE_INPUTS;
            __m512 x[DC_TILE_ROWS][2];
            int is_active = 0;
            for (int row = 0; row < n_rows; row++)
                is_active |= take_inputs(rows->x + (size_t)row * rows->n_inputs + first,
                                         rows->n_inputs - first, x[row]);
            if (is_active)
                add_block(words + begin * size, n, tiles->depths[block], &v, code_bits,
                          n_rows, x, sums + begin * DC_TILE_OUTPUTS, stride);
            words += size * n_tiles;
        }
    }
}

#define ROWS(BITS, N)                                                                    \
    DC_AVX512 static void add_slots_##BITS##_##N(const dc_product *rows,                 \
                                                 const dc_tiles *tiles, float *sums)     \
    {                                                                                    \
        add_slots(rows, tiles, sums, BITS, N);                                           \
    }
ROWS(5, 1)
ROWS(5, 2)
ROWS(5, 4)
ROWS(5, 8)
ROWS(6, 1)
ROWS(6, 2)
ROWS(6, 4)
ROWS(6, 8)

void dc_tiles_avx512(const dc_product *rows, const dc_tiles *tiles, float *sums)
{
    static dc_tiles_kernel *const kernels[2][4] = {
        {add_slots_5_1, add_slots_5_2, add_slots_5_4, add_slots_5_8},
        {add_slots_6_1, add_slots_6_2, add_slots_6_4, add_slots_6_8},
    };
    const size_t n = rows->n_rows;
    const int which = n == 1 ? 0 : n == 2 ? 1 : n == 4 ? 2 : 3;
    kernels[tiles->code_bits - 5][which](rows, tiles, sums);
}
#else
typedef int dc_nothing;
#endif
