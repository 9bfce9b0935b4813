/* Bit streams, lowest bit first, as in deflate. */
#ifndef DEEPCOMPRESS_BITS_H
#define DEEPCOMPRESS_BITS_H

#include <stddef.h>
#include <stdint.h>

typedef struct {
    uint8_t *out;
    size_t capacity;
    size_t size;
    uint64_t held;
    unsigned n_held;
    int full;
} dc_bit_writer;

/* Appends the `count` (at most 32) low bits of `bits`, the rest of which is 0. */
static inline void dc_put_bits(dc_bit_writer *writer, uint32_t bits, unsigned count)
{
    writer->held |= (uint64_t)bits << writer->n_held;
    writer->n_held += count;
    while (writer->n_held >= 8) {
        if (writer->size == writer->capacity) {
            writer->full = 1;
            return;
        }
        writer->out[writer->size++] = (uint8_t)writer->held;
        writer->held >>= 8;
        writer->n_held -= 8;
    }
}

/* Fills the last byte up with zeros. */
static inline void dc_put_end(dc_bit_writer *writer)
{
    if (writer->n_held && !writer->full)
        dc_put_bits(writer, 0, 8 - writer->n_held);
}

typedef struct {
    const uint8_t *data;
    size_t n_bits;
    size_t position;
} dc_bit_reader;

/* The next `count` (at most 24) bits, or -1 past the end. */
static inline int32_t dc_get_bits(dc_bit_reader *reader, unsigned count)
{
    if (reader->n_bits - reader->position < count)
        return -1;
    uint32_t bits = 0;
    for (unsigned i = 0; i < count; i++, reader->position++)
        bits |= (uint32_t)((reader->data[reader->position >> 3] >> (reader->position & 7)) & 1)
                << i;
    return (int32_t)bits;
}

#endif
