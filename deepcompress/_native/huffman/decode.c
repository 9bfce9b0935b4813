/* Streams of bits to symbols.
 *
 * The idea
 *
 * One look-up tells what the next TABLE_BITS bits of a stream say: not one symbol but
 * as many as lie wholly within those bits and fit in 4 bytes. In a compressed network
 * codes are short, so that is mostly two to four. A look-up waits for the one before,
 * which says where its bits begin; so four streams, which know nothing of each other,
 * are decoded side by side, each in a lane of its own. Codes longer than the table's
 * bits are rare by nature, and found by comparing them with the first code of each
 * length.
 *
 * A lane is led in two ways. The fast one checks nothing while it runs: decode_lanes
 * first computes for how many rounds no lane can leave its stream or its room, runs
 * those rounds, and asks again, until there are none. `finish` decodes what is left,
 * one symbol after the other, checks each of them, and checks how the stream ends.
 * Streams that are not four are decoded by `finish` alone.
 *
 * The fast way
 *
 * `held` is 64 bits: what is left of the bits loaded, the next one lowest, with a 1,
 * the mark, above them. A load puts the mark at bit 63 and shifts out the bits used of
 * the first byte, at most 7; each look-up shifts out those it has used. So
 *
 * - the zeros above the mark are the bits used since `next`, and nothing else has to be
 *   counted;
 * - after a load, 63 less at most 7, that is USABLE bits or more, lie below the mark;
 * - a round uses no more of them: LOOK_UPS look-ups of up to TABLE_BITS, or, where
 *   there are long codes, one of up to DC_MAX_CODE_LENGTH and LOOK_UPS_AFTER_LONG
 *   look-ups. The mark is never shifted out, and no look-up takes the mark for a bit of
 *   the stream.
 *
 * A look-up that meets a long code where none is looked for finds an entry that has no
 * bits and no symbols: it stays where it is until the next round begins, with the
 * search for a long code.
 *
 * Why it cannot over-read
 *
 * - A load reads the 8 bytes from `next` on. A round uses at most 63 bits, those
 *   shifted out by the load included, so that `next` goes on by at most 7 bytes. With
 *   `loads` = (bytes left - 8) / 7 rounds, the last load still ends within the stream.
 *   A lane of fewer than 8 bytes is not led this way, nor are the three beside it.
 * - `finish` loads 8 bytes while there are 8, and then byte by byte. Behind the end
 *   there are zeros, which may look like a code: one that is longer than the bits that
 *   are left is refused.
 * - Sizes are held against the bytes that are left before a stream begins.
 * - A look-up is masked to the size of the table. The code is complete
 *   (dc_huffman_canonical has checked it), so `build` fills every entry, and whatever
 *   bits there are begin with a code of at most `longest` bits: decode_long ends there,
 *   with a rank below the number of used symbols.
 *
 * Why it cannot over-write
 *
 * - Each lane has a room of its own, that of its run of symbols. A look-up writes 4
 *   bytes, however many of them are symbols, and goes on by at most 4; so a round stays
 *   within LOOK_UPS * ENTRY_BYTES bytes, and rounds are run only while there is room
 *   for so many.
 * - `finish` writes symbol by symbol and stops where the room ends. The room is a whole
 *   number of symbols, and so is all that was written to it.
 *
 * What it promises besides: a stream that has been decoded holds exactly its symbols,
 * less than 8 more bits, and these are 0. */
#include "huffman/huffman.h"

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
    dc_canonical code;
    const uint16_t *ranked; /* the used symbols in the order of their codes */
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
    const dc_canonical *code = &d->code;
    const int64_t used = dc_huffman_canonical(lengths, n_symbols, &d->code);
    if (used < 2) /* a lone symbol has no streams */
        return used < 0 ? (int)used : DC_BROKEN_CODE_COMPLETE;

    uint32_t next[DC_MAX_CODE_LENGTH + 1];
    memcpy(next, code->before, sizeof next);
    for (size_t s = 0; s < n_symbols; s++)
        if (lengths[s])
            ranked[next[lengths[s]]++] = (uint16_t)s;
    d->ranked = ranked;

    d->table_bits = for_lanes || code->longest > TABLE_BITS ? TABLE_BITS : code->longest;
    uint32_t size = (uint32_t)1 << d->table_bits;
    for (int length = 1; length <= d->table_bits; length++)
        for (uint32_t i = 0; i < code->count[length]; i++) {
            entry e = {.n_bits = (uint16_t)length,
                       .n_bytes = (uint8_t)itemsize,
                       .length = (uint8_t)length};
            put(e.symbols, itemsize, ranked[code->before[length] + i]);
            uint32_t at = dc_reverse_bits(code->first[length] + i, length);
            for (; at < size; at += (uint32_t)1 << length)
                d->table[at] = e;
        }
    /* The code is complete, so the beginnings of longer codes are all that is left. */
    for (uint32_t start = code->first[d->table_bits + 1] >> 1; start < size; start++) {
        entry e = {.length = 0};
        put(e.symbols, 2, start);
        d->table[dc_reverse_bits(start, d->table_bits)] = e;
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
        rank = code - d->code.first[length];
    } while (rank >= d->code.count[length]);
    *symbol = d->ranked[d->code.before[length] + rank];
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
            return DC_BROKEN_STREAMS;
        l->held >>= length;
        l->n_held -= length;
        put(l->out, itemsize, symbol);
    }
    /* What is left must be the zero padding of the last byte. A wide refill holds
     * bits of bytes that `next` has not passed yet: those count once. */
    uint64_t kept = l->n_held ? l->held & (UINT64_MAX >> (64 - l->n_held)) : 0;
    return l->next == l->end && l->n_held < 8 && kept == 0 ? 0 : DC_BROKEN_STREAMS;
}

/* A lane on the fast way: bits of the stream below the mark. */
typedef struct {
    const uint8_t *next;
    uint64_t held;
    uint8_t *out;
} runner;

static inline void load(runner *r)
{
    unsigned used = dc_clz64(r->held);
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
    unsigned used = dc_clz64(r->held);
    l->next = r->next + (used >> 3);
    l->out = r->out;
    refill(l);
    l->held >>= used & 7;
    l->n_held -= used & 7;
}

/* The rounds for which a lane cannot be led out of its stream or its room. */
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
            const uint64_t stream_size = sizes[s];
            if (stream_size > size)
                return DC_BROKEN_STREAMS;
            size_t begin = dc_stream_start(n, n_streams, s) * (size_t)itemsize;
            size_t end = dc_stream_start(n, n_streams, s + 1) * (size_t)itemsize;
            lanes[k] = (lane){.next = data,
                              .end = data + stream_size,
                              .out = symbols + begin,
                              .out_end = symbols + end};
            data += stream_size;
            size -= (size_t)stream_size;
        }
        if (width == LANES && d->code.longest <= TABLE_BITS)
            decode_lanes(d, lanes, itemsize, 0);
        else if (width == LANES)
            decode_lanes(d, lanes, itemsize, 1);
        for (int k = 0; k < width; k++) {
            int error = finish(d, &lanes[k], itemsize);
            if (error)
                return error;
        }
    }
    return size == 0 ? (int64_t)n : DC_BROKEN_STREAMS;
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
    if (n_streams < 1 || (itemsize == 1 && n_symbols > 256))
        return DC_ERROR_ARGUMENT;
    if (itemsize == 1)
        return decode(data, size, sizes, n_streams, lengths, n_symbols, ranked, symbols,
                      1, n);
    return decode(data, size, sizes, n_streams, lengths, n_symbols, ranked, symbols, 2,
                  n);
}
