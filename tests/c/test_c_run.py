"""The runner in C computes what the package computes, or says that it does not."""

import io
import random
from pathlib import Path

import numpy as np
import pytest
from helpers.c_decoder import Program as CProgram
from helpers.runnable import Net, file_of, nets

import deepcompress as dc
from deepcompress.commands import in_c
from deepcompress.dcz.directory import DTYPES, dtype_of
from deepcompress.runtime.kinds import BY_NAME, KINDS
from deepcompress.runtime.program import PART, Program

NETS = nets()
ZOO = Path(dc.__file__).parent / "models" / "zoo"
MODES = {"held": (), "streamed": ("--streamed",)}
LEFT_OUT = "cannot be run: "


class Runner(CProgram):
    """c/examples/dczrun.c: the outputs of all examples in turn, or why not."""

    def __init__(self, folder, name="dczrun", runner="dcz_run.c", *flags):
        self.flags = flags
        super().__init__(folder, name, runner, "examples/dczrun.c")

    def compile(self, *arguments):
        super().compile(*self.flags, *arguments)

    def __call__(self, data, inputs, *options):
        path = self.folder / "file.dcz"
        path.write_bytes(data)
        examples = [example for group in zip(*inputs, strict=True) for example in group]
        given = b"".join(np.float32(example).tobytes() for example in examples)
        result = self.finished(*options, path, given=given)
        if result.returncode:
            return result.stderr.decode().partition(": ")[2].strip()
        return np.frombuffer(result.stdout, "<f4")


@pytest.fixture(scope="module")
def runner(tmp_path_factory):
    return Runner(tmp_path_factory.mktemp("c"))


@pytest.fixture(scope="module")
def sanitized(tmp_path_factory):
    flags = ("-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all")
    return Runner(tmp_path_factory.mktemp("c"), "sanitized", "dcz_run.c", *flags)


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    return Runner(
        tmp_path_factory.mktemp("c"), "small", "dcz_run_small.c", "-DDCZ_SMALL"
    )


def package(data, inputs):
    """What the package makes of them, example by example."""
    net = dc.CompressedModel(data)
    given = inputs[0] if len(inputs) == 1 else inputs
    outputs = net(given)
    if not isinstance(outputs, list):
        outputs = [outputs]
    n = len(inputs[0])
    return np.concatenate([np.ravel(output[i]) for i in range(n) for output in outputs])


def assert_alike(found, expected):
    assert not isinstance(found, str), found
    assert found.shape == expected.shape
    largest = max(np.abs(expected).max(), 1e-3)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5 * largest)


@pytest.mark.parametrize("name", NETS)
def test_it_computes_what_the_package_computes(sanitized, name):
    net = NETS[name]
    inputs = net.inputs()
    expected = package(net.file(), inputs)
    assert np.ptp(expected) > 0
    assert_alike(sanitized(net.file(), inputs), expected)
    assert_alike(sanitized(net.file("context"), inputs), expected)
    assert_alike(sanitized(net.file(), inputs, "--streamed"), expected)
    assert in_c.refusal(dc.read(net.file())) == ""


def test_all_kinds_are_tried_or_refused_by_name(runner):
    tried = {o.kind for net in NETS.values() for o in net.operations}
    tried.add("embedding")
    for name, kind in BY_NAME.items():
        if name in tried:
            continue
        fields = {
            field.name: np.float32([1.0])
            for field in kind.fields
            if field.type == "array"
        }
        net = Net((4,)).add(name, of=(0,) * kind.n_inputs[0], **fields)
        assert runner(net.file(), net.inputs()) == LEFT_OUT + name
        assert in_c.refusal(dc.read(net.file())) == name


@pytest.mark.parametrize(
    ("name", "net"),
    [
        ("celu", Net((4,)).add("unary", function="celu")),
        ("sparse_sigmoid", Net((4,)).add("unary", function="sparse_sigmoid")),
        ("log", Net((4,)).add("unary", function="log")),
        ("power", Net((4,)).add("binary", of=(0, 0), function="power")),
        ("arctan2", Net((4,)).add("binary", of=(0, 0), function="arctan2")),
        ("argmax", Net((4,)).add("reduce", axes=(1,), function="argmax")),
        ("logsumexp", Net((4,)).add("reduce", axes=(1,), function="logsumexp")),
        (
            "padding by what is there",
            Net((4, 3)).add("pad", widths=(0, 0, 1, 1, 0, 0), function="edge"),
        ),
        ("windows of three axes", Net((4, 4, 4, 1)).add("conv", (2, 2, 2, 1, 1))),
        ("an input of any length", Net((None, 3)).add("dense", (3, 4))),
        ("a cast to what is not a float", Net((4,)).add("cast", dtype="int32")),
        (
            "resize by bilinear",
            Net((4, 4, 1)).add("resize", size=(2, 2), function="bilinear"),
        ),
    ],
)
def test_what_it_leaves_out_it_names(runner, name, net):
    inputs = [np.zeros((1, *(n or 2 for n in shape))) for shape in net.shapes]
    assert runner(net.file(), inputs) == LEFT_OUT + name
    assert in_c.refusal(dc.read(net.file())) == name


def test_why_a_file_cannot_be_run_it_says(runner):
    refused = Program(refusal="its layer 'x' is stateful").encode()
    assert runner(file_of({}, refused, "huffman"), [np.zeros((1, 1))]) == (
        LEFT_OUT + "its layer 'x' is stateful"
    )
    assert "cannot be run" in runner(dumps_without_program(), [np.zeros((1, 1))])
    net = NETS["dense"]
    assert runner(net.file("context"), net.inputs(), "--streamed") == (
        LEFT_OUT + "version 2, streamed"
    )


