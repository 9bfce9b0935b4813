"""Writes the golden files: what a reader must read for ever, and what it must refuse.

python tests/helpers/golden.py

What is there already is never written anew: `tests/dcz/golden.json` says what each file
holds, and tests hold the package to that. A new feature of the format adds a file here.
"""

import hashlib
import io
import json
import sys
from functools import partial
from pathlib import Path
from typing import ClassVar
from unittest import mock

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))

from deepcompress.dcz import container, version2
from deepcompress.dcz.assets import pack_assets
from deepcompress.dcz.coding.context import (
    GEOMETRY,
    METHOD,
    RARITY,
    SHIFT,
    ContextCoder,
)
from deepcompress.dcz.coding.context_tensor import ContextTensor
from deepcompress.dcz.coding.huffman_tensor import HuffmanTensor
from deepcompress.dcz.directory import (
    DTYPES,
    dtype_of,
    encode_entry,
    pack_architecture,
)
from deepcompress.dcz.parts import KNOWN, Part
from deepcompress.errors import CorruptFileError
from helpers.arrays import assorted, kept, parted

TESTS = Path(__file__).parents[1]
GOLDEN = TESTS / "dcz" / "golden"
REFUSED = TESTS / "dcz" / "refused"
MANIFEST = TESTS / "dcz" / "golden.json"

SEQUENTIAL = '{"class_name":"Sequential"}'


def _gaps(shape, density, values, rng, dtype="float32"):
    chosen = np.array(values, dtype)[rng.integers(0, len(values), shape)]
    return np.where(rng.random(shape) < density, chosen, 0).astype(dtype)


def codebooks(rng):
    return {
        "dense/kernel": np.array([-0.5, 0.25, 1.5], "float32")[
            rng.integers(0, 3, (12, 10))
        ],
        "dense/bias": np.full(9, 0.5, "float32"),  # a lone symbol
        "wide/kernel": _gaps(4000, 1, rng.standard_normal(400), rng),
        "long/kernel": rng.permutation(  # codes of up to 13 bits
            np.repeat(rng.standard_normal(14).astype("float32"), 2 ** np.arange(14))
        ),
    }


def gaps(rng):
    columns = np.zeros((90, 40), "float32")
    columns[:, ::13] = _gaps((90, 4), 0.9, [1, 2, 3], rng)
    return {
        "few/kernel": _gaps((30, 20), 0.1, [-0.5, 0.5], rng),
        "raw/kernel": _gaps((30, 20), 0.03, rng.standard_normal(500), rng),
        "far/kernel": _gaps(60_000, 0.0005, [1, 2], rng, "int8"),  # with escapes
        "columns/kernel": columns,  # reversed
        "none/kernel": np.zeros((20, 30), "float32"),
        "planes/kernel": _gaps((60, 50), 0.6, rng.standard_normal(9000) / 9, rng),
    }


def backgrounds(rng):
    few = _gaps((30, 20), 0.1, [-0.5, 0.5], rng)
    return {
        "minus/kernel": np.where(few == 0, np.float32(-0.0), few),
        "minus/half": np.where(few == 0, -0.0, few).astype("float16"),
        "points": np.where(few == 0, 128, few * 8).astype("uint8"),
        "tokens": np.where(few == 0, 3, 2**40 + few).astype("int64"),
        "nothing/kernel": np.full((300, 200), -0.0, "float32"),
        "values/kernel": _gaps((60, 50), 0.1, rng.standard_normal(9000), rng) + 1,
    }


def planes(rng):
    weights = rng.standard_normal((40, 30)) / 16
    names = ("float16", "float32", "float64", "bfloat16", "complex64", "complex128")
    return {
        **{f"dense/{name}": weights.astype(_dtype(name)) for name in names},
        "dense/steps": (weights * 4000).astype("int32"),
        "dense/counts": (np.abs(weights) * 4000).astype("uint16"),
    }


def signs(rng):
    few = _gaps((40, 30), 0.06, [-0.75, 0.25, 0.5], rng)
    zeros = rng.choice(np.array([0.0, -0.0], "float32"), few.shape)
    mixed = np.where(few == 0, zeros, few)
    return {
        "mixed/kernel": mixed,
        "mixed/half": mixed.astype("float16"),
        "odd": mixed.reshape(-1)[:1191],
    }


def streams(rng):
    return {"large/kernel": (rng.random(66_001) < 0.5).astype("uint8") + 1}


def _dtype(name):
    return dtype_of(DTYPES.index(name))


def dtypes(rng):
    patterns = rng.integers(0, 256, (3, 16 * 7), np.uint8)
    patterns[1] = 0
    return {
        name: (patterns % 2 if name == "bool" else patterns).view(_dtype(name))
        for name in DTYPES
    }


def axes(rng):
    shapes = [(), (0,), (5,), (3, 0, 2), (4, 5), (3, 3, 2, 4), (1, 2) * 4, (1,) * 64]
    return {
        f"{len(shape)}/kernel{shape.count(0)}": _gaps(shape, 0.5, [1, 2, 3], rng)
        for shape in shapes
    }


