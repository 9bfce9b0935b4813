import json
import os
import re
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
from helpers.nets import BACKEND, dense_net
from helpers.running import run_program
from helpers.saying import one_line_of_error

import deepcompress as dc
from deepcompress.commands.cli import main
from deepcompress.dcz import container
from deepcompress.dcz.container import write


class Own(keras.layers.Layer):
    def call(self, x):
        return x


@pytest.fixture
def model():
    model = dense_net()
    dc.prune(model, 0.8)
    return model


@pytest.fixture
def path(model, tmp_path):
    dc.HuffmanSerializer().save(model, tmp_path / "model.dcz")
    return tmp_path / "model.dcz"


def test_inspect_prints_the_table(path, capsys):
    assert main(["inspect", str(path)]) == 0
    out = capsys.readouterr().out
    assert "hidden" in out
    assert f"{path.stat().st_size:,}" in out


def test_inspect_prints_json(path, capsys):
    assert main(["inspect", "--json", str(path)]) == 0
    assert json.loads(capsys.readouterr().out)["size"] == path.stat().st_size


def test_inspect_draws(path, tmp_path, capsys, model):
    dc.WeightSharingQuantizer(bits=2).quantize(model)
    dc.HuffmanSerializer().save(model, path)
    picture = tmp_path / "picture.png"
    assert main(["inspect", str(path), "--plot", str(picture)]) == 0
    assert picture.read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("suffix", ["keras", "weights.h5", "npz"])
def test_extract_gives_every_weight_back(suffix, model, path, tmp_path):
    out = tmp_path / f"out.{suffix}"
    out.write_bytes(b"old")
    assert main(["extract", str(path), str(out)]) == 0
    if suffix == "keras":
        weights = keras.models.load_model(out).get_weights()
    elif suffix == "weights.h5":
        other = dc.load_model(path, compile=False)
        other.set_weights([0 * weight for weight in other.get_weights()])
        other.load_weights(out)
        weights = other.get_weights()
    else:
        with np.load(out) as arrays:
            assert sorted(arrays) == [
                "hidden/bias", "hidden/kernel", "out/bias", "out/kernel",
            ]  # fmt: skip
            weights = [arrays[v.path.partition("/")[2]] for v in model.weights]
    for weight, expected in zip(weights, model.get_weights(), strict=True):
        assert weight.tobytes() == expected.tobytes()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["model.dcz", out.name]


@pytest.mark.parametrize("command", ["inspect", "extract", "compress"])
def test_what_makes_no_model_needs_no_tensorflow(command, model, path, tmp_path):
    arguments = [command, path]
    if command == "extract":
        arguments += [tmp_path / "out.npz"]
    if command == "compress":
        model.save_weights(tmp_path / "in.weights.h5")
        arguments = [command, tmp_path / "in.weights.h5", tmp_path / "out.dcz"]
    ended = run_program("command_without_keras", *arguments)
    assert (ended.returncode, ended.stderr) == (0, "")


@pytest.mark.parametrize("suffix", ["keras", "weights.h5", "h5"])
# Keras itself warns of the old format.
@pytest.mark.filterwarnings("ignore:You are saving:UserWarning")
def test_compress_keeps_every_weight(suffix, model, tmp_path, capsys):
    file, out = tmp_path / f"model.{suffix}", tmp_path / "out.dcz"
    if suffix == "weights.h5":
        model.save_weights(file)
    else:
        model.save(file)
    assert main(["compress", str(file), str(out)]) == 0
    printed = capsys.readouterr().out
    assert "hidden" in printed
    assert f"{out.stat().st_size:,}" in printed
    if suffix == "keras":
        loaded = dc.load_model(out)
    else:
        loaded = dc.HuffmanSerializer().load(out, model=dense_net())
    for weight, expected in zip(loaded.get_weights(), model.get_weights(), strict=True):
        assert weight.tobytes() == expected.tobytes()


def test_a_missing_file_is_one_line(capsys, tmp_path):
    assert "no.dcz" in one_line_of_error(capsys, "inspect", tmp_path / "no.dcz")


def test_a_foreign_file_is_one_line(capsys, tmp_path):
    path = tmp_path / "a.dcz"
    path.write_text("not compressed")
    assert "not a .dcz file" in one_line_of_error(capsys, "inspect", path)
    out = tmp_path / "a.npz"
    assert "not a .dcz file" in one_line_of_error(capsys, "extract", path, out)
    assert not out.exists()


def test_an_unknown_suffix_is_one_line(capsys, path):
    error = one_line_of_error(capsys, "extract", path, "a.onnx", status=2)
    assert ".weights.h5" in error


