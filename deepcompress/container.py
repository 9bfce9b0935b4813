"""The `.dcz` file: named arrays in checksummed sections, read one by one.

`docs/format.md` says how every byte is laid out. Nothing here knows Keras.
"""

import os
import zlib
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from math import prod
from pathlib import Path
from threading import Lock
from types import TracebackType
from typing import BinaryIO, Self

import numpy as np

from deepcompress._files import atomic_writer
from deepcompress._threads import map_in_threads, n_processors
from deepcompress.coding.bytestream import ByteReader, string, varint
from deepcompress.coding.tensor import CodedTensor, TensorStats
from deepcompress.errors import CorruptFileError

MAGIC = b"\x89DCZ"
VERSION = 1

# Arrays of more than this together are not decoded unless the caller raises the
# bound: a file of a few bytes can declare any size.
MAX_BYTES = 1 << 34

# The place in these lists is the code in the file; they only ever grow.
DTYPES = (
    "bool int8 uint8 int16 uint16 int32 uint32 int64 uint64 float16 float32 float64 "
    "complex64 complex128 bfloat16 float8_e4m3fn float8_e5m2"
).split()
COMMON_NAMES = (
    "kernel bias gamma beta moving_mean moving_variance embeddings recurrent_kernel "
    "depthwise_kernel pointwise_kernel"
).split()
# What Keras' JSON looks like, so that the architecture of a small model is stored in
# some hundred bytes. Part of the format: it never changes.
DICTIONARY = Path(__file__).with_name("architecture.dictionary").read_bytes()

_OTHERS = {
    b"PK\x03\x04": " If it is a .keras file, use keras.models.load_model.",
    b"\x89HDF": " If it is a .weights.h5 file, use model.load_weights.",
}
_EXPLICIT_RANK = 7
_MAX_RANK = 64  # NumPy's own limit
_MAX_HEADER_START = len(MAGIC) + 1 + 9


@dataclass(frozen=True)
class _Entry:
    """One tensor as the directory names it."""

    name: str
    dtype: np.dtype
    shape: tuple[int, ...]
    section: int

    @property
    def n_bytes(self) -> int:
        # An axis of length 0 must not hide absurd lengths of the others.
        return prod(max(length, 1) for length in self.shape) * self.dtype.itemsize


@dataclass(frozen=True)
class _Section:
    """Bytes that share a checksum: the tensors of one layer, or the architecture."""

    offset: int
    size: int
    checksum: int


def write(
    file: str | os.PathLike[str] | BinaryIO,
    arrays: Mapping[str, np.ndarray],
    *,
    architecture: str | None = None,
) -> tuple[dict[str, TensorStats], int]:
    """Writes named arrays, losslessly, as a `.dcz` file.

    Arrays whose names share everything before the last slash and follow each other
    are stored together and read together.

    Args:
        file: A path, written atomically, or a file open for writing.
        arrays: Arrays of any shape by their names, such as `"conv1/kernel"`. Each is
            asked for once, several at a time.
        architecture: The model's architecture as JSON, stored beside the arrays.

    Returns:
        The figures of every array by its name, and the size of the file in bytes.

    Raises:
        TypeError: An array has a dtype that cannot be stored.
        ValueError: A name is empty, or begins or ends with a slash.

    Example:

    >>> import io, numpy as np
    >>> file = io.BytesIO()
    >>> stats, size = write(file, {"dense/kernel": np.zeros((300, 100), "float32")})
    >>> size == len(file.getvalue())
    True
    """
    layers = _by_layer(arrays)
    members = [member for _, its_members in layers for member in its_members]
    encoded = iter(map_in_threads(lambda member: _encode(arrays, *member), members))
    stats: dict[str, TensorStats] = {}
    sections: list[bytes] = []
    directory: list[bytes] = []
    for layer, its_members in layers:
        entries, payload = [], []
        for _, name in its_members:
            entry, data, stats[name] = next(encoded)
            entries.append(entry)
            payload.append(data)
        section = b"".join(payload)
        sections.append(section)
        directory.append(
            string(layer)
            + varint(len(entries))
            + varint(len(section))
            + zlib.crc32(section).to_bytes(4, "little")
            + b"".join(entries)
        )

    head = varint(0)
    if architecture is not None:
        plain = architecture.encode()
        deflate = zlib.compressobj(9, wbits=-15, zdict=DICTIONARY)
        packed = deflate.compress(plain) + deflate.flush()
        sections.append(packed)
        head = varint(len(packed)) + zlib.crc32(packed).to_bytes(4, "little")
        head += varint(len(plain))
    listing = head + varint(len(directory)) + b"".join(directory)
    header = MAGIC + bytes([VERSION]) + varint(len(listing)) + listing
    header += zlib.crc32(header).to_bytes(4, "little")

    if isinstance(file, str | os.PathLike):
        with atomic_writer(file) as target:
            target.writelines([header, *sections])
    else:
        file.writelines([header, *sections])
    return stats, len(header) + sum(map(len, sections))


