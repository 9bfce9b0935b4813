// Recognizes the digits of examples/mcu with TensorFlow Lite Micro, and prints the same of
// them, but for the outputs, which are bytes.
#include <cstdarg>

#include "tensorflow/lite/micro/kernels/conv.h"
#include "tensorflow/lite/micro/kernels/fully_connected.h"
#include "tensorflow/lite/micro/kernels/pooling.h"
#include "tensorflow/lite/micro/micro_interpreter.h"
#include "tensorflow/lite/micro/micro_mutable_op_resolver.h"
#include "tensorflow/lite/schema/schema_generated.h"

extern "C" {
#include "board.h"
#include DIGITS
#include MODEL

// What its own platforms bring along.
void DebugLog(const char *format, va_list)
{
    print(format);
}

int DebugVsnprintf(char *, size_t, const char *, va_list)
{
    return 0;
}
}

enum { N_DIGITS = sizeof digits / N_PIXELS };

alignas(16) static uint8_t arena[64 << 10];

static void report(const char *what, size_t number)
{
    print(what);
    print(": ");
    print_number(static_cast<uint32_t>(number));
    print("\n");
}

int main()
{
    static tflite::MicroMutableOpResolver<4> kernels;
    kernels.AddReshape();
    kernels.AddFullyConnected(tflite::Register_FULLY_CONNECTED_INT8());
#ifdef HAS_WINDOWS
    kernels.AddConv2D(tflite::Register_CONV_2D_INT8());
    kernels.AddMaxPool2D(tflite::Register_MAX_POOL_2D_INT8());
#endif
    static tflite::MicroInterpreter net(tflite::GetModel(model), kernels, arena,
                                        sizeof arena);
    if (net.AllocateTensors() != kTfLiteOk)
        return 1;
    int8_t *const input = net.input(0)->data.int8;
    const int8_t *const output = net.output(0)->data.int8;
    uint32_t taken = 0;
    for (size_t n = 0; n < N_DIGITS; n++) {
        for (size_t i = 0; i < N_PIXELS; i++)
            input[i] = static_cast<int8_t>(digits[n * N_PIXELS + i] - 128);
        ticks();
        if (net.Invoke() != kTfLiteOk)
            return 1;
        taken += ticks();
        uint32_t best = 0;
        for (uint32_t i = 1; i < net.output(0)->bytes; i++)
            if (output[i] > output[best])
                best = i;
        print_number(best);
        print("\n");
    }
    report("arena", net.arena_used_bytes());
    report("objects", sizeof net + sizeof kernels);
    report("stack", stack_used());
    report("instructions", taken / N_DIGITS * INSTRUCTIONS_A_TICK);
    return 0;
}