def test_a_missing_folder_is_one_line(capsys, path, tmp_path):
    out = tmp_path / "no" / "a.keras"
    assert "does not exist" in one_line_of_error(capsys, "extract", path, out)


def test_weights_alone_become_npz_only(capsys, model, path, tmp_path):
    dc.HuffmanSerializer(include_architecture=False).save(model, path)
    out = tmp_path / "a.keras"
    assert "no architecture" in one_line_of_error(capsys, "extract", path, out)
    assert main(["extract", str(path), str(tmp_path / "a.npz")]) == 0


def test_bfloat16_does_not_become_npz(capsys, tmp_path):
    model = keras.Sequential(
        [keras.Input((3,)), keras.layers.Dense(2, dtype="bfloat16")]
    )
    path = tmp_path / "a.dcz"
    dc.HuffmanSerializer().save(model, path)
    message = one_line_of_error(capsys, "extract", path, tmp_path / "a.npz")
    assert "bfloat16, which .npz cannot hold" in message


@pytest.mark.parametrize(
    "names", [["file", "allow_pickle", "args"], ["arr_0", "a/b", "größe"]]
)
def test_arrays_of_any_name_become_npz(names, tmp_path):
    arrays = {name: np.full(3, i, "float32") for i, name in enumerate(names)}
    write(tmp_path / "a.dcz", arrays)
    assert main(["extract", str(tmp_path / "a.dcz"), str(tmp_path / "a.npz")]) == 0
    with np.load(tmp_path / "a.npz") as archive:
        assert sorted(archive) == sorted(names)
        for name, array in arrays.items():
            np.testing.assert_array_equal(archive[name], array, strict=True)


@pytest.fixture
def words(tmp_path):
    """The file of a model that knows some words, and what it makes of them."""
    if BACKEND != "tensorflow":
        pytest.skip("strings are TensorFlow's")
    lookup = keras.layers.StringLookup(output_mode="one_hot", name="words")
    lookup.adapt([["red"], ["green"], ["größe"]])
    inputs = keras.Input((1,), dtype="string")
    model = keras.Model(inputs, keras.layers.Dense(2)(lookup(inputs)))
    model.save(tmp_path / "words.keras")
    return tmp_path / "words.keras"


def outputs(path):
    inputs = keras.ops.convert_to_tensor([["red"], ["größe"], ["x"]])
    return keras.models.load_model(path).predict(inputs, verbose=0)


def test_a_vocabulary_passes_through_the_command(words, tmp_path, capsys):
    small, back = tmp_path / "small.dcz", tmp_path / "back.keras"
    assert main(["compress", str(words), str(small)]) == 0
    assert "assets" in capsys.readouterr().out
    assert main(["inspect", str(small)]) == 0
    assert "assets" in capsys.readouterr().out
    assert main(["extract", str(small), str(back)]) == 0
    np.testing.assert_array_equal(outputs(back), outputs(words))


@pytest.mark.parametrize("suffix", ["npz", "weights.h5"])
def test_a_vocabulary_is_not_left_out(suffix, words, tmp_path, capsys):
    small, out = tmp_path / "small.dcz", tmp_path / f"out.{suffix}"
    assert main(["compress", str(words), str(small)]) == 0
    capsys.readouterr()
    assert "'words/vocabulary.txt'" in one_line_of_error(capsys, "extract", small, out)
    assert not out.exists()


@keras.saving.register_keras_serializable("tests")
class Half(keras.layers.Layer):
    def save_assets(self, folder):
        Path(folder, "a").write_bytes(b"a")

    def load_assets(self, folder):
        pass

    def call(self, x):
        return x


def test_what_cannot_be_kept_is_one_line(tmp_path, capsys, monkeypatch):
    path, out = tmp_path / "a.keras", tmp_path / "a.dcz"
    keras.Sequential([keras.Input((3,)), Half(name="odd")]).save(path)
    monkeypatch.delattr(Half, "load_assets")
    line = one_line_of_error(capsys, "compress", path, out)
    assert "the layer 'odd' keeps besides its weights cannot be saved" in line
    assert not out.exists()


def test_names_that_npz_cannot_tell_apart_are_one_line(capsys, tmp_path):
    path, out = tmp_path / "a.dcz", tmp_path / "a.npz"
    write(path, {"a": np.zeros(1), "a.npy": np.zeros(1)})
    assert "'a' from one named 'a.npy'" in one_line_of_error(
        capsys, "extract", path, out
    )
    assert not out.exists()


def test_a_damaged_file_leaves_the_old_output(capsys, path, tmp_path):
    data = bytearray(path.read_bytes())
    data[-200] ^= 1
    path.write_bytes(data)
    out = tmp_path / "a.npz"
    out.write_bytes(b"old")
    one_line_of_error(capsys, "extract", path, out)
    assert out.read_bytes() == b"old"


