/* The kernels of deepcompress and the contract that every one of them keeps.
 *
 * - The caller owns every buffer, workspaces included; a kernel allocates nothing
 *   and keeps no state between calls.
 * - Sizes and positions are 64 bits wide. A `capacity` is the room in `out`; a
 *   kernel that would pass it stops and returns DC_ERROR_SPACE.
 * - A result of zero or more is a count; a negative result is one of the codes
 *   below, which module.c alone turns into Python exceptions.
 * - A decoder takes any bytes: it neither reads nor writes outside the buffers
 *   given, and answers DC_ERROR_CORRUPT where the bytes are not what an encoder
 *   writes.
 * - Symbols are uint8 or uint16 arrays; `itemsize`, 1 or 2, says which.
 */
#ifndef DEEPCOMPRESS_NATIVE_H
#define DEEPCOMPRESS_NATIVE_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum {
    DC_ERROR_CORRUPT = -1,  /* the input of a decoder is damaged or hostile */
    DC_ERROR_SPACE = -2,    /* the output does not fit in the buffer given */
    DC_ERROR_ARGUMENT = -3  /* an argument is outside what the kernel allows */
};

enum {
    DC_MAX_CODE_LENGTH = 20,    /* the longest Huffman code in a file, in bits */
    DC_MAX_ALPHABET = 65536,    /* the most symbols in a Huffman alphabet */
    DC_MAX_GAP_WIDTH = 15,      /* the widest gap symbol, in bits */
    DC_PAIR_SYMBOLS = 64,       /* up to so many symbols are taken two at a time */
    DC_PAIRS = DC_PAIR_SYMBOLS * DC_PAIR_SYMBOLS,
    DC_LABEL_CELLS = 4096       /* cells of the grid that speeds up labelling */
};

/* ---- Huffman codes: huffman_code.c ---------------------------------------- */

/* One symbol of an alphabet during the construction of a code. */
typedef struct {
    uint64_t count;
    uint64_t symbol;
} dc_leaf;

/* Workspace of dc_huffman_lengths: `leaves` has room for n_symbols, `weights` for
 * 4 * n_symbols, `is_leaf` for 2 * n_symbols * max_length. */
typedef struct {
    dc_leaf *leaves;
    uint64_t *weights;
    uint8_t *is_leaf;
} dc_code_workspace;

/* Code lengths of the optimal code with no length above max_length (package-merge).
 * A symbol with count 0 gets length 0; a lone used symbol gets length 1.
 * Returns the number of used symbols. */
int64_t dc_huffman_lengths(const uint64_t *counts, size_t n_symbols, int max_length,
                           dc_code_workspace workspace, uint8_t *lengths);

/* Canonical codes, each with its first bit lowest. Returns the number of used
 * symbols, or DC_ERROR_CORRUPT where the lengths are not those of a complete code
 * (a lone symbol of length 1 is the one exception). */
int64_t dc_huffman_codes(const uint8_t *lengths, size_t n_symbols, uint32_t *codes);

/* ---- Code tables: huffman_table.c ------------------------------------------ */

/* Writes the code lengths in the file's compact form; returns bytes written. */
int64_t dc_table_write(const uint8_t *lengths, size_t n_symbols, uint8_t *out,
                       size_t capacity);

/* Reads the code lengths of an alphabet; returns bytes read. */
int64_t dc_table_read(const uint8_t *data, size_t size, size_t n_symbols,
                      uint8_t *lengths);

/* ---- Huffman streams: huffman_count.c, huffman_encode.c, huffman_decode.c ----- */

/* How often each symbol occurs; one that is not of the alphabet is DC_ERROR_ARGUMENT.
 * Returns n. */
int64_t dc_huffman_count(const void *symbols, int itemsize, size_t n, uint64_t *counts,
                         size_t n_symbols);

/* Splits n symbols into n_streams runs (dc_stream_start), codes each into whole
 * bytes and stores their sizes. `codes` are those of dc_huffman_codes; a symbol
 * without one is DC_ERROR_ARGUMENT. Returns bytes written. */
int64_t dc_huffman_encode(const void *symbols, int itemsize, size_t n,
                          const uint8_t *lengths, const uint32_t *codes,
                          size_t n_symbols, size_t n_streams, uint64_t *sizes,
                          uint8_t *out, size_t capacity);

/* Decodes n symbols from the streams behind each other in `data`. `ranked` is a
 * workspace for n_symbols entries. Every stream must hold its run of symbols
 * exactly. Returns n. */
int64_t dc_huffman_decode(const uint8_t *data, size_t size, const uint64_t *sizes,
                          size_t n_streams, const uint8_t *lengths, size_t n_symbols,
                          uint16_t *ranked, void *symbols, int itemsize, size_t n);

