"""`deepcompress run`: computes from a file, and prints or writes what comes out."""

import argparse
import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from deepcompress._display import as_text, new_table
from deepcompress._files import atomic_writer, write_npz
from deepcompress.commands.saying import say
from deepcompress.runtime.compressed_model import CompressedModel
from deepcompress.runtime.program import Input, Program

PIXELS = {"0..1": (1 / 255, 0.0), "-1..1": (2 / 255, -1.0), "0..255": (1.0, 0.0)}

_MOST_SHOWN = 10  # examples in the table
# What a model divides pixels by, or takes away from them, that lie between 0 and 255.
_LARGE_PIXEL, _LARGE_MEAN = 64, 4
# What leaves pixels as they are.
_MOVING = {"cast", "flip", "pad", "crop", "resize", "reshape", "transpose", "repeat"}


def add_options(command: argparse.ArgumentParser) -> None:
    """Adds the words of the command."""
    command.add_argument("file", metavar="FILE.dcz")
    command.add_argument(
        "input",
        metavar="INPUT",
        help=".npy, .npz with an array for each input, an image, or .txt with a text "
        "in each line",
    )
    command.add_argument(
        "--output", metavar="OUT", help="write the outputs as .npz, or as .npy"
    )
    command.add_argument(
        "--top", type=int, default=5, help="so many largest outputs (default: 5)"
    )
    command.add_argument(
        "--batch-size", type=int, metavar="N", help="examples at a time (default: 32)"
    )
    command.add_argument(
        "--pixels",
        choices=list(PIXELS),
        help="between what an image's pixels lie for the model (default: 0..255 if "
        "it rescales them itself, else 0..1)",
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
    net = CompressedModel(options.file)
    x = _input(options, net)
    outputs = _by_name(net.predict(x, options.batch_size))
    if options.output:
        _write(options.output, outputs)
    profile = net.profile(x) if options.profile or options.plot else None
    if profile is not None and options.plot:
        kind = Path(options.plot).suffix[1:] or "png"
        with atomic_writer(options.plot) as picture:
            profile.plot().savefig(picture, format=kind)
    if options.json:
        plain = {name: array.tolist() for name, array in outputs.items()}
        print(json.dumps(plain))
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


def _input(options: argparse.Namespace, net: CompressedModel) -> Any:
    """Returns what a file holds as the inputs of a model."""
    path = Path(options.input)
    if not path.is_file():
        raise FileNotFoundError(f"There is no file {options.input!r}.")
    inputs = net.program.inputs
    if path.suffix == ".npz":
        arrays = _loaded(path)
        for name, each in arrays.items():
            _check_numbers(f"{options.input!r}, {name!r},", each, inputs)
        return arrays if len(inputs) > 1 else next(iter(arrays.values()))
    if len(inputs) > 1:
        names = ", ".join(repr(each.name) for each in inputs)
        raise ValueError(f"The model has several inputs ({names}). Give them as .npz.")
    if path.suffix == ".npy":
        array = _loaded(path)
    elif path.suffix == ".txt":
        lines = path.read_text(encoding="utf-8").splitlines()
        array = np.array(lines, object)[:, None]
    else:
        array = _image(path, inputs[0], options.pixels or pixels_of(net.program))
    _check_numbers(repr(options.input), array, inputs)
    return array[None] if array.ndim == len(inputs[0].shape) else array


def _loaded(path: Path) -> Any:
    try:
        loaded = np.load(path)
        if path.suffix == ".npz":
            with loaded:
                return {name: loaded[name] for name in loaded.files}
        return loaded
    except (ValueError, EOFError, zipfile.BadZipFile) as error:
        raise ValueError(
            f"{str(path)!r} holds no arrays of numbers that can be read: {error}"
        ) from None


def _check_numbers(what: str, array: np.ndarray, inputs: tuple[Input, ...]) -> None:
    takes_text = any(each.dtype == "string" for each in inputs)
    if array.dtype.kind not in "biuf" and not takes_text:
        raise ValueError(
            f"The model takes numbers. {what} holds elements of dtype {array.dtype}."
        )


def pixels_of(program: Program) -> str:
    """Returns between what a model takes pixels, as its first operations tell.

    Args:
        program: What it computes.

    Returns:
        `"0..255"` if it rescales or normalizes pixels of 8 bits itself, else `"0..1"`.
    """
    constants = {}
    at = 0  # what the pixels are by now
    for number, operation in enumerate(program.operations, len(program.inputs)):
        if operation.kind == "constant":
            constants[number] = np.abs(np.asarray(operation["array"], float))
        if at not in operation.inputs:
            continue
        if operation.kind == "binary":
            with_what = [constants.get(i) for i in operation.inputs if i != at]
            if not with_what or with_what[0] is None or not with_what[0].size:
                break
            size, function = float(with_what[0].mean()), operation["function"]
            if (
                (function == "multiply" and 0 < size <= 1 / _LARGE_PIXEL)
                or (function == "divide" and size >= _LARGE_PIXEL)
                or (function == "subtract" and size >= _LARGE_MEAN)
            ):
                return "0..255"
        elif operation.kind not in _MOVING:
            break
        at = number
    return "0..1"


def _image(path: Path, to: Input, pixels: str) -> np.ndarray:
    """Returns an image as a model takes it: its size, its channels, its range."""
    try:
        from PIL import Image, UnidentifiedImageError  # noqa: PLC0415  (an extra)
    except ImportError:
        raise ImportError(
            f"To read {str(path)!r}, Pillow is needed: pip install pillow"
        ) from None
    if len(to.shape) not in (2, 3) or to.shape[-1] not in (1, 3, *to.shape[1:2]):
        raise ValueError(f"The model takes arrays of shape {to.shape}, and no images.")
    n_channels = to.shape[2] if len(to.shape) == 3 else 1
    try:
        with Image.open(path) as opened:
            image = opened.convert("L" if n_channels == 1 else "RGB")
    except UnidentifiedImageError:
        raise ValueError(f"{str(path)!r} is no .npy, .npz, .txt or image.") from None
    height, width = to.shape[0] or image.height, to.shape[1] or image.width
    if image.size != (width, height):
        say(
            "note",
            f"{str(path)!r} was resized from {image.width} x {image.height} to {width} "
            f"x {height}.",
        )
        image = image.resize((width, height), Image.Resampling.BILINEAR)
    scale, offset = PIXELS[pixels]
    array = np.asarray(image, np.float32) * np.float32(scale) + np.float32(offset)
    return array.reshape(height, width, *to.shape[2:])


def _table(name: str, array: np.ndarray, top: int) -> Table:
    """Returns the largest outputs of the first examples."""
    if array.ndim != 2 or array.dtype.kind not in "iuf" or array.shape[1] == 1:
        table = new_table(f"{name} {array.shape}", ["Example", "Output"])
        for number, each in enumerate(array[:_MOST_SHOWN]):
            text = np.array2string(each, precision=5, threshold=8)
            table.add_row(str(number), escape(text))  # or [nan] would be a style
        return table
    n = min(max(top, 1), array.shape[1])
    table = new_table(
        f"{name} {array.shape}", ["Example", *(f"{i + 1}." for i in range(n))]
    )
    for number, each in enumerate(array[:_MOST_SHOWN]):
        order = np.argsort(-each, kind="stable")[:n]
        table.add_row(str(number), *(f"{i}: {each[i]:.5g}" for i in order))
    if len(array) > _MOST_SHOWN:
        table.caption = f"and {len(array) - _MOST_SHOWN} more: --output writes them all"
    return table
