#include <string.h>

#include "native.h"

enum { TABLES = 4 }; /* so that equal neighbours do not wait for one another */

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

int64_t dc_huffman_count(const void *symbols, int itemsize, size_t n, uint64_t *counts,
                         size_t n_symbols)
{
    if (itemsize == 1)
        return count_bytes(symbols, n, counts, n_symbols);
    const uint16_t *words = symbols;
    memset(counts, 0, n_symbols * sizeof *counts);
    for (size_t i = 0; i < n; i++) {
        if (words[i] >= n_symbols)
            return DC_ERROR_ARGUMENT;
        counts[words[i]]++;
    }
    return (int64_t)n;
}
