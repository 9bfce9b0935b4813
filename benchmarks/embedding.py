"""What pruning and weight sharing cost in a step of a model with a large embedding.

An embedding of 100,000 x 32, the mean over a sequence, a dense layer; batches of 32
sequences. A batch reads a few rows, and an optimizer that leaves the others alone takes
a step in no time; a tie has to as well. For several optimizers, with and without
`jit_compile`: the CPU time of a step of a plain `fit`, of the same `fit` with a
`PruningCallback`, and with a `WeightSharingQuantizer` on a table without zeros and on
one that is pruned to half.

All take turns in one process of one thread; a ratio is the median of the ratios to the
plain one of the same round. The clock runs from the end of the third step to that of
the last.

Run it with:

    python benchmarks/embedding.py
    KERAS_BACKEND=jax python benchmarks/embedding.py --optimizers sgd adam --fits share
"""

import argparse
import os
import time
from statistics import median

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
if os.environ.get("KERAS_BACKEND") == "jax":
    os.environ.setdefault(
        "XLA_FLAGS", "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
    )

import keras
import numpy as np

import deepcompress as dc

ROWS, WIDTH, BATCH, LENGTH, WARM_UP = 100_000, 32, 32, 40, 3
KINDS = ("plain", "prune", "share", "share, half zero")
OPTIMIZERS = {
    "sgd": lambda: keras.optimizers.SGD(0.1),
    "momentum": lambda: keras.optimizers.SGD(0.1, momentum=0.9),
    "adam": lambda: keras.optimizers.Adam(1e-3),
    "rmsprop": lambda: keras.optimizers.RMSprop(1e-3),
    "adagrad": lambda: keras.optimizers.Adagrad(1e-2),
}


class Stopwatch(keras.callbacks.Callback):
    """Takes the CPU time of a fit's steps, the first ones left out."""

    def on_train_batch_end(self, batch: int, logs: dict | None = None) -> None:
        """Starts when the results of the last step of the warm-up are there."""
        if batch == WARM_UP - 1:
            keras.tree.map_structure(float, logs)
            self.begin = time.process_time()

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        """Looks at the time, when the results of the last step are there."""
        self.seconds = time.process_time() - self.begin


def callbacks(kind: str, bits: int) -> list[keras.callbacks.Callback]:
    if kind == "prune":
        return [dc.PruningCallback(dc.PolynomialDecay(0.5, end=1.0, frequency=100))]
    if kind.startswith("share"):
        return [dc.WeightSharingQuantizer(bits, layers="embedding")]
    return []


def build(kind: str, optimizer: str, jit_compile: bool) -> keras.Model:
    keras.utils.set_random_seed(0)
    model = keras.Sequential(
        [
            keras.Input((LENGTH,), dtype="int32"),
            keras.layers.Embedding(ROWS, WIDTH, name="embedding"),
            keras.layers.GlobalAveragePooling1D(),
            keras.layers.Dense(2),
        ]
    )
    model.compile(
        OPTIMIZERS[optimizer](),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        jit_compile=jit_compile,
    )
    if kind == "share, half zero":
        dc.prune(model, 0.5, layers="embedding")
    return model


def measure(
    optimizer: str, jit_compile: bool, kinds: list[str], options: argparse.Namespace
) -> None:
    steps = options.steps
    rng = np.random.default_rng(0)
    x = rng.integers(0, ROWS, (BATCH * (steps + WARM_UP), LENGTH), "int32")
    y = rng.integers(0, 2, len(x))
    models = {kind: build(kind, optimizer, jit_compile) for kind in kinds}

    def once(kind: str) -> float:
        stopwatch = Stopwatch()
        models[kind].fit(
            x, y, BATCH, shuffle=False, verbose=0,
            callbacks=[stopwatch, *callbacks(kind, options.bits)],
        )  # fmt: skip
        return stopwatch.seconds / steps

    taken = [{kind: once(kind) for kind in kinds} for _ in range(options.rounds)]
    for kind in kinds:
        ratio = median(each[kind] / each["plain"] for each in taken)
        milliseconds = median(each[kind] for each in taken) * 1e3
        print(
            f"{keras.backend.backend():<11}{optimizer:<10}"
            f"{'yes' if jit_compile else 'no':<5}{kind:<17}"
            f"{milliseconds:>8.2f}{ratio:>8.2f}x",
            flush=True,
        )


def single_threaded() -> None:
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        tf.config.threading.set_intra_op_parallelism_threads(1)
        tf.config.threading.set_inter_op_parallelism_threads(1)
    elif keras.backend.backend() == "torch":
        import torch

        torch.set_num_threads(1)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--optimizers", nargs="+", choices=OPTIMIZERS, default=list(OPTIMIZERS)
    )
    parser.add_argument("--fits", nargs="+", choices=KINDS[1:], default=KINDS[1:])
    parser.add_argument("--jit", nargs="+", choices=["yes", "no"])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=30)
    parser.add_argument("--bits", type=int, default=5)
    options = parser.parse_args()
    single_threaded()
    # Keras compiles nothing by `jit_compile` on PyTorch, and everything on JAX.
    backend = keras.backend.backend()
    jits = options.jit or {"torch": ["no"], "jax": ["yes"]}.get(backend, ["no", "yes"])
    print(
        f"{'backend':<11}{'optimizer':<10}{'jit':<5}{'fit':<17}{'ms/step':>8}{'ratio':>9}"
    )
    for optimizer in options.optimizers:
        for jit in jits:
            measure(optimizer, jit == "yes", ["plain", *options.fits], options)


if __name__ == "__main__":
    main()
