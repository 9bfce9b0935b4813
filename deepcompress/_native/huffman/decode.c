#include <string.h>

#include "native.h"

enum {
    TABLE_BITS = 11, /* the bits that one look-up sees */
    TABLE_SIZE = 1 << TABLE_BITS,
    LANES = 4,       /* streams decoded side by side, to hide a look-up's latency */
    ENTRY_BYTES = 4, /* the room for symbols in an entry */
    USABLE = 56,     /* bits that are there after every load */
    LOOK_UPS = USABLE / TABLE_BITS,
    LOOK_UPS_AFTER_LONG = (USABLE - DC_MAX_CODE_LENGTH) / TABLE_BITS
};

/* What the next bits say: the symbols whose codes lie wholly within them, as many as
 * there is room for. Where the first code does not, `length` is 0, the entry leads
 * nowhere, and `symbols` is an uint16, the beginning of the code. */
typedef struct {
    uint8_t symbols[ENTRY_BYTES];
    uint16_t n_bits; /* of all the codes */
    uint8_t n_bytes; /* of all the symbols */
    uint8_t length;  /* of the first code */
} entry;

typedef struct {
    entry table[TABLE_SIZE];
    int table_bits;
    int longest;
    uint32_t first[DC_MAX_CODE_LENGTH + 2];  /* first canonical code of a length */
    uint32_t offset[DC_MAX_CODE_LENGTH + 2]; /* its place among the ranked symbols */
    const uint16_t *ranked;
} decoder;

/* The rest of a stream and of the room for its symbols. */
typedef struct {
    const uint8_t *next;
    const uint8_t *end;
    uint64_t held;
    unsigned n_held;
    uint8_t *out;
    uint8_t *out_end;
} lane;

/* The zeros above the highest 1 of a word, which is not 0. */
static inline unsigned leading_zeros(uint64_t word)
{
#if defined(__GNUC__)
    return (unsigned)__builtin_clzll(word);
#else
    unsigned zeros = 0;
    for (unsigned step = 32; step; step /= 2)
        if (word >> (64 - step) == 0) {
            word <<= step;
            zeros += step;
        }
    return zeros;
#endif
}

static inline uint32_t get(const uint8_t *from, const int itemsize)
{
    uint16_t wide;
    if (itemsize == 1)
        return *from;
    memcpy(&wide, from, sizeof wide);
    return wide;
}

static inline void put(uint8_t *to, const int itemsize, uint32_t symbol)
{
    uint16_t wide = (uint16_t)symbol;
    if (itemsize == 1)
        *to = (uint8_t)symbol;
    else
        memcpy(to, &wide, sizeof wide);
}

static uint32_t reversed(uint32_t code, int length)
{
    uint32_t result = 0;
    for (int i = 0; i < length; i++, code >>= 1)
        result = result << 1 | (code & 1);
    return result;
}

/* Adds to every entry the symbols whose codes its other bits hold. */
static void fill_up(decoder *d, const int itemsize)
{
    for (uint32_t bits = 0; bits < TABLE_SIZE; bits++) {
        entry e = d->table[bits];
        while (e.length && e.n_bytes + itemsize <= ENTRY_BYTES) {
            const entry *more = &d->table[bits >> e.n_bits];
            if (more->length == 0 || e.n_bits + more->length > TABLE_BITS)
                break;
            put(e.symbols + e.n_bytes, itemsize, get(more->symbols, itemsize));
            e.n_bytes = (uint8_t)(e.n_bytes + itemsize);
            e.n_bits = (uint16_t)(e.n_bits + more->length);
        }
        d->table[bits] = e;
    }
}

/* The decoder of a code; for lanes its entries are full and see TABLE_BITS. */
static int build(decoder *d, const uint8_t *lengths, size_t n_symbols, uint16_t *ranked,
                 const int itemsize, int for_lanes)
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

    d->table_bits = for_lanes || d->longest > TABLE_BITS ? TABLE_BITS : d->longest;
    uint32_t size = (uint32_t)1 << d->table_bits;
    for (int length = 1; length <= d->table_bits; length++)
        for (uint32_t i = 0; i < population[length]; i++) {
            entry e = {.n_bits = (uint16_t)length,
                       .n_bytes = (uint8_t)itemsize,
                       .length = (uint8_t)length};
            put(e.symbols, itemsize, ranked[d->offset[length] + i]);
            for (uint32_t at = reversed(d->first[length] + i, length); at < size;
                 at += (uint32_t)1 << length)
                d->table[at] = e;
        }
    /* The code is complete, so the beginnings of longer codes are all that is left. */
    for (uint32_t start = d->first[d->table_bits + 1] >> 1; start < size; start++) {
        entry e = {.length = 0};
        put(e.symbols, 2, start);
        d->table[reversed(start, d->table_bits)] = e;
    }
    if (for_lanes)
        fill_up(d, itemsize);
    return 0;
}

