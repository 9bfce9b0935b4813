"""Small models that are made of programs, without Keras: their files, and inputs."""

import io
from typing import Any

import numpy as np

import deepcompress as dc
from deepcompress.runtime.program import PART, Input, Operation, Program


class Net:
    """A model that grows operation by operation, with weights at random.

    Args:
        shapes: Those of its inputs, without the axis of the examples.
        seed: Of the weights.
    """

    def __init__(self, *shapes: tuple[int, ...], seed: int = 0) -> None:
        self.shapes = shapes
        self.rng = np.random.default_rng(seed)
        self.arrays: dict[str, np.ndarray] = {}
        self.operations: list[Operation] = []

    @property
    def last(self) -> int:
        """The number of the last value."""
        return len(self.shapes) + len(self.operations) - 1

    def add(
        self,
        kind: str,
        *shapes: tuple[int, ...],
        of: tuple[int, ...] | None = None,
        **settings: Any,
    ) -> "Net":
        """Adds an operation of the last value, or of others, with weights of shapes."""
        first = len(self.arrays)
        for shape in shapes:
            self.arrays[f"layer{len(self.operations)}/{len(self.arrays)}"] = (
                self.weights(shape)
            )
        self.operations.append(
            Operation(
                kind,
                (self.last,) if of is None else of,
                tuple(range(first, len(self.arrays))),
                settings,
            )
        )
        return self

    def weights(self, shape: tuple[int, ...]) -> np.ndarray:
        """Few values, most of them 0 where there are many."""
        values = self.rng.normal(0, 0.5, 7).astype(np.float32)
        made = values[self.rng.integers(0, 7, shape)]
        if made.size > 60:
            made *= self.rng.random(shape) < 0.3
        return np.abs(made) + np.float32(0.1) if made.ndim == 1 else made

    def program(self, outputs: tuple[int, ...] = (), **more: Any) -> Program:
        """What it computes: the last value, or several."""
        names = [""] if len(self.shapes) == 1 else map(str, range(len(self.shapes)))
        inputs = tuple(
            Input(name, shape, "float32")
            for name, shape in zip(names, self.shapes, strict=True)
        )
        is_one = not outputs
        return Program(
            inputs,
            tuple(self.operations),
            outputs or (self.last,),
            is_one=is_one,
            **more,
        )

    def file(self, coder: str = "huffman", program: bytes | None = None) -> bytes:
        """Its file."""
        data = self.program().encode() if program is None else program
        return file_of(self.arrays, data, coder)

    def inputs(self, n: int = 3) -> list[np.ndarray]:
        """Examples for each of its inputs."""
        return [
            self.rng.normal(size=(n, *shape)).astype(np.float32)
            for shape in self.shapes
        ]


def file_of(arrays: dict[str, np.ndarray], program: bytes, coder: str) -> bytes:
    """Returns a file with a program."""
    file = io.BytesIO()
    dc.write(file, arrays, coder=coder, parts={PART: program})
    return file.getvalue()


ACTIVATIONS = (
    "linear relu sigmoid tanh softmax elu selu gelu gelu_tanh silu softplus softsign "
    "exponential hard_sigmoid hard_tanh relu6 leaky_relu mish log_softmax log_sigmoid "
    "negative absolute square exp hard_silu stop_gradient"
).split()
JOINED = "add subtract multiply maximum minimum squared_difference".split()