/* The first symbol of stream `index`: the runs are as equal as they can be, the
 * longer ones first. */
static inline size_t dc_stream_start(size_t n, size_t n_streams, size_t index)
{
    size_t longer = n % n_streams;
    return index * (n / n_streams) + (index < longer ? index : longer);
}

/* Eight bytes as a number, the lowest first, whatever the machine's own order. */
static inline uint64_t dc_load64(const uint8_t *bytes)
{
    uint64_t word;
    memcpy(&word, bytes, sizeof word);
#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    word = __builtin_bswap64(word);
#endif
    return word;
}

static inline void dc_store64(uint8_t *bytes, uint64_t word)
{
#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    word = __builtin_bswap64(word);
#endif
    memcpy(bytes, &word, sizeof word);
}

/* Eight symbols of an alphabet of up to DC_PAIR_SYMBOLS as four pairs of 16 bits: the
 * first symbol and DC_PAIR_SYMBOLS times the second. Other bytes make pairs too, all
 * below DC_PAIRS; whether there were any, their bitwise or tells dc_have_pairs. */
static inline uint64_t dc_pairs_of(uint64_t eight)
{
    const uint64_t firsts = UINT64_C(0x003F003F003F003F);
    return (eight & firsts) | (eight >> 2 & firsts << 6);
}

static inline int dc_have_pairs(uint64_t seen)
{
    return (seen & UINT64_C(0xC0C0C0C0C0C0C0C0)) == 0;
}

/* ---- Walks over a tensor --------------------------------------------------------- */

/* An order of a tensor's elements: the last axis runs fastest. An element lies at the
 * sum of its indices times the strides, counted in elements. There is at least one
 * axis, no length is 0, and n_elements is the product of the lengths. */
typedef struct {
    const int64_t *lengths;
    const int64_t *strides;
    size_t rank;
    int64_t n_elements;
} dc_scan;

/* A place in a scan: the index along the last axis, the number of rows before, and
 * where the row begins. Starts as {0}. */
typedef struct {
    int64_t index;
    int64_t row;
    int64_t begin;
} dc_cursor;

/* The address of the cursor's element. The index may have run over the end of its row,
 * but not out of the scan. */
static inline int64_t dc_address(const dc_scan *scan, dc_cursor *cursor)
{
    const size_t last = scan->rank - 1;
    if (cursor->index >= scan->lengths[last]) {
        cursor->row += cursor->index / scan->lengths[last];
        cursor->index %= scan->lengths[last];
        cursor->begin = 0;
        int64_t row = cursor->row;
        for (size_t axis = last; axis-- > 0; row /= scan->lengths[axis])
            cursor->begin += row % scan->lengths[axis] * scan->strides[axis];
    }
    return cursor->begin + cursor->index * scan->strides[last];
}

/* ---- Where the non-zeros stand: positions.c ----------------------------------- */

/* Positions and values of the items with a bit set, in order; itemsize 1, 2, 4 or 8.
 * Returns their number; DC_ERROR_SPACE where it passes capacity. */
int64_t dc_nonzeros(const void *items, int itemsize, size_t n, int64_t *positions,
                    void *values, size_t capacity);

/* Ascending positions in a tensor become those in the tensor with its axes in reverse,
 * ascending too; `order` says which of the old ones each was. The scan's strides are
 * those of the reversed tensor: each the product of the lengths before it. `spare` and
 * `spare_order` are workspaces for n entries. Returns n; DC_ERROR_ARGUMENT for
 * positions that do not ascend within the tensor. */
int64_t dc_reverse(const int64_t *positions, size_t n, dc_scan scan, int64_t *spare,
                   int64_t *spare_order, int64_t *reversed, int64_t *order);

/* ---- Shared values: codebook.c ------------------------------------------------- */

/* The distinct items in the order of their first appearance, widened to 64 bits, how
 * often each occurs, and for every item its place among them; itemsize 1, 2, 4 or 8.
 * `slots` is a workspace; n_slots a power of two, at least 2 * capacity. Returns the
 * number of distinct items; DC_ERROR_SPACE where it passes capacity <= 65536. */
int64_t dc_codebook(const void *items, int itemsize, size_t n, uint32_t *slots,
                    size_t n_slots, uint64_t *distinct, uint64_t *counts, size_t capacity,
                    uint16_t *places);

/* ---- Gaps: gaps.c ------------------------------------------------------------ */

/* How often each gap, the number of zeros before a non-zero, occurs among ascending
 * positions. Gaps of n_counts and more are not counted. Returns the longest. */
int64_t dc_gaps_count(const int64_t *positions, size_t n_positions, uint64_t *counts,
                      size_t n_counts);

