/* Products with matrices that are held compressed: y = x W, for one row of x or many.
 *
 * W has n_inputs rows and n_outputs columns. It is held in one of three forms, each made
 * from ascending positions and codes, and read as it is:
 *
 * - Columns: for each input a list of the outputs that it reaches. Weights of 0 cost
 *   nothing, and inputs of 0 neither.
 * - Tiles: blocks of 32 inputs and 16 outputs, each output with room for a few of its
 *   weights, so that vectors work on 16 outputs at once; the rest stands apart.
 * - Codes: a code for every element, where few are zero.
 *
 * Whatever the arrays of a form hold, a kernel reads and writes within what it is given.
 * Inputs are finite, which dc_are_finite tells: a weight that is left out would turn an
 * infinity into nothing instead of NaN. Sums run in an order of their own in each
 * kernel, so that results differ in the last bits. */
#ifndef DEEPCOMPRESS_RUN_H
#define DEEPCOMPRESS_RUN_H

#include "common.h"

/* ---- Instruction sets: isa.c ------------------------------------------------ */

/* A kernel is told which instructions it may use; one without a version for them takes
 * the next below. The portable versions become NEON where a compiler makes it of loops
 * over DC_LANES. */
enum { DC_ISA_PORTABLE, DC_ISA_AVX2, DC_ISA_AVX512 };

/* Whether this processor, and what the kernels were compiled to, have an isa. */
int dc_has_isa(int isa);

#if defined(__x86_64__) && (defined(__GNUC__) || defined(__clang__))
#define DC_HAS_X86 1
#define DC_AVX2 __attribute__((target("avx2,fma")))
#define DC_AVX512 __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx2,fma")))
#else
#define DC_HAS_X86 0
#endif

#if defined(__GNUC__) || defined(__clang__)
#define DC_INLINE static inline __attribute__((always_inline))
#define DC_PREFETCH(ADDRESS) __builtin_prefetch(ADDRESS)
#define DC_VECTOR(N_LANES) float __attribute__((vector_size((N_LANES) * sizeof(float))))
#else
#define DC_INLINE static inline
#define DC_PREFETCH(ADDRESS) ((void)(ADDRESS))
#define DC_VECTOR(N_LANES) float
#endif

/* ---- What all have in common ------------------------------------------------ */

/* Whether no number is a NaN or an infinity: finite.c. */
int dc_are_finite(const float *x, size_t n);

/* Rows of x and of y lie one behind the other. */
typedef struct {
    const float *x;
    float *y;
    size_t n_rows, n_inputs, n_outputs;
} dc_product;

/* Adds a bias to each row of y, if it is not NULL, and sets what is below 0 to it, if
 * that is asked for: finish.c. */
void dc_finish(const dc_product *product, const float *bias, int is_rectified);

enum {
    DC_LANES = 16,      /* rows, or outputs, that vectors take at once */
    DC_FEWEST_LANES = 3 /* fewer rows are done one by one */
};

/* A number of each of so many rows. */
typedef struct {
    float lane[DC_LANES];
} dc_lanes;

/* Rows into lanes, those that are missing as zeros; and back: lanes.c. */
void dc_to_lanes(const float *rows, size_t n_rows, size_t n_columns, dc_lanes *lanes);
void dc_from_lanes(const dc_lanes *lanes, size_t n_rows, size_t n_columns, float *rows);

enum { DC_CACHE_LINE = 64, DC_SPARE = DC_CACHE_LINE / sizeof(float) };

/* Where a cache line begins in a workspace that has DC_SPARE floats more than said. */
static inline float *dc_aligned(float *room)
{
    const size_t past = (uintptr_t)room % DC_CACHE_LINE;
    return room + (past ? (DC_CACHE_LINE - past) / sizeof *room : 0);
}

/* n in whole units. */
static inline size_t dc_units(size_t n, size_t unit)
{
    return n / unit + (n % unit != 0);
}

/* What a form is made from: ascending positions in W, with a code each. Without codes,
 * as for values that are not shared, all of them are 0. */
