"""A decoder for `.dcz` files written from docs/format.md alone.

It shares no code with the package, knows no C, and takes its time. What it reads
must be what `deepcompress.read` reads.
"""

from helpers.second_decoder import version1, version2


def read(data, dictionary, listings=b""):
    """Returns the architecture, and dtype, shape and bytes of each array by name."""
    return read_all(data, dictionary, listings)[:2]


def read_all(data, dictionary, listings=b""):
    """Returns what `read` does, and the bytes of each asset by name."""
    assert data[:4] == b"\x89DCZ"
    if data[4] == 2:
        return version2.read(data, dictionary, listings)
    assert data[4] == 1
    return version1.read(data, dictionary)
