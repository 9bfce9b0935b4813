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
 *   given, and answers which rule is broken (DC_RULES) where the bytes are not what an
 *   encoder writes.
 * - Symbols are uint8 or uint16 arrays; `itemsize`, 1 or 2, says which. A kernel's
 *   inner loop is an inline function that is given it as a constant, and compiled
 *   once for each. */
#ifndef DEEPCOMPRESS_COMMON_H
#define DEEPCOMPRESS_COMMON_H

#include <stddef.h>
#include <stdint.h>

enum {
    DC_ERROR_SPACE = -1,    /* the output does not fit in the buffer given */
    DC_ERROR_ARGUMENT = -2, /* an argument is outside what the kernel allows */
    DC_ERROR_STATE = -3     /* this is no coder's state, or not of this section */
};

/* What the input of a decoder breaks that is damaged or hostile: the rules of
 * docs/format.md that kernels enforce, by the names of that page, and in words. */
#define DC_RULES(RULE)                                                                   \
    RULE(CODE_TABLE, "code-table", "A code table does not follow its rules.")            \
    RULE(CODE_COMPLETE, "code-complete", "The lengths of the codes make no code.")       \
    RULE(STREAMS, "streams", "A stream does not hold its symbols and nothing else.")     \
    RULE(GAPS, "gaps", "The gaps do not lead to their elements.")                        \
    RULE(SECTION_START, "section-start", "No section begins like this.")                 \
    RULE(SECTION_END, "section-end", "A section does not end where its arrays do.")      \
    RULE(NUMBER_BOUND, "number-bound", "A number is not below its bound.")               \
    RULE(CODEBOOK_ORDER, "codebook-order", "There is no room for a codebook's patterns.")

#define DC_NUMBER_OF(NAME, ID, WORDS) DC_RULE_##NAME,
enum { DC_RULES(DC_NUMBER_OF) DC_N_RULES };
#undef DC_NUMBER_OF

/* The errors: DC_BROKEN_STREAMS and so on, in descending order. */
#define DC_ERROR_OF(NAME, ID, WORDS) DC_BROKEN_##NAME = DC_BROKEN_FIRST - DC_RULE_##NAME,
enum { DC_BROKEN_FIRST = -16, DC_RULES(DC_ERROR_OF) };
#undef DC_ERROR_OF

enum {
    DC_MAX_ALPHABET = 65536 /* the most symbols in an alphabet, or values in a codebook */
};

static inline size_t dc_symbol_at(const void *symbols, const int itemsize, size_t i)
{
    return itemsize == 1 ? ((const uint8_t *)symbols)[i] : ((const uint16_t *)symbols)[i];
}

#endif