static inline void refill(lane *l)
{
    if (l->end - l->next >= 8) {
        l->held |= dc_load64(l->next) << l->n_held;
        l->next += (63 - l->n_held) >> 3;
        l->n_held |= 56;
        return;
    }
    while (l->n_held <= 56 && l->next < l->end) {
        l->held |= (uint64_t)*l->next++ << l->n_held;
        l->n_held += 8;
    }
}

/* A code that is longer than the entry's bits; returns its length. */
static inline unsigned decode_long(const decoder *d, const entry *e, uint64_t held,
                                   uint32_t *symbol)
{
    uint32_t code = get(e->symbols, 2);
    int length = d->table_bits;
    uint32_t rank;
    do {
        code = code << 1 | (uint32_t)(held >> length & 1);
        length++;
        rank = code - d->first[length];
    } while (rank >= d->offset[length + 1] - d->offset[length]);
    *symbol = d->ranked[d->offset[length] + rank];
    return (unsigned)length;
}

/* Decodes what is left of a stream and checks that it holds nothing more. */
static inline int finish(const decoder *d, lane *l, const int itemsize)
{
    for (; l->out < l->out_end; l->out += itemsize) {
        refill(l);
        const entry *e = &d->table[l->held & (((uint32_t)1 << d->table_bits) - 1)];
        unsigned length = e->length;
        uint32_t symbol = get(e->symbols, itemsize);
        if (length == 0)
            length = decode_long(d, e, l->held, &symbol);
        if (length > l->n_held)
            return DC_ERROR_CORRUPT;
        l->held >>= length;
        l->n_held -= length;
        put(l->out, itemsize, symbol);
    }
    /* What is left must be the zero padding of the last byte. A wide refill holds
     * bits of bytes that `next` has not passed yet: those count once. */
    uint64_t kept = l->n_held ? l->held & (UINT64_MAX >> (64 - l->n_held)) : 0;
    return l->next == l->end && l->n_held < 8 && kept == 0 ? 0 : DC_ERROR_CORRUPT;
}

/* A lane on the fast way: `held` is bits of the stream below a 1, and the zeros above
 * this 1 are as many as the bits used since the last load. */
typedef struct {
    const uint8_t *next;
    uint64_t held;
    uint8_t *out;
} runner;

static inline void load(runner *r)
{
    unsigned used = leading_zeros(r->held);
    r->next += used >> 3;
    r->held = (dc_load64(r->next) | (uint64_t)1 << 63) >> (used & 7);
}

static inline runner leave(const lane *l)
{
    runner r = {.next = l->next, .held = UINT64_MAX, .out = l->out};
    load(&r);
    return r;
}

static inline void join(lane *l, const runner *r)
{
    unsigned used = leading_zeros(r->held);
    l->next = r->next + (used >> 3);
    l->out = r->out;
    refill(l);
    l->held >>= used & 7;
    l->n_held -= used & 7;
}

/* The rounds for which a lane cannot be led out of its stream or its room: a round uses
 * less than 64 bits, those skipped by the load included, and 8 bytes must be there to
 * load after it. */
static inline ptrdiff_t safe_rounds(const lane *l, const runner *r)
{
    ptrdiff_t loads = (l->end - r->next - 8) / 7;
    ptrdiff_t room = (l->out_end - r->out) / (LOOK_UPS * ENTRY_BYTES);
    return loads < room ? loads : room;
}

static inline void look_up(const decoder *d, runner *r)
{
    const entry *e = &d->table[r->held % TABLE_SIZE];
    memcpy(r->out, e->symbols, ENTRY_BYTES);
    r->out += e->n_bytes;
    r->held >>= e->n_bits;
}

static inline void look_up_long(const decoder *d, runner *r, const int itemsize)
{
    const entry *e = &d->table[r->held % TABLE_SIZE];
    if (e->length == 0) {
        uint32_t symbol;
        r->held >>= decode_long(d, e, r->held, &symbol);
        put(r->out, itemsize, symbol);
        r->out += itemsize;
    }
}

