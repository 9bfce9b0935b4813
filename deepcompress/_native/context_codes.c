#include "context.h"

typedef struct {
    dc_context *c;
    const dc_matrix *m;
    uint16_t *row;                /* the codes of the row that is being coded */
    const uint16_t *left, *up;    /* of the neighbours: one step back in each direction */
    const uint16_t *up_left, *up_right, *left2, *up2, *before;
    int64_t index;
    uint32_t near, previous, side, channel, magnitude; /* classes of the row */
    uint32_t found;                                   /* non-zeros in the row so far */
    uint32_t last_code;
} walk;

/* 0, 1, 2, 3-4, 5-8, 9-16, ... */
static inline uint32_t class_of(uint64_t count, uint32_t last)
{
    uint32_t result = count < 3 ? (uint32_t)count : (uint32_t)(66 - __builtin_clzll(count - 1));
    return result < last ? result : last;
}

static inline dc_slot *slot(dc_context *c, uint32_t kind, uint32_t context)
{
    return &c->slots[DC_SLOTS_CODES + kind * DC_CODE_SLOTS + (context & (DC_CODE_SLOTS - 1))];
}

static inline uint32_t sign_of(const dc_matrix *m, uint32_t code)
{
    return code == 0 ? 0 : code <= m->n_low ? 1 : 2;
}

static inline int is_zero(walk *w, const int decoding, int64_t column, uint32_t *neighbours)
{
    static const uint8_t parents[] = {0, 0, 1, 0, 0, 1, 1, 1, 1};
    dc_context *c = w->c;
    const int64_t j = column;
    dc_column *here = &w->m->columns[j];
    const int has_left = j > 0, has_right = j + 1 < w->m->n_columns;
    uint32_t ring = (w->left[j] > 0) | (uint32_t)(w->up[j] > 0) << 1 |
                    (uint32_t)(w->up_left[j] > 0) << 2 | (uint32_t)(w->up_right[j] > 0) << 3 |
                    (uint32_t)(w->left2[j] > 0) << 4;
    uint32_t around = (uint32_t)__builtin_popcount(ring) + (w->up2[j] > 0);
    ring |= (uint32_t)(w->before[j] > 0) << 5 | (uint32_t)(has_left && w->row[j - 1]) << 6 |
            (uint32_t)(has_left && w->left[j - 1]) << 7 |
            (uint32_t)(has_right && w->left[j + 1]) << 8;
    const uint32_t count = class_of(here->count, 9);
    const uint32_t since = here->count ? class_of((uint64_t)w->index - here->last_row, 11) : 12;
    const uint32_t found = class_of(w->found, 6);
    const uint32_t near = around < 3 ? around : 3, nearest = around < 2 ? around : 2;
    dc_slot *slots[] = {
        slot(c, 0, 0),
        slot(c, 1, count * 64 + w->magnitude),
        &here->slot,
        slot(c, 2, (w->near * 8 + found) * 8 + w->previous),
        slot(c, 3, ring),
        slot(c, 4, (w->side * 10 + count) * 2 + (around > 0)),
        slot(c, 5, (count * 10 + w->near) * 4 + near),
        slot(c, 6, since * 3 + nearest),
        slot(c, 7, ((w->channel * 10 + count) * 7 + found) * 2 + (w->side > 1)),
    };
    *neighbours = near;
    return !dc_code_mixed(c, decoding, w->row[j] > 0, slots, parents, 9,
                          &c->mixers[DC_MIXER_ZERO + nearest]);
}

static inline uint32_t balance(const dc_matrix *m, const walk *w, int64_t j)
{
    const uint32_t codes[] = {w->left[j], w->up[j], w->up_left[j], w->up_right[j],
                              w->left2[j], w->up2[j]};
    int32_t sum = 3;
    for (int i = 0; i < 6; i++)
        sum += sign_of(m, codes[i]) == 1 ? 1 : sign_of(m, codes[i]) == 2 ? -1 : 0;
    return (uint32_t)(sum < 0 ? 0 : sum > 6 ? 6 : sum);
}

static inline int is_high(walk *w, const int decoding, int64_t j, int bit)
{
    static const uint8_t parents[6] = {0};
    const dc_matrix *m = w->m;
    dc_context *c = w->c;
    const dc_column *here = &m->columns[j];
    const int32_t lean = here->balance > 2 ? 2 : here->balance < -2 ? -2 : here->balance;
    const uint32_t column = (uint32_t)(lean + 2);
    dc_slot *slots[] = {
        slot(c, 8, 0),
        slot(c, 9, column),
        slot(c, 10, sign_of(m, w->left[j]) + 3 * sign_of(m, w->up[j]) +
                        9 * sign_of(m, w->up_left[j]) + 27 * sign_of(m, w->up_right[j])),
        slot(c, 11, sign_of(m, here->last_code) * 3 + (j ? sign_of(m, w->row[j - 1]) : 0)),
        slot(c, 12, balance(m, w, j) * 5 + column),
        slot(c, 13, sign_of(m, w->before[j]) * 3 + sign_of(m, w->last_code)),
    };
    return dc_code_mixed(c, decoding, bit, slots, parents, 6, &c->mixers[DC_MIXER_SIGN]);
}

