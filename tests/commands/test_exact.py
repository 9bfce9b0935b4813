"""Files that are packed as they are, on the command line."""

import json

import numpy as np
import pytest
from helpers import foreign_files
from helpers.nets import dense_net
from helpers.saying import one_line_of_error

import deepcompress as dc
from deepcompress.commands.cli import main


def run(*words):
    return main([str(word) for word in words])


@pytest.mark.parametrize("name", foreign_files.every())
def test_a_file_comes_back_and_the_way_is_said(name, tmp_path, capsys):
    kind, data = foreign_files.every()[name]
    exact = ["--exact"] if kind == "hdf5" else []
    file, small, back = tmp_path / "file.bin", tmp_path / "a.dcz", tmp_path / "back.bin"
    file.write_bytes(data)
    assert run("compress", *exact, "--quiet", file, small) == 0
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("deepcompress: note: file.bin: ")
    assert f"{len(data):,} bytes -> {small.stat().st_size:,} bytes" in captured.err
    assert run("extract", small, back) == 0
    assert back.read_bytes() == data
    assert run("inspect", "--json", small) == 0
    assert json.loads(capsys.readouterr().out)["size"] == small.stat().st_size


@pytest.mark.parametrize("suffix", ["keras", "weights.h5"])
def test_a_model_is_kept_as_a_file_on_request(suffix, tmp_path, capsys):
    model, file, small = dense_net(), tmp_path / f"net.{suffix}", tmp_path / "a.dcz"
    model.save(file) if suffix == "keras" else model.save_weights(file)
    assert run("compress", file, small) == 0
    assert "--exact keeps the file itself" in capsys.readouterr().out
    assert run("compress", "--exact", file, small) == 0
    assert run("extract", small, tmp_path / f"back.{suffix}") == 0
    assert (tmp_path / f"back.{suffix}").read_bytes() == file.read_bytes()
    with dc.read(small) as arrays:
        values = {array.tobytes() for array in arrays.values()}
    assert model.layers[0].kernel.numpy().tobytes() in values


def test_tensors_of_a_packed_file_are_extracted(tmp_path):
    file, small = tmp_path / "a.safetensors", tmp_path / "a.dcz"
    file.write_bytes(foreign_files.safetensors(foreign_files.weights()))
    assert run("compress", "--quiet", file, small) == 0
    assert run("extract", small, tmp_path / "a.npz") == 0
    kernel = foreign_files.weights()["conv1.weight"]
    with np.load(tmp_path / "a.npz") as arrays:
        np.testing.assert_array_equal(arrays["conv1.weight"], kernel)


@pytest.mark.parametrize("suffix", ["keras", "h5", "txt", "npz"])
def test_contents_count_and_not_the_name(suffix, tmp_path, capsys):
    file, small = tmp_path / f"a.{suffix}", tmp_path / "a.dcz"
    for kind in ("tflite", "onnx", "safetensors"):
        file.write_bytes(foreign_files.every()[kind][1])
        assert run("compress", "--quiet", file, small) == 0
        assert f"a.{suffix}: {kind}, " in capsys.readouterr().err
        assert run("extract", small, tmp_path / f"back.{kind}") == 0
        assert (tmp_path / f"back.{kind}").read_bytes() == file.read_bytes()


def test_a_damaged_file_is_packed_as_a_whole(tmp_path, capsys):
    file, small = tmp_path / "a.tflite", tmp_path / "a.dcz"
    file.write_bytes(foreign_files.every()["tflite"][1][:9000])
    assert run("compress", "--quiet", file, small) == 0
    assert "whole, since as tflite it is damaged: " in capsys.readouterr().err
    assert run("extract", small, tmp_path / "back.tflite") == 0
    assert (tmp_path / "back.tflite").read_bytes() == file.read_bytes()


def test_another_kind_is_not_promised(tmp_path, capsys):
    file, small = tmp_path / "a.safetensors", tmp_path / "a.dcz"
    file.write_bytes(foreign_files.safetensors(foreign_files.weights()))
    assert run("compress", "--quiet", file, small) == 0
    capsys.readouterr()
    error = one_line_of_error(capsys, "extract", small, tmp_path / "a.keras")
    assert "holds 'a.safetensors', which comes back as it was" in error


def test_what_cannot_be_packed_is_one_line(tmp_path, capsys):
    out = tmp_path / "a.dcz"
    (tmp_path / "empty.onnx").touch()
    for exact in ([], ["--exact"]):
        for name, what in [
            ("empty.onnx", "is empty"),
            ("nowhere.onnx", "There is no file"),
            (".", "is a folder"),
        ]:
            error = one_line_of_error(capsys, "compress", *exact, tmp_path / name, out)
            assert what in error
    out.write_bytes(b"old")
    dc.write(tmp_path / "b.dcz", {"a": np.arange(3)})
    for exact in ([], ["--exact"]):
        file = tmp_path / "b.dcz"
        error = one_line_of_error(capsys, "compress", *exact, file, out)
        assert "is a .dcz file already" in error
    assert out.read_bytes() == b"old"
    file = tmp_path / "a.keras"
    file.write_bytes(b"PK")
    words = ["compress", "--exact", "--bits", "4", file, out]
    assert "--exact changes nothing" in one_line_of_error(capsys, *words, status=2)
