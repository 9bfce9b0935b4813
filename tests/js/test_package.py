"""The package in js/ computes and decodes what the package in Python does."""

import base64
import io
import json
import sys

import numpy as np
import pytest
from helpers.arrays import dumps
from helpers.golden import GOLDEN
from helpers.node import FOLDER, node

import deepcompress as dc
from deepcompress.dcz.report import CompressionReport
from deepcompress.runtime.program import Input, Operation, Program

ZOO = FOLDER.parent / "deepcompress" / "models" / "zoo"
EXPECTED = FOLDER / "test" / "expected.json"
TYPES = {
    **{np.dtype(f"{kind}{8 * n}").name: f"{kind.capitalize()}{8 * n}Array"
       for kind in ("int", "uint") for n in (1, 2, 4)},
    "bool": "Uint8Array", "int64": "BigInt64Array", "uint64": "BigUint64Array",
    "float64": "Float64Array", "complex128": "Float64Array",
}  # fmt: skip

# Reads JSON that names a file and what to do with it; writes JSON.
SCRIPT = """
import { readFileSync } from "node:fs";
import { inspect, open } from "./index.js";
const given = JSON.parse(readFileSync(0));
const bytes = readFileSync(given.path);
const net = await open(bytes);
let outputs, wrong;
try {
  outputs = "x" in given ? net.predict(given.x) : undefined;
} catch (error) {
  wrong = String(error);
}
const { refused, inputs } = net;
const contents = await inspect(bytes);
const plain = (_, value) => (value instanceof Float32Array ? [...value] : value);
console.log(JSON.stringify({ contents, refused, inputs, outputs, wrong }, plain));
"""


def run(path, **given):
    text = json.dumps({"path": str(path), **given})
    return json.loads(node("--input-type=module", "-e", SCRIPT, given=text))


def inputs(seed):
    """Those of js/test/package.test.mjs."""
    x = (np.arange(784) * 7919 + seed * 31) % 101 / 101
    return x.astype("float32").reshape(1, 28, 28, 1)