/* Which quarter of the codes of its sign a code is in, from 1; 0 for a zero. */
static inline uint32_t quarter(const dc_matrix *m, uint32_t code)
{
    if (code == 0)
        return 0;
    return code <= m->n_low ? 1 + 4 * (code - 1) / m->n_low
                            : 1 + 4 * (code - 1 - m->n_low) / (m->n_codes - m->n_low);
}

static inline uint32_t rank(walk *w, const int decoding, int64_t j, uint32_t value, uint32_t n,
                            uint32_t high, uint32_t neighbours)
{
    static const uint8_t parents[6] = {0};
    dc_context *c = w->c;
    const dc_column *here = &w->m->columns[j];
    const uint32_t column = quarter(w->m, here->last_code), last = quarter(w->m, w->last_code);
    const uint32_t count = class_of(here->count, 9);
    uint32_t first = 0, end = n, node = 1;
    while (end - first > 1) {
        const uint32_t middle = first + (end - first) / 2;
        const uint32_t short_node = node & 255;
        dc_slot *slots[] = {
            slot(c, 14, node),
            slot(c, 15, node * 2 + high),
            slot(c, 16, short_node * 8 + column),
            slot(c, 17, short_node * 8 + last),
            slot(c, 18, (short_node * 4 + neighbours) * 2 + high),
            slot(c, 19, short_node * 16 + count),
        };
        const int upper = dc_code_mixed(c, decoding, value >= middle, slots, parents, 6,
                                        &c->mixers[DC_MIXER_RANK]);
        if (upper)
            first = middle;
        else
            end = middle;
        node = node * 2 + (uint32_t)upper;
    }
    return first;
}

static inline uint32_t nonzero(walk *w, const int decoding, int64_t j, uint32_t code,
                               uint32_t neighbours)
{
    const dc_matrix *m = w->m;
    const uint32_t n_high = m->n_codes - m->n_low;
    uint32_t high = m->n_low == 0;
    if (m->n_low && n_high)
        high = (uint32_t)is_high(w, decoding, j, code > m->n_low);
    const uint32_t first = high ? m->n_low + 1 : 1;
    code = first + rank(w, decoding, j, code - first, high ? n_high : m->n_low, high, neighbours);
    dc_column *here = &m->columns[j];
    here->balance += high ? 1 : -1;
    here->last_code = code;
    here->last_row = (uint32_t)w->index;
    here->count++;
    w->last_code = code;
    return code;
}

static inline int64_t matrix(dc_context *c, const int decoding, const dc_matrix *m)
{
    walk w = {.c = c, .m = m};
    const int64_t width = m->n_columns;
    const int64_t step = m->step, stride = m->stride;
    for (w.index = 0; w.index < m->n_rows && !c->error; w.index++) {
        const int64_t r = w.index;
        w.row = m->codes + r * width;
#define ROW(distance) ((distance) > 0 && r >= (distance) ? w.row - (distance) * width : m->blank)
#define SUM(distance) ((distance) > 0 && r >= (distance) ? m->rows[r - (distance)] : 0)
        w.left = ROW(step);
        w.left2 = ROW(2 * step);
        w.up = ROW(stride);
        w.up2 = ROW(2 * stride);
        w.up_left = ROW(stride ? stride + step : 0);
        w.up_right = ROW(stride - step);
        w.before = ROW(step > 1 ? 1 : 0);
        w.near = class_of(2 * (uint64_t)SUM(step) + 2 * (uint64_t)SUM(stride) +
                              SUM(stride ? stride + step : 0) + SUM(stride - step) +
                              SUM(2 * step), 9);
        w.previous = class_of(SUM(step > 1 ? 1 : step), 5);
        w.side = m->n_side ? 1 + class_of(m->side[r % m->n_side], 6) : 0;
        uint32_t *channel = &m->channels[r % step];
        w.channel = class_of(*channel, 7);
        w.magnitude = (uint32_t)(64 - __builtin_clzll((uint64_t)r + 1));
        w.found = 0;
        for (int64_t j = 0; j < width; j++) {
            uint32_t neighbours;
            if (m->rarity == 0) {
                neighbours = 3;
            } else if (is_zero(&w, decoding, j, &neighbours)) {
                if (decoding)
                    w.row[j] = 0;
                continue;
            }
            uint32_t code = nonzero(&w, decoding, j, w.row[j], neighbours);
            if (decoding)
                w.row[j] = (uint16_t)code;
            w.found++;
        }
        *channel += w.found;
        m->rows[r] = w.found;
    }
#undef ROW
#undef SUM
    return c->error ? c->error : m->n_rows * width;
}

int64_t dc_context_codes(dc_context *c, dc_matrix matrix_of)
{
    const dc_matrix *m = &matrix_of;
    if (m->n_rows < 1 || m->n_columns < 1 || m->step < 1 || m->step > m->n_rows || m->stride < 0 ||
        m->stride > m->n_rows || m->n_low > m->n_codes || m->n_codes < 1 ||
        m->rarity < 0 || m->rarity > DC_MAX_RARITY)
        return DC_ERROR_ARGUMENT;
    c->slots[DC_SLOTS_CODES] = (UINT32_C(1) << 31 >> (m->rarity ? m->rarity - 1 : 0)) | 6;
    return c->decoding ? matrix(c, 1, m) : matrix(c, 0, m);
}
