/* What the files of this folder share: a range coder that is told, before each bit, how
 * likely it is, and the adaptive bits on top of it.
 *
 * Each function is given `decoding` as a constant, and compiled twice: what a writer
 * does and what a reader does cannot drift apart. docs/format.md specifies all of this;
 * nothing here is free to change.
 *
 * - `range` is at least 2^24 whenever something is coded, and `code` below it (or the
 *   section is refused from the start). So no bound is 0, none is the whole range, and
 *   range div n is not 0 for n <= 65536.
 * - A reader takes zeros for what lies behind the section, up to four bytes, and a
 *   writer writes nothing behind its room; both note the error and go on, so that the
 *   loops above need to look only now and then.
 * - A carry runs back over bytes that were written before, down to the first.
 * - Whatever was coded, p of a slot is below 2^22, its count at most DC_COUNT_LIMIT and
 *   a sum of log-odds held to the table: no bit that is read leads out of a table. */
#ifndef DEEPCOMPRESS_CODER_H
#define DEEPCOMPRESS_CODER_H

#include "context/context.h"

enum {
    DC_LOGIT_END = 3072,       /* log-odds are integers within +-3071: 256 a nat */
    DC_COUNT_BITS = 10,        /* of a slot: how often it was used; the rest is p */
    DC_COUNT_LIMIT = 800,      /* no more than so many earlier bits weigh */
    DC_MAX_INPUTS = 9
};

/* The slots of a matrix, by what they are for and what the bit depends on: the inputs of
 * docs/format.md, in its order and by its names. A column's own slot, the second input of
 * "is it a zero", lies with the column. */
enum {
    DC_ZERO_MATRIX,
    DC_ZERO_SINCE_NEAREST,
    DC_ZERO_PAIR_AROUND_OWN,
    DC_ZERO_AROUND_NEAR,
    DC_ZERO_COLUMNS_OWN,
    DC_ZERO_SIDE_NEAR_FOUND,
    DC_ZERO_BITS_OF_J_R,
    DC_ZERO_COLUMNS_NEAR_NEAREST,
    DC_SIGN_LEAN,
    DC_SIGN_LEFT_UP,
    DC_SIGN_BALANCE_LEAN,
    DC_SIGN_BEFORE_LAST_LEFT,
    DC_RANK_NODE_SIGN,
    DC_RANK_TOP_LAST,
    DC_RANK_TOP_NEAREST_SIGN,
    DC_RANK_TOP_ROW,
    DC_RANK_TOP_COLUMN_ROW,
    DC_CODE_SHARES = DC_RANK_TOP_COLUMN_ROW + 4 /* the last kind has four shares */
};

/* Where the slots of each kind begin. */
enum {
    DC_NUMBER_SLOTS = 128, /* of a number: its length, then trees of up to 5 levels */
    DC_TOP_SLOTS = 4096,   /* the highest bits of patterns: a tree of up to 12 levels */
    DC_TEXT_SLOTS = 8192,  /* of each order */
    DC_CODE_SLOTS = 4096,  /* of each share of a matrix */
    DC_SLOTS_NUMBERS = 0,
    DC_SLOTS_TOP = DC_SLOTS_NUMBERS + DC_NUMBER_CONTEXTS * DC_NUMBER_SLOTS,
    DC_SLOTS_TEXT = DC_SLOTS_TOP + DC_TOP_SLOTS,
    DC_SLOTS_CODES = DC_SLOTS_TEXT + 4 * DC_TEXT_SLOTS,
    DC_SLOTS = DC_SLOTS_CODES + DC_CODE_SHARES * DC_CODE_SLOTS
};

/* Which bits each mixer is for. */
enum { DC_MIXER_TEXT, DC_MIXER_ZERO, DC_MIXER_SIGN, DC_MIXER_RANK, DC_MIXERS };

/* An adaptive probability that a bit is 1: 22 bits of p, 10 bits of its count. */
typedef uint32_t dc_slot;
static const dc_slot DC_HALF = UINT32_C(1) << 31;

typedef struct {
    int32_t weights[DC_MAX_INPUTS]; /* 65536 is one */
    uint32_t n_used;
} dc_mixer;

struct dc_context {
    int decoding;
    int64_t error; /* 0, or the first of those of common.h */
    uint32_t low, range, code;
    uint32_t before; /* the last bytes of the text, the last of them lowest */
    size_t position;
    const uint8_t *data; /* while a kernel runs: what it reads */
    uint8_t *out;        /* while a kernel runs: what it writes */
    size_t size;         /* of either */
    uint16_t squash[2 * DC_LOGIT_END];
    int16_t logit_low[2048], logit_middle[2048], logit_high[2048];
    uint16_t reciprocal[1 << DC_COUNT_BITS];
    dc_mixer mixers[DC_MIXERS];
    dc_slot slots[DC_SLOTS];
};

/* x / 2^n, rounded down, for negative x too. */
static inline int64_t dc_shift(int64_t x, int n)
{
    return x >= 0 ? x >> n : -(-(x + 1) >> n) - 1;
}

/* ---- The range coder ------------------------------------------------------------- */

/* What is coded behind an error means nothing, and neither do its errors. */
static inline void dc_fail(dc_context *c, int64_t error)
{
    if (!c->error)
        c->error = error;
}

