"""Errors and sizes of nets that are compressed without training, and of peers.

Run it with:

    python benchmarks/without_training.py lenet5 --seeds 0 1 2
    python benchmarks/without_training.py --table

which trains the nets, or takes them from `--nets`. 512 inputs of the training set are
looked at, without their labels; the test data choose nothing. A size is that of a file
with its architecture. Results join `docs/results/without_training.json`; the table has
the worst of the seeds.
"""

import argparse
import json
import os
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
from compress import keep
from nets import CASES, Data, trained

import deepcompress as dc

RESULTS = Path(__file__).parents[1] / "docs" / "results" / "without_training.json"
_N_INPUTS = 512
# Sparsity, scope, bits, and the price of a bit of a code where inputs are in view.
SETTINGS: list[tuple[float, str, int, float]] = [
    (0.5, "layer", 4, 0.01),
    (0.7, "layer", 4, 0.05),
    (0.8, "layer", 4, 0.05),
    (0.9, "layer", 4, 0.1),
    (0.5, "global", 4, 0.01),
    (0.6, "global", 4, 0.02),
    (0.7, "global", 4, 0.05),
    (0.9, "global", 4, 0.05),
    (0.95, "global", 4, 0.05),
]
Predict = Callable[[Any], np.ndarray]


class Trials:
    """Makes files of a net, and measures what they compute.

    Args:
        model: The net; it is changed.
        data: Its data.
        inputs: What is looked at.
    """

    def __init__(self, model: keras.Model, data: Data, inputs: Any) -> None:
        self._model = model
        self._data = data
        self.inputs = inputs
        self._weights = model.get_weights()
        self.dense = sum(weight.nbytes for weight in self._weights)
        self.before = self._error(self._predict(model))

    def measured(self, make: Callable[[], tuple[bytes, Predict]]) -> dict[str, Any]:
        """Returns what a way comes to."""
        self._model.set_weights(self._weights)
        begin = time.monotonic()
        data, predict = make()
        seconds = time.monotonic() - begin
        return {
            "bytes": len(data),
            "smaller": round(self.dense / len(data), 2),
            "before": round(self.before, 6),
            "error": round(self._error(predict), 6),
            "seconds": round(seconds, 1),
        }

    def changed(
        self, sparsity: float, scope: Any, bits: int, price: float, *, data: Any
    ) -> tuple[bytes, Predict]:
        """Prunes and shares, with inputs in view or without any."""
        dc.prune(self._model, sparsity, scope=scope, data=data)
        sharing = dc.WeightSharingQuantizer(bits, entropy_weight=price)
        sharing.quantize(self._model, data=data)
        return self._file(dc.HuffmanSerializer(coder="context").dumps(self._model))

    def searched(self, seconds: float, *, epochs: int | None) -> tuple[bytes, Predict]:
        """Searches without labels."""
        result = dc.compress(
            self._model,
            self.inputs,
            max_change=0.01,
            time_budget=seconds,
            epochs=epochs,
            verbose=0,
        )
        return self._file(result.data)

    def retrained(self, seconds: float) -> tuple[bytes, Predict]:
        """Searches with the training set."""
        data = self._data
        result = dc.compress(
            self._model, data.train, data.validation, time_budget=seconds, verbose=0
        )
        return self._file(result.data)

    def int8(self) -> tuple[bytes, Predict]:
        """Converts to 8 bits as LiteRT does, after a look at the inputs."""
        import tensorflow as tf

        converter = tf.lite.TFLiteConverter.from_keras_model(self._model)
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.representative_dataset = lambda: (
            [self.inputs[i : i + 1]] for i in range(len(self.inputs))
        )
        data = converter.convert()
        net = tf.lite.Interpreter(model_content=data)
        (given,), (made,) = net.get_input_details(), net.get_output_details()

        def predict(x: Any) -> np.ndarray:
            net.resize_tensor_input(given["index"], x.shape)
            net.allocate_tensors()
            net.set_tensor(given["index"], x.astype(given["dtype"]))
            net.invoke()
            found: np.ndarray = net.get_tensor(made["index"])
            return found

        return data, predict

    def _file(self, data: bytes) -> tuple[bytes, Predict]:
        return data, self._predict(dc.HuffmanSerializer().loads(data))

    def _predict(self, model: keras.Model) -> Predict:
        return partial(model.predict, batch_size=500, verbose=0)

    def _error(self, predict: Predict) -> float:
        """Returns the share of wrong decisions on the test data."""
        x, y = self._data.test
        outputs = [predict(x[i : i + 500]) for i in range(0, len(x), 500)]
        return float(np.mean(np.concatenate(outputs).argmax(-1) != y))


