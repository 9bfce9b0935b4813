"""What kind of file a file is, and where its tensors stand: by its contents alone."""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from deepcompress.dcz.assets import check_name
from deepcompress.dcz.foreign import hdf5, onnx, safetensors, tflite, zipped
from deepcompress.dcz.foreign.source import Source
from deepcompress.dcz.foreign.spans import Span

_INDEX = "*.safetensors.index.json"


class Kind(NamedTuple):
    """A kind of file.

    Attributes:
        name: What it is called.
        is_such: Whether a file begins as files of this kind do.
        parse: Tells where tensors stand.
    """

    name: str
    is_such: Callable[[memoryview], bool]
    parse: Callable[[memoryview], list[Span]]


class Understanding(NamedTuple):
    """What is known of some files.

    Attributes:
        kind: Their kind; `"bytes"` where it is not known.
        spans: Where tensors stand in each file.
        note: What was not understood, in words; `""` where all was.
    """

    kind: str
    spans: list[list[Span]]
    note: str


def _parse_zip(view: memoryview) -> list[Span]:
    return zipped.parse(view, _parse_member)


def _parse_member(view: memoryview) -> list[Span]:
    """Returns where tensors stand in a member of an archive."""
    spans = _parse(view, [kind for kind in KINDS if kind.name != "zip"])[1]
    return [span for span in spans if not span.file]


# In the order in which they are tried. What has no mark of its own comes last.
KINDS = [
    Kind("tflite", tflite.is_such, tflite.parse),
    Kind("zip", zipped.is_such, _parse_zip),
    Kind("hdf5", hdf5.is_such, hdf5.parse),
    Kind("npy", zipped.is_npy, zipped.parse_npy),
    Kind("safetensors", safetensors.is_such, safetensors.parse),
    Kind("onnx", onnx.is_such, onnx.parse),
]


def is_known(path: str) -> bool:
    """Whether a file begins like one of a kind that is known."""
    with Source(path) as source:
        view = source.view(0)
        return any(kind.is_such(view) for kind in KINDS)


def find(path: Path) -> Path:
    """Returns the file to begin with: in a folder, the index of sharded tensors.

    Raises:
        IsADirectoryError: The folder has no such index, or several.
    """
    if not path.is_dir():
        return path
    found = sorted(path.glob(_INDEX))
    if len(found) != 1:
        raise IsADirectoryError(
            f"'{path}' is a folder, and not one with one {_INDEX}; name a file."
        )
    return found[0]


def understand(source: Source) -> Understanding:
    """Returns what is known of a file; files that it refers to are added to the source.

    Whatever a parser stumbles over, the file is one of which nothing is known.
    """
    view = source.view(0)
    if safetensors.is_index(view):
        return _shards(source, view)
    name, spans, note = _parse(view, KINDS)
    if name == "zip":
        name = zipped.kind_of(view)
    beside: dict[str, list[Span]] = {}
    for span in spans:
        if span.file:
            beside.setdefault(span.file, []).append(span)
    every = [[span for span in spans if not span.file]]
    for location, its_spans in beside.items():
        path = source.members[0].path.parent / location
        if not path.is_file():
            note = f"its data file {location!r} is not there"
            continue
        size = source.members[source.add(location, path)].size
        for span in its_spans:
            span.size = span.size or max(size - span.offset, 0)
        every.append(its_spans)
    return Understanding(name, every, note)


def _shards(source: Source, view: memoryview) -> Understanding:
    """Returns what is known of the files that an index tells of."""
    every: list[list[Span]] = [[]]
    note = ""
    try:
        names = safetensors.shards(view)
        for name in names:
            check_name(name)
    except Exception:  # JSON may hold anything in any place
        return Understanding("bytes", every, "its index is damaged")
    for name in names:
        path = source.members[0].path.parent / name
        if not path.is_file():
            note = f"its shard {name!r} is not there"
            continue
        number = source.add(name, path)
        _, spans, note_of_shard = _parse(source.view(number), KINDS)
        note = note_of_shard or note
        every.append(spans)
    return Understanding("safetensors", every, note)


def _parse(view: memoryview, kinds: list[Kind]) -> tuple[str, list[Span], str]:
    """Returns the kind of a file, where its tensors stand, and what is wrong."""
    for kind in kinds:
        if not kind.is_such(view):
            continue
        try:
            return kind.name, kind.parse(view), ""
        except ImportError as error:
            return "bytes", [], f"to read it as {kind.name} takes {error.name}"
        except Exception as error:  # a parser may raise anything for hostile bytes
            reason = (str(error) or type(error).__name__).split("\n")[0][:200]
            reason = reason.rstrip(".")
            return "bytes", [], f"as {kind.name} it is damaged: {reason}"
    return "bytes", [], "it is of no kind that is known"
