"""Trains, shrinks and compresses a model that four devices share, and tells of it.

Once with a layout for the names that the variables have, and once for those that Keras
gives to the variables of a net that is made from a config, which are shorter.
"""

import warnings

import keras
import numpy as np
from helpers.nets import bits, distinct, kernels, zeros
from keras import layers

import deepcompress as dc
from deepcompress.network.distribution import scope_of
from deepcompress.search.copying import Copier


def distribution(before):
    """Splits the hidden units in two; names are those of layers with that before."""
    mesh = keras.distribution.DeviceMesh((2, 2), ["batch", "model"])
    layout = keras.distribution.LayoutMap(mesh)
    layout[f"{before}hidden/kernel"] = (None, "model")
    layout[f"{before}hidden/bias"] = ("model",)
    layout[f"{before}out/kernel"] = ("model", None)
    return keras.distribution.ModelParallel(layout_map=layout, batch_dim_name="batch")


def splits(model):
    """How each kernel is split; all devices with the same part of it agree."""
    for variable in model.weights:
        parts = {}
        for shard in variable.value.addressable_shards:
            part = parts.setdefault(str(shard.index), set())
            part.add(np.asarray(shard.data).tobytes())
        assert all(len(each) == 1 for each in parts.values()), variable.path
    return [list(layer.kernel.value.sharding.spec) for layer in model.layers]


class Look(keras.callbacks.Callback):
    """Takes down how the masks of the first layer are split."""

    def __init__(self):
        super().__init__()
        self.masks = []

    def on_epoch_begin(self, epoch, logs=None):
        tie = self.model.layers[0].kernel.constraint
        if hasattr(tie, "mask"):
            self.masks.append(list(tie.mask.value.sharding.spec))


def units(model):
    return model.layers[0].units


rng = np.random.default_rng(0)
x = rng.normal(size=(256, 10)).astype("float32")
y = (x @ rng.normal(size=(10, 4))).argmax(-1)
for before in (".*", ""):
    keras.distribution.set_distribution(distribution(before))
    keras.utils.set_random_seed(0)
    model = keras.Sequential(
        [
            keras.Input((10,)),
            layers.Dense(20, activation="relu", name="hidden"),
            layers.Dense(4, activation="softmax", name="out"),
        ]
    )
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    given = splits(model)
    print("split:", given)
    look = Look()
    for callback in (
        dc.PruningCallback(dc.PolynomialDecay(0.5, frequency=1)),
        dc.WeightSharingQuantizer(bits=3),
    ):
        model.fit(x, y, batch_size=64, verbose=0, callbacks=[callback, look])
    assert splits(model) == given
    assert look.masks == given[:1]
    print("tied:", *((zeros(k), distinct(k)) for k in kernels(model).values()))

    # Seven units of twenty are left to two devices.
    kernel, bias = model.layers[0].get_weights()
    kernel[:, 7:], bias[7:] = 0, 0
    model.layers[0].set_weights([kernel, bias])
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        small = dc.shrink(model)
    print("shrunk:", units(small))
    assert splits(small) == given
    np.testing.assert_allclose(
        small.predict(x, verbose=0), model.predict(x, verbose=0), atol=1e-6
    )
    small.fit(x, y, verbose=0)

    whole = bits(model)
    copier = Copier(model)
    with scope_of(model):
        copied = copier.copy(model)
        loaded = copier.load(copier.dumps(copier.shrink(copied)))
    assert splits(copied) == splits(loaded) == given
    print("copied:", bits(copied) == whole, units(loaded), copier.notes)
    result = dc.compress(
        model, (x, y), (x, y), max_accuracy_drop=0.9, time_budget=2, verbose=0
    )
    assert splits(result.model) == given
    print("compressed:", bits(model) == whole, result.is_met)
    # A file goes into the larger model again.
    dc.HuffmanSerializer().loads(copier.dumps(loaded), model=model)
    assert splits(model) == given
