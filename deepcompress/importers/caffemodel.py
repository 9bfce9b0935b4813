"""Weights from Caffe: a `.caffemodel` file into a Keras model.

The numbers of the fields are those of `caffe.proto`.
"""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from math import prod
from pathlib import Path
from typing import Any, NamedTuple

import keras
import numpy as np

from deepcompress.dcz.foreign.protobuf import Message
from deepcompress.errors import CorruptFileError
from deepcompress.importers.layouts import (
    CaffeLayer,
    assign,
    caffe_layers,
    set_variable,
)
from deepcompress.importers.small_layers import SMALL, Normalization, Slopes

# A layer of the model, as the file has it.
_Layer = CaffeLayer | Slopes | Normalization

_MAX_LAYERS = 1 << 16


class _Form(NamedTuple):
    """Where the fields of a layer stand."""

    name: int
    kind: int
    blobs: int
    inner_product: int


# By the field of the net: `layer`, and `layers` of files from before 2014.
_LAYER, _OLD_LAYER = 100, 2
_FORMS = {
    _LAYER: _Form(name=1, kind=2, blobs=7, inner_product=117),
    _OLD_LAYER: _Form(name=4, kind=5, blobs=6, inner_product=17),
}
_OLD_KINDS = {4: "Convolution", 14: "InnerProduct", 39: "Deconvolution"}
_OLDEST_LAYER = 1
# What a layer of the file is in Keras.
_KINDS = {
    "Convolution": "Conv2D",
    "InnerProduct": "Dense",
    "PReLU": "PReLU",
    "BatchNorm": "BatchNormalization",
    "BatchNorm and Scale": "BatchNormalization",
    "Scale": "BatchNormalization",
}
_TRANSPOSE = 6

# Of a blob.
_SHAPE, _LEGACY_SHAPE = 7, (1, 2, 3, 4)
_FLOATS, _DOUBLES = 5, 8
_DIMENSIONS = 1


@dataclass(frozen=True)
class _StoredLayer:
    """A layer of the file that has weights."""

    name: str
    kind: str
    blobs: list[np.ndarray]
    is_transposed: bool


def load_caffemodel(model: keras.Model, path: str | os.PathLike[str]) -> keras.Model:
    """Loads the weights of a Caffe net (`.caffemodel`) into a Keras model.

    Only weights are read: padding, strides and activations are those of the model,
    which has to be the same net. Neither Caffe nor protobuf is needed.

    Kernels are turned from Caffe's layout to Keras', also behind a `Flatten`, before
    which Caffe has the channels first. The order of the images' channels stays: nets
    trained in Caffe expect BGR as a rule.

    Layers are matched by name, where a slash in Caffe's name is a slash or an
    underscore in Keras', or in order where the names differ. float64 weights are
    rounded to the dtype of the model, as Caffe does.

    Args:
        model: A built model of `Conv2D` (also grouped or dilated), `DepthwiseConv2D`,
            `Dense`, `PReLU` and `BatchNormalization` layers. The last stands for
            `BatchNorm` with the `Scale` behind it, under the name of the former, or for
            a `Scale` by itself; Caffe's `epsilon` is 1e-5. It is changed in place, or
            after an error not at all.
        path: The file.

    Returns:
        The model.

    Raises:
        FileNotFoundError: There is no such file.
        CorruptFileError: The file is damaged, or no `.caffemodel`.
        ValueError: The layers of the file are not those of the model, or one of them
            is of a kind that cannot be loaded, such as LSTM.

    References:
        Jia et al. 2014, "Caffe: Convolutional architecture for fast feature
        embedding"; `src/caffe/proto/caffe.proto` in github.com/BVLC/caffe.

    Example:

    >>> import tempfile
    >>> from pathlib import Path
    >>> model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2, name="ip")])
    >>> def field(key, data):
    ...     return bytes(key) + bytes([len(data)]) + data
    >>> def blob(array):
    ...     shape = field([0x3A], field([0x0A], bytes(array.shape)))
    ...     return field([0x3A], shape + field([0x2A], array.astype("<f4").tobytes()))
    >>> weights, bias = np.array([[1, 2, 3], [4, 5, 6]]), np.array([7, 8])
    >>> layer = field([0x0A], b"ip") + field([0x12], b"InnerProduct")
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, "small.caffemodel")
    ...     net = field([0xA2, 0x06], layer + blob(weights) + blob(bias))
    ...     _ = path.write_bytes(net)
    ...     load_caffemodel(model, path).get_weights()
    [array([[1., 4.],
           [2., 5.],
           [3., 6.]], dtype=float32), array([7., 8.], dtype=float32)]
    """
    layers: list[_Layer] = caffe_layers(model, SMALL)
    label = repr(os.fspath(path))
    data = Path(path).read_bytes()
    try:
        stored = list(_stored_layers(Message(data)))
    except CorruptFileError as error:
        raise CorruptFileError(
            f"{label} is damaged, or no .caffemodel: {error}"
        ) from None
    try:
        pairs = _match(_joined(stored), layers)
        kernels = [
            (layer, _fit(each, layer))
            for each, layer in pairs
            if isinstance(layer, CaffeLayer)
        ]
        values = [
            value
            for each, layer in pairs
            if not isinstance(layer, CaffeLayer)
            for value in _small_values(each, layer)
        ]
    except ValueError as error:
        raise ValueError(f"{label}: {error}") from None
    assign([layer for layer, _ in kernels], [weights for _, weights in kernels])
    for variable, value in values:
        set_variable(variable, value)
    return model


