/* libFuzzer: any bytes as a file. Nearly all that is mutated gets checksums that fit, so that
 * it is looked at behind them. */
#include "walk.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned seed);
size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max_size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    walk(data, size, (size_t)1 << 18, NULL);
    return 0;
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned seed)
{
    const size_t new_size = LLVMFuzzerMutate(data, size, max_size);
    if (seed % 16)
        repair(data, new_size);
    return new_size;
}
