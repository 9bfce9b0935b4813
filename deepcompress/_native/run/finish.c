/* What follows a product in most layers. */
#include "run/run.h"

void dc_finish(const dc_product *product, const float *bias, int is_rectified)
{
    for (size_t row = 0; row < product->n_rows; row++) {
        float *y = product->y + row * product->n_outputs;
        if (bias)
            for (size_t i = 0; i < product->n_outputs; i++)
                y[i] += bias[i];
        if (is_rectified)
            for (size_t i = 0; i < product->n_outputs; i++)
                y[i] = y[i] < 0 ? 0 : y[i]; /* NaN stays */
    }
}
