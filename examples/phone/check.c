/* check FILE <in >out    what the bindings call, without Java and Swift: example by
 *                        example, float32 numbers in and out */
#include "model.h"

#include <stdio.h>
#include <stdlib.h>

static unsigned char data[1 << 20];

int main(int n, char **arguments)
{
    FILE *file = n == 2 ? fopen(arguments[1], "rb") : NULL;
    if (!file)
        return 2;
    char why[DCZ_WHY] = "";
    dcz_model *model = dcz_model_open(data, fread(data, 1, sizeof data, file), why);
    fclose(file);
    if (!model) {
        fprintf(stderr, "%s\n", why);
        return 1;
    }
    const size_t n_inputs = dcz_model_n_inputs(model);
    const size_t n_outputs = dcz_model_n_outputs(model);
    float *input = malloc(n_inputs * sizeof *input);
    float *output = malloc(n_outputs * sizeof *output);
    const char *wrong = input && output ? NULL : "there is no memory";
    while (!wrong && fread(input, sizeof *input, n_inputs, stdin) == n_inputs) {
        wrong = dcz_model_run(model, input, output);
        if (!wrong)
            fwrite(output, sizeof *output, n_outputs, stdout);
    }
    free(input);
    free(output);
    dcz_model_close(model);
    if (wrong)
        fprintf(stderr, "%s\n", wrong);
    return wrong != NULL;
}
