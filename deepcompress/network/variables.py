"""Which variables a model has, what they are called, and which can be compressed."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any, TypeVar

import keras
import numpy as np

from deepcompress.network.distribution import check_readable
from deepcompress.network.internals import flatten_layers, is_quantized

T = TypeVar("T")

# Their parameters of several axes are no kernels.
_NEVER = (
    keras.layers.PReLU,
    keras.layers.BatchNormalization,
    keras.layers.GroupNormalization,
    keras.layers.LayerNormalization,
    keras.layers.RMSNormalization,
    keras.layers.UnitNormalization,
)
_TRANSPOSED = (
    keras.layers.Conv1DTranspose,
    keras.layers.Conv2DTranspose,
    keras.layers.Conv3DTranspose,
)
_DEPTHWISE = (keras.layers.DepthwiseConv1D, keras.layers.DepthwiseConv2D)


@dataclass(frozen=True)
class NamedVariable:
    """A variable of a model with its name.

    Attributes:
        layer: Path of the layer that owns the variable, such as `"block1/conv2"`.
        name: Unique name: the layer's path and the variable's own name.
        variable: The `keras.Variable`.
        is_compressible: Whether pruning and weight sharing may change it.
        input_axis: The axis of a kernel that runs over the inputs, from the end.
        output_axes: The axes that tell the filters apart, from the end.
        is_bias: Whether it is the trainable bias of a layer.
    """

    layer: str
    name: str
    variable: Any
    is_compressible: bool
    input_axis: int = -2
    output_axes: tuple[int, ...] = (-1,)
    is_bias: bool = False

    def numpy(self) -> np.ndarray:
        """Returns the value, checked to be finite.

        Raises:
            ValueError: The variable holds NaN or infinity.
        """
        value: np.ndarray = self.variable.numpy()
        if not np.isfinite(value).all():
            raise ValueError(
                f"{self.name!r} holds NaN or infinity, so it can be neither pruned "
                "nor shared. Did the training diverge? Load an earlier checkpoint "
                "or lower the learning rate."
            )
        return value


def named_variables(model: keras.Model) -> list[NamedVariable]:
    """Returns the weights of a model under unique, reproducible names.

    The names depend on the layers' names alone, so a model that is built again from
    its config has the same ones. A variable that several layers use is listed once.

    Args:
        model: A built model.

    Raises:
        ValueError: The model has not been built.
    """
    if not isinstance(model, keras.Model):
        raise TypeError(f"`model` must be a keras.Model. Received: {model!r}")
    if not _has_all_weights(model):
        raise ValueError(
            f"The model {model.name!r} has not been built, so it has no weights yet. "
            "Give it a `keras.Input`, or call `model.build(input_shape)` before `fit`."
        )
    owners: dict[int, tuple[str, Any]] = {}
    for path, layer in walk(model):
        # A layer comes before its sublayers, so the innermost owner stays.
        owners.update({id(variable): (path, layer) for variable in layer.weights})
    trainable = {id(variable) for variable in model.trainable_variables}
    taken: set[str] = set()
    variables = []
    for variable in model.weights:
        path, layer = owners.get(id(variable), ("", model))
        name = f"{path}/{variable.name}" if path else variable.name
        name = _unused(name, taken)
        check_readable(variable, name)
        is_trainable = id(variable) in trainable
        input_axis, output_axes = _axes(variable, layer)
        variables.append(
            NamedVariable(
                path,
                name,
                variable,
                is_compressible=is_trainable and _is_compressible(variable, layer),
                input_axis=input_axis,
                output_axes=output_axes,
                is_bias=is_trainable and _is_bias(variable),
            )
        )
    return variables


def every_variable(model: keras.Model) -> list[Any]:
    """Returns every variable that a model holds, once, but for those of its metrics.

    Beside what Keras lists these are attributes of layers that it does not track, as
    the states of a stateful RNN in a `Sequential`.

    Args:
        model: A model.
    """
    found = [*model.variables]
    for layer in flatten_layers(model):
        found += [v for v in attributes(layer) if isinstance(v, keras.Variable)]
    metrics = {id(variable) for variable in model.metrics_variables}
    return list({id(v): v for v in found if id(v) not in metrics}.values())


def attributes(thing: Any) -> Iterator[Any]:
    """Yields the attributes of an object, and what is in its lists and mappings."""
    yield from _unpacked(vars(thing).values())


def finalize(model: keras.Model) -> None:
    """Lets the layers derive again what they derive from their weights.

    Args:
        model: A model whose weights have been replaced.
    """
    for layer in flatten_layers(model):
        # Those without weights derive it from data, which is gone.
        if layer.weights and hasattr(layer, "finalize_state"):
            layer.finalize_state()


def compressible(model: keras.Model) -> list[NamedVariable]:
    """Returns the variables of a model that can be compressed.

    Args:
        model: A built model.

    Raises:
        ValueError: The model has not been built, or there are none.
    """
    variables = [v for v in named_variables(model) if v.is_compressible]
    if not variables:
        _refuse_quantized(model, ["*"], ["*"])
        raise ValueError(
            f"The model {model.name!r} has no weights that can be compressed: no "
            "trainable kernel or embedding of two or more axes."
        )
    return variables


def count_weights(model: keras.Model, *, zeros: bool = False) -> int:
    """Returns how many weights pruning has left in a model.

    Those that can be pruned are counted: the weights of trainable kernels and
    embeddings. Biases and normalization parameters are not among them.

    Args:
        model: A built model.
        zeros: Whether weights that are zero count too, which gives the number there was
            before pruning. Defaults to `False`.

    Raises:
        ValueError: The model has not been built.

    Example:

    >>> import deepcompress as dc, keras
    >>> model = keras.Sequential([keras.Input((8,)), keras.layers.Dense(4)])
    >>> dc.prune(model, 0.75)
    >>> dc.count_weights(model), dc.count_weights(model, zeros=True)
    (8, 32)
    """
    values = (v.variable.numpy() for v in named_variables(model) if v.is_compressible)
    return sum(v.size if zeros else int(np.count_nonzero(v)) for v in values)


def choose(
    model: keras.Model,
    settings: T | Mapping[str, T],
    layers: str | Iterable[str] | None = None,
) -> list[tuple[NamedVariable, T]]:
    """Returns the compressible variables with the setting of each.

    Args:
        model: A built model.
        settings: One setting for all, or a mapping from patterns to settings. A
            pattern is `fnmatch` on a layer's path, or on the path of a layer that
            holds it; where several match, the most specific counts.
        layers: Patterns; if given, other layers are left alone.

    Raises:
        ValueError: A pattern matches no layer that can be compressed, or there is
            nothing to compress.
    """
    by_pattern = settings if isinstance(settings, Mapping) else {"*": settings}
    wanted = patterns(layers)
    wanted = ["*"] if wanted is None else wanted
    for pattern in [*by_pattern, *wanted]:
        if not isinstance(pattern, str):
            raise TypeError(
                f"A pattern is a string, such as a layer's name. Received: {pattern!r}"
            )
    if not by_pattern or not wanted:
        raise ValueError("There is no pattern, so no layer would be compressed.")
    _refuse_quantized(model, by_pattern, wanted)
    candidates = compressible(model)
    paths = list(dict.fromkeys(v.layer for v in candidates))
    for pattern in [*by_pattern, *wanted]:
        if not any(_matches(pattern, path) for path in paths):
            raise ValueError(
                f"The pattern {pattern!r} matches no layer that can be compressed. "
                f"The layers are: {', '.join(map(repr, paths))}"
            )
    chosen = []
    for candidate in candidates:
        matching = [p for p in by_pattern if _matches(p, candidate.layer)]
        if matching and any(_matches(p, candidate.layer) for p in wanted):
            chosen.append((candidate, by_pattern[max(matching, key=_specificity)]))
    if not chosen:
        raise ValueError(
            f"No layer matches both `layers`={wanted!r} and the patterns "
            f"{list(by_pattern)!r}."
        )
    return chosen


def patterns(layers: str | Iterable[str] | None) -> list[str] | None:
    """Returns patterns as a list, which can be read again and again."""
    if layers is None:
        return None
    return [layers] if isinstance(layers, str) else list(layers)


def _refuse_quantized(
    model: keras.Model, by_pattern: Iterable[str], wanted: Iterable[str]
) -> None:
    """Refuses layers whose weights Keras has quantized, where patterns choose them."""
    for path, layer in walk(model):
        if is_quantized(layer) and all(
            any(_matches(pattern, path) for pattern in each)
            for each in (by_pattern, wanted)
        ):
            raise ValueError(
                f"The layer {path!r} is quantized already ({layer.quantization_mode}), "
                "so it can be neither pruned nor shared. Compress the model before it "
                "is quantized, or choose other layers with `layers`."
            )


def _has_all_weights(model: keras.Model) -> bool:
    """Whether a model is built, or holds models that are, as a Distiller does."""
    parts = list(flatten_layers(model, include_self=False, recursive=False))
    return model.built or (bool(parts) and all(part.built for part in parts))


def biases(model: keras.Model, layers: Iterable[str]) -> list[NamedVariable]:
    """Returns the trainable biases of layers that are given by their paths."""
    paths = set(layers)
    return [v for v in named_variables(model) if v.is_bias and v.layer in paths]


def walk(layer: Any, parent: str = "") -> Iterator[tuple[str, Any]]:
    """Yields every layer below `layer` with its path, outer layers first."""
    taken: set[str] = set()
    for child in flatten_layers(layer, include_self=False, recursive=False):
        name = _unused(child.name, taken)
        path = f"{parent}/{name}" if parent else name
        yield path, child
        yield from walk(child, path)


def _unpacked(values: Iterable[Any]) -> Iterator[Any]:
    for value in values:
        if isinstance(value, Mapping):
            yield from _unpacked(value.values())
        elif isinstance(value, list | tuple):
            yield from _unpacked(value)
        else:
            yield value


def _unused(name: str, taken: set[str]) -> str:
    """Returns a name that is not taken, with a number if need be, and takes it."""
    unused, number = name, 0
    while unused in taken:
        number += 1
        unused = f"{name}_{number}"
    taken.add(unused)
    return unused


def _is_compressible(variable: Any, layer: Any) -> bool:
    return (
        len(variable.shape) > 1
        and keras.backend.is_float_dtype(variable.dtype)
        and "bias" not in variable.name
        and not isinstance(layer, _NEVER)
    )


def _is_bias(variable: Any) -> bool:
    is_float = keras.backend.is_float_dtype(variable.dtype)
    return bool(is_float) and variable.name == "bias"


def _axes(variable: Any, layer: Any) -> tuple[int, tuple[int, ...]]:
    """Returns the input axis of a kernel and its output axes, from the end."""
    if isinstance(layer, _TRANSPOSED):
        return -1, (-2,)
    if isinstance(layer, _DEPTHWISE) or variable.name == "depthwise_kernel":
        return -2, (-2, -1)
    if isinstance(layer, keras.layers.EinsumDense):
        operands, output = layer.equation.split("->")
        letters = operands.split(",")[1]
        places = {letter: i - len(letters) for i, letter in enumerate(letters)}
        inputs = [at for letter, at in places.items() if letter not in output]
        outputs = tuple(at for letter, at in places.items() if letter in output)
        return (inputs or [-2])[-1], outputs or (-1,)
    return -2, (-1,)


def _matches(pattern: str, path: str) -> bool:
    """Whether a pattern matches a layer's path or that of a layer around it."""
    parts = path.split("/")
    around = ["/".join(parts[: n + 1]) for n in range(len(parts))]
    return pattern in around or any(fnmatchcase(each, pattern) for each in around)


def _specificity(pattern: str) -> tuple[bool, int]:
    """Orders patterns: plain names first, then by the number of plain characters."""
    wildcards = sum(character in "*?[]" for character in pattern)
    return wildcards == 0, len(pattern) - wildcards
