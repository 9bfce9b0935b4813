/* Code tables: the lengths of a code in the file's compact form.
 *
 * Code lengths, one symbol after the other, against the last length that was not 0:
 *
 *   0      the same length          1110  unused symbols: their number follows as
 *   10     one bit longer                 Elias gamma (as many zeros as bits after
 *   110    one bit shorter                the first one, a one, those bits)
 *                                   1111  any other length: 5 bits, less 1
 *
 * The length before the first is the number of bits of the highest symbol. There is
 * one way to write a table: the reader refuses a longer token where a shorter one
 * would do, a run behind a run, and padding that is not 0.
 *
 * Tables are short, so bits are read one by one, and each read asks first whether there
 * are so many. A run is held against the symbols that are left before it is filled in.
 * The reader does not ask whether the lengths make a code: whoever uses them does. */
#include "huffman/huffman.h"

/* Bits go into bytes as in deflate, the lowest first. */
typedef struct {
    uint8_t *out;
    size_t capacity;
    size_t size;
    uint64_t held;
    unsigned n_held;
    int is_full; /* something did not fit; what comes is dropped */
} writer;

/* Appends the `count` (at most 32) low bits of `bits`, the rest of which is 0. */
static inline void put(writer *w, uint32_t bits, unsigned count)
{
    w->held |= (uint64_t)bits << w->n_held;
    w->n_held += count;
    while (w->n_held >= 8) {
        if (w->size == w->capacity) {
            w->is_full = 1;
            w->n_held = 0;
            return;
        }
        w->out[w->size++] = (uint8_t)w->held;
        w->held >>= 8;
        w->n_held -= 8;
    }
}

typedef struct {
    const uint8_t *data;
    size_t n_bits;
    size_t position;
} reader;

/* The next `count` (at most 24) bits, or -1 past the end. */
static inline int32_t get(reader *r, unsigned count)
{
    if (r->n_bits - r->position < count)
        return -1;
    uint32_t bits = 0;
    for (unsigned i = 0; i < count; i++, r->position++)
        bits |= (uint32_t)((r->data[r->position >> 3] >> (r->position & 7)) & 1) << i;
    return (int32_t)bits;
}

int64_t dc_table_write(const uint8_t *lengths, size_t n_symbols, uint8_t *out,
                       size_t capacity)
{
    if (n_symbols < 1 || n_symbols > DC_MAX_ALPHABET)
        return DC_ERROR_ARGUMENT;
    writer w = {.out = out, .capacity = capacity};
    int last = (int)dc_bit_length(n_symbols - 1);
    for (size_t s = 0; n_symbols > 1 && s < n_symbols;) {
        int length = lengths[s];
        if (length > DC_MAX_CODE_LENGTH)
            return DC_ERROR_ARGUMENT;
        if (length == 0) {
            size_t run = 1;
            while (s + run < n_symbols && lengths[s + run] == 0)
                run++;
            unsigned tail = dc_bit_length(run) - 1;
            put(&w, 7, 4);
            put(&w, 0, tail);
            put(&w, 1, 1);
            put(&w, (uint32_t)(run & (((size_t)1 << tail) - 1)), tail);
            s += run;
            continue;
        }
        if (length == last)
            put(&w, 0, 1);
        else if (length == last + 1)
            put(&w, 1, 2);
        else if (length == last - 1)
            put(&w, 3, 3);
        else
            put(&w, 15u | (uint32_t)(length - 1) << 4, 9);
        last = length;
        s++;
    }
    put(&w, 0, -w.n_held & 7); /* the last byte, filled up with zeros */
    return w.is_full ? DC_ERROR_SPACE : (int64_t)w.size;
}

int64_t dc_table_read(const uint8_t *data, size_t size, size_t n_symbols,
                      uint8_t *lengths)
{
    if (n_symbols < 1 || n_symbols > DC_MAX_ALPHABET)
        return DC_ERROR_ARGUMENT;
    if (n_symbols == 1) {
        lengths[0] = 1;
        return 0;
    }
    reader r = {.data = data, .n_bits = size * 8};
    int last = (int)dc_bit_length(n_symbols - 1);
    int after_run = 0;
    for (size_t s = 0; s < n_symbols;) {
        int ones = 0;
        int32_t bit = 0;
        while (ones < 4 && (bit = get(&r, 1)) == 1)
            ones++;
        if (bit < 0)
            return DC_BROKEN_CODE_TABLE;
        if (ones == 3) {
            unsigned tail = 0;
            while ((bit = get(&r, 1)) == 0)
                if (++tail > 16)
                    return DC_BROKEN_CODE_TABLE;
            int32_t low = bit < 0 ? -1 : get(&r, tail);
            if (low < 0)
                return DC_BROKEN_CODE_TABLE;
            size_t run = ((size_t)1 << tail) + (size_t)low;
            if (run > n_symbols - s || after_run)
                return DC_BROKEN_CODE_TABLE;
            while (run--)
                lengths[s++] = 0;
            after_run = 1;
            continue;
        }
        after_run = 0;
        if (ones == 4) {
            int32_t length = get(&r, 5);
            if (length < 0 || (last - 1 <= length + 1 && length + 1 <= last + 1))
                return DC_BROKEN_CODE_TABLE;
            last = length + 1;
        } else {
            last += ones == 0 ? 0 : ones == 1 ? 1 : -1;
        }
        if (last < 1 || last > DC_MAX_CODE_LENGTH)
            return DC_BROKEN_CODE_TABLE;
        lengths[s++] = (uint8_t)last;
    }
    unsigned padding = (unsigned)(-r.position & 7);
    return get(&r, padding) == 0 ? (int64_t)(r.position / 8) : DC_BROKEN_CODE_TABLE;
}
