/* The state of a coder: its tables, where it begins, and where it ends.
 *
 * The tables are made from 25 knots of a logistic function by integer arithmetic, so
 * that every machine has the same. Nothing is kept anywhere else: a state that is
 * copied, byte by byte, goes on by itself. Its pointers are those of the call that runs;
 * before it, each call sets them anew.
 *
 * Learning writes to an array of its own, with room for two bytes a bit: whatever its
 * probability, a bit leaves a range of 2^8 or more, which two bytes bring back to
 * 2^24. */
#include "bits.h"
#include "context/coder.h"

#include <string.h>

/* 2^24 / (1 + exp(-x / 2)) for x = -24 to 0; the rest by symmetry. */
static const int32_t KNOTS[25] = {
    103,    170,    280,    462,    762,     1256,    2070,    3413,    5626,
    9274,   15285,  25186,  41484,  68286,   112287,  184330,  301759,  491778,
    795674, 1272689, 1999893, 3060592, 4512088, 6334081, 8388608};

static int64_t knot(int i)
{
    return i <= 24 ? KNOTS[i] : (1 << 24) - KNOTS[48 - i];
}

static void make_tables(dc_context *c)
{
    for (int i = 0; i < 2 * DC_LOGIT_END; i++) {
        int64_t part = i % 128;
        int64_t p = (knot(i / 128) * (128 - part) + knot(i / 128 + 1) * part) >> 15;
        c->squash[i] = (uint16_t)(p < 1 ? 1 : p > 65535 ? 65535 : p);
    }
    /* The least log-odds whose p is not below: coarser where it hardly changes. */
    int logit = 1;
    for (int p = 0; p < 65536; p++) {
        while (logit < 2 * DC_LOGIT_END - 1 && c->squash[logit] < p)
            logit++;
        int16_t value = (int16_t)(logit - DC_LOGIT_END);
        if (p < 2048)
            c->logit_low[p] = value;
        else if (p >= 65536 - 2048)
            c->logit_high[p - (65536 - 2048)] = value;
        if (p % 32 == 16)
            c->logit_middle[p / 32] = value;
    }
    for (int n = 0; n < 1 << DC_COUNT_BITS; n++)
        c->reciprocal[n] = (uint16_t)(131072 / (2 * n + 3));
}

/* How much each mixer believes its inputs at first, in 1/256. */
static const int16_t WEIGHTS[DC_MIXERS][DC_MAX_INPUTS] = {
    [DC_MIXER_TEXT] = {30, 60, 80, 110},
    [DC_MIXER_ZERO] = {-5, 42, 59, 28, 38, 10, 34, 36, 15},
    [DC_MIXER_SIGN] = {27, 163, 98, 7},
    [DC_MIXER_RANK] = {35, 18, 22, 93, 28},
};

static void start(dc_context *c, int decoding)
{
    c->decoding = decoding;
    c->error = 0;
    c->low = c->code = 0;
    c->range = UINT32_MAX;
    c->position = c->size = 0;
    c->out = NULL;
    c->data = NULL;
}

size_t dc_context_size(void)
{
    return sizeof(dc_context);
}

int dc_context_decodes(const dc_context *c)
{
    return c->decoding;
}

int64_t dc_context_data(dc_context *c, uint8_t *out, const uint8_t *data, size_t size)
{
    if (!c->decoding && c->position > size)
        return DC_ERROR_STATE;
    c->out = out;
    c->data = data;
    c->size = size;
    for (; c->decoding && c->position < 4; c->position++) {
        c->code = c->code << 8 | (c->position < size ? data[c->position] : 0);
        if (c->code == UINT32_MAX)
            dc_fail(c, DC_BROKEN_SECTION_START);
    }
    return 0;
}

void dc_context_begin(dc_context *c, int decoding)
{
    memset(c, 0, sizeof *c);
    make_tables(c);
    for (int mixer = 0; mixer < DC_MIXERS; mixer++)
        for (int i = 0; i < DC_MAX_INPUTS; i++)
            c->mixers[mixer].weights[i] = WEIGHTS[mixer][i] * 256;
    start(c, decoding);
}

int64_t dc_context_learn(dc_context *c, const uint8_t *text, size_t n)
{
    /* No bit takes more than two bytes. */
    uint8_t scratch[16 * DC_MAX_TEXT];
    const int decoding = c->decoding;
    if (n > DC_MAX_TEXT)
        return DC_ERROR_ARGUMENT;
    start(c, 0);
    dc_context_data(c, scratch, NULL, sizeof scratch);
    dc_context_text(c, (uint8_t *)text, n); /* a writer leaves it as it is */
    start(c, decoding);
    return (int64_t)n;
}

int64_t dc_context_end(dc_context *c)
{
    if (c->error)
        return c->error;
    if (c->decoding)
        return c->size > c->position ? DC_BROKEN_SECTION_END : (int64_t)c->size;
    /* The shortest number within the range; a reader takes zeros for what follows. */
    for (int n_bytes = 0;; n_bytes++) {
        const uint64_t unit = UINT64_C(1) << (32 - 8 * n_bytes);
        const uint64_t number = (c->low + unit - 1) / unit * unit;
        if (number - c->low >= c->range)
            continue;
        dc_add(c, (uint32_t)(number - c->low));
        for (int i = 0; i < n_bytes; i++, c->low <<= 8) {
            if (c->position == c->size)
                return DC_ERROR_SPACE;
            c->out[c->position++] = (uint8_t)(c->low >> 24);
        }
        return (int64_t)c->position;
    }
}

int64_t dc_context_bits(const dc_context *c)
{
    const size_t ahead = c->decoding && c->position ? 4 : 0;
    return 8 * (int64_t)(c->position - ahead) + (int64_t)dc_clz64(c->range) - 32;
}
