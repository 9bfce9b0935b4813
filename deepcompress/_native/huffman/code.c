#include <stdlib.h>

#include "native.h"

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

static uint32_t reversed(uint32_t code, int length)
{
    uint32_t result = 0;
    for (int i = 0; i < length; i++, code >>= 1)
        result = result << 1 | (code & 1);
    return result;
}

int64_t dc_huffman_codes(const uint8_t *lengths, size_t n_symbols, uint32_t *codes)
{
    if (n_symbols < 1 || n_symbols > DC_MAX_ALPHABET)
        return DC_ERROR_ARGUMENT;
    uint32_t population[DC_MAX_CODE_LENGTH + 1] = {0};
    for (size_t s = 0; s < n_symbols; s++) {
        if (lengths[s] > DC_MAX_CODE_LENGTH)
            return DC_ERROR_CORRUPT;
        population[lengths[s]]++;
    }
    size_t used = n_symbols - population[0];

    uint32_t next[DC_MAX_CODE_LENGTH + 1];
    uint64_t code = 0;
    population[0] = 0;
    for (int length = 1; length <= DC_MAX_CODE_LENGTH; length++) {
        code = (code + population[length - 1]) << 1;
        next[length] = (uint32_t)code;
    }
    /* The last code of the longest length is all ones where the code is complete. */
    int lone = used == 1 && population[1] == 1;
    if (!lone && code + population[DC_MAX_CODE_LENGTH] != (uint64_t)1 << DC_MAX_CODE_LENGTH)
        return DC_ERROR_CORRUPT;

    for (size_t s = 0; s < n_symbols; s++)
        codes[s] = lengths[s] ? reversed(next[lengths[s]]++, lengths[s]) : 0;
    return (int64_t)used;
}
