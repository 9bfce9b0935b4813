"""A decoder for `.dcz` files written from docs/format.md alone.

It shares no code with the package, knows no C, and takes its time. What it reads
must be what `deepcompress.read` reads.
"""

import bisect
import collections
import struct
import zlib
from math import isqrt, prod

DTYPES = (
    "bool int8 uint8 int16 uint16 int32 uint32 int64 uint64 float16 float32 float64 "
    "complex64 complex128 bfloat16 float8_e4m3fn float8_e5m2"
).split()
SIZES = (1, 1, 1, 2, 2, 4, 4, 8, 8, 2, 4, 8, 8, 16, 2, 1, 1)
NAMES = (
    "kernel bias gamma beta moving_mean moving_variance embeddings recurrent_kernel "
    "depthwise_kernel pointwise_kernel"
).split()


class Bytes:
    def __init__(self, data):
        self.data = data
        self.at = 0

    def take(self, n):
        self.at += n
        assert self.at <= len(self.data)
        return self.data[self.at - n : self.at]

    def byte(self):
        return self.take(1)[0]

    def varint(self):
        value = shift = 0
        while True:
            byte = self.byte()
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return value

    def string(self):
        return self.take(self.varint()).decode()


class Bits:
    """The bits of some bytes, the lowest of each byte first."""

    def __init__(self, data, begin=0):
        self.data = data
        self.at = 8 * begin

    def bit(self):
        bit = self.data[self.at // 8] >> self.at % 8 & 1
        self.at += 1
        return bit

    def number(self, n):
        return sum(self.bit() << i for i in range(n))


def code_table(source, n_symbols):
    if n_symbols == 1:
        return [1]
    bits = Bits(source.data, source.at)
    lengths = []
    last = (n_symbols - 1).bit_length()
    while len(lengths) < n_symbols:
        ones = 0
        while ones < 4 and bits.bit():
            ones += 1
        if ones == 3:
            zeros = 0
            while not bits.bit():
                zeros += 1
            lengths += [0] * ((1 << zeros) + bits.number(zeros))
            continue
        last = {0: last, 1: last + 1, 2: last - 1}.get(ones) or bits.number(5) + 1
        lengths.append(last)
    source.at = (bits.at + 7) // 8
    return lengths


def symbols(source, n_symbols, n):
    lengths = code_table(source, n_symbols)
    used = [symbol for symbol, length in enumerate(lengths) if length]
    if len(used) == 1:
        return used * n
    codes = {}
    code = previous = 0
    for length, symbol in sorted((lengths[s], s) for s in used):
        code <<= length - previous
        codes[length, code] = symbol
        code += 1
        previous = length
    n_streams = 1 if n < 1 << 16 else 4 * -(-n // (1 << 22))
    sizes = [source.varint() for _ in range(n_streams)]
    decoded = []
    for index, size in enumerate(sizes):
        bits = Bits(source.take(size))
        for _ in range(n // n_streams + (index < n % n_streams)):
            length = code = 0
            while (length, code) not in codes:
                code = code << 1 | bits.bit()
                length += 1
            decoded.append(codes[length, code])
    return decoded


def tensor(source, itemsize, shape):
    flags = source.byte()
    has_gaps, has_codebook, is_reversed = flags & 1, flags & 2, flags & 4
    width = flags >> 4
    n = stored = prod(shape)
    positions = list(range(n))
    if has_gaps:
        stored = source.varint()
        positions = []
        if stored:
            at = 0
            escape = (1 << width) - 1
            for gap in symbols(source, 1 << width, stored + source.varint()):
                at += gap
                if gap < escape:
                    positions.append(at)
                    at += 1
    if has_codebook:
        n_values = source.varint()
        codebook = [source.take(itemsize) for _ in range(n_values)]
        values = [codebook[code] for code in symbols(source, n_values, stored)]
    else:
        values = [source.take(itemsize) for _ in range(stored)]
    scan = [bytes(itemsize)] * n
    for position, value in zip(positions, values, strict=True):
        scan[position] = value
    if is_reversed:
        scan = transposed(scan, shape)
    return b"".join(scan)


def transposed(scan, shape):
    """Elements in the order of the reversed axes, put back into the order of rows."""
    strides = [prod(shape[:axis]) for axis in range(len(shape))]
    order = []
    for flat in range(len(scan)):
        rest, at = flat, 0
        for axis in reversed(range(len(shape))):
            rest, index = divmod(rest, shape[axis])
            at += index * strides[axis]
        order.append(scan[at])
    return order


def read(data, dictionary, listings=b""):
    """Returns the architecture, and dtype, shape and bytes of each array by name."""
    source = Bytes(data)
    assert source.take(4) == b"\x89DCZ"
    version = source.byte()
    if version == 2:
        return read_version_2(data, dictionary, listings)
    assert version == 1
    size = source.varint()
    end = source.at + size
    (checksum,) = struct.unpack("<I", data[end : end + 4])
    assert checksum == zlib.crc32(data[:end])

    architecture_size = source.varint()
    if architecture_size:
        (architecture_checksum,) = struct.unpack("<I", source.take(4))
        plain_size = source.varint()
    sections = []
    for _ in range(source.varint()):
        layer, n_arrays, size = source.string(), source.varint(), source.varint()
        (checksum,) = struct.unpack("<I", source.take(4))
        entries = []
        for _ in range(n_arrays):
            known = source.varint()
            leaf = NAMES[known - 1] if known else source.string()
            kind = source.byte()
            rank = kind % 8
            if rank == 7:
                rank = source.varint()
            shape = tuple(source.varint() for _ in range(rank))
            entries.append((f"{layer}/{leaf}" if layer else leaf, kind // 8, shape))
        sections.append((size, checksum, entries))
    assert source.at == end

    source.at = end + 4
    arrays = {}
    for size, checksum, entries in sections:
        section = Bytes(source.take(size))
        assert zlib.crc32(section.data) == checksum
        for name, dtype, shape in entries:
            content = tensor(section, SIZES[dtype], shape)
            arrays[name] = DTYPES[dtype], shape, content
        assert section.at == size
    architecture = None
    if architecture_size:
        packed = source.take(architecture_size)
        assert zlib.crc32(packed) == architecture_checksum
        inflate = zlib.decompressobj(wbits=-15, zdict=dictionary)
        architecture = inflate.decompress(packed)
        assert len(architecture) == plain_size
    assert source.at == len(data)
    return architecture, arrays


# ---- Version 2 ---------------------------------------------------------------------

KNOTS = (
    "103 170 280 462 762 1256 2070 3413 5626 9274 15285 25186 41484 68286 112287 "
    "184330 301759 491778 795674 1272689 1999893 3060592 4512088 6334081 8388608"
)
KNOTS = [int(knot) for knot in KNOTS.split()]
KNOTS += [(1 << 24) - knot for knot in reversed(KNOTS[:-1])]


def squash(logit):
    whole, part = divmod(logit + 3072, 128)
    p = (KNOTS[whole] * (128 - part) + KNOTS[whole + 1] * part) >> 15
    return min(max(p, 1), 65535)


SQUASHED = [squash(logit) for logit in range(-3071, 3072)]
# The least logit whose probability is not below p.
LOGITS = [bisect.bisect_left(SQUASHED[:-1], p) - 3071 for p in range(65536)]
WEIGHTS = {
    "text": (30, 60, 80, 110),
    "zero": (-5, 42, 59, 28, 38, 10, 34, 36, 15),
    "sign": (27, 163, 98, 7),
    "rank": (35, 18, 22, 93, 28),
}
HALF = 1 << 21


class Slot:
    """An adaptive probability that a bit is 1, and how often it was used."""

    def __init__(self):
        self.p, self.count = HALF, 0

    def inherit(self, p):
        if self.count == 0:
            self.p = p

    def update(self, bit):
        target = (1 << 22) - 1 if bit else 0
        self.p += (target - self.p) * (131072 // (2 * self.count + 3)) >> 16
        self.count = min(self.count + 1, 800)


class Mixer:
    def __init__(self, kind):
        self.weights = [256 * weight for weight in WEIGHTS[kind]]
        self.used = 0


class Coder:
    """Reads a context-coded section."""

    def __init__(self, data, primer=b""):
        self.data = data
        self.priming = None
        self.mixers = {kind: Mixer(kind) for kind in WEIGHTS}
        self.slots = collections.defaultdict(Slot)
        self.before = 0
        self.side = []
        self.events = []  # what was decoded, for whoever wants to encode it again
        for byte in primer:
            self.priming = byte
            self.text_byte()
        self.priming = None
        self.range = (1 << 32) - 1
        self.code = int.from_bytes((data + bytes(4))[:4], "big")
        self.at = 4

    def next_byte(self):
        self.at += 1
        assert self.at <= len(self.data) + 4
        return self.data[self.at - 1] if self.at <= len(self.data) else 0

    def normalize(self):
        while self.range < 1 << 24:
            self.range = self.range << 8
            self.code = self.code << 8 | self.next_byte()

    def bit(self, p):
        bound = (self.range >> 16) * p
        bit = self.code < bound
        self.events.append((bit, p))
        if bit:
            self.range = bound
        else:
            self.code -= bound
            self.range -= bound
        self.normalize()
        return int(bit)

    def below(self, n):
        self.range //= n
        value = self.code // self.range
        assert value < n
        self.events.append((value, n, "equally likely"))
        self.code -= value * self.range
        self.normalize()
        return value

    def adaptive(self, *name):
        slot = self.slots[name]
        bit = self.bit(min(max(slot.p >> 6, 32), 65504))
        slot.update(bit)
        return bit

    def mixed(self, kind, slots, known=None):
        mixer = self.mixers[kind]
        logits = []
        for slot in slots:
            p = slot.p >> 6
            rough = p if p < 2048 or p >= 65536 - 2048 else p // 32 * 32 + 16
            logits.append(LOGITS[rough])
        total = sum(w * x for w, x in zip(mixer.weights, logits, strict=True)) >> 16
        p = squash(min(max(total, -3071), 3071))
        bit = self.bit(p) if known is None else known
        rate = 32 + 32 // (1 + mixer.used // 16)
        mixer.used = min(mixer.used + 1, 65536)
        error = (65536 * bit - p) * rate
        for i, (slot, logit) in enumerate(zip(slots, logits, strict=True)):
            mixer.weights[i] += logit * error + (1 << 21) >> 22
            slot.update(bit)
        return bit

    def tree(self, n, *name):
        node = 1
        for _ in range(n):
            node = 2 * node + self.adaptive(*name, node)
        return node - (1 << n)

    def flat(self, n):
        value = 0
        while n:
            step = min(n, 16)
            value = value << step | self.below(1 << step)
            n -= step
        return value

    def up_to(self, last):
        shift = max(last.bit_length() - 16, 0)
        value = self.below((last >> shift) + 1) << shift
        value |= self.flat(shift)
        assert value <= last
        return value

    def number(self, context):
        length = 0
        while length < 63 and self.adaptive("length", context, length):
            length += 1
        rest = self.tree(length, context, length) if length <= 5 else self.flat(length)
        return (1 << length) + rest - 1

    def pattern(self, n_bits, n_top):
        top = self.tree(n_top, "top")
        return top << n_bits - n_top | self.flat(n_bits - n_top)

    def ascending(self, n, n_bits, n_top):
        ends = [self.pattern(n_bits, n_top) for _ in range(min(n, 2))]
        values = dict(zip((0, n - 1), ends, strict=False))

        def between(first, last):
            if last - first < 2:
                return
            middle = (first + last) // 2
            least = values[first] + middle - first
            most = values[last] - (last - middle)
            values[middle] = least + self.up_to(most - least)
            between(first, middle)
            between(middle, last)

        between(0, n - 1)
        return [values[i] for i in range(n)]

    def codebook(self, n, n_bits, n_top):
        n_low = self.up_to(n)
        low = self.ascending(n_low, n_bits - 1, n_top - 1)
        high = self.ascending(n - n_low, n_bits - 1, n_top - 1)
        return low + [value | 1 << n_bits - 1 for value in high], n_low

    def text_byte(self):
        node = 1
        for i in reversed(range(8)):
            slots = []
            for order in range(4):
                context = (self.before & (1 << 8 * order) - 1) + 1
                hashed = context * 0x9E3779B1 + order + node
                place = (hashed * 0x85EBCA6B & (1 << 32) - 1) >> 19
                slot = self.slots["text", order, place if order else node]
                slot.inherit(slots[-1].p if order else HALF)
                slots.append(slot)
            known = None if self.priming is None else self.priming >> i & 1
            node = 2 * node + self.mixed("text", slots, known)
        self.before = (self.before << 8 | node & 255) & (1 << 32) - 1
        return node & 255

    def codes(self, *arguments):
        """The codes of a matrix, row after row."""
        self.slots = {n: s for n, s in self.slots.items() if n[0] != "code"}
        self.slots = collections.defaultdict(Slot, self.slots)
        matrix = MatrixDecoder(self, *arguments)
        for r in range(matrix.n_rows):
            matrix.decode_row(r)
        if matrix.width > 1:
            self.side = [len(column.ranks) for column in matrix.columns]
        return [code for row in matrix.rows for code in row]

    def at_half(self, *contexts):
        slots = [self.slots["code", context] for context in contexts]
        for slot in slots:
            slot.inherit(HALF)
        return slots


# Lines and places back from a row.
AROUND = [(0, 1), (1, 0), (1, 1), (1, -1), (0, 2), (2, 0)]
AROUND += [(0, 3), (1, -3), (1, -2), (1, 2), (1, 3), (2, -2), (2, -1), (2, 1), (2, 2)]
AROUND += [(3, -1), (3, 0), (3, 1)]


class Column:
    def __init__(self):
        self.slot, self.ranks, self.last, self.lean = Slot(), [], 0, 0


class MatrixDecoder:
    def __init__(self, coder, n_rows, width, step, stride, n_codes, n_low, rarity):  # noqa: PLR0917
        self.coder, self.n_rows, self.width = coder, n_rows, width
        self.step, self.stride = step, stride
        self.n_codes, self.n_low, self.rarity = n_codes, n_low, rarity
        self.first = coder.slots["code", 0]
        self.first.p, self.first.count = HALF >> max(rarity - 1, 0), 4
        self.rows = [[0] * width for _ in range(n_rows)]
        self.columns = [Column() for _ in range(width)]
        self.found = []  # of each row, the scaled ranks of its non-zeros
        self.pairs = collections.Counter()
        has_side = coder.side and n_rows % len(coder.side) == 0
        self.side = coder.side if has_side else []
        self.last_code = 0

    def sign(self, code):
        return 0 if code == 0 else 1 if code <= self.n_low else 2

    def scaled_rank(self, code):
        rank, n = code - 1, self.n_low
        if code > n:
            rank, n = rank - n, self.n_codes - n
        return 64 * rank // n

    def row_before(self, r, line, place):
        back = line * self.stride + place * self.step
        there = 0 < back <= r and (line == 0 or self.stride > 0)
        return r - back if there else None

    def decode_row(self, r):
        self.found.append([])
        rows = [self.row_before(r, *where) for where in AROUND]
        sums = [0 if row is None else len(self.found[row]) for row in rows]
        near = count_class(2 * sums[0] + 2 * sums[1] + sum(sums[2:5]), 9)
        side = 0
        if self.side:
            side = 1 + count_class(self.side[r % len(self.side)], 6)
        beside = [self.found[row] for row in rows[:2] if row is not None]
        for j in range(self.width):
            around = [0 if row is None else self.rows[row][j] for row in rows]
            before = self.rows[r - 1][j] if self.step > 1 and r > 0 else 0
            nearest = sum(code > 0 for code in [*around[:6], before])
            neighbours = around, nearest
            if self.rarity and not self.nonzero(r, j, neighbours, near, side):
                continue
            corner = 0
            if rows[0] is not None and j > 0:
                corner = self.rows[rows[0]][j - 1]
            high = self.high(j, around, before, corner)
            row_mean = mean_class([*self.found[r], *(x for f in beside for x in f)])
            rank = self.rank(j, high, nearest, row_mean)
            self.add(r, j, 1 + rank + (self.n_low if high else 0), high)

    def nonzero(self, r, j, neighbours, near, side):
        around, nearest = neighbours
        column = self.columns[j]
        n_around = sum(code > 0 for code in around)
        own = count_class(len(column.ranks), 9)
        others = [k for k in range(j - 2, j + 3) if k != j and 0 <= k < self.width]
        columns = count_class(sum(len(self.columns[k].ranks) for k in others), 11)
        since = count_class(r - column.last, 11) if column.ranks else 12
        pair = count_class(self.pairs[r % self.step, j], 7)
        found = count_class(len(self.found[r]), 6)
        contexts = (
            (1, since, min(nearest, 2)),
            (2, pair, min(n_around, 7), own),
            (3, min(n_around, 11), near),
            (4, columns, own),
            (5, side, near, found),
            (6, (j + 1).bit_length(), (r + 1).bit_length()),
            (7, columns, near, min(nearest, 3)),
        )
        slots = [self.first, column.slot]
        slots += [self.coder.slots["code", context] for context in contexts]
        for slot in slots[1:]:
            slot.inherit(self.first.p)
        return self.coder.mixed("zero", slots)

    def high(self, j, around, before, corner):
        if not 0 < self.n_low < self.n_codes:
            return int(self.n_low == 0)
        signs = [self.sign(code) for code in around[:6]]
        total = min(max(signs.count(1) - signs.count(2), -3), 3)
        lean = min(max(self.columns[j].lean, -2), 2)
        others = [self.sign(code) for code in (before, self.last_code, corner)]
        slots = self.coder.at_half(
            (8, lean), (9, *signs[:4]), (10, total, lean), (11, *others)
        )
        return self.coder.mixed("sign", slots)

    def rank(self, j, high, nearest, row_mean):
        begin, end = 0, self.n_codes - self.n_low if high else self.n_low
        node = 1
        column_mean = mean_class(self.columns[j].ranks)
        last = 1 + self.scaled_rank(self.last_code) // 16 if self.last_code else 0
        while end - begin > 1:
            top = min(node, 255)
            slots = self.coder.at_half(
                (12, min(node, 2047), high),
                (13, top, last),
                (14, top, min(nearest, 3), high),
                (15, top, row_mean),
                (16, top, column_mean, row_mean),
            )
            middle = (begin + end) // 2
            upper = self.coder.mixed("rank", slots)
            begin, end = (middle, end) if upper else (begin, middle)
            node = 2 * node + upper
        return begin

    def add(self, r, j, code, high):
        column = self.columns[j]
        self.rows[r][j] = self.last_code = code
        column.ranks.append(self.scaled_rank(code))
        self.found[r].append(self.scaled_rank(code))
        column.last = r
        column.lean += 1 if high else -1
        self.pairs[r % self.step, j] += 1


def mean_class(ranks):
    return 1 + 7 * sum(ranks) // (64 * len(ranks)) if ranks else 0


def count_class(count, last):
    return min(count if count < 3 else 1 + (count - 1).bit_length(), last)


def context_array(coder, dtype, shape):
    """The bytes of an array."""
    itemsize = SIZES[dtype]
    size = prod(shape)
    if size == 0:
        return b""
    method = coder.number(0)
    if method == 2:
        return bytes(size * itemsize)
    if method == 3:
        n = coder.number(5)
        words = [coder.pattern(32, 1) for _ in range(-(-n // 4))]
        content = Bytes(b"".join(word.to_bytes(4, "little") for word in words)[:n])
        decoded = tensor(content, itemsize, shape)
        assert content.at == n
        return decoded
    width = shape[-1] if len(shape) > 1 else 1
    step, stride = neighbours(coder, shape)
    n_codes = n_low = 1
    if method == 0:
        n_codes = coder.number(3) + 1
        shift = coder.number(2)
        n_bits = 8 * itemsize - shift
        n_top = min({9: 6, 10: 9, 11: 12, 14: 9}.get(dtype, 8), n_bits)
        codebook, n_low = coder.codebook(n_codes, n_bits, n_top)
    rarity = coder.number(1)
    codes = coder.codes(size // width, width, step, stride, n_codes, n_low, rarity)
    if method == 0:
        patterns = [codebook[code - 1] << shift if code else 0 for code in codes]
    else:
        shift = coder.number(2)
        n_bits = 8 * itemsize - shift
        n_top = min({9: 6, 10: 9, 11: 12, 14: 9}.get(dtype, 8), n_bits)
        patterns = [
            coder.pattern(n_bits, n_top) << shift if code else 0 for code in codes
        ]
    return b"".join(pattern.to_bytes(itemsize, "little") for pattern in patterns)


def neighbours(coder, shape):
    if len(shape) < 2:
        return 1, 0
    if len(shape) > 2:
        return shape[-2], shape[-3] * shape[-2]
    geometry = coder.number(4)
    if geometry == 0:
        return 1, 0
    channels = (1, 3, len(coder.side))[geometry - 1]
    edge = isqrt(shape[0] // channels)
    assert edge > 1
    assert edge * edge * channels == shape[0]
    return channels, edge * channels


def read_version_2(data, dictionary, listings):
    source = Bytes(data)
    source.take(5)
    head_size, packed_size = source.varint(), source.varint()
    head = Coder(source.take(head_size), listings)
    packed = source.take(packed_size)
    (checksum,) = struct.unpack("<I", data[source.at : source.at + 4])
    assert checksum == zlib.crc32(data[: source.at])
    source.take(4)

    size = head.number(6)
    listing = Bytes(bytes(head.text_byte() for _ in range(size)))
    plain_size = listing.varint() if packed_size else 0
    sections = []
    shape = ()
    for index in range(listing.varint() + 1):
        coder = head
        if index:
            section = source.take(listing.varint())
            (checksum,) = struct.unpack("<I", listing.take(4))
            assert checksum == zlib.crc32(section)
            coder = Coder(section)
        entries = []
        for _ in range(listing.varint()):
            layer = listing.string()
            for _ in range(listing.varint()):
                known = listing.varint()
                leaf = NAMES[known - 1] if known else listing.string()
                kind = listing.byte()
                rank = kind % 8
                if rank == 7:
                    rank = listing.varint()
                lengths = [listing.varint() for _ in range(rank)]
                shape = tuple(n - 1 if n else shape[-1] for n in lengths)
                entries.append((f"{layer}/{leaf}" if layer else leaf, kind // 8, shape))
        sections.append((coder, entries))
    assert listing.at == size
    assert source.at == len(data)

    arrays = {}
    for coder, entries in sections:
        for name, dtype, shape in entries:
            arrays[name] = DTYPES[dtype], shape, context_array(coder, dtype, shape)
        assert coder.at >= len(coder.data)
    architecture = None
    if packed_size:
        inflate = zlib.decompressobj(wbits=-15, zdict=dictionary)
        architecture = inflate.decompress(packed)
        assert len(architecture) == plain_size
    return architecture, arrays