def names(rng):
    leaves = "kernel bias gamma beta moving_mean moving_variance embeddings ".split()
    leaves += ["recurrent_kernel", "depthwise_kernel", "pointwise_kernel", "other"]
    every = [f"a/b/{leaf}" for leaf in leaves]
    every += ["kernel", "plain", "Größe/Gewicht", "a/c/kernel", "a/b/later"]
    return {name: np.array(i, "uint8") for i, name in enumerate(every)}


def images(rng):
    """Layers of which each is told by the one before, and kernels over images."""
    first = _gaps((3, 3, 1, 12), 0.5, [-1, 1, 2], rng)
    first[..., ::3] = 0
    dense = _gaps((5 * 5 * 12, 20), 0.1, [-1, 1, 2], rng)
    dense[np.arange(300) % 12 % 3 == 0] = 0
    square = np.where(np.arange(144)[:, None] % 12 < 6, 0, 1) * (
        _gaps((144, 10), 0.7, [-1, 1], rng)
    )
    return {
        "conv/kernel": first,
        "dense/kernel": dense,
        "square/kernel": square.astype("float32"),
        "colours/kernel": np.repeat(square[:108], 1, 0).astype("float32"),
        "values/kernel": _gaps((50, 40), 0.1, rng.standard_normal(900), rng),
    }


def sections(rng):
    return {
        f"{layer}/kernel": _gaps((20, 30), 0.2, [1, 2], rng) for layer in "abcd"
    } | {"d/bias": np.ones(30, "float32")}


# By the name of the file, but for its version, of which there is one each: what makes
# the arrays, and what `written` takes besides.
FILES = {
    "": (lambda _: assorted(), {"architecture": SEQUENTIAL}),
    "parted/": (lambda _: parted(), {"architecture": SEQUENTIAL}),
    "assets/": (
        lambda _: assorted(),
        {"architecture": SEQUENTIAL, "parts": [Part("assets", pack_assets(kept()))]},
    ),
    "features/nothing-": (lambda _: {}, {}),
    "features/codebooks-": (codebooks, {}),
    "features/gaps-": (gaps, {}),
    "features/backgrounds-": (backgrounds, {}),
    "features/planes-": (planes, {}),
    "features/signs-": (signs, {}),
    "features/streams-": (streams, {}),
    "features/dtypes-": (dtypes, {}),
    "features/axes-": (axes, {}),
    "features/names-": (names, {}),
    "features/images-": (images, {}),
    "features/sections-": (sections, {}),
    "features/architecture-": (lambda _: {}, {"architecture": '{"name":"Größe"}'}),
    "features/unknown-part-": (
        lambda _: {"a/kernel": np.arange(3, dtype="uint8")},
        {"parts": [Part("x-notes", b"by hand"), Part("z", bytes(9))]},
    ),
}


def forced():
    """What a reader of version 2 must know, and the package's writer hardly chooses."""
    first = _gaps((3, 3, 1, 12), 0.5, [-1, 1, 2], np.random.default_rng(1))
    first[..., ::3] = 0
    dense = _gaps((300, 20), 0.2, [-1, 1, 2], np.random.default_rng(2))
    dense[np.arange(300) % 12 % 3 == 0] = 0
    minus = np.full((9, 9), -0.0, "float32")
    low = np.where(dense == 0, np.float32(-0.0), dense)
    chosen = [
        ("conv/kernel", first, 0, lambda form: form.method == 0),
        # The channels of the layer before tell which rows are empty.
        ("dense/kernel", dense, 3, lambda form: form.method == 0),
        ("minus/kernel", minus, 0, lambda form: form.background),
        ("low/kernel", low, 0, lambda form: form.background and form.method == 0),
        ("signs/kernel", minus, 0, lambda form: form.method == 3),
    ]
    entries = [
        (
            name.partition("/")[0],
            [encode_entry("kernel", array.dtype, version2.lengths_of(array.shape, ()))],
        )
        for name, array, *_ in chosen
    ]
    coder = version2.begin_head(b"\0" + version2.list_section(entries, None))
    for _, array, geometry, is_wanted in chosen:
        forms = ContextTensor._forms(array)
        next(filter(is_wanted, forms))._code(coder, geometry)
    return container.header(2, [coder.end(), b""])


_OF_VERSION_1 = {"features/streams-"}
_REFUSED = {
    "needed-part-": (
        lambda _: {"a/kernel": np.arange(3, dtype="uint8")},
        {"parts": [Part("x-needed", b"what else?", is_needed=True)]},
    ),
}


def written(number, arrays, architecture=None, parts=()):
    """The bytes of a file of a version."""
    options = {"max_elements": 700} if number == 2 and "d/bias" in arrays else {}
    body = io.BytesIO()
    file = container.VERSIONS[number].write(
        arrays, pack_architecture(architecture), parts, body, **options
    )
    return container.header(number, file.header) + body.getvalue()


