/* Whether numbers are finite: none has all bits of its exponent set. */
#include <string.h>

#include "run/run.h"

enum { EXPONENT = 0x7f800000, AT_ONCE = 16 };

int dc_are_finite(const float *x, size_t n)
{
    uint32_t found[AT_ONCE] = {0}, bits[AT_ONCE] = {0};
    for (size_t i = 0; i < n; i += AT_ONCE) {
        /* What is left of the array before stays behind its end. */
        memcpy(bits, x + i, (n - i < AT_ONCE ? n - i : AT_ONCE) * sizeof *x);
        for (size_t lane = 0; lane < AT_ONCE; lane++)
            found[lane] |= (bits[lane] & EXPONENT) == EXPONENT;
    }
    for (size_t lane = 1; lane < AT_ONCE; lane++)
        found[0] |= found[lane];
    return !found[0];
}
