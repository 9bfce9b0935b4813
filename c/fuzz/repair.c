#include "walk.h"

#include <string.h>

/* A listing is only followed as far as it makes sense: where it does not, there is nothing
 * to repair, and the decoder will say so. */
typedef struct {
    uint8_t *data;
    size_t size, at;
    int is_over;
} cursor;

static size_t next(cursor *c)
{
    if (c->at >= c->size) {
        c->is_over = 1;
        return 0;
    }
    return c->data[c->at++];
}

static size_t varint(cursor *c)
{
    uint64_t value = 0;
    for (int shift = 0; shift < 63; shift += 7) {
        const size_t byte = next(c);
        value |= (uint64_t)(byte & 127) << shift;
        if (byte < 128)
            break;
    }
    return (size_t)value;
}

static void skip(cursor *c, size_t n)
{
    c->at += n > c->size - c->at ? c->size - c->at : n;
}

static void put_checksum(cursor *c, const uint8_t *data, size_t n)
{
    const uint32_t crc = crc32_of(data, n);
    for (int i = 0; i < 4; i++, c->at++)
        if (c->at < c->size)
            c->data[c->at] = (uint8_t)(crc >> 8 * i);
        else
            c->is_over = 1;
}

/* The bytes of `file` that come next, held to its end. */
static void seal(cursor *listing, cursor *file, size_t size)
{
    const size_t begin = file->at;
    skip(file, size);
    put_checksum(listing, file->data + begin, file->at - begin);
}

static void repair_listing(cursor *c, cursor *file)
{
    const size_t architecture_size = varint(c), architecture_at = c->at;
    if (architecture_size) {
        skip(c, 4);
        varint(c);
    }
    for (size_t n = varint(c); n && !c->is_over; n--) {
        skip(c, varint(c));
        const size_t n_arrays = varint(c), size = varint(c);
        seal(c, file, size);
        for (size_t i = 0; i < n_arrays && !c->is_over; i++) {
            if (varint(c) == 0)
                skip(c, varint(c));
            size_t rank = next(c) & 7;
            rank = rank == 7 ? varint(c) : rank;
            for (; rank && !c->is_over; rank--)
                varint(c);
        }
    }
    if (architecture_size) {
        cursor back = *c;
        back.at = architecture_at;
        seal(&back, file, architecture_size);
    }
    while (c->at < c->size && !c->is_over) {
        skip(c, varint(c));
        next(c);
        const size_t size = varint(c);
        seal(c, file, size);
    }
}

void repair(uint8_t *data, size_t size)
{
    cursor file = {data, size, 5, 0};
    if (size < 10)
        return;
    const size_t listing_size = varint(&file);
    const size_t packed_size = data[4] == 2 ? varint(&file) : 0;
    cursor listing = file;
    skip(&file, listing_size);
    listing.size = file.at;
    skip(&file, packed_size);
    cursor checksum = file;
    skip(&file, 4);
    if (data[4] == 1)
        repair_listing(&listing, &file);
    put_checksum(&checksum, data, checksum.at);
}
