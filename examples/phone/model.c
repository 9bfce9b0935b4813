#include "model.h"

#include "dcz_run.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A file of some hundred bytes may ask for any memory: what no model of an app takes. */
enum { MOST = 1 << 28 };

struct dcz_model {
    dcz_file file;
    dcz_net net;
    void *data;
    dcz_scratch opened, held;
    size_t n_inputs, n_outputs;
};

static dcz_model *fail(dcz_model *model, char *why, const char *message, const char *more,
                       size_t size)
{
    size = size < DCZ_WHY ? size : DCZ_WHY;
    snprintf(why, DCZ_WHY, "%s%.*s", message, (int)size, more);
    for (char *letter = why; *letter; letter++) /* words of the file may be anything */
        *letter = *letter < ' ' || *letter > '~' ? '?' : *letter;
    dcz_model_close(model);
    return NULL;
}

/* Whether a call has to be made again, now that it has more memory. */
static int again(dcz_status *status, dcz_scratch *scratch)
{
    if (*status != DCZ_ERROR_SCRATCH)
        return 0;
    free(scratch->memory);
    scratch->size = scratch->needed;
    scratch->memory = scratch->needed > MOST ? NULL : malloc(scratch->needed);
    *status = scratch->memory ? DCZ_OK : DCZ_ERROR_TOO_LARGE;
    return scratch->memory != NULL;
}

dcz_model *dcz_model_open(const void *data, size_t size, char *why)
{
    dcz_model *model = calloc(1, sizeof *model);
    if (!model || !(model->data = malloc(size + 1)))
        return fail(model, why, "there is no memory", "", 0);
    if (size)
        memcpy(model->data, data, size);

    dcz_status status;
    do
        status = dcz_open(&model->file, model->data, size, &model->opened);
    while (again(&status, &model->opened));
    if (status == DCZ_OK && model->file.n_bytes > MOST)
        status = DCZ_ERROR_TOO_LARGE;
    if (status != DCZ_OK)
        return fail(model, why, "the file cannot be read: ", dcz_message(status), DCZ_WHY);

    dcz_net *net = &model->net;
    do
        status = dcz_run_open(net, &model->file, DCZ_HELD, &model->held);
    while (again(&status, &model->held));
    if (status == DCZ_ERROR_LEFT_OUT && !net->refused_size)
        return fail(model, why, "the file holds no program", "", 0);
    if (status == DCZ_ERROR_LEFT_OUT)
        return fail(model, why, "it cannot be run: ", net->refused, net->refused_size);
    if (status == DCZ_OK && net->arena > MOST)
        status = DCZ_ERROR_TOO_LARGE;
    if (status != DCZ_OK)
        return fail(model, why, "the file cannot be read: ", dcz_message(status), DCZ_WHY);

    dcz_value_info input, output;
    if (net->n_inputs != 1 || net->n_outputs != 1 ||
        dcz_run_input(net, 0, &input) != DCZ_OK ||
        dcz_run_output(net, 0, &output) != DCZ_OK)
        return fail(model, why, "it has several inputs or outputs", "", 0);
    model->n_inputs = input.n_elements;
    model->n_outputs = output.n_elements;
    return model;
}

size_t dcz_model_n_inputs(const dcz_model *model)
{
    return model->n_inputs;
}

size_t dcz_model_n_outputs(const dcz_model *model)
{
    return model->n_outputs;
}

const char *dcz_model_run(const dcz_model *model, const float *input, float *output)
{
    void *arena = malloc(model->net.arena + 1);
    dcz_status status = DCZ_ERROR_TOO_LARGE;
    if (arena)
        status = dcz_run(&model->net, &input, &output, arena, model->net.arena);
    free(arena);
    return status == DCZ_OK ? NULL : dcz_message(status);
}

void dcz_model_close(dcz_model *model)
{
    if (!model)
        return;
    free(model->held.memory);
    free(model->opened.memory);
    free(model->data);
    free(model);
}
