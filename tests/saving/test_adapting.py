"""LoRA, quantization and models that are classes, of which Keras tells too little."""

import keras
import numpy as np
import pytest
from helpers.nets import bits
from keras import layers

import deepcompress as dc
from deepcompress.network import internals

pytestmark = [
    pytest.mark.filterwarnings("ignore:Layer .* does not have a `quantize`"),
    pytest.mark.filterwarnings("ignore:Invalid quantization mode"),
]
register = keras.saving.register_keras_serializable("tests adapting")
TOKENS = np.arange(12).reshape(2, 6)


@register
class Block(layers.Layer):
    """Has no `build`: its layers are built as it is called, with two arguments."""

    def __init__(self, **arguments):
        super().__init__(**arguments)
        self.attention = layers.MultiHeadAttention(2, 4)
        self.dense = layers.Dense(8, activation="relu")

    def call(self, x, y):
        return x + self.dense(self.attention(x, y))


@register
class Translator(keras.Model):
    """A class with automatic names, layers in a list and two arguments."""

    def __init__(self, **arguments):
        super().__init__(**arguments)
        self.embed = layers.Embedding(20, 8)
        self.blocks = [Block(), Block()]
        self.head = layers.Dense(5)

    def call(self, x, y=None):
        y = self.embed(x if y is None else y)
        x = self.embed(x)
        for block in self.blocks:
            x = block(x, y)
        return self.head(x)


def translator():
    keras.utils.set_random_seed(0)
    model = Translator()
    model(TOKENS, TOKENS[::-1])
    return model


def attention():
    keras.utils.set_random_seed(0)
    tokens = keras.Input((6,))
    x = layers.Embedding(20, 8)(tokens)
    return keras.Model(tokens, layers.Dense(5)(layers.MultiHeadAttention(2, 4)(x, x)))


def tuned(model):
    """Puts LoRA, which does something, into all layers that can have it."""
    rng = np.random.default_rng(0)
    for layer in list(internals.flatten_layers(model)):
        if isinstance(layer, layers.Dense | layers.EinsumDense | layers.Embedding):
            layer.enable_lora(2, lora_alpha=6)
            name = "embeddings" if isinstance(layer, layers.Embedding) else "kernel"
            low = getattr(layer, f"lora_{name}_b")
            low.assign(rng.standard_normal(low.shape))
    return model


def quantized(model, mode, **config):
    model.quantize(mode, **config)
    return model


def calibrated(model, mode, **settings):
    config = {"gptq": keras.quantizers.GPTQConfig, "awq": keras.quantizers.AWQConfig}
    structure = {
        "pre_block_layers": [model.layers[1]],
        "sequential_blocks": model.layers[2:],
    }
    settings = config[mode](
        dataset=[TOKENS[:1], TOKENS[1:]],
        tokenizer=lambda tokens: tokens,
        num_samples=2,
        sequence_length=6,
        group_size=4,
        quantization_layer_structure=structure,
        **settings,
    )
    model.quantize(mode, config=settings)
    assert model.layers[-1].quantization_config.quantization_layer_structure
    return model


def embedded():
    keras.utils.set_random_seed(0)
    x = tokens = keras.Input((6,))
    for layer in (layers.Embedding(20, 8), layers.Dense(7), layers.Dense(3)):
        x = layer(x)
    return keras.Model(tokens, x)


WAYS = {
    "lora": tuned,
    "int8": lambda model: quantized(model, "int8"),
    "int4": lambda model: quantized(model, "int4"),
    "float8": lambda model: quantized(model, "float8"),
    "lora, int8": lambda model: quantized(tuned(model), "int8"),
    "int8, lora": lambda model: tuned(quantized(model, "int8")),
}


def outputs(model):
    both = isinstance(model, Translator)
    result = model(TOKENS, TOKENS[::-1]) if both else model(TOKENS)
    return keras.ops.convert_to_numpy(result).tobytes()


CASES = [
    (attention, "lora"), (attention, "int4"), (attention, "float8"),
    (translator, "float8"), (translator, "lora, int8"), (embedded, "int8, lora"),
]  # fmt: skip


@pytest.mark.long
@pytest.mark.parametrize(("build", "way"), CASES)
def test_what_was_done_to_the_layers_comes_back(build, way):
    model = WAYS[way](build())
    data = dc.HuffmanSerializer().dumps(model)
    loaded = dc.HuffmanSerializer().loads(data)
    # All weights, in their order, and what is computed with them.
    assert bits(loaded) == bits(model)
    assert outputs(loaded) == outputs(model)
    assert [w.trainable for w in loaded.weights] == [w.trainable for w in model.weights]
    # A second time: it has been built the other way.
    again = dc.HuffmanSerializer().loads(dc.HuffmanSerializer().dumps(loaded))
    assert bits(again) == bits(model)
    other = WAYS[way](build())
    other.set_weights([np.zeros_like(weight) for weight in other.get_weights()])
    dc.HuffmanSerializer().loads(data, model=other)
    assert bits(other) == bits(model)
    assert outputs(other) == outputs(model)


