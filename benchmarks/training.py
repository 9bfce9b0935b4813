"""What pruning and weight sharing cost in a training step, against the same plain fit.

For both LeNets, with and without `jit_compile`: the CPU time of a step of a plain
`fit`, of the same `fit` with a `PruningCallback` and of the same `fit` with a
`WeightSharingQuantizer` on a net that is pruned to 90 %, and the CPU time of
`evaluate` after each. The masks are updated every 100 steps. Rounds of the three
alternate in one process; the ratio is that of the medians. What a fit spends once, for
tracing and clustering, is left out: it is measured as a fit of one step.

Run it with:

    python benchmarks/training.py
    python benchmarks/training.py --nets lenet_300_100 --rounds 9
"""

import argparse
import os
import time
from collections.abc import Callable
from statistics import median

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np

import deepcompress as dc

BATCH = 128


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


def measure(net: str, jit_compile: bool, rounds: int, steps: int) -> None:
    rng = np.random.default_rng(0)
    x = rng.random((BATCH * steps, 28, 28, 1), "float32")
    y = rng.integers(0, 10, len(x))
    models = {}
    for kind in ("plain", "prune", "share"):
        keras.utils.set_random_seed(0)
        model = getattr(dc.models, net)()
        model.compile(
            "adam",
            keras.losses.SparseCategoricalCrossentropy(from_logits=True),
            jit_compile=jit_compile,
        )
        model.fit(x[:BATCH], y[:BATCH], batch_size=BATCH, verbose=0)
        if kind == "share":
            dc.prune(model, 0.9)
        model.evaluate(x[:BATCH], y[:BATCH], batch_size=BATCH, verbose=0)
        models[kind] = model

    steps_of: dict[str, list[float]] = {kind: [] for kind in models}
    evaluations: dict[str, list[float]] = {kind: [] for kind in models}
    for _ in range(rounds):
        for kind, model in models.items():
            once, whole = (
                cpu_seconds(
                    lambda model=model, kind=kind, n=n: model.fit(
                        x[:n],
                        y[:n],
                        batch_size=BATCH,
                        shuffle=False,
                        verbose=0,
                        callbacks=callbacks(kind),
                    )
                )
                for n in (BATCH, len(x))
            )
            steps_of[kind].append((whole - once) / (steps - 1))
            evaluations[kind].append(
                cpu_seconds(
                    lambda model=model: model.evaluate(
                        x, y, batch_size=BATCH, verbose=0
                    )
                )
            )
    for kind in models:
        step, evaluation = median(steps_of[kind]), median(evaluations[kind])
        print(
            f"{net:<15}{'yes' if jit_compile else 'no':<5}{kind:<7}"
            f"{step * 1e3:>9.2f}{step / median(steps_of['plain']):>8.2f}x"
            f"{evaluation:>11.3f}{evaluation / median(evaluations['plain']):>8.2f}x"
        )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--nets", nargs="+", default=["lenet_300_100", "lenet5"])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=201)
    options = parser.parse_args()
    print(
        f"{'net':<15}{'jit':<5}{'fit':<7}{'ms/step':>9}{'ratio':>9}{'evaluate s':>11}"
    )
    for net in options.nets:
        for jit_compile in (False, True):
            measure(net, jit_compile, options.rounds, options.steps)


if __name__ == "__main__":
    main()
