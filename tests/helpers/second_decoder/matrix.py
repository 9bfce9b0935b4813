"""A matrix of codes, told by their neighbours."""

import collections

from helpers.second_decoder.coder import HALF, Slot

# Lines and pixels back from a row.
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

    def row_before(self, r, line, pixel):
        back = line * self.stride + pixel * self.step
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


def codes(coder, *arguments):
    """The codes of a matrix, row after row."""
    coder.slots = {n: s for n, s in coder.slots.items() if n[0] != "code"}
    coder.slots = collections.defaultdict(Slot, coder.slots)
    matrix = MatrixDecoder(coder, *arguments)
    for r in range(matrix.n_rows):
        matrix.decode_row(r)
    if matrix.width > 1:
        coder.side = [len(column.ranks) for column in matrix.columns]
    return [code for row in matrix.rows for code in row]