typedef struct {
    const int64_t *positions;
    const uint8_t *codes;
    size_t n, n_inputs, n_outputs;
} dc_stored;

/* Whether positions ascend within W: columns_build.c and tiles_build.c ask first. */
static inline int dc_are_positions(const dc_stored *stored)
{
    const int64_t size = (int64_t)(stored->n_inputs * stored->n_outputs);
    int64_t last = -1;
    for (size_t i = 0; i < stored->n; last = stored->positions[i++])
        if (stored->positions[i] <= last || stored->positions[i] >= size)
            return 0;
    return 1;
}

/* The row and the column of ascending positions. Starts as {0}. */
typedef struct {
    size_t row, begin;
} dc_row_walk;

/* Goes on to a position, which is not before the last one. Returns its column. */
static inline size_t dc_walk_to(dc_row_walk *walk, size_t position, size_t n_columns)
{
    if (position - walk->begin >= n_columns) {
        /* The next row mostly; a division where many are empty. */
        walk->begin += n_columns;
        walk->row++;
        if (position - walk->begin >= n_columns) {
            walk->row = position / n_columns;
            walk->begin = walk->row * n_columns;
        }
    }
    return position - walk->begin;
}

/* ---- Columns: columns_build.c, columns.c, columns_expand.c ------------------- */

/* For each input a list of the outputs that it reaches, in blocks of 2^n_bits outputs:
 * the lists of the first block, then those of the next. An entry is the output within its
 * block and, above these bits, a code. List i of block b is
 * entries[starts[b n_inputs + i]] and so on, up to the next start. n_bits are 8 to 16.
 *
 * `codebook` has 2^(16 - n_bits) values; it is NULL where there are `values`, one for
 * each entry, whose codes mean nothing then. */
typedef struct {
    const uint32_t *starts;
    const uint16_t *entries;
    const float *codebook, *values;
    size_t n_entries, n_inputs, n_outputs;
    int n_bits;
} dc_columns;

static inline size_t dc_n_blocks(size_t n_outputs, int n_bits)
{
    return dc_units(n_outputs, (size_t)1 << n_bits);
}

/* Whether a list, counted over all blocks, lies within the entries. */
static inline int dc_is_list(const dc_columns *columns, size_t list)
{
    return columns->starts[list] <= columns->starts[list + 1] &&
           columns->starts[list + 1] <= columns->n_entries;
}

/* What stands at an entry. */
static inline float dc_value_at(const dc_columns *columns, size_t i)
{
    return columns->values ? columns->values[i]
                           : columns->codebook[columns->entries[i] >> columns->n_bits];
}

/* Makes the lists. `next` is a workspace of n_inputs times n_blocks entries, `starts` has
 * one more. In one block entries are in the order of positions. Returns n;
 * DC_ERROR_ARGUMENT for what are no positions, and for codes that are too large. */
int64_t dc_columns_build(const dc_stored *stored, int n_bits, uint32_t *next,
                         uint32_t *starts, uint16_t *entries);

/* y = x W. `active` is a workspace of n_inputs entries; `room` one of floats, as many as
 * outputs in whole blocks, or, for DC_FEWEST_LANES rows and more, DC_LANES times the sum
 * of these and the inputs; and DC_SPARE more. Returns n_rows; DC_ERROR_ARGUMENT where
 * lists do not lie within the entries. */
int64_t dc_columns_multiply(const dc_product *product, const dc_columns *columns, int isa,
                            uint32_t *active, float *room);

/* Rows of W from `first` on as floats, or any rows: `out` has room for n of them. Returns
 * n; DC_ERROR_ARGUMENT for what is no row. */
int64_t dc_columns_expand(const dc_columns *columns, size_t first, size_t n, float *out);
int64_t dc_columns_rows(const dc_columns *columns, const int64_t *rows, size_t n,
                        float *out);

/* ---- Tiles: tiles_build.c, tiles.c, tiles_expand.c -------------------------- */

