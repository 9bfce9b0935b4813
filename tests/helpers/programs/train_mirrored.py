"""Prunes and shares on two replicas, and prints what the kernels hold."""

import tensorflow as tf

(cpu,) = tf.config.list_physical_devices("CPU")
# Before Keras asks TensorFlow what devices there are.
tf.config.set_logical_device_configuration(
    cpu, [tf.config.LogicalDeviceConfiguration()] * 2
)

import keras
import numpy as np
from helpers.nets import dense_net, distinct, regression, zeros

import deepcompress as dc

strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
with strategy.scope():
    model = dense_net()
x, y = regression()
for callback in (
    dc.PruningCallback(dc.PolynomialDecay(0.8, frequency=1)),
    dc.WeightSharingQuantizer(bits=3),
):
    model.fit(x, y, epochs=2, verbose=0, callbacks=[callback])
for layer in model.layers:
    replicas = [replica.numpy() for replica in layer.kernel.value.values]
    assert len(replicas) == 2
    assert replicas[0].tobytes() == replicas[1].tobytes()
    print(zeros(replicas[0]), distinct(replicas[0]))
with strategy.scope():
    table = keras.layers.Embedding(9_000, 8)
    large = keras.Sequential([keras.Input((4,), dtype="int32"), table])
    large.compile("sgd", "mse")
rows = np.arange(256).reshape(64, 4)
sharing = dc.WeightSharingQuantizer(3)
large.fit(rows, np.ones((64, 4, 8)), verbose=0, callbacks=[sharing])
replicas = [replica.numpy() for replica in table.embeddings.value.values]
assert replicas[0].tobytes() == replicas[1].tobytes()
print("table", distinct(replicas[0]))
try:
    sharing = dc.WeightSharingQuantizer(3, gradient="sum")
    model.fit(x, y, verbose=0, callbacks=[sharing])
except ValueError as error:
    print("refused:", error)