/* The same for the tensor with its axes in reverse, without sorting. Its first axis
 * has n_rows; `columns` walks over the others in reverse: its strides are those of the
 * tensor. `first` and `last` are workspaces for an entry a column. */
int64_t dc_gaps_count_reversed(const int64_t *positions, size_t n_positions, int64_t n_rows,
                               dc_scan columns, int64_t *first, int64_t *last,
                               uint64_t *counts, size_t n_counts);

/* Ascending positions as gap symbols of `width` bits: the number of zeros before
 * each non-zero; 2^width - 1 says "so many zeros, and the gap goes on". Returns
 * the number of symbols. */
int64_t dc_gaps_encode(const int64_t *positions, size_t n_positions, int width,
                       void *symbols, int itemsize, size_t capacity);

/* Writes the values to the places in `out` that the gaps before them lead to, all
 * addresses of the scan lying in it; value_size is 1, 2, 4 or 8. Returns n_values; anything else than exactly so many
 * places inside the scan is DC_ERROR_CORRUPT, with some of them already written. */
int64_t dc_gaps_scatter(const void *symbols, int itemsize, size_t n_symbols, int width,
                        dc_scan scan, const void *values, int value_size, size_t n_values,
                        void *out);

/* ---- Context coding: context_*.c ------------------------------------------------- */

/* What one section is coded with: a range coder and all that its model has learnt, in
 * context.h. The caller keeps it between the calls; what is read and written goes by a
 * position in it, so that a copy is a point to go back to. Each call but the last is
 * given the same bytes again, whose content it goes on with. The functions write what
 * they are given, or, if begun so, read the same back into the same places. They return
 * a count, DC_ERROR_SPACE where the room for what is written ends, or DC_ERROR_CORRUPT. */
typedef struct dc_context dc_context;

enum {
    DC_NUMBER_CONTEXTS = 16, /* numbers that are alike share a context, 0 to 15 */
    DC_MAX_TEXT = 4096,      /* of the text that a coder begins with */
    DC_MAX_RARITY = 16       /* a rarity is a number of bits */
};

/* The non-zeros of a row or a column, and the sum of their ranks, each up to 64. */
typedef struct {
    uint64_t count, ranks;
} dc_row;

typedef struct {
    dc_row found;
    int64_t last_row;
    int32_t lean; /* codes of the one sign, less those of the other */
    uint32_t slot;
} dc_column;

/* The codes of a matrix: 0 for a zero, else 1 to n_codes, of which those up to n_low
 * have one sign. About one in 2^rarity is no zero; all, if rarity is 0. Its rows are
 * places of `step` rows each, in lines of `stride` rows (0: all in one line). Row i has
 * to do with entry i % n_side of `side`. The last ones are workspaces, 0 at
 * first: an entry a column; one for each of the n_kept last rows; for each row of a
 * place, one a column; a row of zeros. */
typedef struct {
    uint16_t *codes;
    int64_t n_rows, n_columns, step, stride;
    uint32_t n_codes, n_low;
    int rarity;
    const uint32_t *side;
    int64_t n_side;
    dc_column *columns;
    dc_row *rows;
    int64_t n_kept;
    uint16_t *pairs;
    const uint16_t *blank;
} dc_matrix;

/* How many rows a matrix has to keep the sums of. */
static inline int64_t dc_context_rows(int64_t n_rows, int64_t step, int64_t stride)
{
    const int64_t reach = step + (stride > step ? stride : step);
    return reach < n_rows ? reach + 1 : n_rows;
}

size_t dc_context_size(void);
int dc_context_decodes(const dc_context *c);
void dc_context_begin(dc_context *c, int decoding);
void dc_context_data(dc_context *c, uint8_t *out, const uint8_t *data, size_t size);

/* Learns from a text of up to DC_MAX_TEXT bytes as if it had been coded. */
int64_t dc_context_learn(dc_context *c, uint8_t *text, size_t n);

/* A number; small ones take less, and those that were frequent in this context. */
int64_t dc_context_number(dc_context *c, uint64_t *value, int context);

/* n ascending patterns of n_bits, 1 <= n <= DC_MAX_ALPHABET; the highest n_top bits, at
 * most 12, are alike in all codebooks. Returns how many have a highest bit of 0. */
int64_t dc_context_codebook(dc_context *c, uint64_t *values, size_t n, int n_bits,
                            int n_top);

/* n patterns in any order. */
int64_t dc_context_patterns(dc_context *c, uint64_t *values, size_t n, int n_bits,
                            int n_top);

int64_t dc_context_text(dc_context *c, uint8_t *text, size_t n);
int64_t dc_context_codes(dc_context *c, dc_matrix matrix);

/* The bits coded so far, rounded up. */
int64_t dc_context_bits(const dc_context *c);