@pytest.mark.parametrize(
    ("file", "out", "message"),
    [
        ("no.h5", "a.dcz", "no file '.*no.h5'"),
        ("no.keras", "a.dcz", "no.keras"),
        ("text.h5", "a.dcz", "text.h5' is not an HDF5 file"),
        ("text.keras", "a.dcz", "text.keras"),
        ("no.txt", "a.dcz", "no file '.*no.txt'"),
        ("own.keras", "a.dcz", "Keras cannot load '.*own.keras'"),
    ],
)
def test_what_cannot_be_compressed_is_one_line(file, out, message, capsys, tmp_path):
    for suffix in ("h5", "keras", "txt"):
        (tmp_path / f"text.{suffix}").write_text("text")
    keras.Sequential([keras.Input((3,)), Own()]).save(tmp_path / "own.keras")
    error = one_line_of_error(capsys, "compress", tmp_path / file, tmp_path / out)
    assert re.search(message, error)
    assert not (tmp_path / "a.dcz").exists()


def test_an_output_of_another_suffix_is_wrong_usage(capsys, tmp_path):
    file = tmp_path / "text.h5"
    file.write_text("text")
    error = one_line_of_error(capsys, "compress", file, file, status=2)
    assert "must be a .dcz file" in error
    assert file.read_text() == "text"


@pytest.mark.parametrize(
    "words",
    [
        ["compress", "a.keras"],
        ["compress", "a.keras", "a.dcz", "--coder", "zip"],
        ["compress", "a.keras", "a.dcz", "--custom-objects", "module"],
        ["compress", "a.keras", "a.dcz", "--json", "--quiet"],
        ["inspect"],
        ["nothing"],
    ],
)
def test_wrong_usage_has_status_2(words, capsys):
    with pytest.raises(SystemExit) as stopped:
        main(words)
    assert stopped.value.code == 2


# What is printed.


def test_compress_takes_a_coder(model, tmp_path, capsys):
    model.save(tmp_path / "a.keras")
    model.save_weights(tmp_path / "a.weights.h5")
    out = tmp_path / "a.dcz"
    for file in ("a.keras", "a.weights.h5"):
        words = ["--quiet", "--coder", "context"]
        assert main(["compress", *words, str(tmp_path / file), str(out)]) == 0
        version = out.read_bytes()[len(container.MAGIC)]
        assert version == container.CODERS["context"]
    assert capsys.readouterr().out == ""


def test_compress_prints_json(model, tmp_path, capsys):
    model.save_weights(tmp_path / "a.weights.h5")
    out = tmp_path / "a.dcz"
    arguments = ["compress", "--json", str(tmp_path / "a.weights.h5"), str(out)]
    assert main(arguments) == 0
    assert json.loads(capsys.readouterr().out)["size"] == out.stat().st_size


RUN = "import sys; from deepcompress.commands.cli import main; sys.exit(main())"


@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize("words", [[], ["--json"]])
def test_a_reader_that_leaves_is_no_error(words, unbuffered, path, monkeypatch):
    monkeypatch.setenv("PYTHONUNBUFFERED", unbuffered)
    reading, writing = os.pipe()
    os.close(reading)
    ended = subprocess.run(
        [sys.executable, "-c", RUN, "inspect", str(path), *words],
        stdout=writing,
        stderr=subprocess.PIPE,
        check=False,
    )
    os.close(writing)
    assert (ended.returncode, ended.stderr) == (141, b"")


@pytest.mark.parametrize("words", [["--help"], ["compress", "--help"], ["--version"]])
def test_a_reader_of_the_help_that_leaves_is_no_error(words, monkeypatch):
    monkeypatch.setenv("PYTHONUNBUFFERED", "")
    reading, writing = os.pipe()
    os.close(reading)
    ended = subprocess.run(
        [sys.executable, "-c", RUN, *words],
        stdout=writing,
        stderr=subprocess.PIPE,
        check=False,
    )
    os.close(writing)
    assert (ended.returncode, ended.stderr) == (141, b"")


@pytest.mark.parametrize(
    "command", [[], ["demo"], ["inspect"], ["compress"], ["extract"]]
)
def test_every_command_has_help(command, capsys):
    with pytest.raises(SystemExit) as stopped:
        main([*command, "--help"])
    assert stopped.value.code == 0
    assert "usage: deepcompress" in capsys.readouterr().out


def test_the_version_is_printed(capsys):
    with pytest.raises(SystemExit):
        main(["--version"])
    assert capsys.readouterr().out == f"{dc.__version__}\n"


def test_no_command_is_a_usage_error():
    with pytest.raises(SystemExit) as stopped:
        main([])
    assert stopped.value.code == 2