def read(
    file: str | os.PathLike[str] | bytes, *, max_bytes: int = MAX_BYTES
) -> "Container":
    """Opens a `.dcz` file as a mapping from names to arrays.

    Only the directory is read at once; an array is read, checked and decoded when
    it is asked for. Neither TensorFlow nor Keras is needed.

    Args:
        file: A path, or the bytes of a file.
        max_bytes: The most bytes that all arrays together may take in memory.
            Guards against files that declare absurd sizes. Defaults to 16 GiB.

    Returns:
        A `Mapping[str, np.ndarray]`, which can be used in a `with` statement.

    Raises:
        FileNotFoundError: There is no such file.
        CorruptFileError: The file is damaged, or no `.dcz` file.

    Example:

    >>> import tempfile, numpy as np
    >>> from pathlib import Path
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, "model.dcz")
    ...     _ = write(path, {"dense/kernel": np.eye(3, dtype="float32")})
    ...     with read(path) as weights:
    ...         print(list(weights), weights["dense/kernel"].sum())
    ['dense/kernel'] 3.0
    """
    return Container(file, max_bytes=max_bytes)


class Container(Mapping[str, np.ndarray]):
    """An open `.dcz` file: a lazy mapping from names to arrays.

    Args:
        file: A path, or the bytes of a file.
        max_bytes: The most bytes that all arrays together may take in memory.
            Defaults to 16 GiB.

    Attributes:
        size: Bytes of the file.

    Raises:
        CorruptFileError: The file is damaged, or no `.dcz` file. By every access
            to an array too, whose own bytes are checked then.

    Example:

    >>> import io, numpy as np
    >>> file = io.BytesIO()
    >>> _ = write(file, {"dense/kernel": np.zeros((3, 2), "float32")})
    >>> weights = Container(file.getvalue())
    >>> weights.shape("dense/kernel"), weights.dtype("dense/kernel").name
    ((3, 2), 'float32')
    """

    def __init__(
        self, file: str | os.PathLike[str] | bytes, *, max_bytes: int = MAX_BYTES
    ) -> None:
        self._file: BinaryIO
        if isinstance(file, bytes):
            self._label = "The data"
            self._file = BytesIO(file)
        else:
            self._label = f"{os.fspath(file)!r}"
            self._file = Path(file).open("rb")  # noqa: SIM115  (close() closes it)
        self._max_bytes = max_bytes
        self._entries: dict[str, _Entry] = {}
        self._sections: list[_Section] = []
        self._architecture: tuple[_Section, int] | None = None
        self._lock = Lock()
        self._last: tuple[int, dict[str, tuple[CodedTensor, int]]] | None = None
        try:
            self.size = self._file.seek(0, os.SEEK_END)
            self._read_directory()
        except CorruptFileError as error:
            self.close()
            raise CorruptFileError(f"{self._label}: {error}") from None
        except BaseException:
            self.close()
            raise

    def __getitem__(self, name: str) -> np.ndarray:
        section = self._entries[name].section
        tensor, _ = self._read_section(section)[name]
        with self._errors_in(section):
            return tensor.to_array()

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)

    def __repr__(self) -> str:
        return f"<Container {self._label}: {len(self)} arrays, {self.size:,} bytes>"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def __del__(self) -> None:
        if hasattr(self, "_file"):
            self.close()

    def close(self) -> None:
        """Closes the file. What has been read stays."""
        self._file.close()

    def shape(self, name: str) -> tuple[int, ...]:
        """Returns the shape of an array without decoding it."""
        return self._entries[name].shape

    def dtype(self, name: str) -> np.dtype:
        """Returns the dtype of an array without decoding it."""
        return self._entries[name].dtype

    def stats(self) -> dict[str, TensorStats]:
        """Returns the figures of every array by its name."""
        return {
            name: tensor.stats(size)
            for index in range(len(self._sections))
            for name, (tensor, size) in self._read_section(index).items()
        }

    def decode(self) -> Iterator[tuple[str, np.ndarray]]:
        """Yields every array with its name, as soon as it is decoded.

        Layers are decoded on every processor, the largest first, so that the order is
        not that of the file.
        """
        largest_first = sorted(
            range(len(self._sections)), key=lambda index: -self._sections[index].size
        )
        with ThreadPoolExecutor(n_processors()) as pool:
            jobs = [pool.submit(self._decode_section, index) for index in largest_first]
            for job in as_completed(jobs):
                yield from job.result().items()

    def to_dict(self) -> dict[str, np.ndarray]:
        """Returns every array by its name, decoded on every processor."""
        arrays = dict(self.decode())
        return {name: arrays[name] for name in self}

    @property
    def architecture(self) -> str | None:
        """The model's architecture as JSON, `None` where the file has none."""
        if self._architecture is None:
            return None
        section, plain_size = self._architecture
        packed = self._take(section)
        inflate = zlib.decompressobj(wbits=-15, zdict=DICTIONARY)
        try:
            plain = inflate.decompress(packed, max(plain_size, 1))
            if len(plain) != plain_size or not inflate.eof or inflate.unused_data:
                raise CorruptFileError("its size is not the one declared")
            return plain.decode()
        except (zlib.error, ValueError) as error:
            raise CorruptFileError(
                f"{self._label}: the architecture cannot be read: {error}"
            ) from None

    def _read_directory(self) -> None:
        self._file.seek(0)
        start = self._file.read(_MAX_HEADER_START)
        if not start:
            raise CorruptFileError("the file is empty.")
        if not start.startswith(MAGIC):
            hint = next(
                (text for magic, text in _OTHERS.items() if start.startswith(magic)), ""
            )
            raise CorruptFileError(
                f"this is not a .dcz file (its first bytes differ).{hint}"
            )
        reader = ByteReader(start)
        reader.take(len(MAGIC))
        if (version := reader.byte()) != VERSION:
            raise CorruptFileError(
                f"version {version} of the format is not known. The file is damaged, "
                "or needs a newer deepcompress."
            )
        listing_size = reader.varint()
        end = reader.position + listing_size
        if end + 4 > self.size:
            raise CorruptFileError("the file ends early, inside its directory.")
        self._file.seek(0)
        header = self._file.read(end)
        if zlib.crc32(header).to_bytes(4, "little") != self._file.read(4):
            raise CorruptFileError("the checksum of the directory does not match.")
        self._parse(ByteReader(header[reader.position :]), end + 4)

    def _parse(self, reader: ByteReader, offset: int) -> None:
        architecture_size = reader.varint()
        checksum = reader.uint32() if architecture_size else 0
        plain_size = reader.varint() if architecture_size else 0
        for index in range(reader.varint()):
            layer, n_tensors = reader.string(), reader.varint()
            section = _Section(offset, reader.varint(), reader.uint32())
            self._sections.append(section)
            offset += section.size
            for _ in range(n_tensors):
                entry = _read_entry(reader, layer, index)
                if entry.name in self._entries:
                    raise CorruptFileError(f"{entry.name!r} occurs twice.")
                self._entries[entry.name] = entry
        reader.expect_end()
        if architecture_size:
            section = _Section(offset, architecture_size, checksum)
            self._architecture = section, plain_size
            offset += architecture_size
        if offset != self.size:
            raise CorruptFileError(
                f"the file has {self.size} bytes, its directory says {offset}."
            )
        total = sum(entry.n_bytes for entry in self._entries.values()) + plain_size
        if total > self._max_bytes:
            raise CorruptFileError(
                f"the arrays would take {total:,} bytes of memory, more than the "
                f"{self._max_bytes:,} allowed. If you trust the file, raise "
                "`max_bytes`."
            )

    def _take(self, section: _Section) -> bytes:
        with self._lock:
            self._file.seek(section.offset)
            data = self._file.read(section.size)
        if zlib.crc32(data) != section.checksum:
            raise CorruptFileError(
                f"{self._label}: the checksum of bytes {section.offset} to "
                f"{section.offset + section.size} does not match."
            )
        return data

    def _read_section(self, index: int) -> dict[str, tuple[CodedTensor, int]]:
        # A layer's arrays are mostly asked for one after the other.
        last = self._last
        if last is None or last[0] != index:
            last = self._last = index, self._parse_section(index)
        return last[1]

    def _parse_section(self, index: int) -> dict[str, tuple[CodedTensor, int]]:
        """Returns the tensors of a section, and the bytes that each takes."""
        reader = ByteReader(self._take(self._sections[index]))
        tensors = {}
        with self._errors_in(index):
            for name, entry in self._entries.items():
                if entry.section == index:
                    begin = reader.position
                    tensor = CodedTensor.read(reader, entry.dtype, entry.shape)
                    tensors[name] = tensor, reader.position - begin
            reader.expect_end()
        return tensors

    def _decode_section(self, index: int) -> dict[str, np.ndarray]:
        tensors = self._parse_section(index)
        with self._errors_in(index):
            return {name: tensor.to_array() for name, (tensor, _) in tensors.items()}

    @contextmanager
    def _errors_in(self, index: int) -> Iterator[None]:
        try:
            yield
        except CorruptFileError as error:
            section = self._sections[index]
            raise CorruptFileError(
                f"{self._label}, section at byte {section.offset}: {error}"
            ) from None


