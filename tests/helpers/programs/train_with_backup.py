"""Trains in each folder with a backup there, and dies after an epoch if told to.

python train_with_backup.py EPOCH FOLDER...
"""

import json
import os
import sys

import keras
from helpers.nets import dense_net, kernels, regression, zeros

import deepcompress as dc

last_epoch, *folders = sys.argv[1:]


class Kill(keras.callbacks.Callback):
    def on_epoch_end(self, epoch, logs=None):
        if epoch == int(last_epoch):
            os._exit(9)


for folder in folders:
    model = dense_net()
    pruning = dc.PruningCallback(dc.PolynomialDecay(0.9, end=0.8, frequency=1))
    backup = keras.callbacks.BackupAndRestore(folder)
    callbacks = [pruning, backup, Kill()]
    history = model.fit(*regression(), epochs=5, verbose=0, callbacks=callbacks)
    sparsity = [round(each, 3) for each in history.history["sparsity"]]
    print(
        json.dumps(
            {"sparsity": sparsity, "zeros": [*map(zeros, kernels(model).values())]}
        )
    )
