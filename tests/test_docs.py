"""The code in the documentation runs, and what it says of the package is so."""

import hashlib
import inspect
import json
import re
import zlib
from pathlib import Path

import keras
import numpy as np
import pytest
from helpers import second_decoder

import deepcompress as dc
from deepcompress.dcz import container, directory, version2

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PUBLIC = [(name, getattr(dc, name)) for name in dc.__all__ if name != "__version__"]
DOCUMENTED = [(name, value) for name, value in PUBLIC if callable(value)]
for package in (dc.models, dc.importers):
    DOCUMENTED += [(name, getattr(package, name)) for name in package.__all__]


def blocks(path, language):
    """Returns the fenced blocks of a page with the line each begins at."""
    text = path.read_text(encoding="utf-8")
    fences = re.finditer(rf"^```{language}\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)
    return [(text[: f.start(1)].count("\n"), f[1]) for f in fences]


@pytest.fixture
def namespace():
    """What the pages say is there: a compiled classifier and some images."""
    keras.utils.set_random_seed(0)
    rng = np.random.default_rng(0)
    model = keras.Sequential(
        [
            keras.Input((28, 28, 1)),
            keras.layers.Conv2D(32, 5, strides=2, name="conv1"),
            keras.layers.Conv2D(16, 3, strides=2, name="conv2"),
            keras.layers.Flatten(name="flatten"),
            keras.layers.Dense(100, activation="relu", name="ip1"),
            keras.layers.Dense(10, name="ip2"),
        ]
    )
    model.compile(
        "adam",
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    return {
        "__name__": "page",
        "keras": keras,
        "np": np,
        "dc": dc,
        "model": model,
        "x_train": rng.random((192, 28, 28, 1), "float32"),
        "y_train": rng.integers(0, 10, 192),
        "x_test": rng.random((64, 28, 28, 1), "float32"),
        "y_test": rng.integers(0, 10, 64),
    }


# The small model has layers with fewer weights left than a codebook has values.
@pytest.mark.filterwarnings("ignore:Left alone")
@pytest.mark.parametrize(
    "page", ["README.md", "docs/guide.md", "docs/index.md", "docs/runtime.md"]
)
def test_the_code_of_a_page_runs(page, namespace, tmp_path, monkeypatch, capsys):
    path = ROOT / page
    monkeypatch.chdir(tmp_path)
    for line, code in blocks(path, "python"):
        # Empty lines put the page's own line numbers into a traceback.
        exec(compile("\n" * line + code, str(path), "exec"), namespace)


@pytest.mark.parametrize("name", dc.__all__)
def test_every_public_name_is_in_the_reference(name):
    reference = (DOCS / "api.md").read_text(encoding="utf-8")
    assert re.search(rf"deepcompress\.{name}\b", reference)


@pytest.mark.parametrize(("name", "value"), DOCUMENTED)
def test_every_public_name_has_a_docstring_with_an_example(name, value):
    text = inspect.getdoc(value)
    assert text
    assert re.search(r"^Example:\n\n?>>> ", text, re.MULTILINE)


def the_example_file():
    page = DOCS / "format.md"
    (data,) = (
        bytes.fromhex(block)
        for _, block in blocks(page, "text")
        if re.fullmatch(r"[0-9a-f\s]+", block)
    )
    return data


def test_the_example_of_the_format_is_what_it_says():
    kernel = np.zeros((6, 8), "float32")
    kernel[[0, 1, 3, 4, 5], [2, 2, 2, 6, 2]] = 0.5
    kernel[[1, 2], [6, 2]] = -0.25
    expected = {"dense/kernel": kernel, "dense/steps": np.array(7, "int8")}

    data = the_example_file()
    with container.read(data) as weights:
        assert list(weights) == list(expected)
        for name, array in expected.items():
            np.testing.assert_array_equal(weights[name], array, strict=True)
    architecture, arrays = second_decoder.read(data, directory.DICTIONARY)
    assert architecture is None
    assert arrays["dense/kernel"] == ("float32", (6, 8), kernel.tobytes())
    assert arrays["dense/steps"] == ("int8", (), b"\7")


def test_the_example_of_the_format_is_explained_byte_by_byte():
    text = (DOCS / "format.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (\d+) \| `([0-9a-f ]+)` \|", text, re.MULTILINE)
    position = 0
    for at, content in rows:
        assert int(at) == position
        position += len(bytes.fromhex(content))
    data = the_example_file()
    assert b"".join(bytes.fromhex(content) for _, content in rows) == data


def test_the_lists_of_the_format_are_those_of_the_package():
    text = (DOCS / "format.md").read_text(encoding="utf-8")
    cells = re.findall(r"\| (\d+) \| ([a-z]\w*) \| (\d+) (?=\|)", text)
    dtypes = sorted((int(code), name, int(size)) for code, name, size in cells)
    expected = [
        (code, name, directory.dtype_of(code).itemsize)
        for code, name in enumerate(directory.DTYPES)
    ]
    assert dtypes == expected
    names = re.search(r"\*\*Common names\*\*, from 1: (.*?)\.\n", text, re.DOTALL)
    assert re.findall(r"`(\w+)`", names[1]) == directory.COMMON_NAMES
    assert f"{len(directory.DICTIONARY):,} bytes" in text
    assert f"`{zlib.crc32(directory.DICTIONARY):X}`" in text
    assert f"{len(version2.LISTINGS):,} bytes" in text
    assert f"`{zlib.crc32(version2.LISTINGS):08X}`" in text
    assert f"`{hashlib.sha256(version2.LISTINGS).hexdigest()}`" in text


def test_the_net_on_cifar10_is_what_its_results_say():
    results = json.loads((DOCS / "results" / "alexnet_cifar10.json").read_text())
    (point,) = results["points"]
    path = ROOT / "examples" / "records" / point["file"]
    assert path.stat().st_size == point["n_bytes"]
    model = dc.load_model(path)
    kernels = [w for w in model.get_weights() if w.ndim > 1]
    # Some of them led nowhere, and went with their units.
    assert 0.99 < sum(map(np.count_nonzero, kernels)) / point["n_weights"] <= 1
    assert model.input_shape == (None, 32, 32, 3)
    assert model.output_shape == (None, 10)
