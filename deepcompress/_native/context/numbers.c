/* Numbers, codebooks and patterns of bits.
 *
 * What is likely to repeat itself is coded by adaptive bits: the length of a number,
 * the rest of a short one, sign and exponent of a value. All else is flat, as likely
 * one way as the other.
 *
 * - A tree of n bits has 2^n slots, the node being an index: those of a number end with
 *   64 + 2^5 + 2^5 - 1, the tree of the highest bits has 2^12.
 * - A length is at most 63, so nothing is shifted by the width of a word.
 * - A codebook is halved until nothing lies between two places; between the ends there
 *   is room for those that are left, or the codebook is refused. What is read is added
 *   to the least value that is possible and held to the greatest, so that patterns
 *   ascend. */
#include "context/coder.h"

/* A number of n bits, the highest first, by a tree of slots. */
static inline uint64_t code_tree(dc_context *c, const int decoding, uint64_t value, int n,
                                 dc_slot *slots)
{
    uint64_t node = 1;
    for (int i = n - 1; i >= 0; i--)
        node = node << 1 |
               (uint64_t)dc_code_adaptive(c, decoding, (int)(value >> i & 1),
                                          &slots[node]);
    return node - (UINT64_C(1) << n);
}

/* A number of n bits, all equally likely. */
static inline uint64_t code_flat(dc_context *c, const int decoding, uint64_t value, int n)
{
    uint64_t result = 0;
    for (int done = 0; done < n;) {
        int step = n - done < 16 ? n - done : 16;
        uint32_t part = (uint32_t)(value >> (n - done - step) & ((1u << step) - 1));
        result = result << step | dc_code_uniform(c, decoding, part, 1u << step);
        done += step;
    }
    return result;
}

/* A number up to `last`, all equally likely, to within its highest 16 bits. */
static inline uint64_t code_up_to(dc_context *c, const int decoding, uint64_t value,
                                  uint64_t last)
{
    int shift = 0;
    while (last >> shift >= 65536)
        shift++;
    uint64_t high = dc_code_uniform(c, decoding, (uint32_t)(value >> shift),
                                    (uint32_t)(last >> shift) + 1);
    const uint64_t low = value & ((UINT64_C(1) << shift) - 1);
    value = high << shift | code_flat(c, decoding, low, shift);
    if (value > last) {
        dc_fail(c, DC_BROKEN_NUMBER_BOUND);
        return last;
    }
    return value;
}

/* One more than the number has a length: as many ones, less one, and a zero, each by a
 * slot of its own. What is below its highest bit is a tree while it is short. */
static inline uint64_t number(dc_context *c, const int decoding, uint64_t value,
                              dc_slot *slots)
{
    int length = 0;
    while (length < 63 &&
           dc_code_adaptive(c, decoding, (value + 1) >> length > 1, &slots[length]))
        length++;
    const uint64_t top = UINT64_C(1) << length, rest = value + 1 - top;
    if (length <= 5)
        return top - 1 + code_tree(c, decoding, rest, length, &slots[64 + top]);
    return top - 1 + code_flat(c, decoding, rest, length);
}

int64_t dc_context_number(dc_context *c, uint64_t *value, int context)
{
    if (context < 0 || context >= DC_NUMBER_CONTEXTS)
        return DC_ERROR_ARGUMENT;
    dc_slot *slots = &c->slots[DC_SLOTS_NUMBERS + context * DC_NUMBER_SLOTS];
    *value = c->decoding ? number(c, 1, 0, slots) : number(c, 0, *value, slots);
    return c->error;
}

/* A pattern of n_top + n_flat bits: the highest by a tree of slots, all others flat. */
static inline uint64_t code_pattern(dc_context *c, const int decoding, uint64_t value,
                                    int n_top, int n_flat, dc_slot *slots)
{
    uint64_t top = code_tree(c, decoding, value >> n_flat, n_top, slots);
    uint64_t flat = value & ((UINT64_C(1) << n_flat) - 1);
    return top << n_flat | code_flat(c, decoding, flat, n_flat);
}

static int fits(int n_bits, int n_top)
{
    return n_bits >= 1 && n_bits <= 64 && n_top >= 1 && n_top <= 12 && n_top <= n_bits;
}

/* Those strictly between `first` and `last`, the middle one first. */
static void between(dc_context *c, const int decoding, uint64_t *values, size_t first,
                    size_t last)
{
    if (last - first < 2)
        return;
    size_t middle = first + (last - first) / 2;
    uint64_t least = values[first] + (middle - first);
    uint64_t most = values[last] - (last - middle);
    values[middle] =
        least + code_up_to(c, decoding, values[middle] - least, most - least);
    between(c, decoding, values, first, middle);
    between(c, decoding, values, middle, last);
}

static inline void ascending(dc_context *c, const int decoding, uint64_t *values,
                             size_t n, int n_bits, int n_top)
{
    if (n == 0)
        return;
    const int n_flat = n_bits - n_top;
    dc_slot *slots = &c->slots[DC_SLOTS_TOP];
    /* The ends by their highest bits, which are alike in all codebooks. */
    for (size_t i = 0; i < n; i += n > 1 ? n - 1 : 1)
        values[i] = code_pattern(c, decoding, values[i], n_top, n_flat, slots);
    if (values[n - 1] < values[0] || values[n - 1] - values[0] < n - 1)
        dc_fail(c, DC_BROKEN_CODEBOOK_ORDER);
    else
        between(c, decoding, values, 0, n - 1);
}

int64_t dc_context_codebook(dc_context *c, uint64_t *values, size_t n, int n_bits,
                            int n_top)
{
    if (n < 1 || n > DC_MAX_ALPHABET || !fits(n_bits, n_top))
        return DC_ERROR_ARGUMENT;
    const uint64_t sign = UINT64_C(1) << (n_bits - 1);
    size_t n_low = 0;
    while (!c->decoding && n_low < n && values[n_low] < sign)
        n_low++;
    n_low = (size_t)(c->decoding ? code_up_to(c, 1, 0, n) : code_up_to(c, 0, n_low, n));
    for (size_t i = n_low; i < n; i++)
        values[i] &= sign - 1;
    if (c->decoding) {
        ascending(c, 1, values, n_low, n_bits - 1, n_top - 1);
        if (!c->error)
            ascending(c, 1, values + n_low, n - n_low, n_bits - 1, n_top - 1);
    } else {
        ascending(c, 0, values, n_low, n_bits - 1, n_top - 1);
        ascending(c, 0, values + n_low, n - n_low, n_bits - 1, n_top - 1);
    }
    for (size_t i = n_low; i < n; i++)
        values[i] |= sign;
    return c->error ? c->error : (int64_t)n_low;
}

static inline int64_t patterns(dc_context *c, const int decoding, uint64_t *values,
                               size_t n, int n_bits, int n_top)
{
    for (size_t i = 0; i < n && !c->error; i++)
        values[i] = code_pattern(c, decoding, values[i], n_top, n_bits - n_top,
                                 &c->slots[DC_SLOTS_TOP]);
    return c->error ? c->error : (int64_t)n;
}

int64_t dc_context_patterns(dc_context *c, uint64_t *values, size_t n, int n_bits,
                            int n_top)
{
    if (!fits(n_bits, n_top))
        return DC_ERROR_ARGUMENT;
    return c->decoding ? patterns(c, 1, values, n, n_bits, n_top)
                       : patterns(c, 0, values, n, n_bits, n_top);
}
