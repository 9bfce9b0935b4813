/* Context coding: numbers, text, codebooks and matrices of codes as one stream of bits,
 * each of them predicted from those before. docs/format.md specifies it, as version 2.
 *
 * One state codes one section of a file, from dc_context_begin to dc_context_end. The
 * same functions write and read, so that both follow the same model: what the state was
 * begun for says which. */
#ifndef DEEPCOMPRESS_CONTEXT_H
#define DEEPCOMPRESS_CONTEXT_H

#include "common.h"

/* What one section is coded with: a range coder and all that its model has learnt, in
 * coder.h. The caller keeps it between the calls and makes it with dc_context_begin
 * alone: its content is trusted. What is read and written goes by a position in it, so
 * that a copy is a point to go back to.
 *
 * Before each call dc_context_data gives it the bytes of the section, or the room for
 * them; they are those of the call before, and are gone on with. The functions write
 * what they are given, or, if begun so, read the same back into the same places. They
 * return a count, DC_ERROR_SPACE where the room for what is written ends, or which rule
 * is broken; such an error stays in the state, and is the answer to all calls that
 * follow. */
typedef struct dc_context dc_context;

enum {
    DC_NUMBER_CONTEXTS = 16, /* numbers that are alike share a context, 0 to 15 */
    DC_MAX_TEXT = 4096,      /* of the text that a coder begins with */
    DC_MAX_RARITY = 16       /* a rarity is a number of bits */
};

/* The non-zeros of a row or a column, and the sum of their ranks, each up to 64. */
typedef struct {
    uint64_t count, ranks;
} dc_row;

typedef struct {
    dc_row found;
    int64_t last_row;
    int32_t lean; /* codes of the one sign, less those of the other */
    uint32_t slot;
} dc_column;

/* The codes of a matrix: 0 for a zero, else 1 to n_codes, of which those up to n_low
 * have one sign. About one in 2^rarity is no zero; all, if rarity is 0. Its rows are
 * places of `step` rows each, in lines of `stride` rows (0: all in one line). Row i has
 * to do with entry i % n_side of `side`. The last ones are workspaces, 0 at
 * first: an entry a column; one for each of the n_kept last rows; for each row of a
 * place, one a column; a row of zeros. */
typedef struct {
    uint16_t *codes;
    int64_t n_rows, n_columns, step, stride;
    uint32_t n_codes, n_low;
    int rarity;
    const uint32_t *side;
    int64_t n_side;
    dc_column *columns;
    dc_row *rows;
    int64_t n_kept;
    uint16_t *pairs;
    const uint16_t *blank;
} dc_matrix;

/* How many rows a matrix has to keep the sums of. */
static inline int64_t dc_context_rows(int64_t n_rows, int64_t step, int64_t stride)
{
    const int64_t reach = step + (stride > step ? stride : step);
    return reach < n_rows ? reach + 1 : n_rows;
}

/* The bytes of a state, a multiple of 8; it is aligned to 8. */
size_t dc_context_size(void);

void dc_context_begin(dc_context *c, int decoding);

/* Whether the state was begun for reading. */
int dc_context_decodes(const dc_context *c);

/* The section of the calls that follow: `data` to read or `out` to write, the other
 * being NULL, and its size. DC_ERROR_STATE where more than that has been written. */
int64_t dc_context_data(dc_context *c, uint8_t *out, const uint8_t *data, size_t size);

/* Learns from a text of up to DC_MAX_TEXT bytes as if it had been coded: the first call,
 * if it is made. */
int64_t dc_context_learn(dc_context *c, const uint8_t *text, size_t n);

/* A number; small ones take less, and those that were frequent in this context. */
int64_t dc_context_number(dc_context *c, uint64_t *value, int context);

/* n ascending patterns of n_bits, 1 <= n <= DC_MAX_ALPHABET; the highest n_top bits, at
 * most 12, are alike in all codebooks. Returns how many have a highest bit of 0. */
int64_t dc_context_codebook(dc_context *c, uint64_t *values, size_t n, int n_bits,
                            int n_top);

/* n patterns in any order. */
int64_t dc_context_patterns(dc_context *c, uint64_t *values, size_t n, int n_bits,
                            int n_top);

/* n bytes of text. */
int64_t dc_context_text(dc_context *c, uint8_t *text, size_t n);

/* The codes of a matrix. Returns their number. */
int64_t dc_context_codes(dc_context *c, dc_matrix matrix);

/* The bits coded so far, rounded up. */
int64_t dc_context_bits(const dc_context *c);

/* Ends the section: returns the bytes written, or those read, which must be all. */
int64_t dc_context_end(dc_context *c);

#endif
