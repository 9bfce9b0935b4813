"""`deepcompress export`: what is written is what the model was, or a line says why."""

import re
import shutil
import subprocess
from importlib.util import find_spec
from types import SimpleNamespace

import keras
import numpy as np
import pytest
from helpers.nets import BACKEND, dense_net, image_net
from helpers.running import run_program
from helpers.saying import one_line_of_error
from keras import layers as L

import deepcompress as dc
from deepcompress.commands import answers, converting, runtimes
from deepcompress.commands.cli import main
from deepcompress.dcz.container import read

PRINTS = """
#include "net.h"
#include <stdint.h>
#include <stdio.h>

int main()
{
    return (uintptr_t)net % 8 || fwrite(net, 1, net_size, stdout) != net_size;
}
"""

exports = pytest.mark.skipif(
    BACKEND != "tensorflow", reason="TensorFlow exports models"
)


def needs(*modules):
    return pytest.mark.skipif(
        not all(map(find_spec, modules)), reason=f"needs {', '.join(modules)}"
    )


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def save(model, coder="huffman"):
    dc.HuffmanSerializer(coder=coder).save(model, "net.dcz")
    return model


@pytest.fixture
def model(folder):
    model = dense_net()
    dc.prune(model, 0.8)
    dc.WeightSharingQuantizer(bits=3).quantize(model)
    return save(model, "context")


def array_in(path):
    return bytes(int(byte, 16) for byte in re.findall(r"0x(..),", path.read_text()))


@pytest.mark.parametrize(
    ("compiler", "language"), [("cc", "c99"), ("cc", "c11"), ("c++", "c++17")]
)
def test_a_compiler_finds_every_byte_in_its_place(compiler, language, model, folder):
    if not shutil.which(compiler):
        pytest.skip(f"there is no {compiler}")
    assert main(["export", "net.dcz", "net.h", "--c-array", "--keep-coder"]) == 0
    source = folder / f"prints.{'cpp' if '+' in language else 'c'}"
    source.write_text(PRINTS)
    flags = [f"-std={language}", "-Wall", "-Wextra", "-Werror", "-pedantic"]
    subprocess.run([compiler, *flags, source, "-o", "prints"], check=True)
    printed = subprocess.run([folder / "prints"], capture_output=True, check=True)
    assert printed.stdout == (folder / "net.dcz").read_bytes()


def test_an_array_is_for_machines_without_memory(model, folder, capsys):
    assert main(["export", "net.dcz", "net.h"]) == 0
    said = capsys.readouterr().err
    data = array_in(folder / "net.h")
    assert f"{len(data):,} bytes" in said
    with read(data) as weights, read("net.dcz") as before:
        assert (weights.version, weights.architecture) == (1, None)
        assert list(weights) == list(before)
        for name in weights:
            np.testing.assert_array_equal(weights[name], before[name], strict=True)
        assert weights.parts["program"] == before.parts["program"]
    x = np.random.default_rng(0).random((5, 10), "float32")
    np.testing.assert_array_equal(
        dc.CompressedModel(data).predict(x), dc.CompressedModel("net.dcz").predict(x)
    )


def test_what_is_small_already_stays_as_it_is(model, folder, capsys):
    with read("net.dcz") as weights:
        dc.write("small.dcz", weights, parts=weights.parts)
    assert main(["export", "small.dcz", "small.c", "--c-array"]) == 0
    assert array_in(folder / "small.c") == (folder / "small.dcz").read_bytes()
    assert "every byte as it is" in capsys.readouterr().err


def test_what_cannot_be_run_is_said(folder, capsys):
    dc.write("net.dcz", {"dense/kernel": np.eye(3, dtype="float32")})
    assert main(["export", "net.dcz", "net.h"]) == 0
    assert "cannot run the model" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("layers", "words", "said"),
    [
        ([L.Dense(4, activation="relu"), L.Dense(2)], [], ""),
        ([L.Dense(2)], ["--keep-coder"], "c/dcz_run.c can: context coding."),
        ([L.Reshape((2, 5)), L.LSTM(3)], [], "cannot run the model: lstm."),
        ([L.Dense(4), L.LayerNormalization()], [], "can: layer_normalization."),
        ([L.Dense(4, activation="gelu")], [], "c/dcz_run.c can: gelu."),
    ],
)
def test_what_c_cannot_run_is_said_in_one_line(folder, capsys, layers, words, said):
    save(keras.Sequential([keras.Input((10,)), *layers]), "context")
    assert main(["export", "net.dcz", "net.h", *words]) == 0
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1 + bool(said)
    assert lines[-1].endswith(said)


