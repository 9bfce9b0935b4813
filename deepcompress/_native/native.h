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

enum {
    DC_ERROR_CORRUPT = -1,  /* the input of a decoder is damaged or hostile */
    DC_ERROR_SPACE = -2,    /* the output does not fit in the buffer given */
    DC_ERROR_ARGUMENT = -3  /* an argument is outside what the kernel allows */
};

enum {
    DC_MAX_CODE_LENGTH = 20,    /* the longest Huffman code in a file, in bits */
    DC_MAX_ALPHABET = 65536,    /* the most symbols in a Huffman alphabet */
    DC_MAX_GAP_WIDTH = 15,      /* the widest gap symbol, in bits */
    DC_STREAM_PADDING = 8       /* bytes an encoder may need past a stream's end */
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

/* ---- Huffman streams: huffman_encode.c, huffman_decode.c -------------------- */

/* Splits n symbols into n_streams runs (dc_stream_start), codes each into whole
 * bytes and stores their sizes. `capacity` must exceed the coded bytes by
 * DC_STREAM_PADDING. Returns bytes written. */
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

/* ---- Gaps: gaps.c ------------------------------------------------------------ */

/* Ascending positions as gap symbols of `width` bits: the number of zeros before
 * each non-zero; 2^width - 1 says "so many zeros, and the gap goes on". Returns
 * the number of symbols. */
int64_t dc_gaps_encode(const int64_t *positions, size_t n_positions, int width,
                       void *symbols, int itemsize, size_t capacity);

/* The positions back, each below n_elements. Returns n_positions; anything else
 * than exactly so many positions is DC_ERROR_CORRUPT. */
int64_t dc_gaps_decode(const void *symbols, int itemsize, size_t n_symbols, int width,
                       int64_t n_elements, int64_t *positions, size_t n_positions);

#endif
