"""Prunes and shares in one of two processes, and prints what the kernels hold.

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
from helpers.nets import dense_net, distinct, kernels, regression, zeros

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
