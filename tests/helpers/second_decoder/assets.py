"""Assets: what layers keep besides weights."""

import lzma

from helpers.second_decoder.basics import Bytes


def read(part):
    """The bytes of each asset by name."""
    source = Bytes(part)
    plain_size = source.varint()
    packed = part[source.at :]
    window = min(max(plain_size, 2**12), 2**26)
    filters = [{"id": lzma.FILTER_LZMA2, "dict_size": window}]
    plain = Bytes(lzma.decompress(packed, lzma.FORMAT_RAW, filters=filters))
    assert len(plain.data) == plain_size
    sizes = [(plain.string(), plain.varint()) for _ in range(plain.varint())]
    assets = {name: plain.take(n) for name, n in sizes}
    assert plain.at == plain_size
    assert len(assets) == len(sizes) > 0
    return assets
