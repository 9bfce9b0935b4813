/* Layers one after the other, DC_LANES examples at a time, so that what is between them
 * stays in the cache. Each is computed as it would be alone: the bits are the same. */
#include "run/run.h"

enum { AT_ONCE = DC_LANES };

static size_t more(size_t one, size_t other)
{
    return one > other ? one : other;
}

/* Floats of a workspace for a link; SIZE_MAX for what is no link. */
static size_t room_of(const dc_link *link)
{
    const size_t n = link->n_inputs + 1; /* as many as there are active inputs */
    size_t n_sums;
    switch (link->kind) {
    case DC_LINK_TILES:
        n_sums = DC_TILE_OUTPUTS * dc_units(link->n_outputs, DC_TILE_OUTPUTS);
        return DC_TILE_ROWS * n_sums + DC_SPARE;
    case DC_LINK_COLUMNS:
        n_sums = dc_n_blocks(link->n_outputs, link->of.columns.n_bits)
                 << link->of.columns.n_bits;
        return n + DC_LANES * (link->n_inputs + n_sums) + 2 * DC_SPARE;
    case DC_LINK_CODES:
        return n;
    default:
        n_sums = dc_convolve_room(&link->of.convolution);
        return n_sums ? n_sums : SIZE_MAX;
    }
}

/* Floats between the links, for as many rows as are done at once. */
static size_t n_between(const dc_link *links, size_t n_links)
{
    size_t most = 0;
    for (size_t i = 0; i + 1 < n_links; i++)
        most = more(most, links[i].n_outputs);
    return AT_ONCE * most;
}

size_t dc_chain_room(const dc_link *links, size_t n_links)
{
    size_t most = 0;
    for (size_t i = 0; i < n_links; i++) {
        const size_t room = room_of(&links[i]);
        if (room == SIZE_MAX || (i && links[i].n_inputs != links[i - 1].n_outputs))
            return 0;
        most = more(most, room);
    }
    return most + 2 * n_between(links, n_links) + 1;
}

static int64_t run_link(const dc_link *link, int isa, const dc_product *product,
                        float *room)
{
    const size_t n_active = dc_units(link->n_inputs + 1, DC_SPARE) * DC_SPARE;
    uint32_t *active = (uint32_t *)room;
    int64_t result;
    switch (link->kind) {
    case DC_LINK_TILES:
        result = dc_tiles_multiply(product, &link->of.tiles, isa, room);
        break;
    case DC_LINK_COLUMNS:
        result = dc_columns_multiply(product, &link->of.columns, isa, active,
                                     room + n_active);
        break;
    case DC_LINK_CODES:
        result = dc_codes_multiply(product, &link->of.codes, isa, active);
        break;
    default: {
        dc_convolution some = link->of.convolution;
        some.window.n_images = product->n_rows;
        return dc_convolve(&some, isa, product->x, product->y, room);
    }
    }
    if (result >= 0)
        dc_finish(product, link->bias, link->is_rectified);
    return result;
}

int64_t dc_chain_run(const dc_link *links, size_t n_links, int isa, size_t n_rows,
                     const float *x, float *y, float *room)
{
    float *between[2] = {room, room + n_between(links, n_links)};
    float *workspace = between[1] + n_between(links, n_links);
    for (size_t row = 0; row < n_rows; row += AT_ONCE) {
        const size_t n = n_rows - row < AT_ONCE ? n_rows - row : AT_ONCE;
        const float *from = x + row * links[0].n_inputs;
        for (size_t i = 0; i < n_links; i++) {
            const dc_link *link = &links[i];
            float *to = i + 1 < n_links ? between[i % 2] : y + row * link->n_outputs;
            const dc_product product = {from, to, n, link->n_inputs, link->n_outputs};
            if (!dc_are_finite(from, n * link->n_inputs))
                return 1;
            if (run_link(link, isa, &product, workspace) < 0)
                return DC_ERROR_ARGUMENT;
            from = to;
        }
    }
    return 0;
}