def _encode(
    arrays: Mapping[str, np.ndarray], leaf: str, name: str
) -> tuple[bytes, bytes, TensorStats]:
    """Returns an array's entry in the directory, its bytes and its figures."""
    array = _little_endian(name, arrays[name])
    tensor = CodedTensor.from_array(array)
    data = tensor.to_bytes()
    return _encode_entry(leaf, array), data, tensor.stats(len(data))


def _by_layer(
    arrays: Mapping[str, np.ndarray],
) -> list[tuple[str, list[tuple[str, str]]]]:
    """Returns runs of names under the same layer: layer, then leaf and name of each."""
    layers: list[tuple[str, list[tuple[str, str]]]] = []
    for name in arrays:
        layer, _, leaf = name.rpartition("/")
        if not leaf or name.startswith("/"):
            raise ValueError(
                "The name of an array must not be empty, nor begin or end with a "
                f"slash. Received: {name!r}"
            )
        if not layers or layers[-1][0] != layer:
            layers.append((layer, []))
        layers[-1][1].append((leaf, name))
    return layers


def _little_endian(name: str, array: np.ndarray) -> np.ndarray:
    array = np.asarray(array)
    if array.dtype.name not in DTYPES:
        raise TypeError(
            f"{name!r} has dtype {array.dtype}, which a .dcz file cannot hold. "
            f"Supported: {', '.join(DTYPES)}"
        )
    return array.astype(array.dtype.newbyteorder("<"), copy=False)


