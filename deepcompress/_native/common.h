/* What all kernels share: the contract that every one of them keeps, the kinds of
 * errors, and how arrays of symbols are read.
 *
 * - The caller owns every buffer, workspaces included; a kernel allocates nothing
 *   and keeps no state between calls. Nobody else writes to a buffer while a kernel
 *   runs, and what is written to overlaps nothing else.
 * - Sizes and positions are 64 bits wide. A `capacity` is the room in `out`; a
 *   kernel that would pass it stops and returns DC_ERROR_SPACE.
 * - A result of zero or more is a count; a negative result is one of the errors
 *   below, which bind.c alone turns into Python exceptions.
 * - A decoder takes any bytes: it neither reads nor writes outside the buffers
 *   given, and answers DC_ERROR_CORRUPT where the bytes are not what an encoder
 *   writes.
 * - Symbols are uint8 or uint16 arrays; `itemsize`, 1 or 2, says which. A kernel's
 *   inner loop is an inline function that is given it as a constant, and compiled
 *   once for each. */
#ifndef DEEPCOMPRESS_COMMON_H
#define DEEPCOMPRESS_COMMON_H

#include <stddef.h>
#include <stdint.h>

enum {
    DC_ERROR_CORRUPT = -1,  /* the input of a decoder is damaged or hostile */
    DC_ERROR_SPACE = -2,    /* the output does not fit in the buffer given */
    DC_ERROR_ARGUMENT = -3, /* an argument is outside what the kernel allows */
    DC_ERROR_STATE = -4     /* this is no coder's state, or not of this section */
};

enum {
    DC_MAX_ALPHABET = 65536 /* the most symbols in an alphabet, or values in a codebook */
};

static inline size_t dc_symbol_at(const void *symbols, const int itemsize, size_t i)
{
    return itemsize == 1 ? ((const uint8_t *)symbols)[i] : ((const uint16_t *)symbols)[i];
}

#endif
