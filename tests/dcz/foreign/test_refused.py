"""What is refused, and what is left as it was then."""

import os
import stat

import numpy as np
import pytest
from helpers import foreign_files
from hypothesis import given
from hypothesis import strategies as st

import deepcompress as dc
from deepcompress.dcz.coding.bytestream import varint
from deepcompress.dcz.foreign import layout, source
from deepcompress.dcz.foreign.layout import Deflated, Layout, Piece, Run
from deepcompress.dcz.foreign.spans import Span, tidy
from deepcompress.errors import CorruptFileError

ARRAYS = {"a": np.arange(9, dtype="uint8"), "b": np.arange(4, dtype="float32")}


def packed(path, found, rest=b"rest"):
    """A file with any layout, an intact one but for that."""
    data = found if isinstance(found, bytes) else layout.to_bytes(found)
    dc.write(path, ARRAYS, assets={layout.FOREIGN: data + rest})
    return path


def one(run, name="a.bin", checksum=0):
    return Layout("bytes", [(name, checksum, run)])


FULL = Run(29, [Piece(1, 0), Piece(0, 1)])
HOSTILE = {
    "no array": one(Run(29, [Piece(1, 0), Piece(0, 2)])),
    "pieces that overrun": one(Run(13, [Piece(1, 0), Piece(0, 1)])),
    "more rest than there is": one(Run(99, [Piece(1, 0)])),
    "less rest than there is": one(Run(12, [Piece(1, 0)])),
    "another checksum": one(FULL, checksum=1),
    "the folder above": one(FULL, "../a.bin"),
    "the root": one(FULL, "/a.bin"),
    "no name": one(FULL, ""),
    "one name twice": Layout("bytes", [("a", 0, Run(2)), ("A", 0, Run(2))]),
    "no file": Layout("bytes", []),
    "not what it is deflated to": one(
        Run(4, [Piece(0, deflated=Deflated(3, 6, True, Run(3)))])
    ),
    "deflated too deep": one(
        Run(9, [Piece(0, deflated=Deflated(9, 6, True, Run(9, [
            Piece(0, deflated=Deflated(9, 6, True, Run(9, [
                Piece(0, deflated=Deflated(9, 6, True, Run(9, [
                    Piece(0, deflated=Deflated(9, 6, True, Run(9, [
                        Piece(0, deflated=Deflated(9, 6, True, Run(9)))])))])))])))]))
    )])),
    "bytes behind it": layout.to_bytes(one(FULL)) + b"\0",
    "cut off": layout.to_bytes(one(FULL))[:-1],
}  # fmt: skip


@pytest.mark.parametrize("what", HOSTILE)
def test_a_hostile_layout_is_refused(what, tmp_path):
    path = packed(tmp_path / "a.dcz", HOSTILE[what])
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "old").write_bytes(b"old")
    with pytest.raises(CorruptFileError, match=r"a\.dcz'"):
        dc.unpack(path, tmp_path / "out" / "old")
    assert [p.read_bytes() for p in (tmp_path / "out").iterdir()] == [b"old"]
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.dcz", "out"]


def test_absurd_sizes_take_no_memory(tmp_path):
    path = tmp_path / "a.dcz"
    dc.write(path, ARRAYS, parts={"assets": varint(1 << 40) + b"\0"})
    with pytest.raises(CorruptFileError, match="bytes of memory"):
        dc.unpack(path, tmp_path / "b")


@given(st.binary(max_size=60), st.binary(max_size=9))
def test_any_layout_is_read_or_refused(data, rest):
    for begin in (b"", b"\5bytes\1\1a", layout.to_bytes(one(FULL))[:-9]):
        try:
            found, _ = layout.from_bytes(begin + data)
        except CorruptFileError:
            continue
        assert layout.from_bytes(layout.to_bytes(found))[0] == found
        for *_, run in found.files:
            try:
                assert 0 <= layout.rest_of(run, [9, 16]) <= run.size + len(data) * 2**63
            except CorruptFileError:
                continue


SPANS = st.lists(
    st.builds(
        Span,
        st.integers(-5, 99),
        st.integers(-5, 60),
        dtype=st.sampled_from(["", "uint8", "float32", "float128"]),
        shape=st.lists(st.integers(-3, 9), max_size=3).map(tuple),
    )
)


@given(SPANS, st.integers(0, 99))
def test_spans_lie_in_the_file_and_apart(spans, size):
    end = 0
    for span in tidy(spans, size):
        assert end <= span.offset < span.end <= size
        end = span.end
        if span.dtype:
            n_bytes = np.prod(span.shape, dtype=int) * np.dtype(span.dtype).itemsize
            assert n_bytes == span.size


def test_files_that_cannot_be_packed(tmp_path):
    out = tmp_path / "a.dcz"
    (tmp_path / "empty").touch()
    with pytest.raises(ValueError, match="empty' is empty"):
        dc.pack(tmp_path / "empty", out)
    with pytest.raises(FileNotFoundError, match="There is no file"):
        dc.pack(tmp_path / "nowhere", out)
    with pytest.raises(ValueError, match="`coder`"):
        dc.pack(tmp_path / "empty", out, coder="zip")
    assert not out.exists()
    dc.write(out, ARRAYS)
    with pytest.raises(ValueError, match=r"a\.dcz' is a \.dcz file already"):
        dc.pack(out, tmp_path / "b.dcz")
    with pytest.raises(ValueError, match="holds no packed file"):
        dc.unpack(out, tmp_path / "b")
    data = tmp_path / "data.npz"
    data.write_bytes(foreign_files.npz(ARRAYS))
    with pytest.raises(ValueError, match="into itself"):
        dc.pack(data, data)
    assert data.read_bytes() == foreign_files.npz(ARRAYS)


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="is root")
def test_a_file_that_may_not_be_read(tmp_path):
    path = tmp_path / "a.bin"
    path.write_bytes(b"secret")
    path.chmod(stat.S_IWUSR)
    with pytest.raises(PermissionError):
        dc.pack(path, tmp_path / "a.dcz")


def test_a_file_that_changes_meanwhile_is_not_packed(tmp_path, monkeypatch):
    path, out = tmp_path / "a.npz", tmp_path / "a.dcz"
    path.write_bytes(foreign_files.npz(ARRAYS))
    out.write_bytes(b"old")
    read = source.Source.read

    def read_and_change(self, *place):
        os.utime(path, ns=(1, 1))
        return read(self, *place)

    monkeypatch.setattr(source.Source, "read", read_and_change)
    with pytest.raises(ValueError, match="was changed while it was read"):
        dc.pack(path, out)
    assert out.read_bytes() == b"old"


@pytest.mark.parametrize("verb", ["pack", "unpack"])
def test_a_full_disk_leaves_the_old_file(verb, tmp_path, monkeypatch):
    path, small, back = tmp_path / "a.npz", tmp_path / "a.dcz", tmp_path / "back"
    path.write_bytes(foreign_files.npz(foreign_files.weights()))
    dc.pack(path, small)
    before = small.read_bytes()
    back.write_bytes(b"old")

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="No space left"):
        dc.pack(path, small) if verb == "pack" else dc.unpack(small, back)
    assert small.read_bytes() == before
    assert back.read_bytes() == b"old"
    assert len(list(tmp_path.iterdir())) == 3
