"""Measures, shrinks and compresses a model of two replicas, and tells of it."""

import tensorflow as tf

(cpu,) = tf.config.list_physical_devices("CPU")
# Before Keras asks TensorFlow what devices there are.
tf.config.set_logical_device_configuration(
    cpu, [tf.config.LogicalDeviceConfiguration()] * 2
)

import keras
import numpy as np
from helpers.nets import bits
from keras import layers

import deepcompress as dc
from deepcompress.search.copying import Copier

strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])


def replicas(model):
    """What each replica holds."""
    return [
        [each.value.values[at].numpy().tobytes() for each in model.variables]
        for at in range(2)
    ]


def is_mirrored(model):
    if model.distribute_strategy is not strategy:
        return False
    trained = [variable.value.values for variable in model.trainable_variables]
    return all(
        one.numpy().tobytes() == other.numpy().tobytes() for one, other in trained
    )


rng = np.random.default_rng(0)
x = rng.normal(size=(256, 10)).astype("float32")
y = (x @ rng.normal(size=(10, 4))).argmax(-1)
dataset = tf.data.Dataset.from_tensor_slices((x, y)).batch(64)
with strategy.scope():
    keras.utils.set_random_seed(0)
    model = keras.Sequential(
        [
            keras.Input((10,)),
            layers.Dense(20, activation="relu", name="hidden"),
            layers.BatchNormalization(name="norm"),
            layers.Dense(4, activation="softmax", name="out"),
        ]
    )
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
model.fit(x, y, verbose=0)
model.evaluate(dataset, verbose=0)  # from here on its metrics are there
before = replicas(model)
# The moving averages are those of what each has seen.
assert before[0] != before[1]
dc.sensitivity(model, dataset, sparsities=[0.5], bits=[])
print("measured:", replicas(model) == before)

result = dc.compress(
    model, dataset, (x, y), max_accuracy_drop=0.9, time_budget=1, verbose=0
)
print("compressed:", replicas(model) == before, is_mirrored(result.model))
result.model.fit(x, y, verbose=0)
assert is_mirrored(result.model)

with strategy.scope():
    copier = Copier(model)
    copied = copier.copy(model)
    loaded = copier.load(copier.dumps(copied))
weights = [variable.path for variable in model.weights]
assert replicas(copied)[1][: len(weights)] == before[1][: len(weights)]
print("copied:", is_mirrored(copied), is_mirrored(loaded), copier.notes)

kernel, bias = model.layers[0].get_weights()
kernel[:, 7:], bias[7:] = 0, -1
model.layers[0].set_weights([kernel, bias])
small = dc.shrink(model)
small.fit(x, y, verbose=0)
print("shrunk:", small.layers[0].units, is_mirrored(small))

file = dc.HuffmanSerializer().dumps(model)
with strategy.scope():
    loaded = dc.HuffmanSerializer().loads(file)
whole = bits(model)
model.set_weights([np.zeros_like(weight) for weight in model.get_weights()])
dc.HuffmanSerializer().loads(file, model=model)
print("loaded:", is_mirrored(loaded), bits(loaded) == whole, bits(model) == whole)
dc.prune(model, 0.9)
dc.WeightSharingQuantizer(2).quantize(model)
print("at once:", is_mirrored(model))
