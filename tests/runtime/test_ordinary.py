"""Ordinary models compute what they compute in Keras, or are refused by name."""

import keras
import numpy as np
import pytest
from ordinary.cases import case_of
from ordinary.families import ORDINARY

import deepcompress as dc

# Why a model cannot be run, and words of what is said.
REFUSED = {
    **dict.fromkeys(("gan", "gan_with_test_step", "wasserstein_gan"), "which inputs"),
    "own_target": "which inputs",
    **dict.fromkeys(("stateful_gru", "stateful"), "it is stateful"),
    **dict.fromkeys(("next_frame", "conv_lstm"), "'ConvLSTM2D'"),
    "own_cells": "its cell is of class 'Cell'",
    "two_domains": "'GradientReversal'",
    "diffusion": "Iterating over a symbolic",
    "settles_in_a_loop": "'ForiLoop'",
    "leaves_early": "'LeavesEarly'",
    "super_resolution": "'DepthToSpace'",
    **dict.fromkeys(("words_by_their_weight", "bag_of_words"), "it counts words"),
    "colors_by_embedding": "by hash",
    "hashed_and_crossed": "'Hashing'",
    "feature_space": "'HashedCrossing'",
    "sound_by_its_spectrum": "'STFTSpectrogram'",
    "quantized": "quantized by Keras (int8)",
    "quantized_to_int8": "quantized by Keras (int8)",
    "quantized_to_int4": "quantized by Keras (int4)",
    "quantized_to_float8": "quantized by Keras (float8)",
    "quantized_by_gptq": "quantized by Keras (gptq)",
    "quantized_by_awq": "quantized by Keras (awq)",
}
# Keras computes them in half precision; what they compute is compared with that.
ROUNDED = {
    "mixed_precision": 1e-2,
    "mixed_float16": 1e-3,
    "all_bfloat16": 1e-2,
    "all_float16": 1e-3,
}


def parameters():
    for name, entry in ORDINARY.items():
        mark = pytest.mark.long if entry.is_fast else pytest.mark.slow
        yield pytest.param(name, marks=mark)


@pytest.mark.parametrize("name", list(parameters()))
def test_it_computes_what_keras_computes_or_is_refused_by_name(name):
    case = case_of(name)
    if ORDINARY[name].refusal("save") or case.predict is not None:
        pytest.skip("no file holds it, or it computes by more than a call")
    before = [weight.numpy() for weight in case.model.weights]
    data = dc.HuffmanSerializer().dumps(case.model)
    for weight, value in zip(case.model.weights, before, strict=True):
        np.testing.assert_array_equal(weight.numpy(), value)
    if name in REFUSED:
        with pytest.raises(ValueError, match="cannot be run compressed") as caught:
            dc.CompressedModel(data)
        assert REFUSED[name] in str(caught.value)
        return
    net = dc.CompressedModel(data)
    found = keras.tree.flatten(net.predict(inputs_of(case), case.batch_size))
    for one, other in zip(found, case.computed(case.model), strict=True):
        largest = max(np.abs(other).max(initial=0), 1e-6)
        error = np.abs(one.astype("float32") - other).max(initial=0)
        assert error <= ROUNDED.get(name, 1e-5) * largest


def inputs_of(case):
    """What `predict` takes, as arrays."""
    inputs = case.inputs
    if inputs is None:
        inputs = case.arguments(case.validation)["x"]
    is_whole = isinstance(inputs, dict | list | tuple | np.ndarray)
    if not (is_whole or keras.ops.is_tensor(inputs)):  # what yields batches
        parts = [each[0] if isinstance(each, tuple) else each for each in inputs]
        inputs = keras.tree.map_structure(
            lambda *arrays: np.concatenate([np.asarray(a) for a in arrays]), *parts
        )
    if isinstance(inputs, tuple):
        inputs = list(inputs)
    return keras.tree.map_structure(np.asarray, inputs)


def test_most_ordinary_models_can_be_run():
    assert set(REFUSED) <= set(ORDINARY)
    assert len(REFUSED) < 0.15 * len(ORDINARY)
