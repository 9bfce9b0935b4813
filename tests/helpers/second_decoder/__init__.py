"""A decoder for `.dcz` files written from docs/format.md alone.

It shares no code with the package, knows no C, and takes its time. What it reads
must be what `deepcompress.read` reads.
"""

from helpers.second_decoder import assets, version1, version2


def read(data, dictionary, listings=b""):
    """Returns the architecture, and dtype, shape and bytes of each array by name."""
    return read_all(data, dictionary, listings)[:2]


def read_all(data, dictionary, listings=b""):
    """Returns what `read` does, and the bytes of each asset and each part by name."""
    assert data[:4] == b"\x89DCZ"
    if data[4] == 2:
        read = version2.read(data, dictionary, listings)
    else:
        assert data[4] == 1
        read = version1.read(data, dictionary)
    architecture, arrays, parts = read
    kept = assets.read(parts["assets"]) if "assets" in parts else {}
    return architecture, arrays, kept, parts