def _stored_layers(net: Message) -> Iterator[_StoredLayer]:
    """Yields the layers that have weights."""
    for index, (field, message) in enumerate(net.messages(*_FORMS)):
        if index == _MAX_LAYERS:
            raise CorruptFileError(f"There are more than {_MAX_LAYERS:,} layers.")
        form = _FORMS[field]
        name = message.text(form.name)
        try:
            blobs = [_array(blob) for _, blob in message.messages(form.blobs)]
            if field == _OLD_LAYER and any(message.messages(_OLDEST_LAYER)):
                raise CorruptFileError(
                    "It has the form of 2013. Upgrade it with Caffe's "
                    "upgrade_net_proto_binary."
                )
            if not blobs:
                continue
            parameters = message.messages(form.inner_product)
            transposed = [
                flag for _, each in parameters for flag in each.integers(_TRANSPOSE)
            ]
            kind = _kind(message, field)
        except CorruptFileError as error:
            raise CorruptFileError(f"layer {name!r}: {error}") from None
        yield _StoredLayer(name, kind, blobs, bool(transposed and transposed[-1]))


def _kind(layer: Message, field: int) -> str:
    form = _FORMS[field]
    if field == _LAYER:
        return layer.text(form.kind)
    (kind,) = layer.integers(form.kind)[-1:] or [0]
    return _OLD_KINDS.get(kind, f"a layer of type {kind}")


def _array(blob: Message) -> np.ndarray:
    """Returns a blob, as it is in the file's memory."""
    values = blob.reals(_DOUBLES, "<f8")
    if not values.size:
        values = blob.reals(_FLOATS, "<f4")
    legacy = [blob.integers(number)[-1:] for number in _LEGACY_SHAPE]
    if any(legacy):
        shape = [length[0] if length else 0 for length in legacy]
    else:
        shapes = (message for _, message in blob.messages(_SHAPE))
        shape = [length for each in shapes for length in each.integers(_DIMENSIONS)]
    if min(shape, default=0) < 0 or prod(shape) != values.size or len(shape) > 32:
        raise CorruptFileError(
            f"A blob of shape {tuple(shape)} has {values.size:,} values."
        )
    return values.reshape(shape)


def _joined(stored: list[_StoredLayer]) -> list[_StoredLayer]:
    """Returns the layers with each `Scale` behind a `BatchNorm` in one with it."""
    joined: list[_StoredLayer] = []
    for each in stored:
        last = joined[-1] if joined else None
        if last and each.kind == "Scale" and last.kind == "BatchNorm":
            kind, blobs = "BatchNorm and Scale", [*last.blobs, *each.blobs]
            joined[-1] = replace(last, kind=kind, blobs=blobs)
        else:
            joined.append(each)
    return joined


