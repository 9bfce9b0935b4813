"""Which functions compute each channel by itself, and what they make of constants."""

from collections.abc import Hashable
from typing import Any

import keras
import numpy as np

_ELEMENTWISE = {
    getattr(keras.activations, name)
    for name in (
        "celu", "elu", "exponential", "gelu", "hard_shrink", "hard_sigmoid",
        "hard_silu", "hard_tanh", "leaky_relu", "linear", "log_sigmoid", "mish",
        "relu", "relu6", "selu", "sigmoid", "silu", "soft_shrink", "softplus",
        "softsign", "sparse_plus", "sparse_sigmoid", "squareplus", "tanh",
        "tanh_shrink", "threshold",
    )
    if hasattr(keras.activations, name)  # not all of them in every Keras
}  # fmt: skip
_MIXING = {
    getattr(keras.activations, name)
    for name in ("glu", "log_softmax", "softmax", "sparsemax")
    if hasattr(keras.activations, name)
}


def is_elementwise(layer: Any) -> bool:
    """Whether a layer's activation computes each channel by itself."""
    activation = _activation(layer)
    return activation is None or activation in _ELEMENTWISE


def mixes(layer: Any) -> bool:
    """Whether a layer's activation is known to need all channels."""
    return isinstance(layer, keras.layers.Softmax) or _activation(layer) in _MIXING


def _activation(layer: Any) -> Any:
    """Returns a layer's activation, or something that is not known in its place."""
    activation = getattr(layer, "activation", None)
    # What a layer of the user's own calls so may be anything.
    return activation if isinstance(activation, Hashable) else Ellipsis


def apply(
    function: Any, constants: list[np.ndarray], rank: int, dtype: str
) -> np.ndarray:
    """Returns the constants that a layer or an activation makes of constants.

    Args:
        function: The layer or the activation.
        constants: Those of each input, NaN where a channel is none.
        rank: The axes that the function expects.
        dtype: The dtype that it computes in.
    """
    is_varying = np.isnan(constants).any(axis=0)
    tensors = [
        keras.ops.convert_to_tensor(
            np.where(is_varying, 0, each).reshape((1,) * (rank - 1) + (-1,)), dtype
        )
        for each in constants
    ]
    result = function(tensors if len(tensors) > 1 else tensors[0])
    result = keras.ops.convert_to_numpy(result).astype(np.float64).ravel()
    return np.where(is_varying | ~np.isfinite(result), np.nan, result)
