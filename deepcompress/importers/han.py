"""The binary nets that the authors of Deep Compression published."""

import os
from pathlib import Path

import keras
import numpy as np

from deepcompress.dcz.coding.bytestream import ByteReader
from deepcompress.errors import CorruptFileError
from deepcompress.importers.layouts import CaffeLayer, assign, caffe_layers

_CONV_BITS, _DENSE_BITS = 8, 4
_GAP_BITS = 4


def load_han(model: keras.Model, path: str | os.PathLike[str]) -> keras.Model:
    """Loads a net that the authors of Deep Compression published (`.net`).

    Such a file holds pruned and shared weights, not Huffman-coded, and neither names
    nor shapes: the model says which layers there are. Every weight becomes exactly
    what the file says, so that zeros stay zeros and shared values stay shared.

    The codes have 8 bits in convolutions and 4 in dense layers, as the authors'
    decoder has it.

    Args:
        model: A built model of `Conv2D` and `Dense` layers, such as
            `deepcompress.models.squeezenet()`. It is changed in place, or after an
            error not at all.
        path: The file.

    Returns:
        The model.

    Raises:
        FileNotFoundError: There is no such file.
        CorruptFileError: The file is damaged, or that of another net.
        ValueError: The model has layers that Caffe does not have.

    References:
        Han, Mao, Dally 2016, "Deep Compression", section 2 and figure 2; the files and
        their decoder: github.com/songhan/SqueezeNet-Deep-Compression and
        github.com/songhan/Deep-Compression-AlexNet.

    Example:

    >>> import tempfile
    >>> from pathlib import Path
    >>> model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
    >>> n_stored = np.array([2], "<u4")
    >>> codebook, bias = np.arange(16, dtype="<f4"), np.array([0.5, -1], "<f4")
    >>> codes, gaps = bytes([9 << 4 | 7]), bytes([2 << 4 | 1])
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, "small.net")
    ...     parts = n_stored, codebook, bias, codes, gaps
    ...     _ = path.write_bytes(b"".join(map(bytes, parts)))
    ...     load_han(model, path).get_weights()[0]
    array([[0., 0.],
           [7., 9.],
           [0., 0.]], dtype=float32)
    """
    layers = caffe_layers(model)
    reader = ByteReader(Path(path).read_bytes())
    try:
        weights = _read(reader, layers)
    except CorruptFileError as error:
        raise CorruptFileError(
            f"{os.fspath(path)!r} is damaged, or is not of {model.name!r}: {error}"
        ) from None
    assign(layers, weights)
    return model


def _read(
    reader: ByteReader, layers: list[CaffeLayer]
) -> list[tuple[np.ndarray, np.ndarray]]:
    counts = [
        int.from_bytes(_take(reader, 4, layer, "number of entries"), "little")
        for layer in layers
    ]
    weights = [
        _read_layer(reader, layer, n_stored)
        for layer, n_stored in zip(layers, counts, strict=True)
    ]
    if reader.rest:
        raise CorruptFileError(
            f"{len(reader.rest):,} bytes are left behind the last layer, "
            f"{layers[-1].name!r}."
        )
    return weights


def _read_layer(
    reader: ByteReader, layer: CaffeLayer, n_stored: int
) -> tuple[np.ndarray, np.ndarray]:
    """Returns the weights and the biases of a layer, in Caffe's layout."""
    n_weights = int(np.prod(layer.shape))
    if n_stored > n_weights:
        raise CorruptFileError(
            f"layer {layer.name!r} would have {n_stored:,} entries for the "
            f"{n_weights:,} weights of shape {layer.shape}."
        )
    bits = _CONV_BITS if len(layer.shape) == 4 else _DENSE_BITS
    n_biases = 0 if layer.bias is None else layer.shape[0]
    codebook = _floats(reader, 1 << bits, layer, "codebook")
    biases = _floats(reader, n_biases, layer, "biases")
    codes = _symbols(reader, n_stored, bits, layer, "codes")
    gaps = _symbols(reader, n_stored, _GAP_BITS, layer, "gaps")
    if codebook[0] != 0:
        raise CorruptFileError(
            f"the codebook of layer {layer.name!r} begins with {codebook[0]}, not "
            "with 0."
        )
    places = np.cumsum(gaps.astype(np.int64) + 1) - 1
    if n_stored and places[-1] >= n_weights:
        raise CorruptFileError(
            f"the gaps of layer {layer.name!r} lead beyond its {n_weights:,} weights "
            f"of shape {layer.shape}."
        )
    weights = np.full(n_weights, codebook[0])
    weights[places] = codebook[codes]
    return weights.reshape(layer.shape), biases


def _floats(reader: ByteReader, n: int, layer: CaffeLayer, what: str) -> np.ndarray:
    return np.frombuffer(_take(reader, 4 * n, layer, what), "<f4")


def _symbols(
    reader: ByteReader, n: int, bits: int, layer: CaffeLayer, what: str
) -> np.ndarray:
    """Returns symbols of 8 bits, or of 4, of which the low half comes first."""
    data = np.frombuffer(_take(reader, (n * bits + 7) // 8, layer, what), np.uint8)
    if bits == 8:
        return data
    return np.stack([data & 15, data >> 4], axis=1).reshape(-1)[:n]


def _take(reader: ByteReader, size: int, layer: CaffeLayer, what: str) -> memoryview:
    if size > (left := len(reader.rest)):
        raise CorruptFileError(
            f"the {what} of layer {layer.name!r}, shape {layer.shape}, take {size:,} "
            f"bytes, and {left:,} are left."
        )
    return reader.take(size)
