"""Models as files of other formats, by Keras' `export` and Apple's converter."""

import argparse
import contextlib
import io
import logging
from collections import Counter
from collections.abc import Iterator
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import keras

# Arrays of fewer elements than this, and pruning to less, do not pay in Core ML.
_FEW = 256
_SPARSE = 0.25
_SMALLEST = 1.4e-45  # of what is not 0 in float32


def _signature(model: "keras.Model") -> list[Any]:
    """Returns what goes in, one example at a time; LiteRT in a page takes no other."""
    import keras  # noqa: PLC0415

    inputs = [
        keras.InputSpec(each.dtype, (1, *each.shape[1:]), name=each.name)
        for each in model.inputs
    ]
    return [inputs] if len(inputs) > 1 else inputs


def litert(model: "keras.Model", path: Path, options: argparse.Namespace) -> str | None:
    """Writes a `.tflite` file; LiteRT's converter reads groups by itself."""
    tf = import_module("tensorflow")
    settings: dict[str, Any] = {}
    if options.quantize:
        settings["optimizations"] = [tf.lite.Optimize.DEFAULT]
    if options.quantize == "float16":
        settings["target_spec"] = {"supported_types": [tf.float16]}
    if options.sparse:
        settings["optimizations"] = [tf.lite.Optimize.EXPERIMENTAL_SPARSITY]
    model.export(
        path,
        format="litert",
        input_signature=_signature(model),
        verbose=False,
        **settings,
    )
    return None


@contextlib.contextmanager
def _groups_apart(model: "keras.Model") -> Iterator[None]:
    """Lets each group of a convolution be one of its own.

    On a processor TensorFlow has grouped convolutions compiled by XLA, in a call that
    not every converter can look into.
    """
    import keras  # noqa: PLC0415

    from deepcompress.network import internals  # noqa: PLC0415

    kinds = keras.layers.Conv1D, keras.layers.Conv2D, keras.layers.Conv3D
    grouped = [
        layer
        for layer in internals.flatten_layers(model)
        if isinstance(layer, kinds) and layer.groups > 1
    ]

    def convolve(layer: Any, inputs: Any, kernel: Any) -> Any:
        axis = -1 if layer.data_format == "channels_last" else 1
        parts = keras.ops.split(inputs, layer.groups, axis)
        kernels = keras.ops.split(kernel, layer.groups, -1)
        plain = type(layer).convolution_op
        made = [plain(layer, *pair) for pair in zip(parts, kernels, strict=True)]
        return keras.ops.concatenate(made, axis)

    for layer in grouped:
        layer.convolution_op = partial(convolve, layer)
    try:
        yield
    finally:
        for layer in grouped:
            del layer.convolution_op


def onnx(model: "keras.Model", path: Path, options: argparse.Namespace) -> str | None:
    """Writes int8 for dense layers alone: convolutions become several times slower."""
    logging.getLogger("tf2onnx").setLevel(logging.CRITICAL)
    with _groups_apart(model):
        model.export(
            path, format="onnx", input_signature=_signature(model), verbose=False
        )
    if options.quantize:
        small = import_module("onnxruntime.quantization")
        logging.disable()  # advice that is for convolutions
        try:
            small.quantize_dynamic(
                path,
                path,
                op_types_to_quantize=["MatMul"],
                weight_type=small.QuantType.QInt8,
            )
        finally:
            logging.disable(logging.NOTSET)
    return None


def coreml(model: "keras.Model", path: Path, options: argparse.Namespace) -> str:
    """Writes zeros as a mask, and the others as codes and a palette, without a loss."""
    tf = import_module("tensorflow")
    logging.getLogger("coremltools").setLevel(logging.ERROR)
    with contextlib.redirect_stderr(io.StringIO()):  # bars, of a second
        ct = import_module("coremltools")
        small = import_module("coremltools.optimize.coreml")
        specs = [
            tf.TensorSpec((1, *each.shape[1:]), each.dtype, name=each.name)
            for each in model.inputs
        ]

        def compute(*inputs: Any) -> Any:
            return model(list(inputs) if len(inputs) > 1 else inputs[0], training=False)

        computed = tf.function(compute, input_signature=specs)
        with _groups_apart(model):
            concrete = computed.get_concrete_function()
        is_half = options.quantize == "float16"
        converted = ct.convert(
            [concrete],
            source="tensorflow",
            minimum_deployment_target=ct.target.iOS18,
            compute_precision=ct.precision.FLOAT16 if is_half else ct.precision.FLOAT32,
            skip_model_load=True,
        )
        pruner = small.OpThresholdPrunerConfig(
            threshold=_SMALLEST,
            minimum_sparsity_percentile=_SPARSE,
            weight_threshold=_FEW,
        )
        palette = small.OpPalettizerConfig(mode="unique", weight_threshold=_FEW)
        packed = small.prune_weights(converted, small.OptimizationConfig(pruner))
        packed = small.palettize_weights(
            packed, small.OptimizationConfig(palette), joint_compression=True
        )
        packed.save(str(path))
        opened = ct.models.MLModel(str(path), skip_model_load=True)
        whole = small.decompress_weights(opened)
        if _constants(small, whole) != _constants(small, converted):
            raise ValueError("a weight does not come back out of the file as it was")
    rounded = ", once rounded to float16" if is_half else ""
    return (
        f"Every weight was read back, bit for bit{rounded}; what it computes was not "
        "checked, which takes an Apple machine."
    )


def _constants(small: Any, model: Any) -> Counter[tuple[Any, ...]]:
    """Returns the arrays of a Core ML model, in no order; -0.0 counts as 0.0."""
    found = small.get_weights_metadata(model, weight_threshold=0).values()
    values = [np.asarray(each.val) for each in found]
    return Counter(
        (value.shape, value.dtype.str, (value + value.dtype.type(0)).tobytes())
        for value in values
    )