/* Decodes the lanes side by side as far as that is safe; `finish` does the rest. */
static inline void decode_lanes(const decoder *d, lane *lanes, const int itemsize,
                                const int has_long)
{
    for (int k = 0; k < LANES; k++)
        if (lanes[k].end - lanes[k].next < 8)
            return;
    runner r0 = leave(&lanes[0]), r1 = leave(&lanes[1]);
    runner r2 = leave(&lanes[2]), r3 = leave(&lanes[3]);
    for (;;) {
        ptrdiff_t rounds = safe_rounds(&lanes[0], &r0), other;
        rounds = (other = safe_rounds(&lanes[1], &r1)) < rounds ? other : rounds;
        rounds = (other = safe_rounds(&lanes[2], &r2)) < rounds ? other : rounds;
        rounds = (other = safe_rounds(&lanes[3], &r3)) < rounds ? other : rounds;
        if (rounds == 0)
            break;
        for (; rounds; rounds--) {
            if (has_long) {
                look_up_long(d, &r0, itemsize);
                look_up_long(d, &r1, itemsize);
                look_up_long(d, &r2, itemsize);
                look_up_long(d, &r3, itemsize);
            }
            for (int i = 0; i < (has_long ? LOOK_UPS_AFTER_LONG : LOOK_UPS); i++) {
                look_up(d, &r0);
                look_up(d, &r1);
                look_up(d, &r2);
                look_up(d, &r3);
            }
            load(&r0);
            load(&r1);
            load(&r2);
            load(&r3);
        }
    }
    join(&lanes[0], &r0);
    join(&lanes[1], &r1);
    join(&lanes[2], &r2);
    join(&lanes[3], &r3);
}

static inline int64_t decode_streams(const decoder *d, const uint8_t *data, size_t size,
                                     const uint64_t *sizes, size_t n_streams,
                                     uint8_t *symbols, const int itemsize, size_t n)
{
    lane lanes[LANES];
    for (size_t s = 0; s < n_streams;) {
        int width = n_streams - s >= LANES ? LANES : 1;
        for (int k = 0; k < width; k++, s++) {
            if (sizes[s] > size)
                return DC_ERROR_CORRUPT;
            size_t begin = dc_stream_start(n, n_streams, s) * (size_t)itemsize;
            size_t end = dc_stream_start(n, n_streams, s + 1) * (size_t)itemsize;
            lanes[k] = (lane){.next = data,
                              .end = data + sizes[s],
                              .out = symbols + begin,
                              .out_end = symbols + end};
            data += sizes[s];
            size -= (size_t)sizes[s];
        }
        if (width == LANES && d->longest <= TABLE_BITS)
            decode_lanes(d, lanes, itemsize, 0);
        else if (width == LANES)
            decode_lanes(d, lanes, itemsize, 1);
        for (int k = 0; k < width; k++) {
            int error = finish(d, &lanes[k], itemsize);
            if (error)
                return error;
        }
    }
    return size == 0 ? (int64_t)n : DC_ERROR_CORRUPT;
}

static inline int64_t decode(const uint8_t *data, size_t size, const uint64_t *sizes,
                             size_t n_streams, const uint8_t *lengths, size_t n_symbols,
                             uint16_t *ranked, uint8_t *symbols, const int itemsize,
                             size_t n)
{
    decoder d;
    int error = build(&d, lengths, n_symbols, ranked, itemsize, n_streams >= LANES);
    return error ? error
                 : decode_streams(&d, data, size, sizes, n_streams, symbols, itemsize, n);
}

int64_t dc_huffman_decode(const uint8_t *data, size_t size, const uint64_t *sizes,
                          size_t n_streams, const uint8_t *lengths, size_t n_symbols,
                          uint16_t *ranked, void *symbols, int itemsize, size_t n)
{
    if (n_streams < 1 || n_symbols < 1 || n_symbols > DC_MAX_ALPHABET ||
        (itemsize == 1 && n_symbols > 256))
        return DC_ERROR_ARGUMENT;
    if (itemsize == 1)
        return decode(data, size, sizes, n_streams, lengths, n_symbols, ranked, symbols, 1,
                      n);
    return decode(data, size, sizes, n_streams, lengths, n_symbols, ranked, symbols, 2, n);
}