def dumps_without_program():
    file = io.BytesIO()
    dc.write(file, NETS["dense"].arrays)
    return file.getvalue()


@pytest.mark.parametrize("mode", MODES)
def test_embedding(sanitized, mode):
    net = Net((5,)).add("embedding", (30, 4))
    words = net.rng.integers(0, 30, (3, 5)).astype(np.float32)
    expected = package(net.file(), [words])
    assert_alike(sanitized(net.file(), [words], *MODES[mode]), expected)
    words[1, 2] = 30
    assert sanitized(net.file(), [words], *MODES[mode]) == "wrong argument"


@pytest.mark.parametrize("dtype", ["float16", "float64", "bfloat16"])
def test_weights_of_other_floats_are_widened(sanitized, small, dtype):
    net = Net((6,)).add("dense", (6, 5), (5,))
    arrays = {
        name: array.astype(dtype_of(DTYPES.index(dtype)))
        for name, array in net.arrays.items()
    }
    data = file_of(arrays, net.program().encode(), "huffman")
    inputs = net.inputs()
    for options in MODES.values():
        assert_alike(sanitized(data, inputs, *options), package(data, inputs))
    assert in_c.refusal(dc.read(data)) == ""
    assert in_c.small_refusal(dc.read(data)) == "weights that are not float32"
    assert isinstance(small(data, inputs, "--streamed"), str)


@pytest.mark.parametrize("mode", MODES)
def test_what_is_not_finite_makes_all_not_a_number(sanitized, mode):
    net = NETS["residual"]
    inputs = net.inputs(2)
    inputs[0][1, 2, 3, 1] = np.inf
    first, second = np.split(sanitized(net.file(), inputs, *MODES[mode]), 2)
    assert np.isfinite(first).all()
    assert np.isnan(second).all()


def test_many_outputs(sanitized):
    net = NETS["residual"]
    program = net.program((5, 1, 0)).encode()
    inputs = net.inputs()
    data = net.file(program=program)
    assert_alike(sanitized(data, inputs), package(data, inputs))


@pytest.mark.parametrize("name", ["lenet_300_100", "lenet5", "mnist_cnn"])
def test_the_zoo(runner, small, name):
    images = np.random.default_rng(0).random((40, 28, 28, 1)).astype(np.float32)
    data = (ZOO / f"{name}.dcz").read_bytes()
    container = dc.read(data)
    huffman = file_of(dict(container), bytes(container.parts[PART]), "huffman")
    expected = package(data, [images])
    assert_alike(runner(data, [images]), expected)
    assert_alike(runner(huffman, [images], "--streamed"), expected)
    assert_alike(small(huffman, [images], "--streamed"), expected)


# What the small runner leaves out of kinds that it knows.
PARTLY = {
    "mean where there are fewer": Net((6, 4)).add(
        "pool", function="average", size=(2,), padding="same"
    ),
    "reduce all": Net((6, 4)).add("reduce", axes=(1,), keepdims=1),
    "three axes": Net((2, 6, 6, 4)).add("unary"),
    "two outputs": Net((6,)).add("unary").add("unary"),
}


@pytest.mark.parametrize("name", [*NETS, *PARTLY])
def test_the_small_one_agrees_or_refuses(small, name):
    net = {**NETS, **PARTLY}[name]
    program = net.program((1, 2) if name == "two outputs" else ())
    data, inputs = net.file(program=program.encode()), net.inputs()
    found = small(data, inputs, "--streamed")
    why = in_c.small_refusal(dc.read(data))
    if isinstance(found, str):
        assert found.startswith("cannot be run")
        assert why
        assert name not in ("dense", "conv", "conv same", "pool", "relu", "softmax")
    else:
        assert_alike(found, package(data, inputs))
        assert not why


@pytest.mark.parametrize(
    ("words", "net"),
    [
        ("kind 15", Net((3, 4)).add("lstm", (4, 8), (2, 8), (8,))),
        ("kind 03", Net((9, 8, 4)).add("conv", (3, 3, 2, 6), groups=2)),
        ("kind 08", Net((4,)).add("flatten").add("unary", function="celu")),
        ("kind 09", Net((4,)).add("unary").add("binary", of=(0, 1))),
        ("inputs or outputs", Net((None, 3)).add("dense", (3, 4))),
        ("inputs or outputs", Net((4,), (4,)).add("binary", of=(0, 1))),
    ],
)
def test_what_the_small_one_leaves_out_it_tells_by_number(small, words, net):
    inputs = [np.zeros((1, *(n or 2 for n in shape))) for shape in net.shapes]
    assert small(net.file(), inputs, "--streamed") == LEFT_OUT + words
    if words != "inputs or outputs":
        assert KINDS[int(words[-2:])].name in {o.kind for o in net.operations}


def test_changed_programs_run_as_in_the_package_or_are_refused(sanitized):
    generator = random.Random(5)
    n_run = 0
    for net in NETS.values():
        program = net.program().encode()
        for _ in range(6):
            changed = bytearray(program)
            for _ in range(generator.randint(1, 2)):
                changed[generator.randrange(5, len(changed))] = generator.randrange(64)
            data = net.file(program=bytes(changed))
            inputs = net.inputs(1)
            found = sanitized(data, inputs)
            if isinstance(found, str):
                continue
            program_now = Program.decode(bytes(changed))
            if program_now.inputs != net.program().inputs or not program_now.outputs:
                continue  # C is given floats, whatever their dtype is
            n_run += 1
            expected = package(data, inputs)
            if np.isfinite(expected).all():
                assert_alike(found[: expected.size], expected)
    assert n_run > 10
