#include <string.h>

#include "native.h"

enum {
    TABLE_BITS = 12, /* codes up to this length are decoded by one look-up */
    LANES = 4        /* streams decoded side by side, to hide the look-up's latency */
};

/* A look-up entry: the symbol above, the code's length in the low 5 bits; length 0
 * says that the code is longer than TABLE_BITS. */
typedef struct {
    uint32_t table[1 << TABLE_BITS];
    int table_bits;
    int longest;
    uint32_t first[DC_MAX_CODE_LENGTH + 2];  /* first canonical code of a length */
    uint32_t offset[DC_MAX_CODE_LENGTH + 2]; /* its place among the ranked symbols */
    const uint16_t *ranked;
} decoder;

typedef struct {
    const uint8_t *next;
    const uint8_t *end;
    uint64_t held;
    unsigned n_held;
} lane;

static int build(decoder *d, const uint8_t *lengths, size_t n_symbols, uint16_t *ranked)
{
    uint32_t population[DC_MAX_CODE_LENGTH + 2] = {0};
    for (size_t s = 0; s < n_symbols; s++) {
        if (lengths[s] > DC_MAX_CODE_LENGTH)
            return DC_ERROR_CORRUPT;
        population[lengths[s]]++;
    }
    population[0] = 0;
    d->longest = 0;
    uint64_t code = 0;
    uint32_t place = 0;
    for (int length = 1; length <= DC_MAX_CODE_LENGTH; length++) {
        code = (code + population[length - 1]) << 1;
        d->first[length] = (uint32_t)code;
        d->offset[length] = place;
        place += population[length];
        if (population[length])
            d->longest = length;
    }
    if (code + population[DC_MAX_CODE_LENGTH] != (uint64_t)1 << DC_MAX_CODE_LENGTH)
        return DC_ERROR_CORRUPT;
    d->offset[DC_MAX_CODE_LENGTH + 1] = place;

    uint32_t next[DC_MAX_CODE_LENGTH + 2];
    memcpy(next, d->offset, sizeof next);
    for (size_t s = 0; s < n_symbols; s++)
        if (lengths[s])
            ranked[next[lengths[s]]++] = (uint16_t)s;
    d->ranked = ranked;

    d->table_bits = d->longest < TABLE_BITS ? d->longest : TABLE_BITS;
    uint32_t size = (uint32_t)1 << d->table_bits;
    memset(d->table, 0, sizeof *d->table * size);
    for (int length = 1; length <= d->table_bits; length++)
        for (uint32_t i = 0; i < population[length]; i++) {
            uint32_t canonical = d->first[length] + i, low = 0;
            for (int bit = 0; bit < length; bit++)
                low |= ((canonical >> bit) & 1) << (length - 1 - bit);
            uint32_t entry = (uint32_t)ranked[d->offset[length] + i] << 5 | (uint32_t)length;
            for (uint32_t at = low; at < size; at += (uint32_t)1 << length)
                d->table[at] = entry;
        }
    return 0;
}

static inline void refill(lane *l)
{
    if (l->end - l->next >= 8) {
        uint64_t word;
        memcpy(&word, l->next, sizeof word);
#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
        word = __builtin_bswap64(word);
#endif
        l->held |= word << l->n_held;
        l->next += (63 - l->n_held) >> 3;
        l->n_held |= 56;
        return;
    }
    while (l->n_held <= 56 && l->next < l->end) {
        l->held |= (uint64_t)*l->next++ << l->n_held;
        l->n_held += 8;
    }
}

/* One symbol from the held bits, of which there are 20 or the stream's last ones;
 * -1 where the stream has ended. */
static inline int32_t decode_one(const decoder *d, lane *l)
{
    uint32_t entry = d->table[l->held & (((uint32_t)1 << d->table_bits) - 1)];
    unsigned length = entry & 31;
    uint32_t symbol = entry >> 5;
    if (length == 0) {
        uint32_t code = 0;
        for (int n = 1;; n++) {
            if (n > d->longest)
                return -1;
            code = code << 1 | (uint32_t)((l->held >> (n - 1)) & 1);
            uint32_t population = d->offset[n + 1] - d->offset[n];
            if (code - d->first[n] < population && code >= d->first[n]) {
                symbol = d->ranked[d->offset[n] + code - d->first[n]];
                length = (unsigned)n;
                break;
            }
        }
    }
    if (length > l->n_held)
        return -1;
    l->held >>= length;
    l->n_held -= length;
    return (int32_t)symbol;
}

