/* Huffman coding: from counts to code lengths, from lengths to codes and to the table
 * in a file, and from symbols to streams of bits and back; and the planes of bytes that
 * words are parted into before. docs/format.md specifies all of it. */
#ifndef DEEPCOMPRESS_HUFFMAN_H
#define DEEPCOMPRESS_HUFFMAN_H

#include "bits.h"
#include "common.h"

enum {
    DC_MAX_CODE_LENGTH = 20, /* the longest code in a file, in bits */
    DC_PAIR_SYMBOLS = 64,    /* up to so many symbols are taken two at a time */
    DC_PAIRS = DC_PAIR_SYMBOLS * DC_PAIR_SYMBOLS
};

/* ---- Codes: code.c ---------------------------------------------------------- */

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

/* A canonical code: of each length, how many codes there are, the first of them, and
 * how many shorter ones come before it. */
typedef struct {
    uint32_t count[DC_MAX_CODE_LENGTH + 1];
    uint32_t first[DC_MAX_CODE_LENGTH + 1];
    uint32_t before[DC_MAX_CODE_LENGTH + 1];
    int longest;
} dc_canonical;

/* The canonical code that has these lengths. Returns the number of used symbols, or
 * DC_BROKEN_CODE_COMPLETE where the lengths are not those of a complete code (a lone symbol of
 * length 1 is the one exception). */
int64_t dc_huffman_canonical(const uint8_t *lengths, size_t n_symbols,
                             dc_canonical *code);

/* The codes of all symbols, each with its first bit lowest, 0 for those that are not
 * used. Returns what dc_huffman_canonical does. */
int64_t dc_huffman_codes(const uint8_t *lengths, size_t n_symbols, uint32_t *codes);

/* ---- Code tables: table.c --------------------------------------------------- */

/* Writes the code lengths in the file's compact form; returns bytes written. */
int64_t dc_table_write(const uint8_t *lengths, size_t n_symbols, uint8_t *out,
                       size_t capacity);

/* Reads the code lengths of an alphabet; returns bytes read. */
int64_t dc_table_read(const uint8_t *data, size_t size, size_t n_symbols,
                      uint8_t *lengths);

/* ---- Streams: count.c, encode.c, decode.c ----------------------------------- */

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

/* ---- Planes: planes.c ------------------------------------------------------- */

/* Parts n words of itemsize 1, 2, 4 or 8 into as many planes as they have bytes: first
 * the lowest byte of each word, at last the highest. Each word is first turned left by
 * `turn` bits, 0 to 7, and, if `fold` is 1, then all but its lowest bit are inverted
 * where that is 1. Returns n. */
int64_t dc_planes_split(const void *words, int itemsize, size_t n, int turn, int fold,
                        uint8_t *planes);

/* The words back. Returns n. */
int64_t dc_planes_join(const uint8_t *planes, int itemsize, size_t n, int turn, int fold,
                       void *words);

/* ---- What several of them need ---------------------------------------------- */

/* The first symbol of stream `index`: the runs are as equal as they can be, the
 * longer ones first. */
static inline size_t dc_stream_start(size_t n, size_t n_streams, size_t index)
{
    size_t longer = n % n_streams;
    return index * (n / n_streams) + (index < longer ? index : longer);
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

#endif
