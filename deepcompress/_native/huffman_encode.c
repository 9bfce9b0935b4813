#include <string.h>

#include "native.h"

/* The held bits as little-endian bytes, whatever the machine's own order. */
static inline void store_le64(uint8_t *out, uint64_t value)
{
#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    value = __builtin_bswap64(value);
#endif
    memcpy(out, &value, sizeof value);
}

static inline int64_t encode_stream(const void *symbols, const int itemsize, size_t begin,
                                    size_t end, const uint8_t *lengths,
                                    const uint32_t *codes, size_t n_symbols,
                                    uint8_t *out, size_t capacity)
{
    uint64_t held = 0;
    unsigned n_held = 0;
    size_t size = 0;
    for (size_t i = begin; i < end; i++) {
        size_t symbol = itemsize == 1 ? ((const uint8_t *)symbols)[i]
                                      : ((const uint16_t *)symbols)[i];
        if (symbol >= n_symbols || lengths[symbol] == 0)
            return DC_ERROR_ARGUMENT;
        held |= (uint64_t)codes[symbol] << n_held;
        n_held += lengths[symbol];
        if (n_held >= 32) {
            if (capacity - size < DC_STREAM_PADDING)
                return DC_ERROR_SPACE;
            store_le64(out + size, held);
            size += 4;
            held >>= 32;
            n_held -= 32;
        }
    }
    if (capacity - size < DC_STREAM_PADDING)
        return DC_ERROR_SPACE;
    store_le64(out + size, held);
    return (int64_t)(size + (n_held + 7) / 8);
}

int64_t dc_huffman_encode(const void *symbols, int itemsize, size_t n,
                          const uint8_t *lengths, const uint32_t *codes,
                          size_t n_symbols, size_t n_streams, uint64_t *sizes,
                          uint8_t *out, size_t capacity)
{
    if (n_streams < 1)
        return DC_ERROR_ARGUMENT;
    size_t size = 0;
    for (size_t s = 0; s < n_streams; s++) {
        size_t begin = dc_stream_start(n, n_streams, s);
        size_t end = dc_stream_start(n, n_streams, s + 1);
        int64_t result =
            itemsize == 1 ? encode_stream(symbols, 1, begin, end, lengths, codes,
                                          n_symbols, out + size, capacity - size)
                          : encode_stream(symbols, 2, begin, end, lengths, codes,
                                          n_symbols, out + size, capacity - size);
        if (result < 0)
            return result;
        sizes[s] = (uint64_t)result;
        size += (size_t)result;
    }
    return (int64_t)size;
}
