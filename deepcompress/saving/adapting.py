"""How layers were built, and what LoRA and quantization have made of them since.

Keras' architecture tells of it in the config of each layer by itself. It has no such
config of the layers that another one makes, as `MultiHeadAttention` does, nor of those
of a model that is a class, and builds such a model by calling it with one argument.
"""

from typing import Any

import keras

from deepcompress.network import internals
from deepcompress.network.variables import walk

_CALIBRATED = ("gptq", "awq")


def adaptations(model: keras.Model) -> list[dict[str, Any]]:
    """Returns what Keras' architecture leaves out of the layers, ready for JSON.

    Args:
        model: A built model.

    Raises:
        ValueError: A layer cannot be built again as it is.
    """
    found = []
    inside: tuple[str, ...] = ("",) if internals.graph_of(model) is None else ()
    # By its place: names that Keras has made up are others in another copy.
    for place, (path, layer) in enumerate(walk(model)):
        entry: dict[str, Any] = {}
        if isinstance(layer, keras.Model) and internals.graph_of(layer) is None:
            inside += (f"{path}/",)
        if layer.built and layer.weights and path.startswith(inside):
            config = layer.get_build_config()
            if config:
                entry["build"] = keras.saving.serialize_keras_object(config)
        has_lora = getattr(layer, "lora_enabled", False) and hasattr(layer, "lora_rank")
        if internals.is_quantized(layer):
            _check(path, layer, has_lora)
            entry["dtype"] = keras.saving.serialize_keras_object(layer.dtype_policy)
            config = getattr(layer, "quantization_config", None)
            entry["quantization"] = keras.saving.serialize_keras_object(config)
        if has_lora:
            entry["lora"] = [layer.lora_rank, layer.lora_alpha]
        if entry:
            found.append({"layer": place, "class": type(layer).__name__, **entry})
    return found


def adapt(model: keras.Model, found: list[dict[str, Any]]) -> None:
    """Makes the layers of a model what those of the saved one were.

    Args:
        model: A model that was built from its architecture.
        found: What `adaptations` has returned.

    Raises:
        ValueError: The model has other layers.
    """
    layers: list[Any] = [layer for _, layer in walk(model)]
    for entry in found:
        layer: Any = (layers[entry["layer"] :] or [None])[0]
        if type(layer).__name__ != entry["class"]:
            raise ValueError(
                f"Keras has built {model.name!r} with other layers than were saved: a "
                f"{type(layer).__name__} in the place of a {entry['class']}. Load the "
                "weights into a model that you build: "
                "`HuffmanSerializer().load(path, model=model)`."
            )
        if "build" in entry and not layer.built:
            layer.build_from_config(entry["build"])
            # Some make the layers inside them only now.
            layers = [layer for _, layer in walk(model)]
        if "dtype" in entry:
            _quantize(layer, entry)
        if "lora" in entry:
            rank, alpha = entry["lora"]
            if not layer.lora_enabled:
                layer.enable_lora(rank)
            # Some layers forget it when they are built.
            layer.lora_alpha = alpha


def _check(path: str, layer: Any, has_lora: bool) -> None:
    mode = layer.quantization_mode
    if mode not in _CALIBRATED or not (has_lora or internals.has_plain_kernel(layer)):
        return
    why = (
        "has LoRA too"
        if has_lora
        else "has its full kernel still, as before the calibration"
    )
    raise ValueError(
        f"The layer {path!r} is quantized by {mode.upper()} and {why}, which Keras "
        "cannot build again. Finish its quantization, or save the weights alone with "
        "`HuffmanSerializer(include_architecture=False)`."
    )


def _quantize(layer: Any, entry: dict[str, Any]) -> None:
    if not internals.is_quantized(layer):
        policy = keras.dtype_policies.deserialize(entry["dtype"])
        config = keras.saving.deserialize_keras_object(entry["quantization"])
        # A subclass of the user's own was quantized in spite of its type.
        layer.quantize(policy.quantization_mode, config=config, type_check=False)
    internals.calibrate(layer)