def nets() -> dict[str, Net]:
    """Returns models that C runs: at least one with each kind, and with each field."""
    image, line, table = (9, 8, 4), (11, 5), (6,)
    made = {
        "dense": Net(table).add("dense", (6, 5), (5,), activation="relu"),
        "dense alone": Net(table).add("dense", (6, 70)),
        "dense of a sequence": Net(line).add("dense", (5, 3), (3,)),
        "dense of axes": Net((4, 2, 3)).add("dense", (2, 3, 5, 4), (5, 4), n_axes=2),
        "conv": Net(image).add("conv", (3, 2, 4, 6), (6,), activation="tanh"),
        "conv same": Net(image).add(
            "conv", (3, 3, 4, 6), (6,), strides=(2, 2), padding="same"
        ),
        "conv dilated": Net(image).add("conv", (2, 3, 4, 3), dilation=(3, 2)),
        "conv of groups": Net(image).add("conv", (3, 3, 2, 6), (6,), groups=2),
        "conv of a line": Net(line).add(
            "conv", (3, 5, 4), (4,), padding="causal", dilation=(2,)
        ),
        "conv and back": Net((6, 6, 1))
        .add("conv", (1, 1, 1, 9), (9,))
        .add("conv", (2, 2, 9, 1), (1,), strides=(2, 2)),
        "depthwise": Net(image).add(
            "depthwise_conv", (3, 3, 4, 2), (8,), padding="same", activation="relu6"
        ),
        "transposed": Net(image).add(
            "conv_transpose", (3, 3, 5, 4), (5,), strides=(2, 2), padding="same"
        ),
        "transposed short": Net(line).add("conv_transpose", (2, 3, 5), strides=(3,)),
        "transposed more": Net(image).add(
            "conv_transpose",
            (3, 3, 5, 4),
            (5,),
            strides=(2, 2),
            output_padding=(1, 0),
        ),
        "pool": Net(image).add("pool"),
        "pool means": Net(image).add(
            "pool", function="average", size=(3, 2), strides=(2, 2), padding="same"
        ),
        "pool a line": Net(line).add("pool", size=(3,), strides=(1,), padding="same"),
        "batch normalization": Net(image).add(
            "batch_normalization", (4,), (4,), (4,), (4,), activation="relu"
        ),
        "batch normalization plain": Net(line).add(
            "batch_normalization", (5,), (5,), has=12, epsilon=0.25
        ),
        "batch normalization ahead": Net(line).add(
            "batch_normalization", (11,), (11,), (11,), (11,), axis=1
        ),
        "layer normalization": Net(line).add("layer_normalization", (5,), (5,)),
        "layer normalization of axes": Net(line).add(
            "layer_normalization", (11, 5), axes=(1, 2), has=1
        ),
        "rms normalization": Net(line).add(
            "layer_normalization", (5,), has=1, is_rms=1
        ),
        "group normalization": Net(image).add(
            "group_normalization", (4,), (4,), groups=2
        ),
        "instance normalization": Net(image).add(
            "group_normalization", (4,), has=2, groups=-1
        ),
        "flatten": Net(image).add("flatten").add("dense", (288, 3)),
        "reshape": Net(image).add("reshape", shape=(-2, 4, -1)),
        "transpose": Net(image).add("transpose", axes=(0, 3, 1, 2)),
        "pad": Net(line).add("pad", widths=(0, 0, 1, 2, 0, 3), value=1.5),
        "crop": Net(image).add("crop", widths=(0, 0, 1, 2, 3, 0, 0, 1)),
        "repeat": Net(line).add("repeat", times=3, axis=1),
        "flip": Net(image).add("flip", axes=(2,)),
        "resize": Net(image).add("resize", size=(13, 5)),
        "squeeze": Net((4, 1, 3))
        .add("squeeze", axes=(2,))
        .add("expand_dims", axes=(3,)),
        "cast": Net(table).add("cast", dtype="float16").add("unary", function="square"),
        "reduce": Net(image).add("reduce", axes=(1, 2)),
        "reduce most": Net(image).add("reduce", function="max", axes=(-1,), keepdims=1),
        "reduce sums": Net(image).add("reduce", function="sum", axes=(3, 1)),
        "relu of all kinds": Net((50,)).add("unary", alpha=0.1, beta=2.0, gamma=0.3),
        "softmax of an axis": Net(line).add("unary", function="softmax", axis=1),
        "root": Net(table)
        .add("unary", function="absolute")
        .add("unary", function="rsqrt")
        .add("unary", function="reciprocal")
        .add("unary", function="sqrt"),
        "constant": Net(image)
        .add("constant", of=(), array=np.float32([1, 2, 3, 4]))
        .add("binary", of=(0, 1), function="multiply"),
        "weight": Net(line)
        .add("weight", (1, 11, 1), of=())
        .add("binary", of=(0, 1), function="divide"),
        "residual": Net(image)
        .add("conv", (3, 3, 4, 4), (4,), padding="same", activation="relu")
        .add("conv", (3, 3, 4, 4), (4,), padding="same")
        .add("binary", of=(0, 2))
        .add("unary")
        .add("binary", of=(3, 4), function="multiply"),
        "joined": Net(image)
        .add("conv", (1, 1, 4, 3), (3,))
        .add("conv", (3, 3, 4, 2), (2,), of=(0,), padding="same")
        .add("concatenate", of=(1, 2, 0))
        .add("reduce", axes=(1, 2))
        .add("dense", (9, 4), (4,), activation="softmax"),
        "joined ahead": Net((3, 2), (5, 2)).add("concatenate", of=(0, 1), axis=1),
        "two inputs": Net(table, table)
        .add("dense", (6, 6), (6,), of=(1,))
        .add("binary", of=(0, 2), function="maximum"),
        "the same twice": Net(table)
        .add("dense", (6, 6), (6,))
        .add("reshape", shape=(-1, 6, 1))
        .add("reshape", of=(1,), shape=(-1, 1, 6))
        .add("binary", of=(2, 3), function="subtract")
        .add("binary", of=(4, 4), function="multiply"),
    }
    for name in ACTIVATIONS:
        made[name] = (
            Net((20,))
            .add("dense", (20, 20), activation=name)
            .add("unary", function=name)
        )
    for name in JOINED:
        made[name] = Net(table, (1,)).add("binary", of=(0, 1), function=name)
    return made
