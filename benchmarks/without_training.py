"""Errors and sizes of nets that are compressed without training.

Run it with:

    python benchmarks/without_training.py lenet5 --seeds 0 1 2

which trains the net, or takes it from `--nets`, and prints a table. 512 images of the
training set are looked at, without their labels; the test images choose nothing. A size
is that of the file with its architecture.
"""

import argparse
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import keras
import numpy as np
from nets import CASES, trained

import deepcompress as dc

_N_INPUTS = 512
# Sparsity, scope, bits, and the price of a bit of a code.
SETTINGS: list[tuple[float, str, int, float]] = [
    (0.5, "layer", 4, 0.0),
    (0.7, "layer", 4, 0.05),
    (0.8, "layer", 4, 0.05),
    (0.9, "layer", 4, 0.1),
    (0.9, "global", 4, 0.05),
    (0.95, "global", 4, 0.05),
]


def error(model: keras.Model, test: tuple[Any, Any]) -> float:
    """Returns the share of wrong decisions."""
    outputs = model.predict(test[0], batch_size=500, verbose=0)
    return float(np.mean(outputs.argmax(-1) != np.ravel(test[1])))


def ways(
    model: keras.Model, x: Any, seconds: float
) -> Iterator[tuple[str, Callable[[], bytes]]]:
    """Yields what is tried, each with what makes the file."""
    weights = model.get_weights()

    def changed(
        sparsity: float, scope: Any, bits: int, price: float, data: Any
    ) -> bytes:
        model.set_weights(weights)
        dc.prune(model, sparsity, scope=scope, data=data)
        sharing = dc.WeightSharingQuantizer(bits, entropy_weight=price)
        sharing.quantize(model, data=data)
        return dc.HuffmanSerializer(coder="context").dumps(model)

    for sparsity, scope, bits, price in SETTINGS:
        name = f"{sparsity:.0%} ({scope}), {bits} bits"
        plain = (sparsity, scope, bits, 0.0, None)
        seen = (sparsity, scope, bits, price, x)
        yield f"{name}, by magnitude", lambda plain=plain: changed(*plain)
        yield f"{name}, with inputs", lambda seen=seen: changed(*seen)

    def searched() -> bytes:
        model.set_weights(weights)
        result = dc.compress(model, x, max_change=0.01, time_budget=seconds, verbose=0)
        return result.data

    yield f"`compress(model, x, max_change=0.01)`, {seconds:.0f} s", searched


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("net", choices=CASES)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--nets", type=Path, default=Path("nets"), help="trained nets")
    options = parser.parse_args()
    print("| net, seed | way | smaller | test error | added | s |")
    print("|---|---|---|---|---|---|")
    for seed in options.seeds:
        model = trained(options.net, seed, options.nets)
        train, _, test = CASES[options.net].data()
        chosen = np.random.default_rng(seed).permutation(len(train[0]))[:_N_INPUTS]
        before = error(model, test)
        dense = sum(weight.nbytes for weight in model.get_weights())
        for way, make in ways(model, train[0][np.sort(chosen)], options.seconds):
            begin = time.monotonic()
            data = make()
            seconds = time.monotonic() - begin
            after = error(dc.HuffmanSerializer().loads(data), test)
            print(
                f"| {options.net}, {seed} | {way} | {dense / len(data):.1f}x | "
                f"{after:.2%} | {after - before:+.2%} | {seconds:.0f} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