/* W in tiles of 32 inputs and 16 outputs: those of the first inputs, then those of the
 * next. A slot holds, for each output of a tile, one of its weights: the input within the
 * tile in five bits, and above them a code, which is 0 where there is no weight. All
 * tiles of the same inputs have as many slots. Words of 32 bits hold three slots, or two
 * where codes have six bits: a tile is a row of words for its outputs, and as many rows
 * as its slots need.
 *
 * Weights that find no slot, and codes of more bits, are the rest: for each 32 inputs
 * entries of the input within the tile in five bits, above them seven of the code, and
 * twenty of the output. */
typedef struct {
    const uint32_t *words;
    const uint8_t *depths;        /* the slots of the tiles of each 32 inputs */
    const uint32_t *rest_starts;  /* one more */
    const uint32_t *rest;
    const float *table;           /* DC_TILE_TABLE values by code, 0 the first of them */
    size_t n_words, n_rest;
    int code_bits;                /* of codes in slots: 5 or 6 */
} dc_tiles;

enum {
    DC_TILE_INPUTS = 32,
    DC_TILE_OUTPUTS = 16,
    DC_TILE_TABLE = 128,
    DC_MAX_DEPTH = 32,
    DC_MAX_TILE_OUTPUTS = 1 << 20
};

static inline size_t dc_tile_words(size_t depth, int code_bits)
{
    return DC_TILE_OUTPUTS * dc_units(depth, code_bits == 5 ? 3 : 2);
}

/* Whether the words are as many as the depths say, the depths are not too large and the
 * starts of the rest lie within it. */
int dc_are_tiles(const dc_tiles *tiles, size_t n_inputs, size_t n_outputs);

/* How many outputs have so many weights with codes below 2^code_bits among each 32
 * inputs: DC_MAX_DEPTH + 1 counts for each. `filled` is a workspace of n_outputs entries.
 * `n_rest` becomes, for each 32 inputs, the number of weights with other codes. Returns
 * the number of weights; DC_ERROR_ARGUMENT for positions that do not ascend within W. */
int64_t dc_tiles_count(const dc_stored *stored, int code_bits, uint8_t *filled,
                       uint64_t *counts, uint64_t *n_rest);

/* Fills tiles of the depths given; words, rest and rest_starts are written to. Codes are
 * those of the table, and none is 0. Returns the entries of the rest; DC_ERROR_SPACE
 * where they are more than `tiles` has, DC_ERROR_ARGUMENT for what does not belong
 * together. */
int64_t dc_tiles_build(const dc_stored *stored, const dc_tiles *tiles, uint8_t *filled,
                       uint32_t *words, uint32_t *rest_starts, uint32_t *rest);

/* y = x W. `sums` is a workspace of DC_TILE_ROWS rows of outputs in whole tiles, and
 * DC_SPARE floats more. Returns n_rows; DC_ERROR_ARGUMENT where the parts do not fit. */
enum { DC_TILE_ROWS = 8 /* rows that are done at once */ };
int64_t dc_tiles_multiply(const dc_product *product, const dc_tiles *tiles, int isa,
                          float *sums);

/* Rows of W from `first` on as floats: `out` has room for n of them. */
int64_t dc_tiles_expand(const dc_tiles *tiles, size_t n_inputs, size_t n_outputs,
                        size_t first, size_t n, float *out);

/* The sums of n_rows rows, each of n_tiles whole tiles and `stride` floats, with what
 * the slots say; for dc_tiles_multiply. */
typedef void dc_tiles_kernel(const dc_product *rows, const dc_tiles *tiles, float *sums);
#if DC_HAS_X86
dc_tiles_kernel dc_tiles_avx512;
#endif

/* ---- Codes: codes.c, codes_avx2.c, codes_avx512.c ---------------------------- */

/* A code for every element of W, in panels of `width` outputs, 16 to 64: all inputs of
 * the first panel, then those of the next, which are padded with any codes. */
typedef struct {
    const uint8_t *codes;
    const float *codebook; /* DC_CODEBOOK values */
    size_t width;
    int code_bits; /* of the codes that occur: 1 to 8 */
} dc_codes;

enum { DC_CODEBOOK = 256, DC_MAX_PANEL = 64 };

