/* Symbols to streams of bits.
 *
 * One look-up gives a chunk: the code of a symbol, or, in small alphabets, the codes of
 * two behind each other, with their length. Chunks are shifted into a word of 64 bits;
 * as many as surely fit are appended before the word is written, 8 bytes at once, of
 * which the full ones stay.
 *
 * - Fewer than 8 bits are held after a flush, so 56 may be appended: four codes of up
 *   to SHORT_LENGTH bits, eight of up to TINY_LENGTH, two of any.
 * - A flush writes 8 bytes and goes on by at most 7. Whole blocks of symbols are coded
 *   only while there is room for 8 bytes a flush; what is left goes byte by byte, and
 *   ends with DC_ERROR_SPACE where the room does.
 * - Symbols are not checked one by one. One without a code has a chunk of no bits and
 *   with a mark; the marks of all chunks are gathered by a bitwise or, and looked at
 *   when the stream is done. No symbol leads out of a table: there is a chunk for each
 *   byte and each pair, and chunk_of asks the size of the alphabet. */
#include "huffman/huffman.h"

enum {
    SHORT_LENGTH = 14,   /* up to such codes, four symbols are appended at a time */
    TINY_LENGTH = 7,     /* up to such codes, eight */
    WORTH_PAIRS = 16384, /* the symbols that make up for the table of pairs */
    INVALID = 1 << 7     /* the mark of a chunk without a code */
};

/* The code of a chunk begins at bit 8; its length is below, and the mark. */
typedef struct {
    const uint8_t *lengths;
    const uint32_t *codes;
    size_t n_symbols;
    unsigned longest;
    int has_pairs;
    uint32_t singles[256]; /* of each byte */
    uint64_t pairs[DC_PAIRS];
} encoder;

/* The bits that do not fill a byte yet, and the room for those that do. */
typedef struct {
    uint64_t held;
    unsigned n_held;
    uint64_t seen; /* the bits of all chunks, for the mark */
    uint8_t *out;
    uint8_t *end;
} writer;

static inline uint32_t chunk_of(const encoder *e, size_t symbol)
{
    int is_valid = symbol < e->n_symbols && e->lengths[symbol];
    return is_valid ? e->codes[symbol] << 8 | e->lengths[symbol] : (uint32_t)INVALID;
}

static void build(encoder *e, int itemsize, size_t n)
{
    e->longest = 0;
    for (size_t s = 0; s < e->n_symbols; s++)
        e->longest = e->lengths[s] > e->longest ? e->lengths[s] : e->longest;
    e->has_pairs = itemsize == 1 && e->n_symbols <= DC_PAIR_SYMBOLS &&
                   e->longest <= SHORT_LENGTH && n >= WORTH_PAIRS;
    if (itemsize == 1)
        for (size_t s = 0; s < 256; s++)
            e->singles[s] = chunk_of(e, s);
    if (e->has_pairs)
        for (size_t i = 0; i < DC_PAIRS; i++) {
            uint64_t first = e->singles[i % DC_PAIR_SYMBOLS];
            uint64_t second = e->singles[i / DC_PAIR_SYMBOLS];
            uint64_t mark = (first | second) & INVALID;
            uint64_t codes = second >> 8 << 8 << first % INVALID | first >> 8 << 8;
            e->pairs[i] = mark ? mark : codes | (first % INVALID + second % INVALID);
        }
}

static inline void append(writer *w, uint64_t chunk)
{
    w->seen |= chunk;
    w->held |= chunk >> 8 << w->n_held;
    w->n_held += (unsigned)(chunk % INVALID);
}

/* Writes 8 bytes, of which the full ones stay; fewer than 8 bits are held then. */
static inline void flush(writer *w)
{
    dc_store64(w->out, w->held);
    w->out += w->n_held >> 3;
    w->held >>= w->n_held & 56;
    w->n_held &= 7;
}

/* Both of these code whole blocks of symbols as long as there is room for 8 bytes a
 * flush, and return where they stopped. */