def ways(
    trials: Trials, options: argparse.Namespace
) -> Iterator[tuple[str, str, Callable[[], tuple[bytes, Predict]]]]:
    """Yields a name and a setting of each way, and what makes its file."""
    for setting in SETTINGS:
        *own, price = setting
        sparsity, scope, bits = own
        if scope not in options.scopes or sparsity not in options.sparsities:
            continue
        words = f'{sparsity:.0%}, scope="{scope}", {bits} bits'
        for way, given in (
            ("by magnitude", None),
            ("with images made up", "synthetic"),
            ("with inputs", trials.inputs),
        ):
            # What is made up does not tell so well what a bit is worth.
            own_price = price if way == "with inputs" else 0.0
            yield way, words, partial(trials.changed, *own, own_price, data=given)
    seconds = options.seconds
    for epochs, name in ((0, "compress, epochs=0"), (None, "compress")):
        words = f"max_change=0.01, {seconds:.0f} s"
        yield name, words, partial(trials.searched, seconds, epochs=epochs)
    if options.retrained:
        words = f"a training set, {options.retrained:.0f} s"
        yield "retrained", words, partial(trials.retrained, options.retrained)
    if keras.backend.backend() == "tensorflow":
        yield "LiteRT", "int8", trials.int8


def run(options: argparse.Namespace) -> None:
    """Measures a net, for each seed and in every way."""
    for seed in options.seeds:
        model = trained(options.net, seed, options.nets)
        data = CASES[options.net].data()
        x = data.train[0]
        chosen = np.random.default_rng(seed).permutation(len(x))[:_N_INPUTS]
        trials = Trials(model, data, x[np.sort(chosen)])
        for way, setting, make in ways(trials, options):
            if options.only and way not in options.only:
                continue
            try:
                found = trials.measured(make)
            except Exception as error:  # a peer may not know the net
                print(f"{options.net}, {way}: {error}", flush=True)
                continue
            own = {"net": options.net, "seed": seed, "way": way, "setting": setting}
            keep(own | found, options.results, tuple(own))


def rows(results: list[dict[str, Any]]) -> Iterator[str]:
    """Yields the lines of a table, a row for each net and way, the worst of seeds."""
    yield "| net | way | setting | seeds | smaller by | error added | s |"
    yield "|---|---|---|---|---|---|---|"
    keys = dict.fromkeys((r["net"], r["way"], r["setting"]) for r in results)
    for key in keys:
        own = [r for r in results if (r["net"], r["way"], r["setting"]) == key]
        smaller = min(r["smaller"] for r in own)
        added = max(100 * (r["error"] - r["before"]) for r in own)
        seconds = max(r["seconds"] for r in own)
        yield (
            f"| {' | '.join(key)} | {len(own)} | {smaller:.1f}x | {added:+.2f} points "
            f"| {seconds:.0f} |"
        )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("net", nargs="?", choices=CASES)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument(
        "--retrained", type=float, help="seconds with the training set too"
    )
    parser.add_argument("--only", nargs="+", help="the ways to measure")
    parser.add_argument("--scopes", nargs="+", default=["layer", "global"])
    parser.add_argument(
        "--sparsities",
        type=float,
        nargs="+",
        default=sorted({sparsity for sparsity, *_ in SETTINGS}),
    )
    parser.add_argument("--nets", type=Path, default=Path("nets"), help="trained nets")
    parser.add_argument("--results", type=Path, default=RESULTS)
    parser.add_argument("--table", action="store_true", help="print the results")
    options = parser.parse_args()
    if options.table:
        print("\n".join(rows(json.loads(options.results.read_text("utf-8")))))
    elif options.net is None:
        parser.error("which net?")
    else:
        run(options)


if __name__ == "__main__":
    main()
