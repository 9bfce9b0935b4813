"""`dc.compress` beside the best net without training, and beside a careful hand.

Each of the nets of `nets.py` is trained, then compressed within a drop of its accuracy
on data held back from training:

- by one call of `dc.compress`, told the data, the size of a batch, the drop and the
  seconds;
- without training: pruned by magnitude over all layers and shared, with every sparsity
  in steps of a twentieth and 3 to 8 bits, of which the smallest file within the drop is
  taken;
- by hand, with the callbacks and the same seconds: the optimizer of the net at half
  its highest rate, falling; four fifths of the epochs prune by magnitude over
  all layers, the rest train shared weights of 4 bits, or of 5. Each of four sparsities
  takes those seconds, from the middle of a list towards the bound; the smallest file
  within the drop is taken, the others cost nothing.

The test data are looked at once, through the files. Run it with:

    python benchmarks/compress.py lenet5 --seconds 420
    python benchmarks/compress.py resnet --ways call untrained hand
    python benchmarks/compress.py --table

Results join `docs/results/compress.json`.
"""

import argparse
import json
import math
import os
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
from nets import CASES, Case, Data, falling, trained

import deepcompress as dc

RESULTS = Path(__file__).parents[1] / "docs" / "results" / "compress.json"
WAYS = ("call", "untrained", "hand")
SPARSITIES = (0.5, 0.6, 0.7, 0.78, 0.84, 0.88, 0.91, 0.94, 0.96, 0.98, 0.99)
PRUNING_PART = 0.8
PART_OF_PEAK = 0.5


class Contest:
    """A trained net, and the files that are made of it.

    Args:
        model: The net.
        case: How it was trained.
        seconds: What a way may take.
    """

    def __init__(self, model: keras.Model, case: Case, seconds: float) -> None:
        self.model = model
        self.case = case
        self.data: Data = case.data()
        self.seconds = seconds
        self.monitor = "accuracy" if case.metrics else "loss"
        self.before = self.measure(model, self.data.validation)
        room = case.drop * (1 if case.metrics else -self.before)
        self.bound = self.before - room

    def measure(self, model: keras.Model, data: Any) -> float:
        """Returns the accuracy of a model, or its loss."""
        found = model.evaluate(*data, batch_size=512, verbose=0, return_dict=True)
        return float(found[self.monitor])

    def is_within(self, value: float) -> bool:
        """Whether a value is within the bound."""
        if math.isclose(value, self.bound, rel_tol=1e-6):  # a metric is a float32
            return True
        return value > self.bound if self.case.metrics else value < self.bound

    def call(self, seed: int) -> tuple[bytes, float]:
        """Returns the file of the one call, and the seconds it took."""
        begin = time.monotonic()
        result = dc.compress(
            self.model,
            self.data.train,
            self.data.validation,
            max_accuracy_drop=self.case.drop,
            time_budget=self.seconds,
            batch_size=self.case.batch_size,
            seed=seed,
        )
        print(result)
        return result.data, time.monotonic() - begin

    def untrained(self, seed: int) -> tuple[bytes, float]:
        """Returns the smallest file within the bound that no training has made."""
        begin, best, most = time.monotonic(), b"", 20
        for bits in (8, 6, 5, 4, 3):
            for twentieths in range(most):
                net = self._copy()
                if twentieths:
                    dc.prune(net, twentieths / 20, scope="global")
                dc.WeightSharingQuantizer(bits).quantize(net)
                if not self.is_within(self.measure(net, self.data.validation)):
                    most = twentieths
                    break
                best = _smaller(best, dc.HuffmanSerializer(coder="context").dumps(net))
        return best, time.monotonic() - begin

    def hand(self, seed: int) -> tuple[bytes, float]:
        """Returns the smallest file within the bound that callbacks have made.

        The greatest sparsity within it is looked for by bisection.
        """
        best, spent = b"", 0.0
        n_epochs = max(2, round(self.seconds / self._epoch_seconds()))
        least, most = -1, len(SPARSITIES)
        while most - least > 1:
            middle = (least + most) // 2
            data, seconds = self._by_hand(SPARSITIES[middle], n_epochs, seed)
            spent = max(spent, seconds)
            if data:
                least, best = middle, _smaller(best, data)
            else:
                most = middle
        return best, spent

    def _by_hand(
        self, sparsity: float, n_epochs: int, seed: int
    ) -> tuple[bytes, float]:
        """Returns the file of a sparsity, empty out of bounds, and its seconds."""
        keras.utils.set_random_seed(seed)
        n_pruning = max(1, round(PRUNING_PART * n_epochs))
        begin, net = time.monotonic(), self._copy()
        schedule = dc.PolynomialDecay(sparsity, begin=0.0, end=0.7)
        self._fit(net, n_pruning, dc.PruningCallback(schedule, scope="global"))
        data, seconds = b"", 0.0
        for bits in (4, 5):
            shared = keras.models.clone_model(net)
            shared.set_weights(net.get_weights())
            self._fit(
                shared,
                max(1, n_epochs - n_pruning),
                dc.WeightSharingQuantizer(bits),
                rate=0.2,
            )
            seconds = seconds or time.monotonic() - begin
            value = self.measure(shared, self.data.validation)
            print(f"by hand: {sparsity:.0%} pruned, {bits} bits: {value:.4f}")
            if self.is_within(value):
                data = dc.HuffmanSerializer(coder="context").dumps(shared)
                break
        return data, seconds

    def _copy(self) -> keras.Model:
        net = keras.models.clone_model(self.model)
        net.set_weights(self.model.get_weights())
        net.compile("sgd", self.case.loss, metrics=list(self.case.metrics))
        return net

    def _fit(
        self,
        net: keras.Model,
        n_epochs: int,
        *callbacks: keras.callbacks.Callback,
        rate: float = 1.0,
    ) -> None:
        case = self.case
        n_steps = n_epochs * math.ceil(len(self.data.train[1]) / case.batch_size)
        highest = rate * case.rate * (PART_OF_PEAK if case.is_falling else 1)
        net.compile(
            case.optimizer(falling(highest, n_steps)),
            case.loss,
            metrics=list(case.metrics),
        )
        net.fit(
            *self.data.train,
            batch_size=case.batch_size,
            epochs=n_epochs,
            verbose=0,
            callbacks=callbacks,
        )

    def _epoch_seconds(self) -> float:
        """Returns the seconds of an epoch that prunes, without the first step."""
        clock = Clock()
        net = self._copy()
        self._fit(net, 1, dc.PruningCallback(0.5, scope="global"), clock)
        return clock.seconds