def _match(
    stored: list[_StoredLayer], layers: list[_Layer]
) -> list[tuple[_StoredLayer, _Layer]]:
    """Returns for every layer of the model that of the file.

    Raises:
        ValueError: They are not the same layers.
    """
    by_name = {_plain(each.name): each for each in stored}
    wanted = {_plain(layer.name) for layer in layers}
    is_unique = len(by_name) == len(stored) and len(wanted) == len(layers)
    if is_unique and wanted <= set(by_name):
        pairs = [(by_name[_plain(layer.name)], layer) for layer in layers]
    elif len(stored) == len(layers):
        pairs = list(zip(stored, layers, strict=True))
    else:
        pairs = []
    used = {id(each) for each, _ in pairs}
    for each in stored:
        # A kernel that the model does without may be that of a head; what stands
        # between the others is a part of the net.
        is_left = id(each) not in used and each.kind not in CaffeLayer.kinds
        known = _KINDS.get(each.kind)
        if known is None or (is_left and pairs):
            raise ValueError(
                f"the layer {each.name!r} is {each.kind}, whose weights cannot be "
                "loaded"
                + (f" into a model without a {known} of that name." if known else ".")
            )
    for each, layer in pairs:
        if each.kind not in layer.kinds:
            raise ValueError(
                f"the layer {each.name!r} is {each.kind}, but {layer.name!r} of the "
                f"model takes {' or '.join(layer.kinds)}."
            )
    if pairs or not layers:
        return pairs
    raise ValueError(
        f"it has {len(stored)} layers with weights "
        f"({_listed(stored)}), the model has {len(layers)} ({_listed(layers)}), and "
        "the names differ."
    )


def _small_values(
    stored: _StoredLayer, layer: Slopes | Normalization
) -> list[tuple[Any, np.ndarray]]:
    try:
        return layer.values(stored.blobs)
    except ValueError as error:
        raise ValueError(f"the layer {stored.name!r}: {error}") from None


def _plain(name: str) -> str:
    return name.replace("/", "_")


def _listed(layers: Sequence[_StoredLayer | _Layer]) -> str:
    names = ", ".join(_shown(layer) for layer in layers[:5])
    return names + (", ..." if len(layers) > 5 else "")


def _shown(layer: _StoredLayer | _Layer) -> str:
    if isinstance(layer, Slopes | Normalization):
        return f"{layer.name!r} ({type(layer.layer).__name__})"
    return repr(layer.name)


def _fit(
    stored: _StoredLayer, layer: CaffeLayer
) -> tuple[np.ndarray, np.ndarray | None]:
    """Returns the weights and the biases of a layer, in Caffe's layout.

    Raises:
        ValueError: The shapes are not those of the layer.
    """
    shapes = [layer.shape] if layer.bias is None else [layer.shape, layer.shape[:1]]
    blobs = [
        _without_ones(blob, len(shape))
        for blob, shape in zip(stored.blobs, shapes, strict=False)
    ]
    if stored.is_transposed:
        blobs[0] = blobs[0].T
    found = [blob.shape for blob in blobs]
    if len(stored.blobs) != len(shapes) or found != shapes:
        raise ValueError(
            f"the layer {stored.name!r} has "
            f"{' and '.join(str(blob.shape) for blob in stored.blobs)}, but "
            f"{layer.name!r} of the model takes {' and '.join(map(str, shapes))} in "
            "Caffe's layout: outputs, inputs, height, width; then the biases."
        )
    return blobs[0], blobs[1] if len(blobs) > 1 else None


def _without_ones(blob: np.ndarray, n_axes: int) -> np.ndarray:
    """Returns a blob without the first axes that old files filled up with ones."""
    n_ones = max(blob.ndim - n_axes, 0)
    if blob.shape[:n_ones] != (1,) * n_ones:
        return blob
    return blob.reshape(blob.shape[n_ones:])
