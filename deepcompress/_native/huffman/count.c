/* How often each symbol occurs.
 *
 * A loop that adds one to a counter waits for the last addition wherever two neighbours
 * are equal, which in a compressed network they mostly are. So bytes go by turns into
 * four tables, and the symbols of a small alphabet two at a time into a table of pairs:
 * half as many additions, which meet half as often.
 *
 * Tables of bytes have all 256 entries, and a pair is below DC_PAIRS whatever its bytes
 * are, so no symbol leads out of a table; one that is not of the alphabet shows once
 * the tables are added up. Symbols of two bytes are counted in place, and held against
 * the alphabet first. Symbols are loaded eight, or four, at a time while so many are
 * left. */
#include "huffman/huffman.h"

enum {
    TABLES = 4,         /* so that equal neighbours do not wait for one another */
    WORTH_PAIRS = 65536 /* the symbols that make up for counting so many pairs */
};

static int64_t count_bytes(const uint8_t *symbols, size_t n, uint64_t *counts,
                           size_t n_symbols)
{
    uint64_t tables[TABLES][256] = {{0}};
    size_t i = 0;
    for (; n - i >= 8; i += 8) {
        uint64_t eight = dc_load64(symbols + i);
        tables[0][eight & 255]++;
        tables[1][eight >> 8 & 255]++;
        tables[2][eight >> 16 & 255]++;
        tables[3][eight >> 24 & 255]++;
        tables[0][eight >> 32 & 255]++;
        tables[1][eight >> 40 & 255]++;
        tables[2][eight >> 48 & 255]++;
        tables[3][eight >> 56]++;
    }
    for (; i < n; i++)
        tables[0][symbols[i]]++;
    memset(counts, 0, n_symbols * sizeof *counts);
    for (size_t s = 0; s < 256; s++) {
        uint64_t count = tables[0][s] + tables[1][s] + tables[2][s] + tables[3][s];
        if (s < n_symbols)
            counts[s] = count;
        else if (count)
            return DC_ERROR_ARGUMENT;
    }
    return (int64_t)n;
}

/* As count_bytes, for n_symbols up to DC_PAIR_SYMBOLS. */
static int64_t count_pairs(const uint8_t *symbols, size_t n, uint64_t *counts,
                           size_t n_symbols)
{
    uint64_t pairs[DC_PAIRS] = {0};
    uint64_t seen = 0;
    size_t i = 0;
    for (; n - i >= 8; i += 8) {
        uint64_t eight = dc_load64(symbols + i);
        uint64_t four = dc_pairs_of(eight);
        seen |= eight;
        pairs[four & 0xFFFF]++;
        pairs[four >> 16 & 0xFFFF]++;
        pairs[four >> 32 & 0xFFFF]++;
        pairs[four >> 48]++;
    }
    int64_t rest = count_bytes(symbols + i, n - i, counts, n_symbols);
    if (rest < 0 || !dc_have_pairs(seen))
        return DC_ERROR_ARGUMENT;
    for (size_t pair = 0; pair < DC_PAIRS; pair++)
        if (pairs[pair]) {
            size_t first = pair % DC_PAIR_SYMBOLS, second = pair / DC_PAIR_SYMBOLS;
            if (first >= n_symbols || second >= n_symbols)
                return DC_ERROR_ARGUMENT;
            counts[first] += pairs[pair];
            counts[second] += pairs[pair];
        }
    return (int64_t)n;
}

/* Large alphabets: equal neighbours are rare. */
static int64_t count_words(const uint16_t *symbols, size_t n, uint64_t *counts,
                           size_t n_symbols)
{
    size_t i = 0;
    memset(counts, 0, n_symbols * sizeof *counts);
    for (; n - i >= 4; i += 4) {
        const size_t s0 = symbols[i], s1 = symbols[i + 1];
        const size_t s2 = symbols[i + 2], s3 = symbols[i + 3];
        if (s0 >= n_symbols || s1 >= n_symbols || s2 >= n_symbols || s3 >= n_symbols)
            return DC_ERROR_ARGUMENT;
        counts[s0]++;
        counts[s1]++;
        counts[s2]++;
        counts[s3]++;
    }
    for (; i < n; i++) {
        if (symbols[i] >= n_symbols)
            return DC_ERROR_ARGUMENT;
        counts[symbols[i]]++;
    }
    return (int64_t)n;
}

int64_t dc_huffman_count(const void *symbols, int itemsize, size_t n, uint64_t *counts,
                         size_t n_symbols)
{
    if (itemsize == 1 && n_symbols <= DC_PAIR_SYMBOLS && n >= WORTH_PAIRS)
        return count_pairs(symbols, n, counts, n_symbols);
    if (itemsize == 1)
        return count_bytes(symbols, n, counts, n_symbols);
    return count_words(symbols, n, counts, n_symbols);
}
