"""How Keras' layers of preprocessing become operations."""

from typing import TYPE_CHECKING, Any

import keras
import numpy as np

from deepcompress.saving.lowering.builder import CannotRunError, Rule, Value
from deepcompress.saving.lowering.plain import same

if TYPE_CHECKING:
    from deepcompress.saving.lowering.tracing import Tracer

L = keras.layers


def _rescaling(tracer: "Tracer", layer: Any, x: Value, **_: Any) -> int:
    b, y = tracer.builder, x.number
    if not x.dtype.startswith("float"):
        y = b.add("cast", y)
    y = b.add("binary", y, _numbers(tracer, layer.scale), function="multiply")
    if np.any(np.asarray(layer.offset) != 0):
        y = b.add("binary", y, _numbers(tracer, layer.offset))
    return y


def _numbers(tracer: "Tracer", given: Any) -> int:
    return tracer.builder.constant(np.asarray(given, np.float32))


def _normalization(tracer: "Tracer", layer: Any, x: Value, **_: Any) -> int:
    b, y = tracer.builder, x.number
    if not x.dtype.startswith("float"):
        y = b.add("cast", y)
    mean, variance = (
        _statistic(tracer, layer, name, given)
        for name, given in (
            ("adapt_mean", layer.mean),
            ("adapt_variance", layer.variance),
        )
    )
    deviation = b.add("unary", variance, function="sqrt")
    least = b.constant(np.float32(keras.config.epsilon()))
    deviation = b.add("binary", deviation, least, function="maximum")
    if layer.invert:
        y = b.add("binary", y, deviation, function="multiply")
        return b.add("binary", y, mean)
    y = b.add("binary", y, mean, function="subtract")
    return b.add("binary", y, deviation, function="divide")


def _statistic(tracer: "Tracer", layer: Any, name: str, given: Any) -> int:
    """Returns a statistic as the weight that it is, or as it was given."""
    array = np.asarray(keras.ops.convert_to_numpy(given), np.float32)
    variable = getattr(layer, name, None)
    if variable is None or layer.input_mean is not None:
        return tracer.builder.constant(array)
    number = tracer.builder.number(variable)
    return tracer.builder.add("reshape", number, shape=array.shape)


def _resizing(tracer: "Tracer", layer: Any, x: Value, **_: Any) -> int:
    is_plain = not (
        layer.crop_to_aspect_ratio
        or getattr(layer, "pad_to_aspect_ratio", False)
        or getattr(layer, "antialias", False)
        or layer.data_format == "channels_first"
    )
    if not is_plain or layer.interpolation not in ("nearest", "bilinear"):
        raise CannotRunError("it resizes images in another way than plain bilinear")
    if len(x.shape) != 4:
        raise CannotRunError("it resizes what is no batch of images")
    size = (int(layer.height), int(layer.width))
    return tracer.builder.add(
        "resize", x.number, size=size, function=layer.interpolation
    )


def _center_crop(tracer: "Tracer", layer: Any, x: Value, **_: Any) -> int:
    height, width = x.shape[-3], x.shape[-2]
    if (
        len(x.shape) != 4
        or height is None
        or width is None
        or layer.data_format == "channels_first"
        or height < layer.height
        or width < layer.width
    ):
        raise CannotRunError("it crops images of unknown size, or smaller ones")
    top, left = (height - layer.height) // 2, (width - layer.width) // 2
    bottom, right = height - layer.height - top, width - layer.width - left
    return tracer.builder.add(
        "crop", x.number, widths=(0, 0, top, bottom, left, right, 0, 0)
    )


def _lookup(tracer: "Tracer", layer: Any, x: Value, **_: Any) -> int:
    words = [str(word) for word in layer.get_vocabulary(include_special_tokens=True)]
    if layer.num_oov_indices > 1:
        raise CannotRunError("it has several places for unknown words, by hash")
    unknown = -1
    if layer.num_oov_indices:
        unknown = words.index(str(layer.oov_token))
    number = _find(tracer, words, unknown, x, is_inverse=layer.invert)
    return number if layer.invert else _counted(tracer, layer, number, len(words))


def _find(
    tracer: "Tracer", words: list[str], unknown: int, x: Value, *, is_inverse: bool
) -> int:
    if any("\n" in word for word in words):
        raise CannotRunError("its vocabulary has a word of several lines")
    text = "\n".join(words)
    name = tracer.builder.asset(text)
    return tracer.builder.add(
        "lookup",
        x.number,
        asset=name or "",
        words="" if name else text,
        unknown=unknown,
        is_inverse=int(is_inverse),
        is_text=int(x.dtype == "string"),
    )


def _counted(tracer: "Tracer", layer: Any, number: int, depth: int) -> int:
    mode = layer.output_mode
    if mode == "int":
        return number
    if mode == "tf_idf" or getattr(layer, "pad_to_max_tokens", False):
        raise CannotRunError(f"it gives {mode!r}, weighted or padded to its most words")
    return tracer.builder.add("count", number, function=mode, depth=depth)


def _text_vectorization(tracer: "Tracer", layer: Any, x: Value, **_: Any) -> int:
    config = layer.get_config()
    names = (config["standardize"], config["split"])
    if not all(name is None or isinstance(name, str) for name in names):
        raise CannotRunError("it takes texts apart by a function of your own")
    if config["ragged"]:
        raise CannotRunError("it gives ragged arrays")
    if config["output_mode"] != "int":
        # Nothing stands for padding, so that padded places would count.
        raise CannotRunError(f"it counts words ({config['output_mode']})")
    sizes = config["ngrams"] or ()
    sizes = tuple(range(1, sizes + 1)) if isinstance(sizes, int) else tuple(sizes)
    tokens = tracer.builder.add(
        "tokenize",
        x.number,
        standardize=names[0] or "",
        split=names[1] or "",
        length=int(config["output_sequence_length"] or 0),
        ngrams=sizes,
    )
    words = [str(word) for word in layer.get_vocabulary(include_special_tokens=True)]
    value = Value(tokens, (None, None), "string")
    return _find(tracer, words, words.index("[UNK]"), value, is_inverse=False)


def _category_encoding(
    tracer: "Tracer", layer: Any, x: Value, count_weights: Any = None, **_: Any
) -> int:
    if count_weights is not None:
        raise CannotRunError("it is given weights to count with")
    return tracer.builder.add(
        "count", x.number, function=layer.output_mode, depth=int(layer.num_tokens)
    )


def _discretization(tracer: "Tracer", layer: Any, x: Value, **_: Any) -> int:
    bounds = np.asarray(layer.bin_boundaries, np.float32)
    number = tracer.builder.add("discretize", x.number, array=bounds)
    return _counted(tracer, layer, number, len(bounds) + 1)


_RANDOM = [
    kind
    for name, kind in vars(L).items()
    if name.startswith("Random")
    and name != "RandomCrop"  # which crops in the middle, or resizes
    and isinstance(kind, type)
]

LAYERS: dict[type, Rule] = {
    L.Rescaling: _rescaling,
    L.Normalization: _normalization,
    L.Resizing: _resizing,
    L.CenterCrop: _center_crop,
    L.StringLookup: _lookup,
    L.IntegerLookup: _lookup,
    L.TextVectorization: _text_vectorization,
    L.CategoryEncoding: _category_encoding,
    L.Discretization: _discretization,
    **dict.fromkeys(_RANDOM, same),
}
