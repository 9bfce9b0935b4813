#include "walk.h"

#include <stdlib.h>
#include <string.h>

#define MUST(condition)                                                                  \
    do {                                                                                 \
        if (!(condition)) {                                                              \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);              \
            abort();                                                                     \
        }                                                                                \
    } while (0)

uint32_t crc32_of(const uint8_t *data, size_t n)
{
    uint32_t crc = UINT32_MAX, table[256];
    for (uint32_t i = 0; i < 256; i++) {
        table[i] = i;
        for (int bit = 0; bit < 8; bit++)
            table[i] = table[i] >> 1 ^ (table[i] & 1 ? UINT32_C(0xEDB88320) : 0);
    }
    for (size_t i = 0; i < n; i++)
        crc = crc >> 8 ^ table[(crc ^ data[i]) & 255];
    return ~crc;
}

static void *allocate(size_t n)
{
    void *memory = malloc(n ? n : 1);
    MUST(memory);
    return memory;
}

#ifdef DCZ_SMALL
static const char *dcz_dtype_name(dcz_dtype dtype)
{
    MUST(dtype == DCZ_FLOAT32);
    return "float32";
}
#endif

/* Memory that is lent begins at an odd address, and ends where its bytes do. */
static void *allocate_odd(size_t n)
{
    return (uint8_t *)allocate(n + 1) + 1;
}

static void free_odd(void *memory)
{
    if (memory)
        free((uint8_t *)memory - 1);
}

/* Whether a call has to be made again, with more memory. */
static int lend(dcz_scratch *scratch, dcz_status *status, size_t limit)
{
    if (*status != DCZ_ERROR_SCRATCH)
        return 0;
    MUST(scratch->needed > scratch->size);
    free_odd(scratch->memory);
    scratch->memory = NULL;
    scratch->size = 0;
    if (scratch->needed > limit) {
        *status = DCZ_ERROR_TOO_LARGE;
        return 0;
    }
    scratch->size = scratch->needed;
    scratch->memory = allocate_odd(scratch->size);
    return 1;
}

/* The bytes of an array in the order of the file, whatever that of this machine is. */
static void to_little_endian(const dcz_tensor_info *info, uint8_t *bytes)
{
    const int is_complex = info->dtype == DCZ_COMPLEX64 || info->dtype == DCZ_COMPLEX128;
    const size_t size = is_complex ? info->itemsize / 2 : info->itemsize;
    for (size_t i = 0; i < info->n_bytes; i += size) {
        uint64_t word = 0;
        uint32_t half;
        uint16_t quarter;
        if (size == 8)
            memcpy(&word, bytes + i, 8);
        if (size == 4) {
            memcpy(&half, bytes + i, 4);
            word = half;
        }
        if (size == 2) {
            memcpy(&quarter, bytes + i, 2);
            word = quarter;
        }
        for (size_t k = 0; size > 1 && k < size; k++)
            bytes[i + k] = (uint8_t)(word >> 8 * k);
    }
}

static void print_blob(FILE *report, const char *kind, const dcz_blob *blob)
{
    fprintf(report, "  %s ", kind);
    fwrite(blob->name, 1, blob->name_size, report); /* it may hold a 0 */
    fprintf(report, " %zu %08x\n", blob->size, (unsigned)crc32_of(blob->data, blob->size));
}

static void print_array(FILE *report, const dcz_tensor_info *info, uint8_t *bytes)
{
    to_little_endian(info, bytes);
    fprintf(report, "  array ");
    fwrite(info->layer, 1, info->layer_size, report);
    if (info->layer_size)
        fputc('/', report);
    fwrite(info->leaf, 1, info->leaf_size, report);
    fprintf(report, " %s (", dcz_dtype_name(info->dtype));
    for (size_t axis = 0; axis < info->rank; axis++)
        fprintf(report, axis ? ", %zu" : "%zu", info->shape[axis]);
    fprintf(report, ") %08x\n", (unsigned)crc32_of(bytes, info->n_bytes));
}

