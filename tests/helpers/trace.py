"""Writes the trace of docs/readers.md: what a reader of version 2 does, step by step.

python tests/helpers/trace.py
"""

import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))

from deepcompress.dcz import version2
from helpers.arrays import dumps
from helpers.second_decoder import matrix
from helpers.second_decoder.basics import Bytes
from helpers.second_decoder.coder import Coder

PAGE = Path(__file__).parents[2] / "docs" / "readers.md"
MOST_EVENTS = 24


def example():
    """The arrays of the example of docs/format.md."""
    kernel = np.zeros((6, 8), "float32")
    kernel[[0, 1, 3, 4, 5], [2, 2, 2, 6, 2]] = 0.5
    kernel[[1, 2], [6, 2]] = -0.25
    return {"dense/kernel": kernel, "dense/steps": np.array(7, "int8")}


def data():
    """The example in version 2."""
    return dumps(example(), coder="context")


def event(told):
    value, p, *flat = told
    return f"{int(value)} of {p}" if flat else f"{int(value)}/{p}"


def trace():
    """The steps, a paragraph each."""
    source = Bytes(data())
    source.take(5)
    size, _ = source.varint(), source.varint()
    coder = Coder(source.take(size), version2.LISTINGS)
    steps = []

    def step(what, read):
        begin, state = len(coder.events), f"{coder.range:08x} {coder.code:08x}"
        value = read()
        events = [event(told) for told in coder.events[begin:]]
        rest = len(events) - MOST_EVENTS
        told = events[:MOST_EVENTS] + ([f"and {rest} more"] if rest > 0 else [])
        lines = [" ".join(told[i : i + 8]) for i in range(0, len(told), 8)]
        steps.append([f"{state}  {what}: {value}", *(f"    {line}" for line in lines)])
        return value

    n = step("bytes of the listing, number of context 6", lambda: coder.number(6))
    listing = [step(f"byte {i} of it", coder.text_byte) for i in range(2)]
    step(
        "all others, hexadecimal",
        lambda: bytes(coder.text_byte() for _ in range(n - len(listing))).hex(" "),
    )
    step("dense/kernel, its method", lambda: coder.number(0))
    step("geometry", lambda: coder.number(4))
    n_codes = 1 + step("patterns in the codebook, less 1", lambda: coder.number(3))
    shift = step("shift", lambda: coder.number(2))
    n_bits = 32 - shift
    patterns, n_low = step(
        "patterns, and how many have a highest bit of 0",
        lambda: coder.codebook(n_codes, n_bits, min(9, n_bits)),
    )
    rarity = step("rarity", lambda: coder.number(1))
    step(
        "the codes, row by row",
        lambda: rows(matrix.codes(coder, 6, 8, 1, 0, len(patterns), n_low, rarity)),
    )
    step("dense/steps, its method", lambda: coder.number(0))
    step("patterns in the codebook, less 1", lambda: coder.number(3))
    shift = step("shift", lambda: coder.number(2))
    step(
        "pattern, and how many have ...",
        lambda: coder.codebook(1, 8 - shift, 8 - shift),
    )
    step("rarity", lambda: coder.number(1))
    step("the code", lambda: matrix.codes(coder, 1, 1, 1, 0, 1, 1, 0))
    end = (
        f"{coder.range:08x} {coder.code:08x}  the end: {coder.at} bytes have been read"
    )
    return "".join("\n".join(lines) + "\n" for lines in [*steps, [end]])


def rows(codes):
    return " ".join("".join(map(str, codes[i : i + 8])) for i in range(0, 48, 8))


def page():
    """The page with the trace as it should be."""
    text = PAGE.read_text(encoding="utf-8")
    head, _, rest = text.partition("<!-- trace -->\n")
    tail = rest.partition("<!-- end of the trace -->\n")[2]
    begin, end = "<!-- trace -->\n```text\n", "```\n<!-- end of the trace -->\n"
    return head + begin + trace() + end + tail


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