@pytest.mark.parametrize(
    ("output", "words", "name"),
    [
        ("lenet-5.v2.h", [], "lenet_5_v2"),
        ("300.h", [], "model_300"),
        ("int.h", [], "model_int"),
        ("né.h", [], "n_"),
        ("a.h", ["--name", "_net5"], "_net5"),
    ],
)
def test_names_are_those_of_c(model, folder, output, words, name):
    assert main(["export", "net.dcz", output, *words]) == 0
    text = (folder / output).read_text()
    assert f" {name}[] = {{" in text
    assert f" {name}_size = sizeof {name};" in text
    assert f"#ifndef {name.upper()}_H\n#define {name.upper()}_H\n" in text


def test_an_array_needs_no_framework(model, folder):
    ended = run_program("command_without_keras", "export", "net.dcz", "net.h")
    assert (ended.returncode, ended.stderr.count("\n")) == (0, 1)
    assert array_in(folder / "net.h")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["net.dcz", "net.h", "--name", "a-b"], "no name of an array"),
        (["net.dcz", "net.h", "--name", "int"], "no name of an array"),
        (["net.dcz", "net.h", "--quantize", "int8"], "as they are"),
        (["net.dcz", "net.tflite", "--name", "net"], "for a C array"),
        (["net.dcz", "net.pb"], "says no format"),
        (["net.dcz", "no/net.h"], "does not exist"),
        (["net.dcz", "no/net.tflite"], "does not exist"),
        (["packed.dcz", "net.tflite"], "`deepcompress extract` gives back"),
        (["net.npy", "net.tflite"], "no .dcz file"),
        (["net.dcz", "net.tflite", "--sparse", "--quantize", "int8"], "does not load"),
        (["net.dcz", "net.onnx", "--sparse"], "dense float32"),
        (["net.dcz", "net.onnx", "--quantize", "float16"], "dense float32"),
        (["net.dcz", "net.mlpackage", "--sparse"], "by themselves"),
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_one_line(model, folder, capsys, words, message):
    np.save("net.npy", np.zeros(300))
    dc.pack("net.npy", "packed.dcz")
    assert message in one_line_of_error(capsys, "export", *words)
    assert not list(folder.glob("net.[!dn]*"))


@exports
@needs("ai_edge_litert")
@pytest.mark.parametrize(
    ("words", "away"),
    [([], 1e-5), (["--quantize", "float16"], 0.01), (["--quantize", "int8"], 0.1),
     (["--sparse"], 1e-5)],
)  # fmt: skip
def test_litert_computes_what_keras_does(folder, capsys, words, away):
    from ai_edge_litert.interpreter import Interpreter

    model = image_net()
    dc.prune(model, 0.7)
    save(model)
    assert main(["export", "net.dcz", "net.tflite", *words]) == 0
    size = (folder / "net.tflite").stat().st_size
    said = capsys.readouterr().err
    assert f"{size:,} bytes" in said
    assert "Checked in LiteRT" in said
    interpreter = Interpreter("net.tflite")
    interpreter.allocate_tensors()
    (into,) = interpreter.get_input_details()
    assert into["shape"].tolist() == [1, 8, 8, 1]
    x = np.random.default_rng(1).random((1, 8, 8, 1), "float32")
    interpreter.set_tensor(into["index"], x)
    interpreter.invoke()
    found = interpreter.get_tensor(interpreter.get_output_details()[0]["index"])
    expected = model.predict(x, verbose=0)
    assert np.abs(found - expected).max() <= away * np.abs(expected).max()


