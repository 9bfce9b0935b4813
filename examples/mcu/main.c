/* Recognizes test digits with a model that stays compressed in flash. Prints of each the
 * digit and the outputs, as the bits of a float32, and then what it took. */
#include "board.h"
#include "dcz_run.h"

/* Made by headers.py: `model` and `digits`, of N_PIXELS bytes each. */
#include "digits.h"
#include "model.h"

#ifndef MODE
#define MODE DCZ_STREAMED
#endif

enum { MOST_OUTPUTS = 64, N_DIGITS = sizeof digits / N_PIXELS };

/* More than it takes: the lines at the end say how much it is. */
__attribute__((section(".memory"), aligned(8))) static uint8_t memory[192 << 10];

static int stop(const char *where, dcz_status status, const dcz_net *net)
{
    print(where);
    print(": status ");
    print_number(status);
    if (net && net->refused_size) {
        print(", ");
        print(net->refused);
    }
    print("\n");
    return 1;
}

static void report(const char *what, size_t number)
{
    print(what);
    print(" ");
    print_number((uint32_t)number);
    print("\n");
}

int main(void)
{
    static float input[N_PIXELS], output[MOST_OUTPUTS];
    const float *const inputs[] = {input};
    float *const outputs[] = {output};
    dcz_file file;
    dcz_net net;
    dcz_value_info made;
    dcz_scratch opened = {memory, sizeof memory, 0, 0};
    dcz_status status = dcz_open(&file, model, sizeof model, &opened);
    if (status != DCZ_OK)
        return stop("dcz_open", status, NULL);
    const size_t stack_open = stack_used();
    dcz_scratch lent = {memory + file.kept, sizeof memory - file.kept, 0, 0};
    status = dcz_run_open(&net, &file, MODE, &lent);
    if (status != DCZ_OK)
        return stop("dcz_run_open", status, &net);
    status = dcz_run_output(&net, 0, &made);
    if (status != DCZ_OK || net.n_inputs != 1 || net.n_outputs != 1 ||
        made.n_elements > MOST_OUTPUTS)
        return stop("one input and few outputs", DCZ_ERROR_ARGUMENT, NULL);
    uint8_t *arena = memory + file.kept + net.kept;
    const size_t left = sizeof memory - file.kept - net.kept;

    uint32_t taken = 0;
    for (size_t n = 0; n < N_DIGITS; n++) {
        for (size_t i = 0; i < N_PIXELS; i++)
            input[i] = (float)digits[n * N_PIXELS + i] / 255;
        ticks();
        status = dcz_run(&net, inputs, outputs, arena, left);
        taken += ticks();
        if (status != DCZ_OK)
            return stop("dcz_run", status, NULL);
        size_t best = 0;
        for (size_t i = 1; i < made.n_elements; i++)
            if (output[i] > output[best])
                best = i;
        print_number((uint32_t)best);
        for (size_t i = 0; i < made.n_elements; i++) {
            union {
                float number;
                uint32_t bits;
            } of = {output[i]};
            print(" ");
            print_hex(of.bits);
        }
        print("\n");
    }
    report("to open the file", opened.needed);
    report("to open the net", file.kept + lent.needed);
    report("kept", file.kept + net.kept);
    report("arena", net.arena);
    report("inputs and outputs", sizeof input + 4 * made.n_elements);
    report("handles", sizeof file + sizeof net);
    report("stack to open the file", stack_open);
    report("stack", stack_used());
    report("instructions", taken / N_DIGITS * INSTRUCTIONS_A_TICK);
    return 0;
}