static dcz_status decode_alone(const dcz_file *file, size_t index, uint8_t *out,
                               size_t limit)
{
    dcz_tensor_info info;
    dcz_scratch scratch = {0};
    dcz_status status;
    MUST(dcz_tensor(file, index, &info) == DCZ_OK);
    do
        status = dcz_decode(file, index, out, info.n_bytes, &scratch);
    while (lend(&scratch, &status, limit));
    MUST(status != DCZ_OK || scratch.needed <= info.scratch);
    free_odd(scratch.memory);
    if (info.n_bytes)
        MUST(dcz_decode(file, index, out, info.n_bytes - 1, &scratch) ==
             DCZ_ERROR_ARGUMENT);
    return status;
}

typedef struct {
    uint8_t *bytes;
    size_t itemsize, n_elements;
} elements;

static void set_element(void *to, size_t place, const uint8_t *bits, size_t code)
{
    const elements *e = to;
    MUST(place < e->n_elements && (code < 65536 || code == SIZE_MAX));
    memcpy(e->bytes + place * e->itemsize, bits, e->itemsize);
}

/* That its elements, one by one, are those of an array that was decoded, if it could be. */
static void check_each(const dcz_file *file, size_t index, const uint8_t *decoded,
                       size_t limit)
{
    dcz_tensor_info info;
    dcz_scratch scratch = {0};
    dcz_status status;
    MUST(dcz_tensor(file, index, &info) == DCZ_OK);
    const elements e = {allocate(info.n_bytes), info.itemsize, info.n_elements};
    memset(e.bytes, 0, info.n_bytes);
    do
        status = dcz_each(file, index, set_element, (void *)&e, &scratch);
    while (lend(&scratch, &status, limit));
    free_odd(scratch.memory);
    if (status != DCZ_ERROR_TOO_LARGE)
        MUST((status == DCZ_OK) == (decoded != NULL));
    if (status == DCZ_OK) {
        /* Decoded are the bytes of this machine, told are those of the file. */
        uint8_t *copy = allocate(info.n_bytes);
        memcpy(copy, decoded, info.n_bytes);
        to_little_endian(&info, copy);
        MUST(memcmp(copy, e.bytes, info.n_bytes) == 0);
        free(copy);
    }
    free(e.bytes);
}

#ifndef DCZ_SMALL

/* That the elements of a section, told in one go, are those of its arrays, and that each
 * array takes some bytes, but for those of version 2, which share them. What is only passed
 * is not looked at, so that more may succeed than decoding. */
static void check_section(const dcz_file *file, size_t section, void *const *decoded,
                          size_t limit)
{
    size_t first, count;
    dcz_tensor_info info;
    MUST(dcz_section_arrays(file, section, &first, &count) == DCZ_OK);
    size_t *sizes = allocate(count * sizeof *sizes);
    elements *all = allocate(count * sizeof *all);
    void **tos = allocate(count * sizeof *tos);
    for (size_t k = 0; k < count; k++) {
        MUST(dcz_tensor(file, first + k, &info) == DCZ_OK);
        all[k].bytes = allocate(info.n_bytes);
        all[k].itemsize = info.itemsize;
        all[k].n_elements = info.n_elements;
        tos[k] = k % 3 < 2 ? &all[k] : NULL;
    }
    dcz_scratch scratch = {0};
    dcz_status status;
    do {
        for (size_t k = 0; k < count; k++)
            memset(all[k].bytes, 0, all[k].n_elements * all[k].itemsize);
        status = dcz_each_of_section(file, section, set_element, tos, &scratch);
    } while (lend(&scratch, &status, limit));
    MUST(status == DCZ_ERROR_TOO_LARGE || status == DCZ_OK || !decoded);
    for (size_t k = 0; k < count; k++) {
        MUST(dcz_tensor(file, first + k, &info) == DCZ_OK);
        if (status == DCZ_OK && decoded && tos[k]) {
            uint8_t *copy = allocate(info.n_bytes);
            memcpy(copy, decoded[k], info.n_bytes);
            to_little_endian(&info, copy);
            MUST(memcmp(copy, all[k].bytes, info.n_bytes) == 0);
            free(copy);
        }
        free(all[k].bytes);
    }
    do
        status = dcz_section_sizes(file, section, sizes, &scratch);
    while (lend(&scratch, &status, limit));
    MUST(status == DCZ_ERROR_TOO_LARGE || status == DCZ_OK || !decoded);
    for (size_t k = 0; k < count && status == DCZ_OK; k++)
        MUST(file->version == 2 || sizes[k] > 0);
    free_odd(scratch.memory);
    free(sizes);
    free(all);
    free(tos);
}