@exports
@needs("tf2onnx", "onnx", "onnxruntime")
def test_onnx_keeps_convolutions_as_they_are(folder, capsys):
    import onnx

    save(image_net())
    assert main(["export", "net.dcz", "net.onnx", "--quantize", "int8"]) == 0
    said = capsys.readouterr().err
    assert "Checked in ONNX Runtime" in said
    assert said.count("\n") == 1
    graph = onnx.load("net.onnx").graph
    kinds = {node.op_type for node in graph.node}
    assert {"Conv", "MatMulInteger"} <= kinds
    assert not kinds & {"ConvInteger", "MatMul"}


def grouped():
    return keras.Sequential(
        [
            keras.Input((9, 8, 6)),
            L.Conv2D(4, 3, strides=2, groups=2, activation="relu", padding="same"),
            L.Flatten(),
            L.Dense(3),
        ]
    )


@exports
@pytest.mark.parametrize(
    ("suffix", "says"),
    [
        pytest.param("tflite", "Checked", marks=needs("ai_edge_litert")),
        pytest.param("onnx", "Checked", marks=needs("tf2onnx", "onnx", "onnxruntime")),
        pytest.param("mlpackage", "bit for bit", marks=needs("coremltools")),
    ],
)
def test_groups_of_convolutions_are_understood(folder, capsys, suffix, says):
    save(grouped())
    assert main(["export", "net.dcz", f"net.{suffix}"]) == 0
    assert says in capsys.readouterr().err


def several(outputs):
    """Inputs whose order is not that of their names."""
    named = {name: keras.Input((4,), name=name) for name in ("zeta", "alpha", "mid")}
    z, a, m = named.values()
    made = [z - 2 * a, a - 3 * m]
    if outputs is dict:
        made = dict(zip(["second", "first"], made, strict=True))
    return keras.Model(named, made)


@exports
@pytest.mark.parametrize("outputs", [list, dict])
@pytest.mark.parametrize(
    ("suffix", "runtime"),
    [
        pytest.param("tflite", "LiteRT", marks=needs("ai_edge_litert")),
        pytest.param(
            "onnx", "ONNX Runtime", marks=needs("tf2onnx", "onnx", "onnxruntime")
        ),
    ],
)
def test_inputs_and_outputs_are_not_mistaken(folder, capsys, outputs, suffix, runtime):
    save(several(outputs))
    assert main(["export", "net.dcz", f"net.{suffix}"]) == 0
    assert f"Checked in {runtime}" in capsys.readouterr().err


@exports
@needs("ai_edge_litert")
def test_a_model_of_whole_numbers_is_checked(folder, capsys):
    save(keras.Sequential([keras.Input((3,), dtype="int32"), L.Embedding(2, 5)]))
    assert main(["export", "net.dcz", "net.tflite"]) == 0
    assert "Checked in LiteRT" in capsys.readouterr().err


@exports
@needs("ai_edge_litert")
def test_what_computes_something_else_is_not_written(
    model, folder, capsys, monkeypatch
):
    export = keras.Model.export

    def wrong(self, *arguments, **options):
        before = self.weights[0].numpy()
        self.weights[0].assign(before * 1.01)
        export(self, *arguments, **options)
        self.weights[0].assign(before)

    monkeypatch.setattr(keras.Model, "export", wrong)
    (folder / "net.tflite").write_bytes(b"old")
    assert "something else" in one_line_of_error(
        capsys, "export", "net.dcz", "net.tflite"
    )
    assert (folder / "net.tflite").read_bytes() == b"old"
    assert {path.name for path in folder.iterdir()} == {"net.dcz", "net.tflite"}


@exports
@pytest.mark.parametrize(
    "ends",
    [
        ("import os; os.kill(os.getpid(), 11)", "signal 11"),
        ("raise RuntimeError('failed to delegate')", "failed to delegate"),
    ],
)
def test_a_runtime_that_dies_is_one_line(model, folder, capsys, monkeypatch, ends):
    program, message = ends
    (folder / "dies.py").write_text(program)
    monkeypatch.setattr(answers, "__file__", str(folder / "dies.py"))
    monkeypatch.setattr(runtimes, "find_spec", lambda _: object())
    assert message in one_line_of_error(capsys, "export", "net.dcz", "net.tflite")
    assert not (folder / "net.tflite").exists()


