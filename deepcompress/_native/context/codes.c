/* Matrices of codes.
 *
 * A code is coded in up to three steps: whether it is a zero, its sign, its rank among
 * the codes of its sign. Each step is a few mixed bits whose inputs look at the matrix
 * from several sides: the codes around, the column so far, the row so far, and where in
 * the matrix this is. A code that is not there, beyond an edge, is one of a row of
 * zeros, so that nothing but the choice of rows asks for edges.
 *
 * - A row before is looked at only if its distance is positive and not above the row's
 *   own index: pointers stay within `codes`. Sums of rows are kept for as many rows as
 *   the farthest whose sum is asked for lies back (dc_context_rows), by their index
 *   modulo that.
 * - A kind of slots has DC_CODE_SLOTS, the last one four times as many. The contexts
 *   below are numbers with mixed bases, whose digits are held to them by class_of and
 *   least; the largest is 2047 * 2 + 1, and (255 * 8 + 7) * 8 + 7 of the last kind. A
 *   scaled rank is below 64, so a mean class is at most 7. j + 1 has at most 62 bits:
 *   that many codes fill the memory.
 * - A writer may be given codes above n_codes: they are coded as the highest there is. */
#include "bits.h"
#include "context/coder.h"

#include <string.h>

/* The neighbours of an element in its column, as lines and places back from its row. The
 * first N_NEAREST also count by themselves. */
enum { LEFT, UP, UP_LEFT, UP_RIGHT, LEFT_2, UP_2, N_NEAREST, N_AROUND = 18 };
static const int8_t LINES[N_AROUND] = {0, 1, 1, 1,  0, 2, 0,  1,  1,
                                       1, 1, 2, 2, 2, 2, 3, 3, 3};
static const int8_t PLACES[N_AROUND] = {1, 0, 1,  -1, 2, 0, 3,  -3, -2,
                                        2, 3, -2, -1, 1, 2, -1, 0,  1};

/* A row that is being coded, and what is the same for all of its elements. */
typedef struct {
    dc_context *c;
    const dc_matrix *m;
    int64_t index;
    uint16_t *codes;
    const uint16_t *around[N_AROUND], *before;
    uint16_t *pairs;             /* by column: non-zeros at this place of a line so far */
    uint32_t side, near, height; /* classes of the row */
    dc_row beside;               /* non-zeros in the rows to the left and above */
    dc_row found;                /* and in this one so far */
    uint32_t last_code;
} dc_walk;

/* 0, 1, 2, 3-4, 5-8, 9-16, ... */
static inline uint32_t class_of(uint64_t count, uint32_t last)
{
    uint32_t result =
        count < 3 ? (uint32_t)count : 1 + (uint32_t)dc_bit_length(count - 1);
    return result < last ? result : last;
}

