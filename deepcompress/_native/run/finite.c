/* Whether numbers are finite: 0 times them is 0 then, and else NaN. */
#include "run/run.h"

enum { AT_ONCE = 16 };

int dc_are_finite(const float *x, size_t n)
{
    float sums[AT_ONCE] = {0};
    size_t i = 0;
    for (; i + AT_ONCE <= n; i += AT_ONCE)
        for (size_t lane = 0; lane < AT_ONCE; lane++)
            sums[lane] += x[i + lane] * 0;
    for (; i < n; i++)
        sums[0] += x[i] * 0;
    for (size_t lane = 1; lane < AT_ONCE; lane++)
        sums[0] += sums[lane];
    return sums[0] == 0;
}