/* y = x W; `active` is a workspace of n_inputs entries. Returns n_rows. */
int64_t dc_codes_multiply(const dc_product *product, const dc_codes *codes, int isa,
                          uint32_t *active);

/* Rows of W from `first` on as floats: `out` has room for n of them. Returns n. */
int64_t dc_codes_expand(const dc_codes *codes, size_t n_inputs, size_t n_outputs, int isa,
                        size_t first, size_t n, float *out);

/* A panel's sums, rows of DC_MAX_PANEL, over some inputs of one row, two or four; for
 * dc_codes_multiply. */
typedef void dc_codes_kernel(const dc_product *rows, const dc_codes *codes,
                             const uint8_t *panel, const uint32_t *active,
                             size_t n_active, float *sums);
/* As many codes, whole lanes of them, as values; for dc_codes_expand. */
typedef void dc_codes_values(const dc_codes *codes, const uint8_t *from, size_t n,
                             float *to);
#if DC_HAS_X86
dc_codes_kernel dc_codes_avx2, dc_codes_avx512;
dc_codes_values dc_codes_values_avx512;
#endif

/* ---- Windows: windows.c ------------------------------------------------------ */

enum { DC_AXES = 3 };

/* A window that slides over the axes between images and channels. Along each of them: the
 * size of an image; the places that the window takes; its elements, how far it moves and
 * how far they are apart; and how many zeros stand before the image. No number is above
 * 2^30. */
typedef struct {
    size_t n_images, n_channels;
    size_t sizes[DC_AXES], places[DC_AXES], window[DC_AXES], strides[DC_AXES];
    size_t dilation[DC_AXES], before[DC_AXES];
} dc_window;

/* What the window meets at each of its places, one row each; zeros outside the image. */
void dc_patches(const dc_window *window, const float *x, float *out);

/* The largest of what the window meets at each of its places, for each channel, a NaN
 * before all; or the mean of it. What is outside the image does not count. */
void dc_pool(const dc_window *window, int is_mean, const float *x, float *out);

/* ---- Convolutions: convolve.c ------------------------------------------------ */

/* Filters that slide over images: for each a list of the weights that it has, as columns
 * of the kernel turned around, whose inputs are the filters and whose outputs the
 * elements of the window times channels. The window moves by one along each axis. */
typedef struct {
    dc_columns filters;
    dc_window window;
    const dc_window *pool; /* over the places, without padding; NULL where none follows */
    const float *bias;     /* one for each filter, or NULL */
    int is_rectified;
    int is_split, makes_split; /* whether channels lie one behind the other: in x, in y */
} dc_convolution;

/* Floats of the workspace; 0 for what is no such convolution. */
size_t dc_convolve_room(const dc_convolution *convolution);

/* Convolves, adds the bias, rectifies and pools. Numbers are finite. Returns the number
 * of images; DC_ERROR_ARGUMENT for what is no such convolution. */
int64_t dc_convolve(const dc_convolution *convolution, int isa, const float *x, float *y,
                    float *room);

/* ---- Layers one after the other: chain.c -------------------------------------- */

enum { DC_LINK_TILES, DC_LINK_COLUMNS, DC_LINK_CODES, DC_LINK_CONVOLUTION };

/* A layer: a product, with what follows it, or a convolution, which has its own bias. */
typedef struct {
    int kind;
    union {
        dc_tiles tiles;
        dc_columns columns;
        dc_codes codes;
        dc_convolution convolution;
    } of;
    const float *bias; /* n_outputs of them, or NULL */
    int is_rectified;
    size_t n_inputs, n_outputs; /* floats of an example */
} dc_link;

/* Floats of the workspace; 0 where one layer does not make what the next one takes. */
size_t dc_chain_room(const dc_link *links, size_t n_links);

/* Computes n_rows examples. Returns 0; 1 where a number is not finite, so that y means
 * nothing; DC_ERROR_ARGUMENT as the kernels do. */
int64_t dc_chain_run(const dc_link *links, size_t n_links, int isa, size_t n_rows,
                     const float *x, float *y, float *room);

#endif
