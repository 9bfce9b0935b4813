"""The functional nets of all families, and weights that leave units to drop."""

import keras
import numpy as np

from deepcompress.network.variables import finalize
from ordinary import images, layers, sequences

_PARTS = ("attention_block", "chain", "tower")
# Each is a function that returns a net.
MODELS = {
    name: each
    for module in (images, layers, sequences)
    for name, each in vars(module).items()
    if callable(each)
    and getattr(each, "__module__", None) == module.__name__
    and not isinstance(each, type)
    and name not in _PARTS
}


def prune_units(model, seed=0):
    """Gives a model weights of which many are zero, and units that do nothing."""
    rng = np.random.default_rng(seed)
    for weight in model.weights:
        if "float" not in weight.dtype:
            continue
        value = keras.ops.convert_to_numpy(keras.ops.cast(weight, "float32")).copy()
        if "kernel" in weight.name and value.ndim > 1:
            value[rng.random(value.shape) < 0.3] = 0
            value[..., rng.random(value.shape[-1]) < 0.4] = 0
        elif weight.name in ("bias", "beta", "gamma", "lora_kernel_b"):
            value = rng.normal(size=value.shape) * (rng.random(value.shape) < 0.8)
        elif "variance" in weight.name:
            value = rng.uniform(0.5, 2, value.shape)
        weight.assign(value)
    finalize(model)
    return model