def numbers(array):
    """The first numbers of an array, as text that JavaScript reads."""
    if array.dtype.kind == "c":
        array = array.reshape(-1).view(array.real.dtype)
    if array.dtype.kind in "fV":
        words = {"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}
        flat = [repr(float(each)) for each in array.reshape(-1)[:99]]
        return [words.get(each, each) for each in flat]
    return [str(int(each)) for each in array.reshape(-1)[:99]]


def small_nets():
    """Files of a few hundred bytes that use what can be run, also to be changed."""
    rng = np.random.default_rng(5)

    def weights(**shapes):
        made = {n: np.round(rng.standard_normal(s) * 3) / 4 for n, s in shapes.items()}
        return {f"{n[0]}/{n}": a.astype("float32") for n, a in made.items()}

    image = (Input("", (8, 8, 2), "float32"),)
    plain = [
        Operation("conv", (0,), (0, 1), {"activation": "relu", "padding": "same"}),
        Operation("pool", (1,)),
        Operation("conv", (2,), (2, 3), {"strides": (2, 2)}),
        Operation("flatten", (3,)),
        Operation("dense", (4,), (4, 5), {"activation": "softmax"}),
    ]
    yield (
        Program(image, tuple(plain), (5,)),
        weights(a=(3, 3, 2, 4), abias=4, b=(2, 2, 4, 3), bbias=3, c=(12, 5), cbias=5),
    )
    branches = [
        Operation("depthwise_conv", (0,), (0, 1), {"padding": "same"}),
        Operation("batch_normalization", (1,), (2, 3, 4, 5)),
        Operation("binary", (0, 2)),
        Operation("conv_transpose", (3,), (6, 7), {"strides": (2, 2)}),
        Operation("concatenate", (3, 2)),
        Operation("reduce", (5,), (), {"axes": (1, 2)}),
        Operation("resize", (4,), (), {"size": (5, 5)}),
        Operation("pad", (7,), (), {"widths": (0, 0, 1, 1, 0, 2, 0, 0)}),
        Operation("transpose", (8,), (), {"axes": (0, 3, 1, 2)}),
        Operation("layer_normalization", (9,), (8, 9)),
        Operation("unary", (10,), (), {"function": "gelu"}),
    ]
    yield (
        Program(image, tuple(branches), (11, 6), ("picture", "means"), is_one=False),
        {
            **weights(a=(3, 3, 2, 1), abias=2, b=2, bbeta=2, bmean=2),
            "b/bvariance": np.full(2, 0.5, "float32"),
            **weights(c=(3, 3, 3, 2), cbias=3, d=7, dbeta=7),
        },
    )


def expected():
    """What js/test/expected.json holds."""
    made = {"nets": []}
    for program, arrays in small_nets():
        for coder in ("huffman", "context"):
            file = io.BytesIO()
            parts = {"program": program.encode()}
            dc.write(file, arrays, coder=coder, parts=parts)
            x = (np.arange(128) % 11 / 8 - 0.5).astype("float32").reshape(1, 8, 8, 2)
            y = dc.CompressedModel(file.getvalue())(x)
            outputs = y if isinstance(y, dict) else {"": y}
            made["nets"].append(
                {
                    "file": base64.b64encode(file.getvalue()).decode(),
                    "outputs": {n: a.reshape(-1).tolist() for n, a in outputs.items()},
                }
            )
    for path in sorted(ZOO.glob("*.dcz")):
        net = dc.CompressedModel(path)
        with dc.read(path) as arrays:
            rows = [
                [name, int(np.count_nonzero(a)), len(np.unique(a))]
                for name, a in arrays.items()
            ]
        outputs = [net(inputs(seed))[0].tolist() for seed in range(3)]
        made[path.stem] = {"outputs": outputs, "arrays": rows}
    with dc.read(GOLDEN / "features" / "dtypes-v1.dcz") as arrays:
        made["dtypes"] = {
            name: {
                "type": TYPES.get(a.dtype.name, "Float32Array"),
                "data": numbers(a),
            }
            for name, a in arrays.items()
        }
    return made


def test_what_the_tests_in_node_expect_is_what_python_computes():
    told, made = json.loads(EXPECTED.read_text()), expected()
    outputs = [
        [each.pop("outputs") for each in (*those.pop("nets"), *those.values())
         if "outputs" in each]
        for those in (told, made)
    ]  # fmt: skip
    for one, other in zip(*outputs, strict=True):
        for name in one if isinstance(one, dict) else range(len(one)):
            np.testing.assert_allclose(one[name], other[name], 1e-5, 1e-5)
    assert told == made


def test_the_tests_in_node():
    node("--test", "test/package.test.mjs")


def test_the_package_can_be_packed():
    packed = json.loads(node("pack", "--dry-run", "--json", program="npm"))
    assert packed[0]["version"] == dc.__version__
    files = {each["path"] for each in packed[0]["files"]}
    assert files == {"README.md", "index.d.ts", "index.js", "package.json", "wasm.js"}


@pytest.mark.parametrize("coder", ["huffman", "context"])
def test_bytes_are_those_of_the_report(coder, tmp_path):
    rng = np.random.default_rng(0)
    kernel = rng.integers(-8, 9, (60, 40)) / 16 * (rng.random((60, 40)) < 0.2)
    arrays = {
        "a/kernel": kernel.astype("float32"),
        "a/bias": rng.random(40).astype("float32"),
        "b/kernel": np.zeros((40, 7), "float32"),
        "b/bias": rng.integers(0, 3, 7).astype("int8"),
    }
    path = tmp_path / "a.dcz"
    path.write_bytes(dumps(arrays, coder=coder))
    contents = run(path)["contents"]
    report = CompressionReport.from_file(path)
    for array in contents["arrays"]:
        stats = report.stats[array["name"]]
        assert array["bytes"] == pytest.approx(stats.n_bytes, abs=1.5)
        assert array["kept"] == np.count_nonzero(arrays[array["name"]])


def written(path, program, **arrays):
    dc.write(path, arrays, parts={"program": program.encode()})
    return dc.CompressedModel(path)


def test_several_inputs_and_outputs_by_name(tmp_path):
    rng = np.random.default_rng(1)
    path = tmp_path / "two.dcz"
    program = Program(
        (Input("left", (3,), "float32"), Input("right", (2,), "float32")),
        (
            Operation("dense", (0,), (0, 1), {"activation": "relu"}),
            Operation("dense", (1,), (2, 3), {"activation": "tanh"}),
            Operation("concatenate", (2, 3)),
        ),
        (4, 2),
        ("both", "first"),
        is_one=False,
    )
    shapes = {"a/kernel": (3, 4), "a/bias": (4,), "b/kernel": (2, 5), "b/bias": (5,)}
    arrays = {n: rng.standard_normal(s).astype("float32") for n, s in shapes.items()}
    net = written(path, program, **arrays)
    x = {"left": rng.random((2, 3)), "right": rng.random((2, 2))}
    wanted = net.predict({name: a.astype("float32") for name, a in x.items()})
    flat = {name: a.reshape(-1).tolist() for name, a in x.items()}
    for given in (flat, list(flat.values())):
        said = run(path, x=given)
        assert [each["name"] for each in said["inputs"]] == ["left", "right"]
        assert list(said["outputs"]) == ["both", "first"]
        for name, array in wanted.items():
            made = np.reshape(said["outputs"][name], array.shape)
            np.testing.assert_allclose(made, array, 1e-5, 1e-6)


def test_inputs_are_named_where_they_are_wrong(tmp_path):
    path = tmp_path / "two.dcz"
    program = Program(
        (Input("left", (3,), "float32"), Input("right", (1, 2), "float32")),
        (Operation("flatten", (1,)), Operation("concatenate", (0, 2))),
        (3,),
    )
    written(path, program)
    left, right = [1, 2, 3], [[4, 5]]
    for good in ([left, right], {"right": right, "left": left}):
        assert run(path, x=good)["outputs"] == [1, 2, 3, 4, 5]
    takes = 'TypeError: The model takes ["left","right"]; it was given '
    wrong = [
        ([left], takes + "1 of them."),
        ([left, right, right], takes + "3 of them."),
        ({"left": left, "rigth": right}, takes + "rigth."),
        ("ab", takes + "0."),
        ({"left": left}, 'The input "right" takes 2 numbers (1 x 2) for each'),
        ([left, [4, None]], 'TypeError: The input "right" takes 2 numbers (1 x 2)'),
        ([left, [4, 5, 6, 7]], 'DczError: The input "right" takes 2 numbers (1 x 2)'),
    ]
    for x, words in wrong:
        assert words in run(path, x=x)["wrong"]


def test_what_cannot_be_run_is_refused_by_name(tmp_path):
    path = tmp_path / "lstm.dcz"
    program = Program(
        (Input("", (5, 3), "float32"),), (Operation("lstm", (0,), (0, 1, 2)),), (1,)
    )
    shapes = {"a/kernel": (3, 8), "a/recurrent": (2, 8), "a/bias": (8,)}
    written(path, program, **{n: np.ones(s, "float32") for n, s in shapes.items()})
    assert "lstm" in run(path)["refused"]


if __name__ == "__main__":
    EXPECTED.write_text(json.dumps(expected(), separators=(",", ":")) + "\n")
    sys.exit()
