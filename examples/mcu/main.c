/* Recognizes test digits with a model that stays compressed in flash. Prints of each the
 * digit and the outputs, as the bits of a float32, and then what it took. */
#include "board.h"
#include "dcz_run.h"

/* Made by `deepcompress export` and by digits.py. */
#include "digits.h"
#include "model.h"

#ifndef MODE
#define MODE DCZ_STREAMED
#endif

enum { MOST_OUTPUTS = 64, N_DIGITS = sizeof digits / N_PIXELS };

/* More than it takes: the lines at the end say how much it is. */
__attribute__((section(".memory"), aligned(8))) static uint8_t memory[512 << 10];

static void report(const char *what, size_t number)
{
    print(what);
    print(": ");
    print_number((uint32_t)number);
    print("\n");
}

/* What went wrong, by its number in dcz_status: words for it would take flash. */
static int stop(const char *where, dcz_status status)
{
    report(where, (size_t)status);
    return 1;
}

static void print_digit(const float *output, size_t n)
{
    size_t best = 0;
    for (size_t i = 1; i < n; i++)
        if (output[i] > output[best])
            best = i;
    print_number((uint32_t)best);
    for (size_t i = 0; i < n; i++) {
        const union {
            float number;
            uint32_t bits;
        } of = {output[i]};
        print(" ");
        print_hex(of.bits);
    }
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
    uint32_t taken = 0;

    dcz_scratch scratch = {memory, sizeof memory, 0, 0};
    dcz_status status = dcz_open(&file, model, sizeof model, &scratch);
    if (status != DCZ_OK)
        return stop("dcz_open", status);
    size_t most = scratch.needed;
    scratch.memory = memory + file.kept;
    scratch.size = sizeof memory - file.kept;
    status = dcz_run_open(&net, &file, MODE, &scratch);
    if (status != DCZ_OK)
        return stop("dcz_run_open", status);
    most = file.kept + scratch.needed > most ? file.kept + scratch.needed : most;
    status = dcz_run_output(&net, 0, &made);
    if (status != DCZ_OK || net.n_inputs != 1 || made.n_elements > MOST_OUTPUTS)
        return stop("outputs", status);

    const size_t kept = file.kept + net.kept;
    most = kept + net.arena > most ? kept + net.arena : most;
    if (most > sizeof memory)
        return stop("memory", DCZ_ERROR_SCRATCH);
    for (size_t n = 0; n < N_DIGITS; n++) {
        for (size_t i = 0; i < N_PIXELS; i++)
            input[i] = (float)digits[n * N_PIXELS + i] / 255;
        ticks();
        status = dcz_run(&net, inputs, outputs, memory + kept, net.arena);
        taken += ticks();
        if (status != DCZ_OK)
            return stop("dcz_run", status);
        print_digit(output, made.n_elements);
    }
    report("memory", most);
    report("of it activations", net.activations);
    report("inputs and outputs", (N_PIXELS + made.n_elements) * sizeof(float));
    report("stack", stack_used());
    report("instructions", taken / N_DIGITS * INSTRUCTIONS_A_TICK);
    return 0;
}
