"""A net that a search takes seconds for, and what a search knows without a net."""

import itertools

import keras
import numpy as np
from keras import layers

import deepcompress as dc
from deepcompress.search.copying import Copier
from deepcompress.search.level import Levels
from deepcompress.search.policy import Policy
from deepcompress.search.state import CompressionPoint, State
from deepcompress.search.stepping import stepping_of
from deepcompress.search.stopwatch import Stopwatch
from deepcompress.search.trainer import Trainer


def blobs(n=600, seed=0):
    """Points of three classes, apart but for a few."""
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 3, n)
    centers = np.random.default_rng(1).normal(size=(3, 16)) * 1.5
    x = centers[y] + rng.normal(size=(n, 16))
    return x.astype("float32"), y.astype("int32")


def classifier(activation=None, *, normalize=False):
    """A functional net that has learnt the points."""
    keras.utils.set_random_seed(0)
    x = inputs = keras.Input((16,))
    x = layers.Dense(64, activation="relu", name="wide")(x)
    if normalize:
        x = layers.BatchNormalization(name="norm")(x)
    outputs = layers.Dense(3, activation=activation, name="out")(x)
    model = keras.Model(inputs, outputs)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=activation is None)
    model.compile(keras.optimizers.Adam(0.01), loss, metrics=["accuracy"])
    model.fit(*blobs(), epochs=5, verbose=0)
    return model


def compress(model, **arguments):
    """Give what ends a search before its time is up, ample for the slowest machine."""
    arguments = {
        "max_accuracy_drop": 0.05,
        "time_budget": 300,
        "verbose": 0,
        **arguments,
    }
    return dc.compress(model, blobs(), blobs(300, seed=2), **arguments)


def ticking(seconds=0.001):
    """A clock that goes on by being looked at: as fast on every machine."""
    return itertools.count(0.0, seconds).__next__


def levels_of(
    model,
    budget,
    *,
    time_budget=100.0,
    validation=None,
    is_trained=True,
    fold=False,
    bits=None,
    **settings,
):
    """What does the levels of a search, on a clock that ticks."""
    keras.utils.set_random_seed(0)
    now = ticking()
    copier = Copier(model)
    teacher = copier.copy(model)
    trainer = Trainer(
        teacher,
        blobs(),
        blobs(300, seed=2) if validation is None else validation,
        batch_size=None,
        teacher=teacher,
        copier=copier,
        stepping=stepping_of(model.optimizer),
        now=now,
    )
    if is_trained:
        trainer.probe(copier.copy(model), 1.0)
    return Levels(
        trainer,
        copier,
        Policy(budget, **settings),
        Stopwatch(time_budget, now=now),
        coders=["huffman", "context"],
        dense_bytes=sum(weight.nbytes for weight in model.get_weights()),
        fold=fold,
        bits=bits,
    )


def point(**values):
    """One that was measured, within the budget unless it is said otherwise."""
    usual = {
        "size": 100, "ratio": 2.0, "value": 0.9, "is_accurate": True, "n_weights": 10,
        "bits": {"wide": 5}, "coder": "context", "epochs": 1.0, "seconds": 2.0,
        "metrics": {"accuracy": 0.9},
    }  # fmt: skip
    return CompressionPoint(**{**usual, **values})


def state(**values):
    """That of a search which has measured the model as it was given."""
    return State(**{"n_good": 1000, "curve": [point(n_weights=500)], **values})
