"""The command `deepcompress demo`: the whole of Deep Compression on a LeNet."""

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import keras
import numpy as np
from rich.console import Console

from deepcompress._progress import Bars
from deepcompress.commands.recipes import SETTINGS, DemoSettings
from deepcompress.dcz.report import CompressionReport
from deepcompress.models import Digits, load_digits
from deepcompress.saving.serializer import HuffmanSerializer


def run(
    net: str = "lenet_300_100",
    data: str | os.PathLike[str] | None = None,
    output: str | os.PathLike[str] = ".",
    *,
    seed: int = 0,
    console: Console | None = None,
) -> CompressionReport:
    """Trains a LeNet, compresses it, and proves the file in a fresh process.

    Args:
        net: `"lenet_300_100"` or `"lenet5"`. Defaults to `"lenet_300_100"`.
        data: An `.npz` file with `x_train`, `y_train`, `x_test`, `y_test`. Defaults
            to `None`: MNIST, or scikit-learn's digits where MNIST cannot be had.
        output: The folder for the file `<net>.dcz`. Defaults to the current one.
        seed: Seed of everything random. Defaults to `0`.
        console: Where to print. Defaults to `None`: the standard output.

    Returns:
        The per-layer table of the file.

    Raises:
        RuntimeError: The loaded model differs from the saved one.
    """
    console = console or Console(width=None if sys.stdout.isatty() else 100)
    settings = SETTINGS[net]
    path = Path(output, f"{net}.dcz")
    if not path.parent.is_dir():
        raise FileNotFoundError(f"The folder {str(path.parent)!r} does not exist.")
    begin = time.perf_counter()
    digits = load_digits(data)
    _say_what(console, digits, fell_back=data is None and digits.source != "MNIST")

    keras.utils.set_random_seed(seed)
    model = settings.build()
    with Bars(console) as bars:
        settings.train(model, digits, [_shown_by(bars, "train", settings.dense_epochs)])
        dense_accuracy = _accuracy(model, digits)
        settings.prune(
            model, digits, [_shown_by(bars, "prune", settings.pruning_epochs)]
        )
        settings.share(
            model, digits, [_shown_by(bars, "share", settings.sharing_epochs)]
        )
    report = HuffmanSerializer().save(model, path)
    seconds = time.perf_counter() - begin

    console.print(f"{path}: loading it in a fresh process ...")
    checked = _check_in_fresh_process(model, path, digits)
    if checked["different"]:
        raise RuntimeError(
            f"{checked['different']} of {checked['n_weights']} weights differ after "
            "loading. This is a bug in deepcompress; please report it."
        )
    console.print(
        f"All {checked['n_weights']:,} weights came back bit for bit.\n", style="green"
    )
    console.print(report.to_table())
    _print_result(console, settings, digits, dense_accuracy, checked["accuracy"])
    console.print(f"Training and compression took {seconds:.0f} s.")
    return report


def _shown_by(bars: Bars, name: str, epochs: int) -> keras.callbacks.Callback:
    """Returns the callback that moves a new bar."""
    bar = bars.add(name, epochs)

    def show(epoch: int, logs: dict[str, Any]) -> None:
        state = f"validation accuracy {logs['val_accuracy']:.2%}"
        if "sparsity" in logs:
            state += f", sparsity {logs['sparsity']:.1%}"
        bar.say(epoch + 1, state)

    return keras.callbacks.LambdaCallback(on_epoch_end=show)


def _say_what(console: Console, digits: Digits, *, fell_back: bool) -> None:
    if fell_back:
        console.print(
            f"MNIST cannot be had (no network, nothing cached): {digits.source} stand "
            "in. Their results compare with nothing published.",
            style="yellow",
        )
    console.print(
        f"{digits.source}: {len(digits.train[0]):,} images to train on, "
        f"{len(digits.validation[0]):,} held back, {len(digits.test[0]):,} to test."
    )


def _accuracy(model: keras.Model, digits: Digits) -> float:
    return float(model.evaluate(*digits.test, verbose=0, return_dict=True)["accuracy"])


def _check_in_fresh_process(
    model: keras.Model, path: Path, digits: Digits
) -> dict[str, Any]:
    weights = {str(i): weight for i, weight in enumerate(model.get_weights())}
    with tempfile.TemporaryDirectory() as folder:
        expected = Path(folder, "expected.npz")
        np.savez(expected, images=digits.test[0], labels=digits.test[1], **weights)
        result = subprocess.run(
            # -P: what is installed, not what lies in the current folder.
            [sys.executable, "-P", "-m", "deepcompress.commands.check", path, expected],
            capture_output=True,
            text=True,
            check=False,
        )
    if result.returncode:
        raise RuntimeError(f"The fresh process failed:\n{result.stderr}")
    return dict(json.loads(result.stdout.splitlines()[-1]))


def _print_result(
    console: Console,
    settings: DemoSettings,
    digits: Digits,
    before: float,
    after: float,
) -> None:
    console.print(
        f"Test error of {settings.name} on {digits.source}: {1 - before:.2%} before, "
        f"{1 - after:.2%} after."
    )
    if digits.source == "MNIST":
        rate, error = {"lenet_300_100": (40, 1.58), "lenet5": (39, 0.74)}[settings.name]
        console.print(f"The paper's, for comparison: {rate}x smaller at {error} %.")