def _dtype(code: int) -> np.dtype:
    if code >= len(DTYPES):
        raise CorruptFileError(f"the dtype code {code} is not known.")
    name = DTYPES[code]
    try:
        return np.dtype(name).newbyteorder("<")
    except TypeError:  # not one of NumPy's own
        try:
            import ml_dtypes  # noqa: PLC0415  (only the few files with such a dtype)
        except ImportError:
            raise ImportError(
                f"The file holds {name} weights. Install ml_dtypes to read them: "
                "pip install ml_dtypes"
            ) from None
        dtype: np.dtype = np.dtype(getattr(ml_dtypes, name))
        return dtype


def _encode_entry(leaf: str, array: np.ndarray) -> bytes:
    if leaf in COMMON_NAMES:
        name = varint(1 + COMMON_NAMES.index(leaf))
    else:
        name = varint(0) + string(leaf)
    rank = array.ndim
    kind = DTYPES.index(array.dtype.name) << 3 | min(rank, _EXPLICIT_RANK)
    explicit = varint(rank) if rank >= _EXPLICIT_RANK else b""
    return name + bytes([kind]) + explicit + b"".join(map(varint, array.shape))


def _read_entry(reader: ByteReader, layer: str, section: int) -> _Entry:
    common = reader.varint()
    if common > len(COMMON_NAMES):
        raise CorruptFileError(f"the common name {common} is not known.")
    leaf = COMMON_NAMES[common - 1] if common else reader.string()
    kind = reader.byte()
    rank = kind & 7
    if rank == _EXPLICIT_RANK and (rank := reader.varint()) > _MAX_RANK:
        raise CorruptFileError(f"an array cannot have {rank} axes.")
    shape = tuple(reader.varint() for _ in range(rank))
    name = f"{layer}/{leaf}" if layer else leaf
    return _Entry(name, _dtype(kind >> 3), shape, section)
