/* Code lengths, one symbol after the other, against the last length that was not 0:
 *
 *   0      the same length          1110  unused symbols: their number follows as
 *   10     one bit longer                 Elias gamma (as many zeros as bits after
 *   110    one bit shorter                the first one, a one, those bits)
 *                                   1111  any other length: 5 bits, less 1
 *
 * The length before the first is the number of bits of the highest symbol. There is
 * one way to write a table: the reader refuses a longer token where a shorter one
 * would do, a run behind a run, and padding that is not 0. */
#include "bits.h"
#include "native.h"

static int bit_length(size_t value)
{
    int bits = 0;
    for (; value; value >>= 1)
        bits++;
    return bits;
}

int64_t dc_table_write(const uint8_t *lengths, size_t n_symbols, uint8_t *out,
                       size_t capacity)
{
    if (n_symbols < 1 || n_symbols > DC_MAX_ALPHABET)
        return DC_ERROR_ARGUMENT;
    dc_bit_writer writer = {.out = out, .capacity = capacity};
    int last = bit_length(n_symbols - 1);
    for (size_t s = 0; n_symbols > 1 && s < n_symbols;) {
        int length = lengths[s];
        if (length > DC_MAX_CODE_LENGTH)
            return DC_ERROR_ARGUMENT;
        if (length == 0) {
            size_t run = 1;
            while (s + run < n_symbols && lengths[s + run] == 0)
                run++;
            unsigned tail = (unsigned)bit_length(run) - 1;
            dc_put_bits(&writer, 7, 4);
            dc_put_bits(&writer, 0, tail);
            dc_put_bits(&writer, 1, 1);
            dc_put_bits(&writer, (uint32_t)(run & (((size_t)1 << tail) - 1)), tail);
            s += run;
            continue;
        }
        if (length == last)
            dc_put_bits(&writer, 0, 1);
        else if (length == last + 1)
            dc_put_bits(&writer, 1, 2);
        else if (length == last - 1)
            dc_put_bits(&writer, 3, 3);
        else
            dc_put_bits(&writer, 15u | (uint32_t)(length - 1) << 4, 9);
        last = length;
        s++;
    }
    dc_put_end(&writer);
    return writer.full ? DC_ERROR_SPACE : (int64_t)writer.size;
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
    dc_bit_reader reader = {.data = data, .n_bits = size * 8};
    int last = bit_length(n_symbols - 1);
    int after_run = 0;
    for (size_t s = 0; s < n_symbols;) {
        int ones = 0;
        int32_t bit = 0;
        while (ones < 4 && (bit = dc_get_bits(&reader, 1)) == 1)
            ones++;
        if (bit < 0)
            return DC_ERROR_CORRUPT;
        if (ones == 3) {
            unsigned tail = 0;
            while ((bit = dc_get_bits(&reader, 1)) == 0)
                if (++tail > 16)
                    return DC_ERROR_CORRUPT;
            int32_t low = bit < 0 ? -1 : dc_get_bits(&reader, tail);
            if (low < 0)
                return DC_ERROR_CORRUPT;
            size_t run = ((size_t)1 << tail) + (size_t)low;
            if (run > n_symbols - s || after_run)
                return DC_ERROR_CORRUPT;
            while (run--)
                lengths[s++] = 0;
            after_run = 1;
            continue;
        }
        after_run = 0;
        if (ones == 4) {
            int32_t length = dc_get_bits(&reader, 5);
            if (length < 0 || (last - 1 <= length + 1 && length + 1 <= last + 1))
                return DC_ERROR_CORRUPT;
            last = length + 1;
        } else {
            last += ones == 0 ? 0 : ones == 1 ? 1 : -1;
        }
        if (last < 1 || last > DC_MAX_CODE_LENGTH)
            return DC_ERROR_CORRUPT;
        lengths[s++] = (uint8_t)last;
    }
    unsigned padding = (unsigned)(-reader.position & 7);
    return dc_get_bits(&reader, padding) == 0 ? (int64_t)(reader.position / 8)
                                              : DC_ERROR_CORRUPT;
}
