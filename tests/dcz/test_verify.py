"""A file as a whole: what is wrong with it, and at which byte."""

import pickle
from pathlib import Path

import numpy as np
import pytest
from helpers.arrays import assorted, dumps, kept
from helpers.forging import array_1, entry, layer, symbols, version_1

import deepcompress as dc
from deepcompress.dcz import container
from deepcompress.dcz.assets import pack_assets
from deepcompress.dcz.parts import Part
from deepcompress.errors import CorruptFileError

GOLDEN = sorted(Path(__file__).parent.joinpath("golden").rglob("*.dcz"))

coders = pytest.mark.parametrize("coder", container.CODERS)


def broken(data):
    """What `verify` says of a file."""
    with pytest.raises(CorruptFileError) as caught, dc.read(data) as weights:
        weights.verify()
    return caught.value.rule, caught.value.offset


@pytest.mark.parametrize("path", GOLDEN, ids=lambda p: f"{p.parent.name}-{p.stem}")
def test_intact_files_are_verified(path):
    with dc.read(path) as weights:
        weights.verify()


@coders
def test_every_flipped_byte_is_told_with_its_place(coder):
    parts = [Part("assets", pack_assets(kept())), Part("x", b"123")]
    data = dumps(assorted(), architecture="{}", coder=coder, parts=parts)
    with dc.read(data) as weights:
        sections = weights._directory.sections[coder == "context" :]
        last = [weights._directory.architecture, *weights._directory.parts.values()]
        last = last[coder == "context" :]
    for section in [*sections, *last]:
        for at in (section.offset, section.offset + section.size - 1):
            damaged = bytearray(data)
            damaged[at] ^= 0x80
            rule, offset = broken(bytes(damaged))
            assert rule.startswith("checksum-of-")
            assert offset == section.offset


def test_the_place_is_the_byte_that_is_wrong():
    raw = b"\0\1\2\3"
    second = b"\x08\x08"
    body = raw + second
    listing = b"\0\1" + layer(body, entry(), entry(leaf="b"))
    data = version_1(listing, body)
    assert broken(data) == ("flags", data.index(second))
    # The codebook has three values; their codes begin behind it.
    data = array_1(b"\x02\3\1\2\3" + b"\xff\xff\xff", "uint8", (9,))
    assert broken(data) == ("code-table", len(data) - 3)
    data = version_1(b"\0\1" + layer(raw, entry(), b"\x0b\x11\3"), raw)
    assert broken(data) == ("common-name", data.index(b"\x0b\x11\3"))


def test_gaps_are_told_with_the_array_they_are_of():
    first, second = b"\0\1\2\3", b"\x21\1\0" + symbols([2], 4) + b"\7"
    body = first + second
    listing = b"\0\1" + layer(body, entry(), entry(leaf="b", shape=(1,)))
    data = version_1(listing, body)
    assert broken(data) == ("gaps", data.index(second))


def test_the_first_of_several_is_told():
    arrays = {f"{i}/kernel": np.arange(300, dtype="float32") + i for i in range(9)}
    data = bytearray(dumps(arrays))
    with dc.read(bytes(data)) as weights:
        offsets = [section.offset for section in weights._directory.sections]
    for offset in offsets[3:]:
        data[offset] ^= 1
    assert broken(bytes(data)) == ("checksum-of-section", offsets[3])


def test_nothing_is_kept_of_what_is_verified():
    arrays = {f"{i}/kernel": np.zeros((1 << 20,), "float32") for i in range(9)}
    with dc.read(dumps(arrays)) as weights:
        weights.verify()
        assert weights._last is None


def test_errors_go_through_other_processes():
    error = CorruptFileError("words", "varint", 7)
    again = pickle.loads(pickle.dumps(error))
    assert (str(again), again.rule, again.offset) == ("words", "varint", 7)
