"""Trains with others as one of two workers, and prints what all of them should.

python train_multi_worker.py PORTS RANK FILE

Keras' `fit` knows no strategy of several workers, so the loop is one of our own.
"""

import json
import os
import sys

ports, rank, file = json.loads(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
os.environ["TF_CONFIG"] = json.dumps(
    {
        "cluster": {"worker": [f"localhost:{port}" for port in ports]},
        "task": {"type": "worker", "index": rank},
    }
)

import tensorflow as tf

# Before anything else of TensorFlow's.
strategy = tf.distribute.MultiWorkerMirroredStrategy()

import hashlib

import keras
from helpers.nets import dense_net, distinct, kernels, regression, zeros

import deepcompress as dc

with strategy.scope():
    model = dense_net()
x, y = (array[rank::2] for array in regression())
batches = strategy.distribute_datasets_from_function(
    lambda context: tf.data.Dataset.from_tensor_slices((x, y)).batch(16)
)


def train(callback, epochs=2):
    """Does what `fit` does, and tells callbacks of it."""
    callbacks = keras.callbacks.CallbackList(
        [callback], model=model, epochs=epochs, steps=len(x) // 16
    )

    @tf.function
    def step(*batch):
        def replica(x, y):
            with tf.GradientTape() as tape:
                loss = tf.reduce_mean((model(x, training=True) - y) ** 2) / 2
            gradients = tape.gradient(loss, model.trainable_variables)
            model.optimizer.apply(gradients, model.trainable_variables)

        strategy.run(replica, batch)

    callbacks.on_train_begin()
    for epoch in range(epochs):
        callbacks.on_epoch_begin(epoch)
        for number, batch in enumerate(batches):
            step(*batch)
            callbacks.on_train_batch_end(number)
        callbacks.on_epoch_end(epoch)
    callbacks.on_train_end()


def tell(model):
    for name, kernel in kernels(model).items():
        digest = hashlib.sha256(kernel.tobytes()).hexdigest()
        print(f"{name}:", kernel.shape, zeros(kernel), distinct(kernel), digest)


for callback in (
    dc.PruningCallback(dc.PolynomialDecay(0.8, frequency=1), criterion="saliency"),
    dc.WeightSharingQuantizer(bits=3, init="kmeans++"),
):
    train(callback)
    tell(model)
dc.HuffmanSerializer().save(model, file)
tell(dc.load_model(file))
small = dc.shrink(model)
assert small.distribute_strategy is strategy
tell(small)
for refused in (
    lambda: dc.sensitivity(model, x, y),
    lambda: dc.compress(model, (x, y), (x, y)),
):
    try:
        refused()
    except ValueError as error:
        print("refused:", error)
