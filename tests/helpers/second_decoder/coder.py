"""The range coder, its slots and mixers, and all that is no matrix."""

import bisect
import collections

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
                number = (hashed * 0x85EBCA6B & (1 << 32) - 1) >> 19
                slot = self.slots["text", order, number if order else node]
                slot.inherit(slots[-1].p if order else HALF)
                slots.append(slot)
            known = None if self.priming is None else self.priming >> i & 1
            node = 2 * node + self.mixed("text", slots, known)
        self.before = (self.before << 8 | node & 255) & (1 << 32) - 1
        return node & 255

    def at_half(self, *contexts):
        slots = [self.slots["code", context] for context in contexts]
        for slot in slots:
            slot.inherit(HALF)
        return slots
