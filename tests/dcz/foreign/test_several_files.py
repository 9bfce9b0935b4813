"""Files that refer to others: data of `.onnx` files, sharded `.safetensors`."""

import json
import os

import numpy as np
import pytest
from helpers import foreign_files
from helpers.caffe_twin import field

import deepcompress as dc


def entry(key, value):
    return field(13, field(1, key) + field(2, value))


def outside(name, array, location, offset=None, length=None):
    """A tensor whose values are in another file."""
    content = entry("location", location)
    if offset is not None:
        content += entry("offset", str(offset)) + entry("length", str(length))
    return foreign_files.onnx_tensor(name, array, content + field(14, 1))


@pytest.fixture
def kernels(rng):
    return rng.standard_normal((3, 60, 70)).astype("float32")


@pytest.fixture
def onnx(kernels, tmp_path):
    """A model with two files of data."""
    folder = tmp_path / "model"
    (folder / "data").mkdir(parents=True)
    size = kernels[0].nbytes
    tensors = [
        outside("a", kernels[0], "weights.bin", 5, size),
        outside("b", kernels[1], "weights.bin", 5 + size + 3, size),
        outside("c", kernels[2], "data/more.bin"),
    ]
    (folder / "net.onnx").write_bytes(foreign_files.onnx(tensors))
    parts = [b"begin", kernels[0].tobytes(), b"gap", kernels[1].tobytes(), b"end"]
    (folder / "weights.bin").write_bytes(b"".join(parts))
    (folder / "data" / "more.bin").write_bytes(kernels[2].tobytes())
    return folder / "net.onnx"


@pytest.fixture
def index(kernels, tmp_path):
    """Two shards of tensors, and what tells of them."""
    folder = tmp_path / "sharded"
    folder.mkdir()
    names = {}
    for i, (name, kernel) in enumerate(zip("abc", kernels, strict=True)):
        shard = f"model-{i // 2}.safetensors"
        names[name] = shard
        if i != 1:
            arrays = {name: kernel} if i else {"a": kernel, "b": kernels[1]}
            (folder / shard).write_bytes(foreign_files.safetensors(arrays))
    path = folder / "model.safetensors.index.json"
    path.write_text(json.dumps({"metadata": {}, "weight_map": names}))
    return path


def files_of(folder):
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


@pytest.mark.parametrize("kind", ["onnx", "index", "folder"])
def test_all_files_come_back(kind, kernels, tmp_path, request):
    path = request.getfixturevalue("index" if kind == "folder" else kind)
    report = dc.pack(path.parent if kind == "folder" else path, tmp_path / "a.dcz")
    assert report.n_files == 3
    with dc.read(tmp_path / "a.dcz") as arrays:
        for name, kernel in zip("abc", kernels, strict=True):
            np.testing.assert_array_equal(arrays[name], kernel)
    (tmp_path / "back").mkdir()
    written = dc.unpack(tmp_path / "a.dcz", tmp_path / "back")
    assert len(written) == 3
    assert files_of(tmp_path / "back") == files_of(path.parent)


def test_the_first_takes_the_name_that_is_given(onnx, tmp_path):
    dc.pack(onnx, tmp_path / "a.dcz")
    (tmp_path / "back").mkdir()
    dc.unpack(tmp_path / "a.dcz", tmp_path / "back" / "other.onnx")
    assert set(files_of(tmp_path / "back")) == {
        "other.onnx",
        "weights.bin",
        os.path.join("data", "more.bin"),
    }


def test_files_beside_are_not_overwritten(onnx, tmp_path):
    dc.pack(onnx, tmp_path / "a.dcz")
    (tmp_path / "back").mkdir()
    mine = tmp_path / "back" / "weights.bin"
    mine.write_bytes(b"mine")
    with pytest.raises(FileExistsError, match=r"weights\.bin' is there already"):
        dc.unpack(tmp_path / "a.dcz", tmp_path / "back")
    assert files_of(tmp_path / "back") == {"weights.bin": b"mine"}
    with pytest.raises(ValueError, match="name of another file"):
        dc.unpack(tmp_path / "a.dcz", tmp_path / "new" / ".." / "weights.bin")


def test_names_that_lead_elsewhere_are_not_followed(kernels, tmp_path):
    (tmp_path / "secret").write_bytes(bytes(99))
    (tmp_path / "model").mkdir()
    for location in ("../secret", str(tmp_path / "secret"), ""):
        path = tmp_path / "model" / "net.onnx"
        tensor = outside("a", kernels[0], location, 0, 99)
        path.write_bytes(foreign_files.onnx([tensor]))
        assert dc.pack(path, tmp_path / "a.dcz").n_files == 1
    path = tmp_path / "model" / "x.safetensors.index.json"
    path.write_text(json.dumps({"weight_map": {"a": "../secret"}}))
    report = dc.pack(path, tmp_path / "a.dcz")
    assert report.n_files == 1
    assert "its index is damaged" in str(report)


def test_files_that_are_not_there_are_named(onnx, index, tmp_path):
    (onnx.parent / "weights.bin").unlink()
    assert "its data file 'weights.bin' is not there" in str(
        dc.pack(onnx, tmp_path / "a.dcz")
    )
    (index.parent / "model-1.safetensors").unlink()
    report = dc.pack(index, tmp_path / "a.dcz")
    assert report.n_files == 2
    assert "its shard 'model-1.safetensors' is not there" in str(report)


def test_folders_without_one_index_are_refused(index, tmp_path):
    with pytest.raises(IsADirectoryError, match="is a folder"):
        dc.pack(tmp_path, tmp_path / "a.dcz")
    (index.parent / "b.safetensors.index.json").write_text("{}")
    with pytest.raises(IsADirectoryError, match="name a file"):
        dc.pack(index.parent, tmp_path / "a.dcz")
