"""Changes golden files at random, repairs sizes and checksums, and reads the results.

python tests/helpers/mutations.py --runs 100000 --seed 1

A reader may refuse such a file, by a rule, or read it; then it reads the same again,
and the second decoder does too. It raises nothing else, and takes no more memory than
it was allowed, but for a factor.
"""

import argparse
import lzma
import random
import sys
import time
import tracemalloc
from collections import Counter
from io import BytesIO
from pathlib import Path
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).parents[1]))

from deepcompress.dcz import container, version2
from deepcompress.dcz.assets import plain_size
from deepcompress.dcz.coding.bytestream import varint
from deepcompress.dcz.coding.context import ContextCoder
from deepcompress.dcz.coding.context_tensor import ContextTensor
from deepcompress.dcz.directory import DICTIONARY, seal
from deepcompress.errors import CorruptFileError
from helpers import second_decoder
from helpers.golden import GOLDEN, REFUSED

MAX_BYTES = 1 << 20
# A coder's state, patterns of 64 bits, and what else reading takes besides the arrays.
MOST_MEMORY = 24 * MAX_BYTES
# Large files take long to read, and small ones have all features.
LARGEST = 1 << 13
LARGEST_FOR_BOTH = 500
CORPUS = sorted(
    path
    for folder in (GOLDEN, REFUSED)
    for path in folder.rglob("*.dcz")
    if path.stat().st_size < LARGEST
)
_INTERESTING = [b"\0", b"\1", b"\x7f", b"\x80", b"\xff", varint(1 << 40), b"\xff" * 8]


class Taken(NamedTuple):
    """A file taken apart.

    Attributes:
        number: The version.
        listing: The directory of version 1, or the listing of version 2.
        pieces: The bytes of what it lists with a checksum, in the order of the file.
        arrays: Those of the first section of version 2.
        architecture: That of version 2, packed.
    """

    number: int
    listing: bytes
    pieces: list[bytes]
    arrays: list
    architecture: bytes

    def together(self):
        """The file, with a checksum that is right."""
        if self.number == 1:
            return container.header(1, [self.listing]) + b"".join(self.pieces)
        coder = version2.begin_head(self.listing)
        for array in self.arrays:
            ContextTensor.encode(array, coder)
        return self.with_head(coder.end())

    def with_head(self, head):
        """The file of version 2 with any head."""
        header = container.header(2, [head, self.architecture])
        return header + b"".join(self.pieces)

    def with_piece(self, index, piece):
        """The same with other bytes of what is listed, and their size and checksum."""
        listing = self.listing.replace(seal(self.pieces[index]), seal(piece), 1)
        pieces = [*self.pieces[:index], piece, *self.pieces[index + 1 :]]
        return self._replace(listing=listing, pieces=pieces)


def take_apart(data):
    listed = container.read_directory(BytesIO(data), len(data))

    def cut(section):
        return data[section.offset : section.offset + section.size]

    parts = [cut(section) for section in listed.parts.values()]
    architecture = cut(listed.architecture) if listed.architecture else b""
    sections = [cut(section) for section in listed.sections]
    if listed.version == 1:
        size = listed.end - sum(map(len, [*sections, architecture, *parts])) - 4
        # Behind the magic, the version and the size, which has one byte or two.
        begin = next(at for at in (6, 7, 8) if data[5:at] == varint(size - at))
        pieces = [*sections, *([architecture] if architecture else []), *parts]
        return Taken(1, data[begin:size], pieces, [], b"")
    listing = version2._read_head(ContextCoder(sections[0], version2.LISTINGS))
    with container.read(data) as weights:
        arrays = [weights[entry.name] for entry in listed.in_section(0)]
    return Taken(2, listing, [*sections[1:], *parts], arrays, architecture)


def changed(data, others, rng):
    """Bytes with one to three changes."""
    data = bytearray(data)
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        at = rng.randint(0, len(data))
        end = min(len(data), at + rng.choice((1, 1, 2, 4, 9, 40)))
        match rng.randrange(7):
            case 0 if at < len(data):
                data[at] ^= 1 << rng.randrange(8)
            case 1:
                data[at:end] = rng.choice(_INTERESTING)
            case 2:
                data[at:at] = rng.choice(_INTERESTING)
            case 3:
                del data[at:end]
            case 4:
                data[at:end] = rng.randbytes(end - at)
            case 5:
                data[at:at] = data[at:end]
            case _:
                other = rng.choice(others)
                begin = rng.randint(0, len(other))
                data[at:end] = other[begin : begin + rng.choice((1, 4, 16, 300))]
    return bytes(data)


