"""Tasks of KerasHub at the size of toys, where it is installed.

KerasHub isn't among what tests are installed with: it draws in TensorFlow's text
operations and several native libraries, which these nets have no use for.
"""

from importlib import import_module
from importlib.util import find_spec

import keras
import numpy as np

from ordinary.cases import arrays, ordinary
from ordinary.forms import random, whole

N = 64
HAS_KERAS_HUB = find_spec("keras_hub") is not None


def hub(name):
    """Returns a class of KerasHub's, which takes seconds to import."""
    return getattr(import_module("keras_hub").models, name)


def token_data(length=9, n=N):
    n_kept = 3 + whole(length - 3, n)
    return {
        "token_ids": whole(20, n, length),
        "padding_mask": np.arange(length)[None] < n_kept[:, None],
    }


def bert_backbone():
    return hub("BertBackbone")(
        vocabulary_size=20,
        num_layers=2,
        num_heads=2,
        hidden_dim=8,
        intermediate_dim=16,
        max_sequence_length=9,
    )


def gpt2_backbone():
    return hub("GPT2Backbone")(
        vocabulary_size=20,
        num_layers=2,
        num_heads=2,
        hidden_dim=8,
        intermediate_dim=16,
        max_sequence_length=9,
    )


def hub_bert():
    """Compiled by itself, as it is made."""
    model = hub("BertTextClassifier")(bert_backbone(), 3)
    x = {**token_data(), "segment_ids": np.zeros((N, 9), "int32")}
    return arrays(model, x, whole(3, N))


def hub_masked_bert():
    model = hub("BertMaskedLM")(bert_backbone())
    x = {
        **token_data(),
        "segment_ids": np.zeros((N, 9), "int32"),
        "mask_positions": np.tile([1, 4], (N, 1)),
    }
    weight = np.tile([1.0, 0.0], (N, 1)).astype("float32")
    return arrays(model, x, whole(20, N, 2), weight)


def hub_gpt2():
    """Weighted metrics, and a weight for each token."""
    model = hub("GPT2CausalLM")(gpt2_backbone())
    x = token_data()
    return arrays(model, x, whole(20, N, 9), x["padding_mask"].astype("float32"))


def hub_gpt2_with_lora():
    backbone = gpt2_backbone()
    backbone.enable_lora(2)
    model = hub("GPT2CausalLM")(backbone)
    model.compile(
        keras.optimizers.Adam(1e-3),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        weighted_metrics=["accuracy"],
        sampler="greedy",
    )
    x = token_data()
    return arrays(model, x, whole(20, N, 9), x["padding_mask"].astype("float32"))


def hub_vit():
    backbone = hub("ViTBackbone")(
        image_shape=(8, 8, 3),
        patch_size=4,
        num_layers=2,
        num_heads=2,
        hidden_dim=8,
        mlp_dim=16,
    )
    model = hub("ViTImageClassifier")(backbone, 3)
    return arrays(model, random(N, 8, 8, 3), whole(3, N))


def hub_res_net():
    backbone = hub("ResNetBackbone")(
        input_conv_filters=[64],
        input_conv_kernel_sizes=[3],
        stackwise_num_filters=[64, 8],
        stackwise_num_blocks=[1, 1],
        stackwise_num_strides=[1, 2],
        block_type="basic_block",
        image_shape=(16, 16, 3),
    )
    model = hub("ResNetImageClassifier")(backbone, 3, activation="softmax")
    model.compile(
        keras.optimizers.SGD(0.01, momentum=0.9),
        weighted_metrics=[keras.metrics.SparseCategoricalAccuracy()],
    )
    weight = np.where(np.arange(N) % 2, 1.0, 0.5).astype("float32")
    return arrays(model, random(N, 16, 16, 3), whole(3, N), weight)


if HAS_KERAS_HUB:
    for _make in (
        hub_bert,
        hub_masked_bert,
        hub_gpt2,
        hub_gpt2_with_lora,
        hub_vit,
        hub_res_net,
    ):
        ordinary()(_make)
