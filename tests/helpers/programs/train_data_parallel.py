"""Prunes and shares in one of two processes, and prints what the kernels hold.

Then what all processes do alike with the model, and what is refused there.

python train_data_parallel.py PORT RANK
"""

import hashlib
import sys

import jax

jax.config.update("jax_cpu_collectives_implementation", "gloo")
port, rank = map(int, sys.argv[1:])
# Before Keras asks JAX what devices there are.
jax.distributed.initialize(f"localhost:{port}", 2, rank)

import keras
from helpers.nets import bits, dense_net, distinct, kernels, regression, zeros

import deepcompress as dc

keras.distribution.set_distribution(
    keras.distribution.DataParallel(auto_shard_dataset=False)
)
model = dense_net()
x, y = (array[rank::2] for array in regression())
for callback in (
    dc.PruningCallback(dc.PolynomialDecay(0.8, frequency=1)),
    dc.WeightSharingQuantizer(bits=3, init="kmeans++"),
):
    model.fit(x, y, batch_size=16, epochs=2, verbose=0, callbacks=[callback])
    for kernel in kernels(model).values():
        digest = hashlib.sha256(kernel.tobytes()).hexdigest()
        print(zeros(kernel), distinct(kernel), digest)


small = dc.shrink(model)
small.fit(x, y, batch_size=16, verbose=0)
measured = dc.sensitivity(model, x, y, sparsities=[0.5], bits=[2])
print("measured:", measured.to_dict())
loaded = dc.HuffmanSerializer().loads(dc.HuffmanSerializer().dumps(model))
print("loaded:", bits(loaded) == bits(model))
loaded.fit(x, y, batch_size=16, verbose=0)


def refused(function, *arguments):
    try:
        function(*arguments)
    except ValueError as error:
        print("refused:", error)


refused(dc.compress, model, (x, y), (x, y))
mesh = keras.distribution.DeviceMesh((1, 2), ["batch", "model"])
layout = keras.distribution.LayoutMap(mesh)
layout[".*hidden/kernel"] = (None, "model")
keras.distribution.set_distribution(
    keras.distribution.ModelParallel(layout_map=layout, batch_dim_name="batch")
)
refused(dc.prune, dense_net(), 0.5)