static inline uint32_t least(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

static inline dc_slot *slot(dc_context *c, uint32_t kind, uint32_t context)
{
    return &c->slots[DC_SLOTS_CODES + kind * DC_CODE_SLOTS + context];
}

/* 0 for a zero, 1 for the codes up to n_low, 2 for the others. */
static inline uint32_t sign_of(const dc_matrix *m, uint32_t code)
{
    return code == 0 ? 0 : code <= m->n_low ? 1 : 2;
}

/* The code's rank among the codes of its sign, on a scale of 64. */
static inline uint32_t scaled_rank(const dc_matrix *m, uint32_t code)
{
    return code <= m->n_low ? 64 * (code - 1) / m->n_low
                            : 64 * (code - 1 - m->n_low) / (m->n_codes - m->n_low);
}

/* A class of the mean of so many scaled ranks. */
static inline uint32_t mean_class(dc_row row)
{
    return row.count ? 1 + (uint32_t)(row.ranks * 7 / (64 * (uint64_t)row.count)) : 0;
}

static inline int code_nonzero(dc_walk *w, const int decoding, int64_t j,
                               uint32_t nearest)
{
    enum { N = 9 };
    dc_context *c = w->c;
    dc_column *here = &w->m->columns[j];
    const int64_t n_columns = w->m->n_columns;
    uint32_t around = nearest - (w->before[j] > 0);
    for (int i = N_NEAREST; i < N_AROUND; i++)
        around += w->around[i][j] > 0;
    uint64_t beside = 0; /* non-zeros in the columns beside, so far */
    for (int64_t k = j < 2 ? 0 : j - 2; k <= j + 2 && k < n_columns; k++)
        beside += k == j ? 0 : w->m->columns[k].found.count;
    const uint32_t count = class_of(here->found.count, 9);
    const uint32_t columns = class_of(beside, 11);
    const uint32_t since =
        here->found.count ? class_of((uint64_t)(w->index - here->last_row), 11) : 12;
    dc_slot *slots[N] = {
        slot(c, DC_ZERO_MATRIX, 0),
        &here->slot,
        slot(c, DC_ZERO_SINCE_NEAREST, since * 3 + least(nearest, 2)),
        slot(c, DC_ZERO_PAIR_AROUND_OWN,
             (class_of(w->pairs[j], 7) * 8 + least(around, 7)) * 10 + count),
        slot(c, DC_ZERO_AROUND_NEAR, least(around, 11) * 10 + w->near),
        slot(c, DC_ZERO_COLUMNS_OWN, columns * 10 + count),
        slot(c, DC_ZERO_SIDE_NEAR_FOUND,
             (w->side * 10 + w->near) * 8 + class_of(w->found.count, 6)),
        slot(c, DC_ZERO_BITS_OF_J_R, dc_bit_length((uint64_t)j + 1) * 64 + w->height),
        slot(c, DC_ZERO_COLUMNS_NEAR_NEAREST,
             (columns * 10 + w->near) * 4 + least(nearest, 3)),
    };
    for (int i = 1; i < N; i++)
        dc_inherit(slots[i], *slots[0]);
    return dc_code_mixed(c, decoding, w->codes[j] > 0, slots, N,
                         &c->mixers[DC_MIXER_ZERO]);
}

static inline int code_sign(dc_walk *w, const int decoding, int64_t j, int is_high)
{
    enum { N = 4 };
    const dc_matrix *m = w->m;
    dc_context *c = w->c;
    uint32_t signs[N_NEAREST], code = 0, sum = 3;
    for (int i = 0; i < N_NEAREST; i++) {
        signs[i] = sign_of(m, w->around[i][j]);
        sum += signs[i] == 1 ? 1 : signs[i] == 2 ? UINT32_MAX : 0;
    }
    for (int i = UP_RIGHT; i >= LEFT; i--)
        code = code * 3 + signs[i];
    sum = sum > 0x80000000 ? 0 : least(sum, 6);
    const int32_t lean = m->columns[j].lean;
    const uint32_t column = (uint32_t)(lean < -2 ? 0 : lean > 2 ? 4 : lean + 2);
    const uint32_t corner = j > 0 ? sign_of(m, w->around[LEFT][j - 1]) : 0;
    dc_slot *slots[N] = {
        slot(c, DC_SIGN_LEAN, column),
        slot(c, DC_SIGN_LEFT_UP, code),
        slot(c, DC_SIGN_BALANCE_LEAN, sum * 5 + column),
        slot(c, DC_SIGN_BEFORE_LAST_LEFT,
             sign_of(m, w->before[j]) * 9 + sign_of(m, w->last_code) * 3 + corner),
    };
    for (int i = 0; i < N; i++)
        dc_inherit(slots[i], DC_HALF);
    return dc_code_mixed(c, decoding, is_high, slots, N, &c->mixers[DC_MIXER_SIGN]);
}

/* The rank among n codes of one sign, by halves. */
static inline uint32_t code_rank(dc_walk *w, const int decoding, int64_t j, uint32_t rank,
                                 uint32_t n, uint32_t high, uint32_t nearest)
{
    enum { N = 5 };
    dc_context *c = w->c;
    const dc_row beside = {w->beside.count + w->found.count,
                           w->beside.ranks + w->found.ranks};
    const uint32_t row = mean_class(beside), column = mean_class(w->m->columns[j].found);
    const uint32_t last = w->last_code ? 1 + scaled_rank(w->m, w->last_code) / 16 : 0;
    uint32_t first = 0, end = n, node = 1;
    while (end - first > 1) {
        const uint32_t middle = first + (end - first) / 2;
        const uint32_t top = least(node, 255);
        dc_slot *slots[N] = {
            slot(c, DC_RANK_NODE_SIGN, least(node, 2047) * 2 + high),
            slot(c, DC_RANK_TOP_LAST, top * 8 + last),
            slot(c, DC_RANK_TOP_NEAREST_SIGN, (top * 4 + least(nearest, 3)) * 2 + high),
            slot(c, DC_RANK_TOP_ROW, top * 8 + row),
            slot(c, DC_RANK_TOP_COLUMN_ROW, (top * 8 + column) * 8 + row),
        };
        for (int i = 0; i < N; i++)
            dc_inherit(slots[i], DC_HALF);
        const int upper = dc_code_mixed(c, decoding, rank >= middle, slots, N,
                                        &c->mixers[DC_MIXER_RANK]);
        if (upper)
            first = middle;
        else
            end = middle;
        node = node * 2 + (uint32_t)upper;
    }
    return first;
}

static inline void code_element(dc_walk *w, const int decoding, int64_t j)
{
    const dc_matrix *m = w->m;
    uint32_t nearest = w->before[j] > 0;
    for (int i = 0; i < N_NEAREST; i++)
        nearest += w->around[i][j] > 0;
    if (m->rarity && !code_nonzero(w, decoding, j, nearest)) {
        if (decoding)
            w->codes[j] = 0;
        return;
    }
    const uint32_t n_high = m->n_codes - m->n_low;
    uint32_t code = w->codes[j], high = m->n_low == 0;
    if (m->n_low && n_high)
        high = (uint32_t)code_sign(w, decoding, j, code > m->n_low);
    const uint32_t base = high ? m->n_low + 1 : 1;
    code = base + code_rank(w, decoding, j, code - base, high ? n_high : m->n_low, high,
                            nearest);
    if (decoding)
        w->codes[j] = (uint16_t)code;

    const uint32_t rank = scaled_rank(m, code);
    dc_column *here = &m->columns[j];
    here->found.count++;
    here->found.ranks += rank;
    here->last_row = w->index;
    here->lean += high ? 1 : -1;
    w->found.count++;
    w->found.ranks += rank;
    w->pairs[j] = (uint16_t)(w->pairs[j] + (w->pairs[j] < UINT16_MAX));
    w->last_code = code;
}

static inline int64_t code_matrix(dc_context *c, const int decoding, const dc_matrix *m)
{
    dc_walk w = {.c = c, .m = m};
    for (; w.index < m->n_rows && !c->error; w.index++) {
        w.codes = m->codes + w.index * m->n_columns;
        uint64_t sums[N_NEAREST]; /* non-zeros in those rows */
        w.beside = (dc_row){0, 0};
        for (int i = 0; i < N_AROUND; i++) {
            const int64_t distance = LINES[i] * m->stride + PLACES[i] * m->step;
            const int is_there = distance > 0 && distance <= w.index &&
                                 (LINES[i] == 0 || m->stride > 0);
            w.around[i] = is_there ? w.codes - distance * m->n_columns : m->blank;
            if (i > LEFT_2) /* only those are asked for their sums */
                continue;
            const dc_row row =
                is_there ? m->rows[(w.index - distance) % m->n_kept] : (dc_row){0, 0};
            sums[i] = row.count;
            if (i == LEFT || i == UP) {
                w.beside.count += row.count;
                w.beside.ranks += row.ranks;
            }
        }
        w.before = m->step > 1 && w.index > 0 ? w.codes - m->n_columns : m->blank;
        w.near = class_of(
            2 * w.beside.count + sums[UP_LEFT] + sums[UP_RIGHT] + sums[LEFT_2], 9);
        w.side = m->n_side ? 1 + class_of(m->side[w.index % m->n_side], 6) : 0;
        w.height = dc_bit_length((uint64_t)w.index + 1);
        w.pairs = m->pairs + w.index % m->step * m->n_columns;
        w.found = (dc_row){0, 0};
        for (int64_t j = 0; j < m->n_columns; j++)
            code_element(&w, decoding, j);
        m->rows[w.index % m->n_kept] = w.found;
    }
    return c->error ? c->error : m->n_rows * m->n_columns;
}

int64_t dc_context_codes(dc_context *c, dc_matrix matrix)
{
    const dc_matrix *m = &matrix;
    if (m->n_rows < 1 || m->n_columns < 1 || m->step < 1 || m->step > m->n_rows ||
        m->stride < 0 || m->stride > m->n_rows || m->n_codes < 1 ||
        m->n_low > m->n_codes || m->rarity < 0 || m->rarity > DC_MAX_RARITY ||
        m->n_kept < dc_context_rows(m->n_rows, m->step, m->stride))
        return DC_ERROR_ARGUMENT;
    memset(&c->slots[DC_SLOTS_CODES], 0, (DC_SLOTS - DC_SLOTS_CODES) * sizeof(dc_slot));
    *slot(c, DC_ZERO_MATRIX, 0) = DC_HALF >> (m->rarity ? m->rarity - 1 : 0) | 4;
    return c->decoding ? code_matrix(c, 1, m) : code_matrix(c, 0, m);
}
