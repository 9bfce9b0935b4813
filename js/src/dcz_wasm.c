/* The decoder and the runner of c/, as JavaScript calls them: one file for each instance.
 *
 * Memory holds, one after the other, the bytes of the file, what dcz_open and dcz_run_open
 * keep, the buffers of a run, and from `top` on what a call takes and gives up again. It
 * grows to `limit` at most. What calls give are structs of dcz.h and dcz_run.h, whose
 * members all have four bytes here but for one; NULL means that `status` says why not. */
#include "../../c/dcz.h"
#include "../../c/dcz_run.h"

#define EXPORT(name) __attribute__((export_name(#name)))

enum { PAGE = 65536, ALIGNMENT = 16, SMALL = 1 << 23, MORE = 1 << 20 };

extern uint8_t __heap_base;

static uint8_t *top;
static size_t limit, size; /* most bytes of memory; those of the file */
static dcz_status status;
static dcz_file file;
static dcz_net net;
static uint8_t *arena;
static const float **inputs;
static float **outputs;

/* Calls of these become single instructions; the names are for what refers to them. */
void *memcpy(void *to, const void *from, size_t n)
{
    __builtin_memcpy(to, from, n);
    return to;
}

void *memset(void *to, int byte, size_t n)
{
    __builtin_memset(to, byte, n);
    return to;
}

/* Whether there are n bytes from `top` on. */
static int is_room(size_t n)
{
    const size_t begin = (size_t)top, now = __builtin_wasm_memory_size(0) * PAGE;
    if (n > limit || begin > limit - n)
        return 0;
    if (begin + n <= now)
        return 1;
    return __builtin_wasm_memory_grow(0, (begin + n - now + PAGE - 1) / PAGE) != SIZE_MAX;
}

static void *take(size_t n)
{
    if (n > limit || !is_room(n + ALIGNMENT)) {
        status = DCZ_ERROR_TOO_LARGE;
        return NULL;
    }
    uint8_t *begin = top;
    top += (n + ALIGNMENT - 1) & ~(size_t)(ALIGNMENT - 1);
    return begin;
}

/* Whether a call has to be made again, with the memory that it asked for. */
static int again(dcz_status answer, dcz_scratch *scratch)
{
    status = answer;
    if (answer != DCZ_ERROR_SCRATCH)
        return 0;
    scratch->memory = top;
    scratch->size = scratch->needed;
    if (is_room(scratch->needed))
        return 1;
    status = DCZ_ERROR_TOO_LARGE;
    return 0;
}

EXPORT(message) const char *message(void)
{
    return dcz_message(status);
}

/* Room for the bytes of a file, in memory of at most so many. */
EXPORT(begin) void *begin(size_t n, size_t most)
{
    top = &__heap_base + (-(size_t)&__heap_base & (ALIGNMENT - 1));
    limit = most;
    return take(n);
}

EXPORT(open) const dcz_file *open(const void *data, size_t n)
{
    dcz_scratch scratch = {0};
    size = n;
    while (again(dcz_open(&file, data, n, &scratch), &scratch))
        ;
    return status || !take(file.kept) ? NULL : &file;
}

EXPORT(tensor) const dcz_tensor_info *tensor(size_t index)
{
    static dcz_tensor_info info;
    status = dcz_tensor(&file, index, &info);
    return status ? NULL : &info;
}

EXPORT(dtype) const char *dtype(dcz_dtype which)
{
    return dcz_dtype_name(which);
}

/* An array, until the next call. */
EXPORT(decode) const void *decode(size_t index)
{
    uint8_t *const before = top;
    const dcz_tensor_info *info = tensor(index);
    void *out = info ? take(info->n_bytes) : NULL;
    dcz_scratch scratch = {0};
    if (out)
        while (again(dcz_decode(&file, index, out, info->n_bytes, &scratch), &scratch))
            ;
    top = before;
    return status ? NULL : out;
}

