"""What pruning and weight sharing cost in a training step, against the same plain fit.

For both LeNets, with and without `jit_compile`: the CPU time of a step of a plain
`fit`, of the same `fit` with a `PruningCallback` and of the same `fit` with a
`WeightSharingQuantizer` on a net that is pruned to 90 %, and the CPU time of `evaluate`
and `predict` while each is attached. The masks are updated every 100 steps.

The three take turns in one process of one thread, so that waiting threads are not
counted; a ratio is the median of the ratios to the plain one of the same round. What a
fit spends once, for tracing and clustering, is left out: the clock runs from the end of
the first step.

Run it with:

    python benchmarks/training.py
    python benchmarks/training.py --nets lenet_300_100 --rounds 31
"""

import argparse
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from statistics import median

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
import tensorflow as tf

import deepcompress as dc

BATCH = 128
KINDS = ("plain", "prune", "share")


def cpu_seconds(action: Callable[[], object]) -> float:
    begin = time.process_time()
    action()
    return time.process_time() - begin


def callbacks(kind: str) -> list[keras.callbacks.Callback]:
    if kind == "prune":
        return [dc.PruningCallback(dc.PolynomialDecay(0.9, end=1.0, frequency=100))]
    if kind == "share":
        return [dc.WeightSharingQuantizer(bits=5)]
    return []


class Stopwatch(keras.callbacks.Callback):
    """Takes the CPU time of a fit's steps, the first one left out."""

    def on_train_batch_end(self, batch: int, logs: object = None) -> None:
        """Starts after the first step, and looks at the time after the others."""
        if batch == 0:
            self.begin = time.process_time()
        self.seconds = (time.process_time() - self.begin) / max(1, batch)


@contextmanager
def attached(kind: str, model: keras.Model) -> Iterator[None]:
    """Holds the callback on the model, as in the midst of a fit."""
    held = keras.callbacks.CallbackList(callbacks(kind), model=model, steps=100)
    held.on_train_begin()
    yield
    held.on_train_end()


def build(net: str, kind: str, jit_compile: bool) -> keras.Model:
    keras.utils.set_random_seed(0)
    model = getattr(dc.models, net)()
    model.compile(
        "adam",
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        jit_compile=jit_compile,
    )
    if kind == "share":
        dc.prune(model, 0.9)
    return model


def measure(net: str, jit_compile: bool, rounds: int, steps: int) -> None:
    rng = np.random.default_rng(0)
    x = rng.random((BATCH * steps, 28, 28, 1), "float32")
    y = rng.integers(0, 10, len(x))
    models = {kind: build(net, kind, jit_compile) for kind in KINDS}

    def once(kind: str) -> dict[str, float]:
        model, stopwatch = models[kind], Stopwatch()
        model.fit(
            x, y, BATCH, shuffle=False, verbose=0,
            callbacks=[*callbacks(kind), stopwatch],
        )  # fmt: skip
        with attached(kind, model):
            evaluate = cpu_seconds(lambda: model.evaluate(x, y, BATCH, verbose=0))
            predict = cpu_seconds(lambda: model.predict(x, BATCH, verbose=0))
        return {"step": stopwatch.seconds, "evaluate": evaluate, "predict": predict}

    for kind in KINDS:
        once(kind)
    taken = [{kind: once(kind) for kind in KINDS} for _ in range(rounds)]
    for kind in KINDS:
        cells = ""
        for what in ("step", "evaluate", "predict"):
            ratios = [each[kind][what] / each["plain"][what] for each in taken]
            milliseconds = median(each[kind][what] for each in taken) * 1e3
            cells += f"{milliseconds:>12.2f}{median(ratios):>7.2f}x"
        print(f"{net:<15}{'yes' if jit_compile else 'no':<5}{kind:<6}{cells}")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--nets", nargs="+", default=["lenet_300_100", "lenet5"])
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--steps", type=int, default=101)
    options = parser.parse_args()
    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    print(
        f"{'net':<15}{'jit':<5}{'fit':<6}{'ms/step':>12}{'ratio':>8}"
        f"{'evaluate ms':>12}{'ratio':>8}{'predict ms':>12}{'ratio':>8}"
    )
    for net in options.nets:
        for jit_compile in (False, True):
            measure(net, jit_compile, options.rounds, options.steps)


if __name__ == "__main__":
    main()