static inline void put(void *symbols, const int itemsize, size_t i, uint32_t symbol)
{
    if (itemsize == 1)
        ((uint8_t *)symbols)[i] = (uint8_t)symbol;
    else
        ((uint16_t *)symbols)[i] = (uint16_t)symbol;
}

/* Decodes from *begin to `end` and checks that the stream holds nothing more. */
static inline int finish(const decoder *d, lane *l, void *symbols, const int itemsize,
                         size_t begin, size_t end)
{
    for (size_t i = begin; i < end; i++) {
        refill(l);
        int32_t symbol = decode_one(d, l);
        if (symbol < 0)
            return DC_ERROR_CORRUPT;
        put(symbols, itemsize, i, (uint32_t)symbol);
    }
    /* What is left must be the zero padding of the last byte. A wide refill holds
     * bits of bytes that `next` has not passed yet: those count once. */
    uint64_t kept = l->n_held ? l->held & (UINT64_MAX >> (64 - l->n_held)) : 0;
    return l->next == l->end && l->n_held < 8 && kept == 0 ? 0 : DC_ERROR_CORRUPT;
}

static inline int decode_lanes(const decoder *d, lane *lanes, void *symbols,
                               const int itemsize, const size_t *begin,
                               const size_t *end)
{
    const uint32_t mask = ((uint32_t)1 << d->table_bits) - 1;
    size_t n_rounds = 0;
    if (d->longest <= TABLE_BITS) {
        /* 56 held bits are 4 codes of up to 12 bits and some to spare. */
        size_t possible = (end[LANES - 1] - begin[LANES - 1]) / 4;
        for (; n_rounds < possible; n_rounds++) {
            int enough = 1;
            for (int k = 0; k < LANES; k++)
                enough &= lanes[k].end - lanes[k].next >= 8;
            if (!enough)
                break;
            for (int k = 0; k < LANES; k++)
                refill(&lanes[k]);
            for (size_t step = 0; step < 4; step++)
                for (int k = 0; k < LANES; k++) {
                    uint32_t entry = d->table[lanes[k].held & mask];
                    lanes[k].held >>= entry & 31;
                    lanes[k].n_held -= entry & 31;
                    put(symbols, itemsize, begin[k] + 4 * n_rounds + step, entry >> 5);
                }
        }
    }
    for (int k = 0; k < LANES; k++) {
        int error = finish(d, &lanes[k], symbols, itemsize, begin[k] + 4 * n_rounds, end[k]);
        if (error)
            return error;
    }
    return 0;
}

static inline int64_t decode(const decoder *d, const uint8_t *data, size_t size,
                             const uint64_t *sizes, size_t n_streams, void *symbols,
                             const int itemsize, size_t n)
{
    lane lanes[LANES];
    size_t begin[LANES], end[LANES];
    for (size_t s = 0; s < n_streams;) {
        int width = n_streams - s >= LANES ? LANES : 1;
        for (int k = 0; k < width; k++, s++) {
            if (sizes[s] > size)
                return DC_ERROR_CORRUPT;
            lanes[k] = (lane){.next = data, .end = data + sizes[s]};
            data += sizes[s];
            size -= (size_t)sizes[s];
            begin[k] = dc_stream_start(n, n_streams, s);
            end[k] = dc_stream_start(n, n_streams, s + 1);
        }
        int error = width == LANES
                        ? decode_lanes(d, lanes, symbols, itemsize, begin, end)
                        : finish(d, &lanes[0], symbols, itemsize, begin[0], end[0]);
        if (error)
            return error;
    }
    return size == 0 ? (int64_t)n : DC_ERROR_CORRUPT;
}

int64_t dc_huffman_decode(const uint8_t *data, size_t size, const uint64_t *sizes,
                          size_t n_streams, const uint8_t *lengths, size_t n_symbols,
                          uint16_t *ranked, void *symbols, int itemsize, size_t n)
{
    if (n_streams < 1 || n_symbols < 1 || n_symbols > DC_MAX_ALPHABET ||
        (itemsize == 1 && n_symbols > 256))
        return DC_ERROR_ARGUMENT;
    decoder d;
    int error = build(&d, lengths, n_symbols, ranked);
    if (error)
        return error;
    if (itemsize == 1)
        return decode(&d, data, size, sizes, n_streams, symbols, 1, n);
    return decode(&d, data, size, sizes, n_streams, symbols, 2, n);
}