static inline size_t encode_pairs(const encoder *e, writer *to, const uint8_t *symbols,
                                  size_t i, size_t end, const int is_tiny)
{
    uint64_t seen = 0;
    writer w = *to;
    for (;;) {
        size_t blocks = (end - i) / 8, room = (size_t)(w.end - w.out) / 16;
        blocks = blocks < room ? blocks : room;
        if (blocks == 0)
            break;
        for (; blocks; blocks--, i += 8) {
            uint64_t eight = dc_load64(symbols + i);
            uint64_t pairs = dc_pairs_of(eight);
            seen |= eight;
            append(&w, e->pairs[pairs & 0xFFFF]);
            append(&w, e->pairs[pairs >> 16 & 0xFFFF]);
            if (!is_tiny)
                flush(&w);
            append(&w, e->pairs[pairs >> 32 & 0xFFFF]);
            append(&w, e->pairs[pairs >> 48]);
            flush(&w);
        }
    }
    if (!dc_have_pairs(seen))
        w.seen |= INVALID;
    *to = w;
    return i;
}

static inline size_t encode_singles(const encoder *e, writer *to, const void *symbols,
                                    const int itemsize, size_t i, size_t end,
                                    const size_t block)
{
    writer w = *to;
    for (;;) {
        size_t blocks = (end - i) / block, room = (size_t)(w.end - w.out) / 8;
        blocks = blocks < room ? blocks : room;
        if (blocks == 0)
            break;
        for (; blocks; blocks--) {
            for (size_t stop = i + block; i < stop; i++) {
                size_t symbol = dc_symbol_at(symbols, itemsize, i);
                append(&w, itemsize == 1 ? e->singles[symbol] : chunk_of(e, symbol));
            }
            flush(&w);
        }
    }
    *to = w;
    return i;
}

static int64_t encode_stream(const encoder *e, const void *symbols, int itemsize,
                             size_t i, size_t end, uint8_t *out, size_t capacity)
{
    writer w = {.out = out, .end = out + capacity};
    if (e->has_pairs)
        i = e->longest <= TINY_LENGTH ? encode_pairs(e, &w, symbols, i, end, 1)
                                      : encode_pairs(e, &w, symbols, i, end, 0);
    else if (itemsize == 1)
        i = e->longest <= SHORT_LENGTH ? encode_singles(e, &w, symbols, 1, i, end, 4)
                                       : encode_singles(e, &w, symbols, 1, i, end, 2);
    else
        i = e->longest <= SHORT_LENGTH ? encode_singles(e, &w, symbols, 2, i, end, 4)
                                       : encode_singles(e, &w, symbols, 2, i, end, 2);
    for (; i < end || w.n_held; i++) {
        if (i < end)
            append(&w, chunk_of(e, dc_symbol_at(symbols, itemsize, i)));
        else
            w.n_held = 8; /* the last byte, filled up with zeros */
        for (; w.n_held >= 8; w.n_held -= 8, w.held >>= 8) {
            if (w.out == w.end)
                return DC_ERROR_SPACE;
            *w.out++ = (uint8_t)w.held;
        }
    }
    return w.seen & INVALID ? DC_ERROR_ARGUMENT : w.out - out;
}

int64_t dc_huffman_encode(const void *symbols, int itemsize, size_t n,
                          const uint8_t *lengths, const uint32_t *codes,
                          size_t n_symbols, size_t n_streams, uint64_t *sizes,
                          uint8_t *out, size_t capacity)
{
    if (n_streams < 1)
        return DC_ERROR_ARGUMENT;
    encoder e = {.lengths = lengths, .codes = codes, .n_symbols = n_symbols};
    build(&e, itemsize, n);
    size_t size = 0;
    for (size_t s = 0; s < n_streams; s++) {
        size_t begin = dc_stream_start(n, n_streams, s);
        size_t end = dc_stream_start(n, n_streams, s + 1);
        int64_t result = encode_stream(&e, symbols, itemsize, begin, end, out + size,
                                       capacity - size);
        if (result < 0)
            return result;
        sizes[s] = (uint64_t)result;
        size += (size_t)result;
    }
    return (int64_t)size;
}
