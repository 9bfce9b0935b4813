"""Ordinary nets of all kinds, data for them, and weights that leave units to drop."""

import keras
import numpy as np

from deepcompress.network import internals
from deepcompress.network.variables import finalize
from helpers import ordinary_images, ordinary_layers, ordinary_sequences

_PARTS = ("attention_block", "chain", "tower")
# Each is a function that returns a net.
MODELS = {
    name: each
    for module in (ordinary_images, ordinary_layers, ordinary_sequences)
    for name, each in vars(module).items()
    if callable(each)
    and getattr(each, "__module__", None) == module.__name__
    and not isinstance(each, type)
    and name not in _PARTS
}


def data_of(model, n=4, seed=0):
    """Returns inputs for a model, in the form in which it takes them."""
    rng = np.random.default_rng(seed)
    embeds = any("embedding" in weight.path for weight in model.weights)

    def one(tensor):
        shape = [n, *(7 if size is None else size for size in tensor.shape[1:])]
        if tensor.dtype == "string":
            return keras.ops.convert_to_tensor([["red a"], ["b"], ["zzz"], ["c"]][:n])
        if tensor.dtype == "bool":
            return rng.random(shape) < 0.7
        if "int" in tensor.dtype or (embeds and len(shape) == 2):
            return rng.integers(0, 9, shape).astype(tensor.dtype)
        x = rng.standard_normal(shape).astype(tensor.dtype)
        x[0, shape[1] // 2 :] = 0  # what `Masking` masks
        return x

    inputs = internals.graph_of(model).input
    return keras.tree.map_structure(
        lambda tensor: keras.ops.convert_to_tensor(one(tensor)), inputs
    )


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