def described(data):
    """What a file holds, in the words of the manifest, or the rule that it breaks."""
    identity = {"size": len(data), "sha256": _digest(data)}
    try:
        weights = container.read(data)
    except CorruptFileError as error:
        return {**identity, "breaks": error.rule}
    with weights:
        found = {
            **identity,
            "architecture": weights.architecture,
            "arrays": {
                name: f"{array.dtype} {array.shape} {_digest(array.tobytes())}"
                for name, array in weights.items()
            },
            "assets": {
                name: _digest(bytes_) for name, bytes_ in weights.assets.items()
            },
            "parts": {name: _digest(bytes_) for name, bytes_ in weights.parts.items()},
        }
    return {key: value for key, value in found.items() if value or key == "arrays"}


def _digest(data):
    return hashlib.sha256(data).hexdigest()[:32]


class _Spy(ContextCoder):
    """Notes which numbers are coded."""

    numbers: ClassVar[set[str]] = set()

    def number(self, value, context):
        number = super().number(value, context)
        if context in _NUMBERS:
            self.numbers.add(f"{_NUMBERS[context]} {number}")
        return number


_NUMBERS = {METHOD: "method", GEOMETRY: "geometry", RARITY: "rarity", SHIFT: "shift"}


def features(data):
    """Yields what a reader has to know for a file."""
    _Spy.numbers.clear()
    with mock.patch.object(version2, "ContextCoder", _Spy):
        yield from _features(data)
    yield from (f"2: {number}" for number in _Spy.numbers)


def _features(data):
    listed = container.read_directory(io.BytesIO(data), len(data))
    number = listed.version
    version = container.VERSIONS[number]
    yield f"{number}: {'several' if len(listed.sections) > 1 else 'few'} sections"
    if listed.architecture:
        yield f"{number}: architecture"
    for name in listed.parts:
        yield f"{number}: {f'part {name}' if name in KNOWN else 'an unknown part'}"
    for index, section in enumerate(listed.sections):
        content = data[section.offset : section.offset + section.size]
        for tensor in version.read_section(listed, index, content).values():
            yield f"{number}: {tensor.dtype.name}"
            yield f"{number}: {len(tensor.shape)} axes"
            if 0 in tensor.shape:
                yield f"{number}: no elements"
            elif isinstance(tensor, ContextTensor):
                yield from (f"{number}: {f}" for f in _of_context_tensor(tensor))
            else:
                yield from (f"{number}: {f}" for f in _of_huffman_tensor(tensor))


def _of_huffman_tensor(tensor: HuffmanTensor):
    values = "codebook" if tensor.codebook is not None else "raw"
    values = "planes" if tensor.planes is not None else values
    yield f"{'gaps' if tensor.gap_width else 'every element'}, {values}"
    if tensor.is_reversed:
        yield "reversed"
    if tensor.background:
        yield f"background, {values}"
    if tensor.signs is not None:
        yield "signs"
    if tensor.gaps is not None and len(tensor.gaps.symbols) > tensor.n_stored:
        yield "escapes"
    if tensor.planes is not None:
        yield from (
            "raw plane" if c is None else "coded plane" for c in tensor.planes.codes
        )
        yield f"planes of {tensor.dtype.name}"
    if tensor.codes is not None:
        lengths = tensor.codes.code.lengths
        yield "wide codes" if lengths.size > 256 else "codes of a byte"
        yield "long codes" if lengths.max() > 11 else "short codes"
        if tensor.codes.code.lone_symbol is not None:
            yield "lone symbol"
        if tensor.codes.symbols.size >= 1 << 16:
            yield "several streams"


def _of_context_tensor(tensor: ContextTensor):
    if tensor.background:
        yield f"background, method {tensor.method}"
    if tensor.huffman is not None:
        yield from (
            f"version 1 inside: {f}" for f in _of_huffman_tensor(tensor.huffman)
        )


def made():
    """Yields the path of every file, and what makes its bytes."""
    for folder, files in ((GOLDEN, FILES), (REFUSED, _REFUSED)):
        for stem, (contents, options) in files.items():
            for number in container.VERSIONS:
                if number > 1 and stem in _OF_VERSION_1:
                    continue
                rng = np.random.default_rng(5)
                yield (
                    folder / f"{stem}v{number}.dcz",
                    partial(written, number, contents(rng), **options),
                )
    yield GOLDEN / "features" / "forced-v2.dcz", forced


def main():
    """Writes what is missing."""
    manifest = json.loads(MANIFEST.read_text()) if MANIFEST.exists() else {}
    for path, make in made():
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(make())
        name = path.relative_to(TESTS / "dcz").as_posix()
        if name not in manifest:
            manifest[name] = described(path.read_bytes())
    text = json.dumps(manifest, indent=1, ensure_ascii=False)
    MANIFEST.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
