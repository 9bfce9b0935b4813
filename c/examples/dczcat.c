/* dczcat FILE             lists what a .dcz file holds
 * dczcat FILE NAME >out   writes an array, or an asset, to standard output */
#include "../dcz.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void *checked(void *memory, const char *what, const char *why)
{
    if (!memory) {
        fprintf(stderr, "%s: %s\n", what, why);
        exit(1);
    }
    return memory;
}

/* Whether a call has to be made again, now that it has more memory. */
static int again(dcz_status status, dcz_scratch *scratch, const char *what)
{
    const int is_short = status == DCZ_ERROR_SCRATCH;
    checked(status == DCZ_OK || is_short ? scratch : NULL, what, dcz_message(status));
    if (is_short) {
        scratch->size = scratch->needed;
        scratch->memory = checked(realloc(scratch->memory, scratch->size), what, "no memory");
    }
    return is_short;
}

static void *read_file(const char *path, size_t *size)
{
    FILE *file = checked(fopen(path, "rb"), path, "cannot be opened");
    fseek(file, 0, SEEK_END);
    *size = (size_t)ftell(file);
    rewind(file);
    void *data = checked(malloc(*size + 1), path, "no memory");
    checked(fread(data, 1, *size, file) == *size ? file : NULL, path, "cannot be read");
    fclose(file);
    return data;
}

static int write_out(const void *data, size_t size)
{
    return fwrite(data, 1, size, stdout) != size;
}

int main(int n, char **arguments)
{
    checked(n == 2 || n == 3 ? arguments : NULL, "dczcat", "FILE [NAME]");
    const char *path = arguments[1], *wanted = n == 3 ? arguments[2] : NULL;
    dcz_file file;
    dcz_scratch opened = {0}, scratch = {0};
    dcz_tensor_info info;
    size_t size;
    void *data = read_file(path, &size);
    while (again(dcz_open(&file, data, size, &opened), &opened, path))
        ;
    if (wanted && dcz_tensor(&file, dcz_find(&file, wanted), &info) == DCZ_OK) {
        void *out = checked(malloc(info.n_bytes + 1), wanted, "no memory");
        while (again(dcz_decode(&file, dcz_find(&file, wanted), out, info.n_bytes, &scratch),
                     &scratch, wanted))
            ;
        return write_out(out, info.n_bytes);
    }
    for (size_t i = 0; !wanted && dcz_tensor(&file, i, &info) == DCZ_OK; i++) {
        printf("%.*s%s%.*s %s", (int)info.layer_size, info.layer, info.layer_size ? "/" : "",
               (int)info.leaf_size, info.leaf, dcz_dtype_name(info.dtype));
        for (size_t axis = 0; axis < info.rank; axis++)
            printf(axis ? " x %zu" : " %zu", info.shape[axis]);
        puts("");
    }
    uint64_t plain_size;
    again(dcz_assets_size(&file, &plain_size), &scratch, "assets");
    size = (size_t)plain_size;
    uint8_t *assets = checked(malloc(size + 1), "assets", "no memory");
    while (size && again(dcz_unpack_assets(&file, assets, size, &scratch), &scratch, "assets"))
        ;
    dcz_blob asset;
    for (size_t i = 0; size && dcz_asset(assets, size, i, &asset) == DCZ_OK; i++) {
        if (!wanted)
            printf("%.*s: %zu bytes\n", (int)asset.name_size, asset.name, asset.size);
        else if (asset.name_size == strlen(wanted) &&
                 memcmp(asset.name, wanted, asset.name_size) == 0)
            return write_out(asset.data, asset.size);
    }
    checked(wanted ? NULL : arguments, wanted, "is not in the file");
    return 0;
}