/* Where the arrays of a section are, decoded in one go, until the next call. */
EXPORT(section) void *const *section(size_t index)
{
    uint8_t *const before = top;
    size_t first, count;
    void **outs = NULL;
    status = dcz_section_arrays(&file, index, &first, &count);
    if (!status && (outs = take(count * sizeof *outs)) != NULL) {
        for (size_t k = 0; k < count && !status; k++)
            outs[k] = take(tensor(first + k)->n_bytes);
        dcz_scratch scratch = {0};
        if (!status)
            while (again(dcz_decode_section(&file, index, outs, &scratch), &scratch))
                ;
    }
    top = before;
    return status ? NULL : outs;
}

/* The bytes that each array of a section takes; `first` and `count` are the first two. */
EXPORT(sizes) const size_t *sizes(size_t section)
{
    uint8_t *const before = top;
    size_t first, count, *out = NULL;
    status = dcz_section_arrays(&file, section, &first, &count);
    if (!status && (out = take((count + 2) * sizeof *out)) != NULL) {
        dcz_scratch scratch = {0};
        out[0] = first;
        out[1] = count;
        while (again(dcz_section_sizes(&file, section, out + 2, &scratch), &scratch))
            ;
    }
    top = before;
    return status ? NULL : out;
}

EXPORT(part) const dcz_blob *part(size_t index)
{
    static dcz_blob blob;
    status = dcz_part(&file, index, &blob);
    return status ? NULL : &blob;
}

EXPORT(architecture) const dcz_blob *architecture(void)
{
    static dcz_blob blob;
    uint64_t plain_size;
    status = dcz_architecture(&file, &blob, &plain_size);
    return status ? NULL : &blob;
}

/* Opens the model, also where it cannot be run: `refused` says why then. */
EXPORT(start) const dcz_net *start(void)
{
    dcz_scratch scratch = {0};
    dcz_value_info info;
    /* Each call that has too little decodes anew; most models need less than that. */
    const size_t enough = (file.n_bytes < SMALL ? (size_t)file.n_bytes : 4 * size) + MORE;
    if (size < SMALL && is_room(enough)) {
        scratch.memory = top;
        scratch.size = enough;
    }
    while (again(dcz_run_open(&net, &file, DCZ_HELD, &scratch), &scratch))
        ;
    if (status)
        return status == DCZ_ERROR_LEFT_OUT ? &net : NULL;
    if (!take(net.kept) || !(arena = take(net.arena)) ||
        !(inputs = take(net.n_inputs * sizeof *inputs)) ||
        !(outputs = take(net.n_outputs * sizeof *outputs)))
        return NULL;
    for (size_t i = 0; i < net.n_inputs; i++)
        if ((status = dcz_run_input(&net, i, &info)) != DCZ_OK ||
            !(inputs[i] = take(info.n_elements * sizeof(float))))
            return NULL;
    for (size_t i = 0; i < net.n_outputs; i++)
        if ((status = dcz_run_output(&net, i, &info)) != DCZ_OK ||
            !(outputs[i] = take(info.n_elements * sizeof(float))))
            return NULL;
    return &net;
}

EXPORT(value) const dcz_value_info *value(size_t index, int is_output)
{
    static dcz_value_info info;
    status = (is_output ? dcz_run_output : dcz_run_input)(&net, index, &info);
    return status ? NULL : &info;
}

EXPORT(buffer) const float *buffer(size_t index, int is_output)
{
    return is_output ? outputs[index] : inputs[index];
}

EXPORT(operation) const dcz_operation_info *operation(size_t index)
{
    static dcz_operation_info info;
    status = dcz_run_operation(&net, index, &info);
    return status ? NULL : &info;
}

/* Whether the outputs are those of the inputs in the buffers. */
EXPORT(run) int run(void)
{
    status = dcz_run(&net, inputs, outputs, arena, net.arena);
    return status == DCZ_OK;
}