#endif

static dcz_status walk_section(const dcz_file *file, size_t section, size_t limit,
                               FILE *report, size_t chosen)
{
    size_t first, count;
    MUST(dcz_section_arrays(file, section, &first, &count) == DCZ_OK);
    void **outs = allocate(count * sizeof *outs);
    dcz_tensor_info info;
    for (size_t k = 0; k < count; k++) {
        MUST(dcz_tensor(file, first + k, &info) == DCZ_OK);
        outs[k] = allocate(info.n_bytes);
    }
    dcz_scratch scratch = {0};
    dcz_status status;
    do
        status = dcz_decode_section(file, section, outs, &scratch);
    while (lend(&scratch, &status, limit));
    free_odd(scratch.memory);
#ifndef DCZ_SMALL
    if (report || chosen - first < count)
        check_section(file, section, status ? NULL : outs, limit);
#endif
    for (size_t k = 0; k < count; k++) {
        MUST(dcz_tensor(file, first + k, &info) == DCZ_OK);
        if (report || first + k == chosen) {
            uint8_t *out = allocate(info.n_bytes);
            const dcz_status alone = decode_alone(file, first + k, out, limit);
            MUST(alone == DCZ_OK || status != DCZ_OK);
            if (status == DCZ_OK && info.n_bytes)
                MUST(memcmp(out, outs[k], info.n_bytes) == 0);
            check_each(file, first + k, alone ? NULL : out, limit);
            free(out);
        }
        if (report && status == DCZ_OK)
            print_array(report, &info, outs[k]);
        free(outs[k]);
    }
    free(outs);
    return status;
}

#ifndef DCZ_NO_ASSETS
static dcz_status walk_assets(const dcz_file *file, size_t limit, FILE *report)
{
    uint64_t size;
    dcz_status status = dcz_assets_size(file, &size);
    if (status || size == 0 || size > limit)
        return status;
    dcz_scratch scratch = {0};
    uint8_t *out = allocate((size_t)size);
    do
        status = dcz_unpack_assets(file, out, (size_t)size, &scratch);
    while (lend(&scratch, &status, limit));
    free_odd(scratch.memory);
    const size_t n = status ? 0 : dcz_n_assets(out, (size_t)size);
    for (size_t i = 0; i < n && (report || i < 9); i++) {
        dcz_blob asset;
        MUST(dcz_asset(out, (size_t)size, i, &asset) == DCZ_OK);
        MUST(asset.data >= out && asset.data + asset.size <= out + size);
        if (report)
            print_blob(report, "asset", &asset);
    }
    free(out);
    return status;
}
#endif

static dcz_status walk_open(const dcz_file *file, size_t limit, FILE *report)
{
    dcz_status result = DCZ_OK, status;
    dcz_blob blob;
    uint64_t plain_size;
    if (file->n_bytes > limit)
        return DCZ_ERROR_TOO_LARGE;
    status = dcz_architecture(file, &blob, &plain_size);
    if (report && blob.size)
        fprintf(report, "  architecture %zu of %zu %08x\n", blob.size, (size_t)plain_size,
                (unsigned)crc32_of(blob.data, blob.size));
    result = result ? result : status;
    for (size_t i = 0; i < file->n_sections; i++) {
        status = walk_section(file, i, limit, report, (size_t)file->n_bytes % file->n_sections);
        result = result ? result : status;
    }
    for (size_t i = 0; i < file->n_parts; i++) {
        status = dcz_part(file, i, &blob);
        if (report)
            print_blob(report, "part", &blob);
        result = result ? result : status;
    }
#ifndef DCZ_NO_ASSETS
    status = walk_assets(file, limit, report);
#endif
    return result ? result : status;
}

/* ---- Running ---------------------------------------------------------------- */

static float *numbers_for(const dcz_value_info *info, float first)
{
    size_t n = 1;
    for (size_t axis = 0; axis < info->rank; axis++)
        n *= info->shape[axis];
    MUST(info->rank <= DCZ_MAX_AXES && n == info->n_elements && n > 0);
    float *numbers = allocate(n * sizeof *numbers);
    for (size_t i = 0; i < n; i++)
        numbers[i] = first + (float)(i % 7) / 8;
    return numbers;
}