@exports
def test_a_package_that_is_missing_is_named(model, folder, capsys, monkeypatch):
    missing = {"ai_edge_litert", "tf2onnx", "coremltools"}
    monkeypatch.setattr(runtimes, "find_spec", lambda name: name not in missing or None)
    assert main(["export", "net.dcz", "net.tflite"]) == 0
    assert "Not checked: pip install ai-edge-litert" in capsys.readouterr().err
    for suffix, package in [("onnx", "tf2onnx"), ("mlpackage", "coremltools")]:
        said = one_line_of_error(capsys, "export", "net.dcz", f"net.{suffix}")
        assert f"pip install {package}" in said


@keras.saving.register_keras_serializable("tests")
class OfNoGraph(keras.Model):
    def __init__(self, **arguments):
        super().__init__(**arguments)
        self.dense = L.Dense(2)

    def build(self, shape):
        self.dense.build(shape)

    def call(self, x):
        return self.dense(x)


def of_no_graph():
    model = OfNoGraph()
    model(np.zeros((1, 3), "float32"))
    return model


@exports
@pytest.mark.parametrize(
    ("make", "message"),
    [
        (of_no_graph, "a class of its own"),
        (lambda: keras.Sequential([keras.Input((None, 3)), L.GRU(2)]), "(None, 3)"),
        (lambda: keras.Sequential([keras.Input((3,)), L.Lambda(lambda x: x)]),
         "safe_mode"),
    ],
)  # fmt: skip
def test_what_no_runtime_takes_is_one_line(folder, capsys, make, message):
    save(make())
    assert message in one_line_of_error(capsys, "export", "net.dcz", "net.tflite")


@pytest.mark.skipif(BACKEND == "tensorflow", reason="TensorFlow exports models")
def test_another_backend_is_told_to_change(model, folder, capsys, monkeypatch):
    monkeypatch.setattr(runtimes, "find_spec", lambda _: object())
    said = one_line_of_error(capsys, "export", "net.dcz", "net.tflite")
    assert "KERAS_BACKEND=tensorflow" in said


def sparse_and_shared():
    model = image_net()
    dc.prune(model, {"block/conv2": 0.8, "head": 0.8})
    dc.WeightSharingQuantizer(bits=4, init="optimal").quantize(model)
    return model


@exports
@needs("coremltools")
def test_core_ml_keeps_every_weight(folder, capsys):
    save(sparse_and_shared())
    for words in ([], ["--quantize", "float16"], []):  # over the last one
        assert main(["export", "net.dcz", "net.mlpackage", *words]) == 0
        said = capsys.readouterr().err
        assert "bit for bit" in said
        assert ("float16" in said) == bool(words)
        files = [p for p in folder.glob("net.mlpackage/**/*") if p.is_file()]
        assert f"{sum(path.stat().st_size for path in files):,} bytes" in said
    assert {path.name for path in folder.iterdir()} == {"net.dcz", "net.mlpackage"}


@exports
@needs("coremltools")
def test_a_weight_that_core_ml_loses_is_seen(folder, capsys, monkeypatch):
    model = save(sparse_and_shared())
    kernel = np.abs(model.get_layer("head").kernel.numpy())
    monkeypatch.setattr(converting, "_SMALLEST", float(kernel[kernel > 0].min()) * 1.01)
    said = one_line_of_error(capsys, "export", "net.dcz", "net.mlpackage")
    assert "does not come back" in said
    assert not (folder / "net.mlpackage").exists()


@exports
@needs("coremltools")
def test_a_folder_of_something_else_is_left_alone(model, folder, capsys):
    (folder / "net.mlpackage").mkdir()
    (folder / "net.mlpackage" / "mine").write_text("precious")
    said = one_line_of_error(capsys, "export", "net.dcz", "net.mlpackage")
    assert "is a folder" in said
    assert (folder / "net.mlpackage" / "mine").read_text() == "precious"


def test_outputs_are_in_the_order_of_their_numbers(monkeypatch):
    names = [f"output_{number}" for number in range(12)]

    class Interpreter:
        def __init__(self, path):
            pass

        def allocate_tensors(self):
            pass

        def get_signature_runner(self):
            return lambda: {name: name for name in sorted(names)}

    fake = SimpleNamespace(Interpreter=Interpreter)
    monkeypatch.setattr(answers, "import_module", lambda _: fake)
    assert answers.litert("net.tflite")({}) == names
