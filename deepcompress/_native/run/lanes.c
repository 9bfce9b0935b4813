/* Rows into lanes, and back: what stands in one column of all rows lies side by side. */
#include "run/run.h"

enum { AT_ONCE = 256 /* columns, so that all rows of them stay in the cache */ };

void dc_to_lanes(const float *rows, size_t n_rows, size_t n_columns, dc_lanes *lanes)
{
    float *to = (float *)lanes;
    for (size_t begin = 0; begin < n_columns; begin += AT_ONCE) {
        const size_t end = n_columns - begin < AT_ONCE ? n_columns : begin + AT_ONCE;
        for (size_t row = 0; row < DC_LANES; row++)
            for (size_t column = begin; column < end; column++)
                to[column * DC_LANES + row] =
                    row < n_rows ? rows[row * n_columns + column] : 0;
    }
}

void dc_from_lanes(const dc_lanes *lanes, size_t n_rows, size_t n_columns, float *rows)
{
    const float *from = (const float *)lanes;
    for (size_t begin = 0; begin < n_columns; begin += AT_ONCE) {
        const size_t end = n_columns - begin < AT_ONCE ? n_columns : begin + AT_ONCE;
        for (size_t row = 0; row < n_rows; row++)
            for (size_t column = begin; column < end; column++)
                rows[row * n_columns + column] = from[column * DC_LANES + row];
    }
}
