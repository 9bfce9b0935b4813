/* Text, a byte at a time, predicted from the three bytes before.
 *
 * Four slots give each bit: that of the bits of the byte so far, and those that know
 * one, two or three bytes before too. An order that has not been here yet starts from
 * what the shorter one knows.
 *
 * A node has at most 8 bits while a slot is sought, and a hash is cut to 13: both are
 * below the DC_TEXT_SLOTS slots of their order. */
#include "context/coder.h"

/* A byte, the highest bit first, after the bytes before it, the last of them lowest. */
static inline uint8_t text_byte(dc_context *c, const int decoding, uint8_t byte,
                                uint32_t before)
{
    uint32_t hashes[4] = {0};
    dc_slot *slots[4];
    for (int order = 1; order < 4; order++) {
        uint32_t context = before & (UINT32_MAX >> (32 - 8 * order));
        hashes[order] = (context + 1) * UINT32_C(0x9E3779B1) + (uint32_t)order;
    }
    uint32_t node = 1;
    for (int bit = 7; bit >= 0; bit--) {
        for (uint32_t order = 0; order < 4; order++) {
            uint32_t hash = (hashes[order] + node) * UINT32_C(0x85EBCA6B) >> 19;
            slots[order] = &c->slots[DC_SLOTS_TEXT + order * DC_TEXT_SLOTS +
                                     (order ? hash : node)];
            dc_inherit(slots[order], order ? *slots[order - 1] : DC_HALF);
        }
        node = node << 1 | (uint32_t)dc_code_mixed(c, decoding, byte >> bit & 1, slots,
                                                   4, &c->mixers[DC_MIXER_TEXT]);
    }
    return (uint8_t)node;
}

int64_t dc_context_text(dc_context *c, uint8_t *text, size_t n)
{
    for (size_t i = 0; i < n && !c->error; i++) {
        if (c->decoding)
            text[i] = text_byte(c, 1, 0, c->before);
        else
            text_byte(c, 0, text[i], c->before);
        c->before = c->before << 8 | text[i];
    }
    return c->error ? c->error : (int64_t)n;
}