def repacked(piece, others, rng):
    """The bytes of the part `assets` with a change of what is packed in it."""
    size = plain_size(piece)
    filters = [{"id": lzma.FILTER_LZMA2, "dict_size": 1 << 16}]
    packed = piece[len(varint(size)) :]
    plain = lzma.decompress(packed, lzma.FORMAT_RAW, filters=filters)
    plain = changed(plain[:300], others, rng) + plain[300:]
    packed = lzma.compress(plain, lzma.FORMAT_RAW, filters=filters)
    return varint(len(plain)) + packed


def mutated(taken, others, rng):
    """A file that is almost this one, under checksums that are right."""
    kind = rng.randrange(8)
    if kind == 0:
        return changed(taken.together(), others, rng)  # under one that is wrong
    if kind < 3 or not taken.pieces:
        if taken.number == 2 and rng.randrange(2):
            head = version2.begin_head(taken.listing)
            for array in taken.arrays:
                ContextTensor.encode(array, head)
            return taken.with_head(changed(head.end(), others, rng))
        listing = changed(taken.listing, others, rng)
        return taken._replace(listing=listing).together()
    index = rng.randrange(len(taken.pieces))
    piece = taken.pieces[index]
    if index == len(taken.pieces) - 1 and b"\6assets\0" in taken.listing and kind > 4:
        piece = repacked(piece, others, rng)
    else:
        piece = changed(piece, others, rng)
    return taken.with_piece(index, piece).together()


def read(data):
    """All that a file holds."""
    with container.read(data, max_bytes=MAX_BYTES) as weights:
        weights.verify()
        return (
            {name: (a.dtype, a.shape, a.tobytes()) for name, a in weights.decode()},
            weights.architecture,
            weights.assets,
            dict(weights.parts),
            {name: stats.n_bytes for name, stats in weights.stats().items()},
        )


def outcome(data):
    """What reading says of a file: the rule that is broken, or `"read"`.

    Raises:
        AssertionError: It says something else, says two things, or takes much memory.
    """
    tracemalloc.start()
    try:
        first = read(data)
    except CorruptFileError as error:
        if error.rule is None:
            raise AssertionError(f"{error!r} from {data.hex()}") from error
        return str(error.rule)
    except Exception as error:
        raise AssertionError(f"{error!r} from {data.hex()}") from error
    finally:
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert peak < MOST_MEMORY, f"{peak:,} bytes for {data.hex()}"
    assert read(data) == first, data.hex()
    if len(data) < LARGEST_FOR_BOTH:
        check_twin(data, first)
    return "read"


def check_twin(data, first):
    """Holds the second decoder to what the package has read."""
    tables = DICTIONARY, version2.LISTINGS
    architecture, arrays, assets, parts = second_decoder.read_all(data, *tables)
    plain = None if architecture is None else architecture.decode()
    assert (plain, assets, parts) == first[1:4], data.hex()
    named = {
        name: (dtype.name, shape, content)
        for name, (dtype, shape, content) in first[0].items()
    }
    assert arrays == named, data.hex()


def run(path, n_runs, seed):
    """How often reading said what, of files that are almost the one given."""
    rng = random.Random(f"{path.stem} {seed}")
    others = [other.read_bytes() for other in CORPUS]
    data = path.read_bytes()
    taken = take_apart(data) if path.parent != REFUSED else None
    said = Counter()
    for _ in range(n_runs):
        if taken is None:
            said[outcome(changed(data, others, rng))] += 1
        else:
            said[outcome(mutated(taken, others, rng))] += 1
    return said


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=10_000, help="files to be read")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    said, begin = Counter(), time.monotonic()
    for path in CORPUS:
        said += run(path, -(-options.runs // len(CORPUS)), options.seed)
        print(f"{said.total():9,} files, the last ones like {path.name}", flush=True)
    for what, count in said.most_common():
        print(f"{count:9,} {what}")
    seconds = time.monotonic() - begin
    print(f"{said.total():9,} files in {seconds:.0f} s, without a finding")


if __name__ == "__main__":
    main()