CALIBRATED = {"gptq": ("gptq", 8), "awq": ("awq", None)}


@pytest.mark.parametrize(("mode", "n"), CALIBRATED.values(), ids=CALIBRATED)
def test_a_calibrated_model_comes_back(mode, n):
    model = calibrated(embedded(), mode, **({"weight_bits": n} if n else {}))
    data = dc.HuffmanSerializer().dumps(model)
    loaded = dc.HuffmanSerializer().loads(data)
    assert bits(loaded) == bits(model)
    assert outputs(loaded) == outputs(model)
    # Built from its config, it waits for a calibration.
    other = keras.Model.from_config(loaded.get_config())
    dc.HuffmanSerializer().loads(data, model=other)
    assert outputs(other) == outputs(model)


def test_a_calibrated_layer_inside_another_comes_back():
    model = attention()
    config = keras.quantizers.GPTQConfig([1], lambda tokens: tokens, group_size=4)
    inner = next(
        layer
        for layer in internals.flatten_layers(model)
        if isinstance(layer, layers.EinsumDense)
    )
    inner.quantize("gptq", config=config)
    with pytest.raises(ValueError, match=r"'multi_head.*/.*' is quantized by GPTQ and"):
        dc.HuffmanSerializer().dumps(model)
    internals.calibrate(inner)
    inner.quantized_kernel.assign(np.full(inner.quantized_kernel.shape, 17, "uint8"))
    loaded = dc.HuffmanSerializer().loads(dc.HuffmanSerializer().dumps(model))
    assert bits(loaded) == bits(model)
    assert outputs(loaded) == outputs(model)


def test_training_goes_on_with_lora():
    model = tuned(attention())
    model.compile("adam", "mse")
    loaded = dc.HuffmanSerializer().loads(dc.HuffmanSerializer().dumps(model))
    loaded.fit(TOKENS, np.ones((2, 6, 5)), verbose=0)
    for before, after in zip(model.weights, loaded.weights, strict=True):
        assert (before.numpy() != after.numpy()).any() == before.trainable


def test_a_class_with_automatic_names_loads_into_a_second_copy():
    model, second = translator(), translator()
    assert model.embed.name != second.embed.name
    second.set_weights([np.zeros_like(weight) for weight in second.get_weights()])
    dc.HuffmanSerializer().loads(dc.HuffmanSerializer().dumps(model), model=second)
    assert bits(second) == bits(model)


@register
class Named(keras.Model):
    """Builds itself in a way that fails where its inputs have names."""

    def __init__(self, **arguments):
        super().__init__(**arguments)
        self.embed, self.dense = layers.Embedding(20, 4), layers.Dense(3)

    def build(self, input_shape):
        super().build(input_shape)

    def call(self, inputs):
        return self.dense(self.embed(inputs["tokens"]))


def test_a_class_that_keras_cannot_build_is_built_layer_by_layer():
    model = Named()
    model({"tokens": TOKENS})
    loaded = dc.HuffmanSerializer().loads(dc.HuffmanSerializer().dumps(model))
    assert bits(loaded) == bits(model)


@register
class Wrapper(keras.Model):
    """Leaves the layer that it is given as the config of it."""

    def __init__(self, inner, **arguments):
        super().__init__(**arguments)
        self.inner = inner

    def get_config(self):
        return {**super().get_config(), "inner": self.inner}

    def call(self, inputs):
        return self.inner(inputs)


def test_a_model_without_its_layers_is_refused():
    model = Wrapper(layers.Dense(3))
    model(np.ones((2, 4)))
    data = dc.HuffmanSerializer().dumps(model)
    with pytest.raises(ValueError, match="other layers than were saved") as caught:
        dc.HuffmanSerializer().loads(data)
    assert "\n" not in str(caught.value)


def test_what_is_quantized_is_neither_pruned_nor_shared():
    model = quantized(keras.Sequential([keras.Input((8,)), layers.Dense(4)]), "int8")
    for compress in (
        lambda: dc.prune(model, 0.5),
        lambda: dc.WeightSharingQuantizer(bits=2).quantize(model),
    ):
        with pytest.raises(ValueError, match=r"'dense.*' is quantized .* \(int8\)"):
            compress()
    mixed = keras.Sequential(
        [keras.Input((8,)), layers.Dense(6, name="a"), layers.Dense(4, name="b")]
    )
    mixed.layers[0].quantize("int8")
    with pytest.raises(ValueError, match="'a' is quantized already"):
        dc.prune(mixed, 0.5)
    dc.prune(mixed, 0.5, layers="b")
    assert np.count_nonzero(mixed.layers[1].kernel.numpy()) == 12
