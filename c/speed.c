/* speed N FILE...: how fast the first array of each file is decoded, the best of N times,
 * in processor time, to memory that was written to before. */
#include "dcz.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static void *allocate(size_t n)
{
    void *memory = malloc(n ? n : 1);
    if (!memory)
        exit(2);
    return memset(memory, 1, n);
}

static int measure(const char *path, long n)
{
    FILE *from = fopen(path, "rb");
    if (!from)
        return 2;
    fseek(from, 0, SEEK_END);
    const size_t size = (size_t)ftell(from);
    uint8_t *data = allocate(size);
    rewind(from);
    if (fread(data, 1, size, from) != size)
        return 2;
    fclose(from);
    dcz_file file;
    dcz_scratch opened = {0}, scratch = {0};
    while (dcz_open(&file, data, size, &opened) == DCZ_ERROR_SCRATCH) {
        free(opened.memory);
        opened.memory = allocate(opened.size = opened.needed);
    }
    dcz_tensor_info info;
    if (dcz_tensor(&file, 0, &info))
        return 1;
    scratch.memory = allocate(scratch.size = info.scratch);
    void *out = allocate(info.n_bytes);
    double best = 1e9;
    for (; n > 0; n--) {
        const clock_t begin = clock();
        if (dcz_decode(&file, 0, out, info.n_bytes, &scratch))
            return 1;
        const double seconds = (double)(clock() - begin) / CLOCKS_PER_SEC;
        best = seconds < best ? seconds : best;
    }
    printf("%s: %zu bytes from a file of %zu in %.1f ms, %.2f GB/s, scratch %zu\n", path,
           info.n_bytes, size, 1e3 * best, (double)info.n_bytes / best / 1e9,
           scratch.needed);
    return 0;
}

int main(int n, char **arguments)
{
    int status = 0;
    for (int i = 2; i < n && !status; i++)
        status = measure(arguments[i], atol(arguments[1]));
    return status;
}