/* Ends the section: returns the bytes written, or those read, which must be all. */
int64_t dc_context_end(dc_context *c);

/* ---- k-means in one dimension: kmeans_*.c ------------------------------------ */

/* Values are ascending and finite, float (itemsize 4) or double (8); `weights` are
 * positive doubles in the same order, or NULL where each counts once. Neighbouring
 * values are joined into elements; equal values are always in the same one. */
static inline double dc_value(const void *values, int itemsize, size_t i)
{
    return itemsize == 4 ? (double)((const float *)values)[i] : ((const double *)values)[i];
}

/* Weight, sum and squares, less a shift, of the values before an element, counted
 * from an element in the middle (so that they may be negative). `best` is scratch. */
typedef struct {
    double weight;
    double sum;
    double square;
    double best;
} dc_kmeans_node;

/* float32 values, as their bits, in ascending order: sort.c. -0.0 comes before 0.0, a
 * NaN before or behind everything else. `spare` is a workspace; DC_ERROR_SPACE where
 * more than n_spare values have their highest 11 bits in common. Returns n. */
int64_t dc_sort(const uint32_t *values, size_t n, uint32_t *sorted, uint32_t *spare,
                size_t n_spare);

/* The number of distinct values, or `limit` where there are at least so many. */
int64_t dc_kmeans_distinct(const void *values, int itemsize, size_t n, size_t limit);

/* Builds the elements: one goes on while it has fewer than max_count values and its
 * spread, their number times the square of the width up to the next element, is less
 * than max_spread (max_count 1: one element a distinct value). `nodes` and
 * `starts`, the position of each element's first value, have room for capacity + 1.
 * n >= 1. Returns the number of elements; DC_ERROR_SPACE where it passes capacity. */
int64_t dc_kmeans_nodes(const void *values, int itemsize, const double *weights, size_t n,
                        double shift, size_t max_count, double max_spread,
                        dc_kmeans_node *nodes, int64_t *starts, size_t capacity);

/* Workspace of dc_kmeans_optimal: `begins`, `wins_from`, `parents` and `many` have
 * room for n + 1, `few` for n_clusters + 1: with the nodes, 48 bytes an element
 * whatever the number of clusters. */
typedef struct {
    uint32_t *begins;
    uint32_t *wins_from;
    uint32_t *parents;
    uint32_t *many;
    uint32_t *few;
} dc_kmeans_workspace;

/* The optimal clustering of n < 2^32 - 1 elements, none of them split: n_clusters + 1
 * ascending cuts, the first 0, the last n. Each pass is a dynamic program over all
 * elements, O(n log n) at worst and close to O(n), in which a cluster costs a penalty
 * instead of being counted; a search finds the penalty that gives n_clusters. A
 * positive `guess` is tried first. Returns the number of passes. */
int64_t dc_kmeans_optimal(dc_kmeans_node *nodes, size_t n, size_t n_clusters, double guess,
                          dc_kmeans_workspace workspace, int64_t *cuts, double *best_cost);

/* A value and how far it lies from its center. */
typedef struct {
    double distance;
    double value;
} dc_kmeans_far;

/* Lloyd's iteration from ascending `centers` until no value changes its cluster, at
 * most max_iter times; a value halfway belongs to the lower center. Empty clusters
 * get the values farthest from their centers, so none is left. `far` is a workspace
 * for n_clusters. Leaves the means in `centers` and the n_clusters + 1 positions
 * between the clusters in `cuts`. Returns the number of iterations, or
 * DC_ERROR_ARGUMENT where there are fewer distinct values than clusters. */
int64_t dc_kmeans_lloyd(const void *values, int itemsize, const double *weights, size_t n,
                        const dc_kmeans_node *nodes, const int64_t *starts,
                        size_t n_elements, double shift, double *centers,
                        size_t n_clusters, int64_t max_iter, dc_kmeans_far *far,
                        int64_t *cuts);

/* Means and inertia of the clusters between `cuts`, from the values themselves:
 * nothing cancels as it does in sums over all of them. Returns n_clusters. */
int64_t dc_kmeans_summary(const void *values, int itemsize, const double *weights, size_t n,
                          const int64_t *cuts, size_t n_clusters, double *centers,
                          double *inertia);

/* For values in any order, the number of ascending thresholds (of the same type)
 * below each; labels are unsigned, label_size 1, 2 or 4 bytes. `below` is a workspace
 * for DC_LABEL_CELLS, `padded` for 3 * n_thresholds + 2 values. Returns n. */
int64_t dc_kmeans_labels(const void *values, int itemsize, size_t n, const void *thresholds,
                         size_t n_thresholds, uint32_t *below, void *padded, void *labels,
                         int label_size);

#endif