static inline void dc_normalize(dc_context *c, const int decoding)
{
    while (c->range < (uint32_t)1 << 24) {
        c->range <<= 8;
        if (decoding) {
            c->code = c->code << 8 | (c->position < c->size ? c->data[c->position] : 0);
            if (c->position++ >= c->size + 4)
                dc_fail(c, DC_BROKEN_SECTION_END);
        } else {
            if (c->position == c->size)
                dc_fail(c, DC_ERROR_SPACE);
            else
                c->out[c->position++] = (uint8_t)(c->low >> 24);
            c->low <<= 8;
        }
    }
}

/* Adds to the number written so far. */
static inline void dc_add(dc_context *c, uint32_t amount)
{
    c->low += amount;
    if (c->low < amount)
        for (size_t i = c->position; i > 0 && ++c->out[i - 1] == 0; i--)
            ;
}

/* Codes a bit that is 1 with probability p / 65536, 0 < p < 65536. */
static inline int dc_code_bit(dc_context *c, const int decoding, int bit, uint32_t p)
{
    uint32_t bound = (c->range >> 16) * p;
    if (decoding)
        bit = c->code < bound;
    if (bit) {
        c->range = bound;
    } else {
        if (decoding)
            c->code -= bound;
        else
            dc_add(c, bound);
        c->range -= bound;
    }
    dc_normalize(c, decoding);
    return bit;
}

/* Codes a number below `n`, 0 < n <= 65536, all equally likely. */
static inline uint32_t dc_code_uniform(dc_context *c, const int decoding, uint32_t value,
                                       uint32_t n)
{
    c->range /= n;
    if (decoding) {
        value = c->code / c->range;
        if (value >= n) {
            dc_fail(c, DC_BROKEN_NUMBER_BOUND);
            value = n - 1;
        }
        c->code -= value * c->range;
    } else {
        dc_add(c, value * c->range);
    }
    dc_normalize(c, decoding);
    return value;
}

/* ---- Adaptive bits ---------------------------------------------------------------- */

static inline int32_t dc_logit(const dc_context *c, uint32_t p)
{
    if (p < 2048)
        return c->logit_low[p];
    if (p >= 65536 - 2048)
        return c->logit_high[p - (65536 - 2048)];
    return c->logit_middle[p >> 5];
}

static inline void dc_update(const dc_context *c, dc_slot *slot, int bit)
{
    const uint32_t count = *slot & ((1 << DC_COUNT_BITS) - 1);
    int64_t p = *slot >> DC_COUNT_BITS;
    p += dc_shift(((bit ? (1 << 22) - 1 : 0) - p) * c->reciprocal[count], 16);
    *slot = (uint32_t)p << DC_COUNT_BITS | (count < DC_COUNT_LIMIT ? count + 1 : count);
}

/* Gives a slot that was never used the probability of another. */
static inline void dc_inherit(dc_slot *slot, dc_slot from)
{
    const dc_slot count_mask = (1 << DC_COUNT_BITS) - 1;
    if ((*slot & count_mask) == 0)
        *slot = from & ~count_mask;
}

/* Codes a bit by one slot. */
static inline int dc_code_adaptive(dc_context *c, const int decoding, int bit,
                                   dc_slot *slot)
{
    dc_inherit(slot, DC_HALF);
    uint32_t p = *slot >> 16;
    bit = dc_code_bit(c, decoding, bit, p < 32 ? 32 : p > 65504 ? 65504 : p);
    dc_update(c, slot, bit);
    return bit;
}

/* How fast a mixer learns: ever slower. */
static inline int32_t dc_rate(dc_mixer *mixer)
{
    int32_t rate = 32 + 32 / (int32_t)(1 + mixer->n_used / 16);
    mixer->n_used += mixer->n_used < 1 << 16;
    return rate;
}

/* Codes a bit whose log-odds are a sum of those of n slots, weighted by a mixer that
 * learns which of them to believe. */
static inline int dc_code_mixed(dc_context *c, const int decoding, int bit,
                                dc_slot *const *slots, const int n, dc_mixer *mixer)
{
    int32_t logits[DC_MAX_INPUTS];
    int64_t sum = 0;
    for (int i = 0; i < n; i++) {
        logits[i] = dc_logit(c, *slots[i] >> 16);
        sum += (int64_t)mixer->weights[i] * logits[i];
    }
    sum = dc_shift(sum, 16);
    if (sum >= DC_LOGIT_END)
        sum = DC_LOGIT_END - 1;
    if (sum <= -DC_LOGIT_END)
        sum = 1 - DC_LOGIT_END;
    const int32_t p = c->squash[sum + DC_LOGIT_END];
    bit = dc_code_bit(c, decoding, bit, (uint32_t)p);
    const int64_t error = (bit ? 65536 - p : -p) * (int64_t)dc_rate(mixer);
    for (int i = 0; i < n; i++) {
        const int64_t change = dc_shift(logits[i] * error + (1 << 21), 22);
        mixer->weights[i] = (int32_t)(mixer->weights[i] + change);
        dc_update(c, slots[i], bit);
    }
    return bit;
}

#endif