class Clock(keras.callbacks.Callback):
    """Measures an epoch by its steps but the first, which is traced."""

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Notes when the first step and the last one ended."""
        now = time.monotonic()
        self.first = now if batch == 0 else self.first
        self.seconds = (now - self.first) * (batch + 1) / max(1, batch)


def run(options: argparse.Namespace) -> None:
    """Runs one net, in every way that was asked for."""
    case = CASES[options.net]
    model = trained(options.net, options.seed, options.nets)
    contest = Contest(model, case, options.seconds)
    dense = sum(weight.nbytes for weight in contest.model.get_weights())
    for way in options.ways:
        data, seconds = getattr(contest, way)(options.seed)
        if not data:
            print(f"{options.net}, {way}: nothing within the bound")
            continue
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder, "net.dcz")
            file.write_bytes(data)
            loaded = dc.load_model(file)
        loaded.compile(loss=case.loss, metrics=list(case.metrics))
        held_back = contest.measure(loaded, contest.data.validation)
        keep(
            {
                "net": options.net,
                "seed": options.seed,
                "budget": options.seconds if way != "untrained" else None,
                "way": way,
                "bytes": len(data),
                "smaller": round(dense / len(data), 2),
                "is_met": contest.is_within(held_back),
                "before": contest.before,
                "held_back": held_back,
                "test_before": contest.measure(contest.model, contest.data.test),
                "test": contest.measure(loaded, contest.data.test),
                "seconds": round(seconds),
            },
            options.results,
        )


def keep(
    result: dict[str, Any],
    path: Path,
    key: tuple[str, ...] = ("net", "seed", "budget", "way"),
) -> None:
    """Prints a result, and puts it in the place of an earlier one."""
    print(json.dumps(result), flush=True)
    known = json.loads(path.read_text("utf-8")) if path.exists() else []
    known = [each for each in known if any(each[k] != result[k] for k in key)]
    known = sorted([*known, result], key=lambda r: [str(r[k]) for k in key])
    path.write_text(json.dumps(known, indent=1) + "\n", "utf-8")


def rows(results: list[dict[str, Any]]) -> Iterator[str]:
    """Yields the lines of a table, a row for each net, seed and budget."""
    yield "| net | seed | seconds | one call | by hand | untrained | held back | test |"
    yield "|---|---|---|---|---|---|---|---|"
    for own in results:
        if own["way"] != "call":
            continue
        others = {
            r["way"]: f"{r['smaller']:.1f}x"
            for r in results
            if all(r[k] == own[k] for k in ("net", "seed"))
            and r["budget"] in {None, own["budget"]}
        }
        yield (
            f"| {own['net']} | {own['seed']} | {own['budget']:.0f} "
            f"| {others['call']}{'' if own['is_met'] else ', not met'} "
            f"| {others.get('hand', '')} | {others.get('untrained', '')} "
            f"| {own['before']:.4f} -> {own['held_back']:.4f} "
            f"| {own['test_before']:.4f} -> {own['test']:.4f} |"
        )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("net", nargs="?", choices=CASES)
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=["call"])
    parser.add_argument("--seconds", type=float, default=900.0)
    parser.add_argument("--seed", type=int, default=0)
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


def _smaller(first: bytes, second: bytes) -> bytes:
    return second if not first or len(second) < len(first) else first


if __name__ == "__main__":
    main()
