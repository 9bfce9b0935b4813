"""The layers of a Keras model as Caffe sees them: other axes, another flattening."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from math import prod
from typing import Any

import keras
import numpy as np

from deepcompress.network.internals import calls_of, maker_of
from deepcompress.network.variables import named_variables, walk

_TURNED = ("Permute", "Transpose")


@dataclass(frozen=True)
class CaffeLayer:
    """A layer with a kernel, with the layout that its weights have in Caffe.

    Attributes:
        name: Path of the layer.
        kernel: The `keras.Variable` of its kernel.
        bias: The `keras.Variable` of its bias, or `None`.
        volume: Height, width and channels of what a dense layer sees flattened, or
            `None`. Caffe flattens channels first.
        is_depthwise: Whether it is a `DepthwiseConv2D`, in Caffe a convolution in as
            many groups as channels.
    """

    kinds = ("Convolution", "InnerProduct")

    name: str
    kernel: Any
    bias: Any | None
    volume: tuple[int, int, int] | None
    is_depthwise: bool = False

    @property
    def shape(self) -> tuple[int, ...]:
        """The kernel's shape in Caffe, where the outputs come first.

        `(outputs, inputs / groups, height, width)`, or `(outputs, inputs)`.
        """
        *window, inputs, outputs = self.kernel.shape
        if self.is_depthwise:
            return (inputs * outputs, 1, *window)
        return (outputs, inputs, *window)

    def to_keras(self, weights: np.ndarray) -> np.ndarray:
        """Returns the kernel in Keras' layout.

        Args:
            weights: Array of `shape`.
        """
        if weights.ndim == 2 and self.volume is not None:
            height, width, channels = self.volume
            weights = weights.reshape(-1, channels, height, width)
        if self.is_depthwise:
            *window, inputs, outputs = self.kernel.shape
            # The filters of a channel follow each other.
            weights = weights.reshape(inputs, outputs, *window).swapaxes(0, 1)
        window_first = np.moveaxis(weights, (0, 1), (-1, -2))
        return np.ascontiguousarray(window_first).reshape(self.kernel.shape)


def caffe_layers(
    model: keras.Model,
    small: Mapping[type[Any], Callable[[str, Any], Any]] | None = None,
) -> list[Any]:
    """Returns the layers of a model that have weights, in the order of the model.

    Args:
        model: A built model.
        small: What to make of layers without a kernel, from their path and themselves,
            by their class. Defaults to `None`: there are none.

    Raises:
        ValueError: A layer has no counterpart in Caffe, or the model does not say what
            a dense layer sees.

    Example:

    >>> from deepcompress.models import lenet5
    >>> [(layer.name, layer.shape, layer.volume) for layer in caffe_layers(lenet5())]
    [('conv1', (20, 1, 5, 5), None),
     ('conv2', (50, 20, 5, 5), None),
     ('ip1', (500, 800), (4, 4, 50)),
     ('ip2', (10, 500), None)]
    """
    variables: dict[str, dict[str, Any]] = {}
    for named in named_variables(model):
        leaf = named.name.rpartition("/")[2]
        variables.setdefault(named.layer, {})[leaf] = named.variable
    layers: list[Any] = []
    for path, layer in walk(model):
        if getattr(layer, "data_format", None) == "channels_first":
            raise ValueError(
                f"{path!r} has its channels first. Build the model with "
                '`data_format="channels_last"`.'
            )
        own = variables.pop(path, {})
        if not own:
            continue
        for kind, make in (small or {}).items():
            if isinstance(layer, kind) and _is_float(own):
                _check_channels(path, layer, model)
                layers.append(make(path, layer))
                break
        else:
            layers.append(_with_kernel(path, layer, own, model))
    if variables or not layers:
        raise ValueError(
            f"The model {model.name!r} has weights outside of its layers, or none."
        )
    return layers


def _with_kernel(
    path: str, layer: Any, own: dict[str, Any], model: keras.Model
) -> CaffeLayer:
    is_plain = {"kernel"} <= set(own) <= {"kernel", "bias"}
    is_dense = isinstance(layer, keras.layers.Dense)
    is_depthwise = isinstance(layer, keras.layers.DepthwiseConv2D)
    is_known = is_dense or is_depthwise or isinstance(layer, keras.layers.Conv2D)
    if not (is_plain and is_known and _is_float(own)):
        raise ValueError(
            f"{path!r} is a {type(layer).__name__} with {', '.join(own)}. Only "
            "Conv2D and Dense layers with a kernel and a bias can be loaded."
        )
    volume = _volume(path, layer, model) if is_dense else None
    return CaffeLayer(path, own["kernel"], own.get("bias"), volume, is_depthwise)


def _check_channels(path: str, layer: Any, model: keras.Model) -> None:
    """Refuses a layer whose channels are what was flattened: Caffe's come first."""
    seen = [call.input_tensors[0] for call in calls_of(layer)]
    if any(len(tensor.shape) == 2 for tensor in seen) and _volume(path, layer, model):
        raise ValueError(
            f"{path!r} stands behind what flattens, and Caffe flattens in another "
            "order. Put it before that."
        )


def assign(
    layers: Iterable[CaffeLayer],
    weights: Iterable[tuple[np.ndarray, np.ndarray | None]],
) -> None:
    """Gives every layer its weights.

    Args:
        layers: The layers.
        weights: For each of them the kernel in Caffe's layout, and the bias.
    """
    for layer, (kernel, bias) in zip(layers, weights, strict=True):
        set_variable(layer.kernel, layer.to_keras(kernel))
        if layer.bias is not None and bias is not None:
            set_variable(layer.bias, bias)


def set_variable(variable: Any, value: np.ndarray) -> None:
    """Gives a variable a value, bit for bit where the dtypes agree."""
    # As a tensor at once: Keras would take another dtype on the way.
    variable.assign(keras.ops.convert_to_tensor(value, dtype=variable.dtype))


def _is_float(variables: dict[str, Any]) -> bool:
    return all(
        keras.backend.is_float_dtype(variable.dtype) for variable in variables.values()
    )


def _volume(path: str, layer: Any, model: keras.Model) -> tuple[int, int, int] | None:
    """Returns the shape of what a dense layer sees flattened, `None` if nothing is.

    Raises:
        ValueError: The graph of the model does not tell.
    """
    calls = calls_of(layer)
    found = {_flattened(call.input_tensors[0], model) for call in calls}
    if len(found) != 1 or () in found:
        raise ValueError(
            f"What the inputs of {path!r} were before they were flattened cannot be "
            "seen, and Caffe flattens in another order. Use a Sequential or "
            "functional model with `Flatten` and `Dense` on the same level, and no "
            "permutation before it."
        )
    return found.pop() or None  # type: ignore[return-value]


def _flattened(tensor: Any, model: keras.Model) -> tuple[int, ...] | None:
    """Goes back to where a tensor of two axes was flattened.

    Returns:
        The shape before, without the batch; `None` where there was nothing to
        flatten, and `()` where that cannot be seen.
    """
    while len(tensor.shape) == 2:
        operation, call = maker_of(tensor)
        if isinstance(operation, keras.layers.InputLayer):
            return None if any(tensor is each for each in model.inputs) else ()
        if isinstance(operation, keras.layers.Dense):
            return None
        sources = calls_of(operation)[call].input_tensors
        if len(sources) != 1 or isinstance(operation, keras.Model):
            return ()
        (source,) = sources
        if len(source.shape) == 4 and prod(source.shape[1:]) == tensor.shape[1]:
            maker, _ = maker_of(source)
            return () if type(maker).__name__ in _TURNED else tuple(source.shape[1:])
        tensor = source
    return None
