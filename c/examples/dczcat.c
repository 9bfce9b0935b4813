/* dczcat FILE             lists what a .dcz file holds
 * dczcat FILE NAME >out   writes an array, or an asset, to standard output */
#include "../dcz.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void stop(const char *what, const char *why)
{
    fprintf(stderr, "%s: %s\n", what, why);
    exit(1);
}

static void *allocate(size_t n)
{
    void *memory = malloc(n ? n : 1);
    if (!memory)
        stop("dczcat", "out of memory");
    return memory;
}

/* Whether a call has to be made again, now that it has more memory. */
static int again(dcz_status status, dcz_scratch *scratch, const char *what)
{
    if (status != DCZ_OK && status != DCZ_ERROR_SCRATCH)
        stop(what, dcz_message(status));
    if (status == DCZ_OK)
        return 0;
    free(scratch->memory);
    scratch->memory = allocate(scratch->size = scratch->needed);
    return 1;
}

static void *read_file(const char *path, size_t *size)
{
    FILE *file = fopen(path, "rb");
    if (!file || fseek(file, 0, SEEK_END))
        stop(path, "cannot be opened");
    *size = (size_t)ftell(file);
    void *data = allocate(*size);
    rewind(file);
    if (fread(data, 1, *size, file) != *size)
        stop(path, "cannot be read");
    fclose(file);
    return data;
}

int main(int n, char **arguments)
{
    dcz_file file;
    dcz_scratch opened = {0}, scratch = {0};
    size_t size;
    if (n < 2 || n > 3)
        stop("dczcat", "FILE [NAME]");
    void *data = read_file(arguments[1], &size);
    while (again(dcz_open(&file, data, size, &opened), &opened, arguments[1]))
        ;
    const size_t wanted = n == 3 ? dcz_find(&file, arguments[2]) : 0;
    for (size_t i = 0; i < file.n_arrays; i++) {
        dcz_tensor_info info;
        dcz_tensor(&file, i, &info);
        if (n == 2) {
            printf("%.*s%s%.*s %s", (int)info.layer_size, info.layer,
                   info.layer_size ? "/" : "", (int)info.leaf_size, info.leaf,
                   dcz_dtype_name(info.dtype));
            for (size_t axis = 0; axis < info.rank; axis++)
                printf(axis ? " x %zu" : " %zu", info.shape[axis]);
            puts("");
        } else if (i == wanted) {
            void *out = allocate(info.n_bytes);
            while (again(dcz_decode(&file, i, out, info.n_bytes, &scratch), &scratch,
                         arguments[2]))
                ;
            fwrite(out, 1, info.n_bytes, stdout);
            return 0;
        }
    }
    uint64_t plain_size;
    again(dcz_assets_size(&file, &plain_size), &scratch, "assets");
    uint8_t *assets = allocate((size_t)plain_size);
    while (plain_size && again(dcz_unpack_assets(&file, assets, (size_t)plain_size, &scratch),
                               &scratch, "assets"))
        ;
    for (size_t i = 0; plain_size && i < dcz_n_assets(assets, (size_t)plain_size); i++) {
        dcz_blob asset;
        dcz_asset(assets, (size_t)plain_size, i, &asset);
        if (n == 2) {
            printf("%.*s: %zu bytes\n", (int)asset.name_size, asset.name, asset.size);
        } else if (asset.name_size == strlen(arguments[2]) &&
                   memcmp(asset.name, arguments[2], asset.name_size) == 0) {
            fwrite(asset.data, 1, asset.size, stdout);
            return 0;
        }
    }
    if (n == 3)
        stop(arguments[2], "is not in the file");
    return 0;
}
