/* check list FILE...     what files hold, to be compared with what Python says
 * check hostile N FILE... files that are cut off, or changed with their checksums made to
 *                        fit: each is read or refused, and none leads astray */
#include "fuzz/walk.h"

#include <stdlib.h>
#include <string.h>

static const size_t LIMIT = (size_t)1 << 26;

static uint8_t *read_file(const char *path, size_t *size)
{
    FILE *file = fopen(path, "rb");
    if (!file) {
        perror(path);
        exit(2);
    }
    fseek(file, 0, SEEK_END);
    *size = (size_t)ftell(file);
    rewind(file);
    uint8_t *data = malloc(*size ? *size : 1);
    if (!data || fread(data, 1, *size, file) != *size)
        exit(2);
    fclose(file);
    return data;
}

static int list(const char *path)
{
    size_t size;
    uint8_t *data = read_file(path, &size);
    printf("%s\n", path);
    const dcz_status status = walk(data, size, LIMIT, stdout);
    if (status)
        printf("  %s\n", dcz_message(status));
    free(data);
    return status != DCZ_OK;
}

/* Reads a copy of exactly the size, so that a step over its end is seen. */
static dcz_status read_copy(const uint8_t *data, size_t size)
{
    uint8_t *copy = malloc(size ? size : 1);
    if (!copy)
        exit(2);
    memcpy(copy, data, size);
    const dcz_status status = walk(copy, size, LIMIT, NULL);
    free(copy);
    return status;
}

static uint32_t state = 1;

static uint32_t below(size_t n)
{
    state ^= state << 13;
    state ^= state >> 17;
    state ^= state << 5;
    return state % (uint32_t)n;
}

static int hostile(const char *path, long n_runs)
{
    size_t size, n_refused = 0;
    int n_wrong = 0;
    uint8_t *data = read_file(path, &size);
    for (size_t end = 0; end < size; end += 1 + size / 4096)
        n_wrong += read_copy(data, end) == DCZ_OK;
    uint8_t *changed = malloc(size);
    if (!changed)
        exit(2);
    for (long run = 0; run < n_runs; run++) {
        memcpy(changed, data, size);
        for (uint32_t i = 1 + below(4); i; i--)
            changed[below(size)] = (uint8_t)below(256);
        repair(changed, size);
        n_refused += read_copy(changed, size) != DCZ_OK;
    }
    printf("%s: %ld changed, %zu of them refused, %d cut off and read\n", path, n_runs,
           n_refused, n_wrong);
    free(changed);
    free(data);
    return n_wrong;
}

int main(int n, char **arguments)
{
    int n_wrong = 0;
    if (n > 2 && strcmp(arguments[1], "list") == 0) {
        for (int i = 2; i < n; i++)
            n_wrong += list(arguments[i]);
    } else if (n > 3 && strcmp(arguments[1], "hostile") == 0) {
        for (int i = 3; i < n; i++)
            n_wrong += hostile(arguments[i], atol(arguments[2]));
    } else {
        fprintf(stderr, "check list FILE... | check hostile N FILE...\n");
        return 2;
    }
    return n_wrong > 0;
}
