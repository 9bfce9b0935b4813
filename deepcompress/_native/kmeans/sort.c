/* float32 values in ascending order, by their digits.
 *
 * A float's bits become a number of the same order: negative ones are inverted, the
 * others come above them, without a branch that no processor could foresee. The highest
 * digit of such a key sorts all the values into buckets, the two lower ones sort each
 * bucket, which fits in a cache; a bucket of few is sorted by insertion.
 *
 * Counts of digits come first, and say where each digit's keys begin; as many keys come
 * as were counted, so none leaves its bucket. The counts of the highest digit are held
 * against the room in `spare` before anything is written to it. */
#include "kmeans/kmeans.h"

enum { HIGH_BITS = 11, MIDDLE_BITS = 10, LOW_BITS = 11, FEW = 64 };

static inline uint32_t key_of(uint32_t bits)
{
    return bits ^ ((UINT32_C(0) - (bits >> 31)) | UINT32_C(1) << 31);
}

static inline uint32_t bits_of(uint32_t key)
{
    return key ^ (((key >> 31) - UINT32_C(1)) | UINT32_C(1) << 31);
}

static inline size_t high(uint32_t key)
{
    return key >> (MIDDLE_BITS + LOW_BITS);
}

static inline size_t middle(uint32_t key)
{
    return key >> LOW_BITS & ((1 << MIDDLE_BITS) - 1);
}

static inline size_t low(uint32_t key)
{
    return key & ((1 << LOW_BITS) - 1);
}

/* Counts become the places where the digits begin. */
static void add_up(size_t *counts, size_t n)
{
    size_t total = 0;
    for (size_t digit = 0; digit < n; digit++) {
        size_t count = counts[digit];
        counts[digit] = total;
        total += count;
    }
}

static void sort_few(uint32_t *keys, size_t n)
{
    for (size_t i = 1; i < n; i++) {
        uint32_t key = keys[i];
        size_t place = i;
        for (; place && keys[place - 1] > key; place--)
            keys[place] = keys[place - 1];
        keys[place] = key;
    }
}

static void sort_bucket(uint32_t *keys, size_t n, uint32_t *spare)
{
    size_t lows[1 << LOW_BITS] = {0}, middles[1 << MIDDLE_BITS] = {0};
    for (size_t i = 0; i < n; i++) {
        lows[low(keys[i])]++;
        middles[middle(keys[i])]++;
    }
    add_up(lows, 1 << LOW_BITS);
    add_up(middles, 1 << MIDDLE_BITS);
    for (size_t i = 0; i < n; i++)
        spare[lows[low(keys[i])]++] = keys[i];
    for (size_t i = 0; i < n; i++)
        keys[middles[middle(spare[i])]++] = spare[i];
}

int64_t dc_sort(const uint32_t *values, size_t n, uint32_t *sorted, uint32_t *spare,
                size_t n_spare)
{
    size_t ends[1 << HIGH_BITS] = {0};
    for (size_t i = 0; i < n; i++)
        ends[high(key_of(values[i]))]++;
    for (size_t digit = 0; digit < 1 << HIGH_BITS; digit++)
        if (ends[digit] > n_spare)
            return DC_ERROR_SPACE;
    add_up(ends, 1 << HIGH_BITS);
    for (size_t i = 0; i < n; i++) {
        uint32_t key = key_of(values[i]);
        sorted[ends[high(key)]++] = key;
    }
    size_t start = 0;
    for (size_t digit = 0; digit < 1 << HIGH_BITS; start = ends[digit++]) {
        size_t size = ends[digit] - start;
        if (size > FEW)
            sort_bucket(sorted + start, size, spare);
        else
            sort_few(sorted + start, size);
    }
    for (size_t i = 0; i < n; i++)
        sorted[i] = bits_of(sorted[i]);
    return (int64_t)n;
}
