"""`deepcompress run`: computes from a file, and prints or writes what comes out."""

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from deepcompress._checks import integer_in
from deepcompress._display import as_text, new_table
from deepcompress._files import atomic_writer, write_npz
from deepcompress.commands.given import PIXELS, given
from deepcompress.commands.saying import say
from deepcompress.runtime.compressed_model import CompressedModel

_MOST_SHOWN = 10  # examples in the table
_TOP = 5


def add_options(command: argparse.ArgumentParser) -> None:
    """Adds the words of the command."""
    command.add_argument("file", metavar="FILE.dcz")
    command.add_argument(
        "input",
        metavar="INPUT",
        help=".npy, .npz with an array for each input, .csv with an example in each "
        "row, a picture, or .txt with a text in each line",
    )
    command.add_argument(
        "--output", metavar="OUT", help="write the outputs as .npz, or as .npy"
    )
    command.add_argument(
        "--top",
        type=int,
        metavar="N",
        help=f"so many largest outputs (default: {_TOP})",
    )
    command.add_argument(
        "--batch-size", type=int, metavar="N", help="examples at a time (default: 32)"
    )
    command.add_argument(
        "--pixels",
        choices=list(PIXELS),
        help="between what pixels of 8 bits lie for the model, of a picture or of an "
        "array of uint8 (default: 0..255 if it rescales them itself, else 0..1)",
    )
    command.add_argument(
        "--profile", action="store_true", help="also print what time each layer takes"
    )
    command.add_argument("--plot", metavar="PICTURE", help="draw that time, too")
    printing = command.add_mutually_exclusive_group()
    printing.add_argument("--json", action="store_true", help="print JSON instead")
    printing.add_argument("--quiet", action="store_true", help="print no table")


def run(options: argparse.Namespace) -> None:
    """Runs the command.

    Raises:
        ValueError: The file cannot be run, or the input is not what it takes.
    """
    if options.top is not None:
        integer_in("--top", options.top, 1)
    net = CompressedModel(options.file)
    x = given(options.input, net.program, options.pixels)
    outputs = _by_name(net.predict(x, options.batch_size))
    if options.output:
        _write(options.output, outputs)
    profile = net.profile(x) if options.profile or options.plot else None
    if profile is not None and options.plot:
        kind = Path(options.plot).suffix[1:] or "png"
        with atomic_writer(options.plot) as picture:
            profile.plot().savefig(picture, format=kind)
    if options.json:
        plain = {name: _plain(array) for name, array in outputs.items()}
        print(json.dumps(plain, allow_nan=False))
    elif not options.quiet:
        console = Console(width=None)
        for name, array in outputs.items():
            console.print(_table(name, array, options.top))
        if options.profile:
            print(as_text(profile.to_table()) if profile is not None else "")


def _by_name(outputs: Any) -> dict[str, np.ndarray]:
    if isinstance(outputs, dict):
        return outputs
    if isinstance(outputs, list):
        return {f"output_{number}": each for number, each in enumerate(outputs)}
    return {"output": outputs}


def _plain(array: np.ndarray) -> Any:
    """Returns an array as lists, with None for what JSON has no number for."""
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        finite, array = np.isfinite(array), array.astype(object)
        array[~finite] = None
    return array.tolist()


def _write(path: str, outputs: dict[str, np.ndarray]) -> None:
    if path.endswith(".npy"):
        if len(outputs) > 1:
            raise ValueError(
                f"The model has {len(outputs)} outputs, for which .npy has no room. "
                "Write .npz."
            )
        (array,) = outputs.values()
        with atomic_writer(path) as file:
            np.save(file, array)
    elif path.endswith(".npz"):
        write_npz(path, outputs)
    else:
        raise ValueError(f"The suffix of {path!r} says no format. Use .npz or .npy.")


def _table(name: str, array: np.ndarray, top: int | None) -> Table:
    """Returns the largest outputs of the first examples."""
    if array.ndim != 2 or array.dtype.kind not in "iuf" or array.shape[1] == 1:
        table = new_table(f"{name} {array.shape}", ["Example", "Output"])
        for number, each in enumerate(array[:_MOST_SHOWN]):
            text = np.array2string(each, precision=5, threshold=8)
            table.add_row(str(number), escape(text))  # or [nan] would be a style
        return table
    if top is not None and top > array.shape[1]:
        say("note", f"{name!r} has {array.shape[1]} elements; all of them are shown.")
    n = min(top or _TOP, array.shape[1])
    table = new_table(
        f"{name} {array.shape}", ["Example", *(f"{i + 1}." for i in range(n))]
    )
    for number, each in enumerate(array[:_MOST_SHOWN]):
        order = np.argsort(-each, kind="stable")[:n]
        table.add_row(str(number), *(f"{i}: {each[i]:.5g}" for i in order))
    if len(array) > _MOST_SHOWN:
        table.caption = f"and {len(array) - _MOST_SHOWN} more: --output writes them all"
    return table
