"""Slow twins of the compiled kernels, written from the definitions alone."""

import heapq


def huffman_lengths(counts):
    """Code lengths by Huffman's own algorithm: join the two rarest, again and again."""
    heap = [(count, symbol, [symbol]) for symbol, count in enumerate(counts) if count]
    lengths = [0] * len(counts)
    if len(heap) == 1:
        lengths[heap[0][1]] = 1
    heapq.heapify(heap)
    while len(heap) > 1:
        count, tie, symbols = heapq.heappop(heap)
        other_count, other_tie, others = heapq.heappop(heap)
        for symbol in symbols + others:
            lengths[symbol] += 1
        joined = (count + other_count, min(tie, other_tie), symbols + others)
        heapq.heappush(heap, joined)
    return lengths


def limited_cost(counts, limit):
    """The cost of the best code with no length above `limit`, by search.

    Optimal codes give rarer symbols longer codes, so it is enough to try all
    non-decreasing sequences of lengths that satisfy Kraft's equality.
    """
    ordered = sorted((count for count in counts if count), reverse=True)
    n = len(ordered)
    best = [float("inf")]

    def extend(index, length, space, cost):
        if cost >= best[0]:
            return
        if index == n:
            if space == 0:
                best[0] = cost
            return
        for longer in range(length, limit + 1):
            used = 1 << (limit - longer)
            if used <= space:
                extend(index + 1, longer, space - used, cost + ordered[index] * longer)

    extend(0, 1, 1 << limit, 0)
    return best[0]


def canonical_codes(lengths):
    """Codes as strings of bits: by length first, then by symbol, counting up."""
    codes = {}
    code = 0
    previous = 0
    for length, symbol in sorted((n, s) for s, n in enumerate(lengths) if n):
        code <<= length - previous
        codes[symbol] = format(code, f"0{length}b")
        code += 1
        previous = length
    return codes


def pack(bits):
    """A string of bits as bytes, the first bit lowest."""
    padded = bits + "0" * (-len(bits) % 8)
    return bytes(int(padded[i : i + 8][::-1], 2) for i in range(0, len(padded), 8))


def runs(symbols, n_streams):
    """The symbols of each stream: as many in each as can be, the longer ones first."""
    shorter, n_longer = divmod(len(symbols), n_streams)
    ends = [(i + 1) * shorter + min(i + 1, n_longer) for i in range(n_streams)]
    return [symbols[a:b] for a, b in zip([0, *ends], ends, strict=False)]


def encode_streams(symbols, lengths, n_streams):
    """The bytes of each stream."""
    codes = canonical_codes(lengths)
    return [
        pack("".join(codes[symbol] for symbol in run))
        for run in runs(symbols, n_streams)
    ]


def decode_streams(streams, lengths, n):
    """The symbols back, or `None` where the streams do not hold exactly these."""
    symbols_of = {code: symbol for symbol, code in canonical_codes(lengths).items()}
    symbols = []
    for stream, run in zip(streams, runs(range(n), len(streams)), strict=True):
        bits = "".join(format(byte, "08b")[::-1] for byte in stream)
        at = 0
        for _ in run:
            length = 1
            while bits[at : at + length] not in symbols_of:
                length += 1
                if at + length > len(bits):
                    return None
            symbols.append(symbols_of[bits[at : at + length]])
            at += length
        if len(bits) - at >= 8 or "1" in bits[at:]:
            return None
    return symbols


def table_bits(lengths):
    """The table of code lengths as a string of bits."""
    if len(lengths) == 1:
        return ""
    bits = ""
    last = (len(lengths) - 1).bit_length()
    index = 0
    while index < len(lengths):
        length = lengths[index]
        if length == 0:
            run = 0
            while index < len(lengths) and lengths[index] == 0:
                run += 1
                index += 1
            tail = format(run, "b")[1:]
            bits += "1110" + "0" * len(tail) + "1" + tail[::-1]
            continue
        if length == last:
            bits += "0"
        elif length == last + 1:
            bits += "10"
        elif length == last - 1:
            bits += "110"
        else:
            bits += "1111" + format(length - 1, "05b")[::-1]
        last = length
        index += 1
    return bits


def planes(words, n_bytes, turn, fold):
    """The lowest byte of each word, then the next, after its bits were moved.

    They move up by `turn`, and those that fall out come back below. If `fold` is 1, all
    but the lowest are inverted where that is set.
    """
    n_bits = 8 * n_bytes
    words = [divmod(word << turn, 1 << n_bits) for word in words]
    words = [fallen_out + rest for fallen_out, rest in words]
    if fold:
        words = [2**n_bits - word if word % 2 else word for word in words]
    return [[word >> 8 * byte & 255 for word in words] for byte in range(n_bytes)]


def nonzeros(items):
    """Positions and values of what is not zero."""
    found = [(position, item) for position, item in enumerate(items) if item]
    return [position for position, _ in found], [item for _, item in found]


def reversed_position(position, shape):
    """Where an element goes when the axes are reversed, index by index."""
    indices = []
    for length in reversed(shape):
        position, index = divmod(position, length)
        indices.append(index)
    for index, length in zip(indices, reversed(shape), strict=True):
        position = position * length + index
    return position


def gaps_of(positions):
    """The zeros before each position."""
    befores = [-1, *positions[:-1]]
    return [
        position - before - 1
        for position, before in zip(positions, befores, strict=True)
    ]


def gap_symbols(positions, width):
    """Positions as gaps with escapes."""
    escape = 2**width - 1
    symbols = []
    expected = 0
    for position in positions:
        gap = position - expected
        while gap >= escape:
            symbols.append(escape)
            gap -= escape
        symbols.append(gap)
        expected = position + 1
    return symbols


def range_code(events):
    """The bytes of a range coder, as one long fraction that a number falls into.

    An event is a bit and the probability that it is 1, in 65536ths; or a number, how
    many numbers are possible, and anything.
    """
    low, size, digits = 0, (1 << 32) - 1, 4  # in units of 256 to the -digits
    for value, n, *is_number in events:
        if is_number:
            size //= n
            low += value * size
        else:
            ones = (size >> 16) * n
            low, size = (low, ones) if value else (low + ones, size - ones)
        while size < 1 << 24:
            low, size, digits = low << 8, size << 8, digits + 1
    for n_bytes in range(digits - 4, digits + 1):
        unit = 256 ** (digits - n_bytes)
        number = -(-low // unit)
        if number * unit < low + size:
            return number.to_bytes(n_bytes, "big")
    return None
