/* Words as planes of bytes, and back.
 *
 * A float is turned left first, until its exponent fills the highest byte; its sign then
 * lies below the digits, which look as random as it does. A signed integer is turned by
 * one bit, and where the sign is set, all other bits are folded over: small numbers have
 * zeros above then, be they negative or not. Each loop reads its words once and has no
 * branches, so that a compiler makes vectors of it. */
#include "huffman/huffman.h"

#define DEFINE_PLANES(TYPE, BITS)                                                        \
    static inline TYPE turned_##TYPE(TYPE word, unsigned turn)                           \
    {                                                                                    \
        return (TYPE)(word << turn | word >> ((BITS - turn) & (BITS - 1)));              \
    }                                                                                    \
                                                                                         \
    static inline TYPE folded_##TYPE(TYPE word, TYPE fold)                               \
    {                                                                                    \
        return (TYPE)(word ^ (TYPE)((TYPE)(0 - (word & fold)) << 1));                    \
    }                                                                                    \
                                                                                         \
    static void split_##TYPE(const TYPE *restrict words, size_t n, unsigned turn,        \
                             int fold, uint8_t *restrict planes)                         \
    {                                                                                    \
        for (size_t i = 0; i < n; i++) {                                                 \
            const TYPE word = folded_##TYPE(turned_##TYPE(words[i], turn), (TYPE)fold);  \
            for (unsigned byte = 0; byte < BITS / 8; byte++)                             \
                planes[byte * n + i] = (uint8_t)(word >> 8 * byte);                      \
        }                                                                                \
    }                                                                                    \
                                                                                         \
    static void join_##TYPE(const uint8_t *restrict planes, size_t n, unsigned turn,     \
                            int fold, TYPE *restrict words)                              \
    {                                                                                    \
        const unsigned back = (BITS - turn) & (BITS - 1);                                \
        for (size_t i = 0; i < n; i++) {                                                 \
            TYPE word = 0;                                                               \
            for (unsigned byte = 0; byte < BITS / 8; byte++)                             \
                word = (TYPE)(word | (TYPE)((TYPE)planes[byte * n + i] << 8 * byte));    \
            words[i] = turned_##TYPE(folded_##TYPE(word, (TYPE)fold), back);             \
        }                                                                                \
    }

DEFINE_PLANES(uint8_t, 8)
DEFINE_PLANES(uint16_t, 16)
DEFINE_PLANES(uint32_t, 32)
DEFINE_PLANES(uint64_t, 64)

static int is_allowed(int turn, int fold)
{
    return turn >= 0 && turn < 8 && (fold == 0 || fold == 1);
}

int64_t dc_planes_split(const void *words, int itemsize, size_t n, int turn, int fold,
                        uint8_t *planes)
{
    const unsigned by = (unsigned)turn;
    if (!is_allowed(turn, fold))
        return DC_ERROR_ARGUMENT;
    switch (itemsize) {
    case 1:
        split_uint8_t(words, n, by, fold, planes);
        break;
    case 2:
        split_uint16_t(words, n, by, fold, planes);
        break;
    case 4:
        split_uint32_t(words, n, by, fold, planes);
        break;
    case 8:
        split_uint64_t(words, n, by, fold, planes);
        break;
    default:
        return DC_ERROR_ARGUMENT;
    }
    return (int64_t)n;
}

int64_t dc_planes_join(const uint8_t *planes, int itemsize, size_t n, int turn, int fold,
                       void *words)
{
    const unsigned by = (unsigned)turn;
    if (!is_allowed(turn, fold))
        return DC_ERROR_ARGUMENT;
    switch (itemsize) {
    case 1:
        join_uint8_t(planes, n, by, fold, words);
        break;
    case 2:
        join_uint16_t(planes, n, by, fold, words);
        break;
    case 4:
        join_uint32_t(planes, n, by, fold, words);
        break;
    case 8:
        join_uint64_t(planes, n, by, fold, words);
        break;
    default:
        return DC_ERROR_ARGUMENT;
    }
    return (int64_t)n;
}
