/* dczrun FILE <in >out            runs the model of a .dcz file: example by example, the
 *                                 float32 numbers of all inputs in, those of all outputs out
 * dczrun --streamed FILE <in >out the same, decoding the weights as they are used
 * dczrun --layers FILE            lists what the model does */
#include "../dcz_run.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST = 64 }; /* inputs, outputs */

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
        free(scratch->memory);
        scratch->size = scratch->needed;
        scratch->memory = checked(malloc(scratch->size), what, "no memory");
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

static void list(const dcz_net *net)
{
#ifndef DCZ_SMALL
    for (size_t i = 0; i < net->n_operations; i++) {
        dcz_operation_info info;
        checked(dcz_run_operation(net, i, &info) ? NULL : &info, "operation", "?");
        printf("%s", info.name);
        for (size_t k = 0; k < info.rank; k++)
            printf("%s%zu", k ? "x" : "\t", info.shape[k]);
        putchar('\n');
    }
#endif
    printf("%zu bytes kept, %zu of arena\n", net->kept, net->arena);
}

int main(int n, char **arguments)
{
    const char *option = n == 3 ? arguments[1] : "", *path = arguments[n - 1];
    checked(n == 2 || n == 3 ? arguments : NULL, "dczrun", "[--streamed | --layers] FILE");
    dcz_file file;
    dcz_net net;
    dcz_scratch opened = {0}, held = {0};
    size_t size;
    void *data = read_file(path, &size);
    while (again(dcz_open(&file, data, size, &opened), &opened, path))
        ;
    const dcz_mode mode = strcmp(option, "--streamed") ? DCZ_HELD : DCZ_STREAMED;
    for (;;) {
        const dcz_status status = dcz_run_open(&net, &file, mode, &held);
        if (status == DCZ_ERROR_LEFT_OUT) {
            const char *why = net.refused_size ? net.refused : "it does not say how";
            const size_t n_why = net.refused_size ? net.refused_size : strlen(why);
            fprintf(stderr, "%s: cannot be run: %.*s\n", path, (int)n_why, why);
            exit(1);
        }
        if (!again(status, &held, path))
            break;
    }
    if (strcmp(option, "--layers") == 0)
        list(&net);
    float *inputs[MOST], *outputs[MOST];
    size_t n_in[MOST], n_out[MOST];
    checked(net.n_inputs <= MOST && net.n_outputs <= MOST ? data : NULL, path, "too many");
    dcz_value_info info;
    for (size_t i = 0; i < net.n_inputs; i++) {
        dcz_run_input(&net, i, &info);
        n_in[i] = info.n_elements;
        inputs[i] = checked(malloc(n_in[i] * sizeof(float)), path, "no memory");
    }
    for (size_t i = 0; i < net.n_outputs; i++) {
        dcz_run_output(&net, i, &info);
        n_out[i] = info.n_elements;
        outputs[i] = checked(malloc(n_out[i] * sizeof(float)), path, "no memory");
    }
    void *arena = checked(malloc(net.arena), path, "no memory");
    while (strcmp(option, "--layers")) {
        for (size_t i = 0; i < net.n_inputs; i++)
            if (fread(inputs[i], sizeof(float), n_in[i], stdin) != n_in[i])
                goto end;
        const dcz_status status =
            dcz_run(&net, (const float *const *)inputs, outputs, arena, net.arena);
        checked(status ? NULL : data, path, dcz_message(status));
        for (size_t i = 0; i < net.n_outputs; i++)
            if (fwrite(outputs[i], sizeof(float), n_out[i], stdout) != n_out[i])
                checked(NULL, "output", "cannot be written");
    }
end:
    checked(fflush(stdout) ? NULL : data, "output", "cannot be written");
    for (size_t i = 0; i < net.n_inputs; i++)
        free(inputs[i]);
    for (size_t i = 0; i < net.n_outputs; i++)
        free(outputs[i]);
    free(arena);
    free(held.memory);
    free(opened.memory);
    free(data);
    return 0;
}