/* The bits of all outputs of an example. */
static uint32_t run_once(const dcz_net *net, float first, void *arena)
{
    dcz_value_info info;
    float **inputs = allocate(net->n_inputs * sizeof *inputs);
    float **outputs = allocate(net->n_outputs * sizeof *outputs);
    uint32_t crc = 0;
    for (size_t i = 0; i < net->n_inputs; i++) {
        MUST(dcz_run_input(net, i, &info) == DCZ_OK);
        inputs[i] = numbers_for(&info, first);
    }
    for (size_t i = 0; i < net->n_outputs; i++) {
        MUST(dcz_run_output(net, i, &info) == DCZ_OK);
        outputs[i] = numbers_for(&info, 0);
    }
    const dcz_status status =
        dcz_run(net, (const float *const *)inputs, outputs, arena, net->arena);
    MUST(status == DCZ_OK || status == DCZ_ERROR_ARGUMENT || status == DCZ_ERROR_CORRUPT);
    for (size_t i = 0; i < net->n_outputs; i++) {
        MUST(dcz_run_output(net, i, &info) == DCZ_OK);
        if (status == DCZ_OK)
            crc ^= crc32_of((const uint8_t *)outputs[i], info.n_elements * sizeof(float));
        free(outputs[i]);
    }
    for (size_t i = 0; i < net->n_inputs; i++)
        free(inputs[i]);
    free(inputs);
    free(outputs);
    return crc;
}

/* Opens the model, and runs it twice, which has to give the same. */
static void walk_net(const dcz_file *file, dcz_mode mode, size_t limit)
{
    const float most_work = 1 << 22;
    dcz_net net;
    dcz_scratch scratch = {0};
    dcz_status status;
    do
        status = dcz_run_open(&net, file, mode, &scratch);
    while (lend(&scratch, &status, limit));
    if (status == DCZ_OK && net.arena <= limit && net.work <= most_work) {
        MUST(net.kept <= scratch.size);
        void *arena = allocate_odd(net.arena);
        const uint32_t crc = run_once(&net, 0.5f, arena);
        memset(arena, 0xA5, net.arena);
        MUST(run_once(&net, 0.5f, arena) == crc);
        free_odd(arena);
#ifndef DCZ_SMALL
        dcz_operation_info info;
        for (size_t i = 0; i < net.n_operations; i++)
            MUST(dcz_run_operation(&net, i, &info) == DCZ_OK);
#endif
    }
    free_odd(scratch.memory);
}

#ifndef DCZ_SMALL
/* That each name leads to its array. */
static void check_names(const dcz_file *file)
{
    for (size_t i = 0; i < file->n_arrays && i < 99; i++) {
        dcz_tensor_info info;
        MUST(dcz_tensor(file, i, &info) == DCZ_OK);
        const size_t size = info.layer_size + 1 + info.leaf_size;
        char *name = allocate(size + 1), *leaf = name;
        if (info.layer_size) {
            memcpy(name, info.layer, info.layer_size);
            name[info.layer_size] = '/';
            leaf += info.layer_size + 1;
        }
        memcpy(leaf, info.leaf, info.leaf_size);
        leaf[info.leaf_size] = 0;
        if (strlen(name) == (size_t)(leaf - name) + info.leaf_size)
            MUST(dcz_find(file, name) == i);
        free(name);
    }
}
#endif

dcz_status walk(const uint8_t *data, size_t size, size_t limit, FILE *report)
{
    dcz_file file;
    dcz_scratch scratch = {0};
    dcz_status status;
    do
        status = dcz_open(&file, data, size, &scratch);
    while (lend(&scratch, &status, limit));
    if (status == DCZ_OK) {
        MUST(file.kept <= scratch.size);
#ifndef DCZ_SMALL
        check_names(&file);
#endif
        status = walk_open(&file, limit, report);
        if (file.n_bytes <= limit) {
            walk_net(&file, DCZ_HELD, limit);
            walk_net(&file, DCZ_STREAMED, limit);
        }
    } else {
        MUST(file.n_arrays + file.n_sections + file.n_parts == 0);
    }
    free_odd(scratch.memory);
    return status;
}
