/* From counts to an optimal code, and from the lengths of a code to its codes.
 *
 * Lengths come from package-merge, which is optimal for any limit on the lengths where
 * Huffman's own algorithm knows of none. It is level by level a merge of two sorted
 * lists and needs no tree; what it writes is bounded by the caller's workspace, since
 * no level holds more than all leaves and a pair for every two items of the level
 * before, less than 2 * n_symbols together.
 *
 * Codes are canonical: the lengths alone say them, shorter ones first and, of one
 * length, in the order of the symbols. dc_huffman_canonical is where lengths that
 * nobody vouches for are checked: none is above DC_MAX_CODE_LENGTH, and the code is
 * complete, so that whatever bits there are begin with a code. The encoder and the
 * decoder index their tables on that ground. */
#include "huffman/huffman.h"

#include <stdlib.h>

static int by_count(const void *left, const void *right)
{
    const dc_leaf *a = left, *b = right;
    if (a->count != b->count)
        return a->count < b->count ? -1 : 1;
    return a->symbol < b->symbol ? -1 : a->symbol > b->symbol;
}

int64_t dc_huffman_lengths(const uint64_t *counts, size_t n_symbols, int max_length,
                           dc_code_workspace workspace, uint8_t *lengths)
{
    if (n_symbols < 1 || n_symbols > DC_MAX_ALPHABET || max_length < 1 ||
        max_length > DC_MAX_CODE_LENGTH)
        return DC_ERROR_ARGUMENT;

    dc_leaf *leaves = workspace.leaves;
    size_t used = 0;
    for (size_t s = 0; s < n_symbols; s++) {
        lengths[s] = 0;
        if (counts[s])
            leaves[used++] = (dc_leaf){counts[s], s};
    }
    if (used > (size_t)1 << max_length)
        return DC_ERROR_ARGUMENT;
    if (used == 1)
        lengths[leaves[0].symbol] = 1;
    if (used < 2)
        return (int64_t)used;
    qsort(leaves, used, sizeof *leaves, by_count);

    /* Package-merge (Larmore and Hirschberg 1990): level by level, the leaves are
     * merged with the pairs of the level below; what each item was is kept. */
    uint64_t *below = workspace.weights;
    uint64_t *level = below + 2 * n_symbols;
    size_t n_below = 0;
    for (int depth = 0; depth < max_length; depth++) {
        uint8_t *is_leaf = workspace.is_leaf + (size_t)depth * 2 * n_symbols;
        size_t leaf = 0, pair = 0, size = 0, n_pairs = n_below / 2;
        while (leaf < used || pair < n_pairs) {
            uint64_t package =
                pair < n_pairs ? below[2 * pair] + below[2 * pair + 1] : UINT64_MAX;
            int takes_leaf = leaf < used && leaves[leaf].count <= package;
            is_leaf[size] = (uint8_t)takes_leaf;
            level[size++] = takes_leaf ? leaves[leaf].count : package;
            leaf += (size_t)takes_leaf;
            pair += (size_t)!takes_leaf;
        }
        uint64_t *swap = below;
        below = level;
        level = swap;
        n_below = size;
    }

    /* The 2 * used - 2 cheapest items of the last level, taken apart: each time a
     * leaf is met its code grows by one bit. */
    size_t taken = 2 * used - 2;
    for (int depth = max_length - 1; depth >= 0; depth--) {
        const uint8_t *is_leaf = workspace.is_leaf + (size_t)depth * 2 * n_symbols;
        size_t n_leaves = 0;
        for (size_t i = 0; i < taken; i++)
            n_leaves += is_leaf[i];
        for (size_t i = 0; i < n_leaves; i++)
            lengths[leaves[i].symbol]++;
        taken = 2 * (taken - n_leaves);
    }
    return (int64_t)used;
}

int64_t dc_huffman_canonical(const uint8_t *lengths, size_t n_symbols,
                             dc_canonical *code)
{
    if (n_symbols < 1 || n_symbols > DC_MAX_ALPHABET)
        return DC_ERROR_ARGUMENT;
    /* By turns, so that equal neighbours do not wait for one another. */
    uint32_t counts[2][DC_MAX_CODE_LENGTH + 1] = {{0}};
    for (size_t s = 0; s < n_symbols; s += 2) {
        const uint8_t first = lengths[s], second = s + 1 < n_symbols ? lengths[s + 1] : 0;
        if (first > DC_MAX_CODE_LENGTH || second > DC_MAX_CODE_LENGTH)
            return DC_BROKEN_CODE_TABLE;
        counts[0][first]++;
        counts[1][second]++;
    }
    dc_canonical c = {0};
    for (int length = 1; length <= DC_MAX_CODE_LENGTH; length++)
        c.count[length] = counts[0][length] + counts[1][length];
    uint64_t next = 0;
    uint32_t used = 0;
    for (int length = 1; length <= DC_MAX_CODE_LENGTH; length++) {
        next = (next + c.count[length - 1]) << 1;
        c.first[length] = (uint32_t)next;
        c.before[length] = used;
        used += c.count[length];
        if (c.count[length])
            c.longest = length;
    }
    *code = c;
    /* The last code of the longest length is all ones where the code is complete. */
    const int is_complete =
        next + c.count[DC_MAX_CODE_LENGTH] == (uint64_t)1 << DC_MAX_CODE_LENGTH;
    const int is_lone = used == 1 && c.longest == 1;
    return is_complete || is_lone ? (int64_t)used : DC_BROKEN_CODE_COMPLETE;
}

int64_t dc_huffman_codes(const uint8_t *lengths, size_t n_symbols, uint32_t *codes)
{
    dc_canonical code;
    const int64_t used = dc_huffman_canonical(lengths, n_symbols, &code);
    if (used < 0)
        return used;
    for (size_t s = 0; s < n_symbols; s++) {
        const int length = lengths[s];
        codes[s] = length ? dc_reverse_bits(code.first[length]++, length) : 0;
    }
    return used;
}
