"""Arrays as compression makes them."""

import io

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from deepcompress.dcz import container
from deepcompress.dcz.directory import DTYPES

dtypes = st.sampled_from(
    ["bool", "i1", "u1", "<i2", "<u4", "<i8", "<f2", "<f4", "<f8", "<c8", "<c16"]
).map(np.dtype)


@st.composite
def tensors(draw):
    """Tensors as compression makes them: few values, most of them one and the same.

    That is 0 as a rule, and else any value, or 0 with any sign.
    """
    dtype = draw(dtypes)
    shape = draw(hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=9))
    if draw(st.booleans()):
        return draw(hnp.arrays(dtype, shape))
    values = draw(hnp.arrays(dtype, draw(st.integers(1, 20))))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    array = values[rng.integers(0, len(values), shape)]
    kept = rng.random(shape) < draw(st.sampled_from([0, 0.02, 0.2, 1]))
    background = np.zeros((), dtype)
    if draw(st.booleans()):
        minus = -background if dtype.kind in "fc" else background
        background = draw(st.sampled_from([minus, *values[:3]]))
    return np.where(kept, array, background).astype(dtype)


@st.composite
def large_tensors(draw):
    """Tensors large enough for planes and for signs that stand apart."""
    dtype = draw(st.sampled_from(["<f2", "<f4", "<f8", "<c8", "<c16", "<i4", "i1"]))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    shape = draw(st.sampled_from([(1024,), (1100,), (40, 30), (3, 3, 16, 9)]))
    array = (rng.standard_normal(shape) * 50).astype(dtype)
    kept = rng.random(shape) < draw(st.sampled_from([0.02, 0.6, 1]))
    zeros = rng.choice(np.array([0, draw(st.sampled_from([0.0, -0.0, 7]))]), shape)
    return np.where(kept, array, zeros.astype(dtype))


def sparse(shape, density, n_values, rng):
    values = rng.standard_normal(n_values).astype("float32")
    array = values[rng.integers(0, n_values, shape)]
    return np.where(rng.random(shape) < density, array, 0).astype("float32")


def lenet5_like(rng):
    """Arrays of LeNet-5's shapes as compression leaves them."""
    arrays = {}
    for layer, shape, density in (
        ("conv1", (5, 5, 1, 20), 0.5),
        ("conv2", (5, 5, 20, 50), 0.1),
        ("ip1", (800, 500), 0.03),
        ("ip2", (500, 10), 0.2),
    ):
        values = rng.standard_normal(15).astype("float32")
        kernel = values[rng.integers(0, 15, shape)]
        kernel[rng.random(shape) >= density] = 0
        arrays[f"{layer}/kernel"] = kernel
        arrays[f"{layer}/bias"] = rng.standard_normal(shape[-1]).astype("float32")
    return arrays


def assorted():
    """One array of each dtype and encoding; what the golden file holds."""
    rng = np.random.default_rng(7)
    arrays = {
        f"plain/{name}": np.arange(6).reshape(2, 3).astype(name) for name in DTYPES[:14]
    }
    arrays["scalar"] = np.array(1.5, "float64")
    arrays["empty/kernel"] = np.zeros((3, 0, 2), "float32")
    arrays["zero/kernel"] = np.zeros((40, 50), "float32")
    arrays["nan/kernel"] = np.array([0x7FC00001, 0x80000000, 0], "uint32").view("f4")
    dense = np.array([-0.5, 0.25, 0.5], "float32")[rng.integers(0, 3, (30, 20))]
    arrays["block/a/kernel"] = dense
    few = np.where(rng.random((60, 50)) < 0.1, dense[0, 0], 0).astype("float16")
    arrays["block/a/bias"] = few
    arrays["block/b/kernel"] = rng.standard_normal((30, 70)).astype("float32")
    arrays["block/b/kernel"][rng.random((30, 70)) < 0.95] = 0
    wide = np.zeros((500, 300), "float32")
    wide[:, ::60] = np.arange(1, 5, dtype="float32")[rng.integers(0, 4, (500, 5))]
    arrays["block/c/kernel"] = wide
    arrays["block/c/Größe"] = np.arange(300, dtype="uint16").repeat(2)
    arrays["ranks/kernel"] = np.ones((1, 2, 1, 1, 2, 1, 1, 1, 2), "int8")
    return arrays


def parted():
    """Arrays in planes, with a background, with signs apart; of both golden files."""
    rng = np.random.default_rng(11)
    shape = (40, 30)
    weights = rng.standard_normal(shape) / 16
    mask = rng.random(shape) < 0.06
    few = np.array([-0.75, 0.25, 0.5, 1.5])[rng.integers(0, 4, shape)]
    columns = np.where(rng.random(60) < 0.5, rng.standard_normal((50, 60)), -0.0)
    either = np.where(mask, few, rng.choice([0.0, -0.0], shape))
    tokens = np.where(rng.random(700) < 0.9, 3, rng.integers(0, 2**40, 700))
    return {
        "dense/half": weights.astype("float16"),
        "dense/kernel": weights.astype("float32"),
        "dense/double": weights,
        "dense/pair": (weights * 1j + 1).astype("complex64"),
        "dense/wide": np.zeros((20, 30, 2), "complex128"),
        "dense/steps": (weights * 4000).astype("int32"),
        "minus/shared": np.where(mask, few, -0.0).astype("float32"),
        "minus/double": np.where(mask, few, -0.0),
        "minus/columns": columns.astype("float32"),
        "mixed/shared": either.astype("float32"),
        "mixed/half": np.where(mask, weights, np.sign(weights) * 0).astype("float16"),
        "tokens": tokens.astype("int64"),
        "points": np.where(mask, np.abs(few) * 60, 128).astype("uint8"),
        "flags": ~mask,
    }


def kept():
    """Assets as layers keep them; what the golden files of assets hold."""
    words = "".join(f"{word}{n}\n" for word in ("red", "grün") for n in range(99))
    return {
        "words/vocabulary.txt": words.encode(),
        "block/a/empty": b"",
        "Größe%2Fx.bin": bytes(range(256)),
    }


def dumps(arrays, **kwargs):
    """The bytes of a file."""
    file = io.BytesIO()
    container.write(file, arrays, **kwargs)
    return file.getvalue()


def with_flipped_bit(data, bit):
    """Bytes of which one bit is not what it was."""
    damaged = bytearray(data)
    damaged[bit // 8] ^= 1 << bit % 8
    return bytes(damaged)
