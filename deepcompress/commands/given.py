"""What `deepcompress run` is given: numbers, texts or pixels of a file as arrays."""

import csv
import zipfile
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from deepcompress.commands.saying import say
from deepcompress.runtime.program import Input, Program

PIXELS = {"0..1": (1 / 255, 0.0), "-1..1": (2 / 255, -1.0), "0..255": (1.0, 0.0)}

_TAKEN = ".npy, .npz, .csv, .txt or a picture"
_DELIMITERS = ";\t,"
_SMALLEST_IMAGE = 8  # along an axis, where there is none of channels
# What a model divides pixels by, or takes away from them, that lie between 0 and 255.
_LARGE_PIXEL, _LARGE_MEAN = 64, 4
# What leaves pixels as they are.
_MOVING = {"cast", "flip", "pad", "crop", "resize", "reshape", "transpose", "repeat"}


def given(file: str, program: Program, pixels: str | None = None) -> Any:
    """Returns what a file holds as the inputs of a model.

    Args:
        file: The path.
        program: What the model computes.
        pixels: Between what pixels lie for the model, one of `PIXELS`. Defaults to
            `None`: as the model's first operations tell.

    Returns:
        An array with an axis of examples, or a list of one for each input.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: It cannot be read, or is not what the model takes.
    """
    path, inputs = Path(file), program.inputs
    if path.is_dir():
        raise ValueError(f"{file!r} is a folder. Give one file: {_TAKEN}.")
    if not path.is_file():
        raise FileNotFoundError(f"There is no file {file!r}.")
    suffix = path.suffix.lower()
    if len(inputs) > 1 and suffix not in (".npz", ".csv"):
        names = ", ".join(repr(each.name) for each in inputs)
        raise ValueError(
            f"The model has several inputs ({names}). Give them as .npz by name, or as "
            ".csv, one after the other in each row."
        )
    read = _READERS.get(suffix, _picture)
    arrays = [
        _fitted(array, file, program, number, pixels, is_picture=read is _picture)
        for number, array in enumerate(read(path, inputs))
    ]
    return arrays if len(inputs) > 1 else arrays[0]


def _fitted(
    array: np.ndarray,
    file: str,
    program: Program,
    number: int,
    pixels: str | None,
    *,
    is_picture: bool,
) -> np.ndarray:
    """Returns an array as an input takes it."""
    to = program.inputs[number]
    what = f"{file!r}, {to.name!r}," if len(program.inputs) > 1 else repr(file)
    takes_text = to.dtype == "string"
    if array.dtype.kind not in ("USOT" if takes_text else "biuf"):
        raise ValueError(
            f"The model takes {'texts' if takes_text else 'numbers'}. {what} holds "
            f"elements of dtype {array.dtype}."
        )
    is_said = pixels and (len(program.inputs) == 1 or array.dtype == np.uint8)
    if is_said or is_picture or _is_of_pixels(array, to):
        between = pixels or pixels_of(program, number)
        array = _scaled(array, what, between)
        if not (pixels or is_picture or between == "0..255"):
            say(
                "note",
                f"{what} holds pixels of 8 bits, which are given between "
                f"{between.replace('..', ' and ')}; --pixels says otherwise.",
            )
    return _batch(array, to.shape)


def is_image(shape: tuple[int | None, ...]) -> bool:
    """Whether a picture can be brought into a shape."""
    return len(shape) == 2 or (len(shape) == 3 and shape[2] in (1, 3))


def _is_of_pixels(array: np.ndarray, to: Input) -> bool:
    """Whether bytes are pixels, as far as the shape of an input tells."""
    if array.dtype != np.uint8 or not is_image(to.shape):
        return False
    height, width = to.shape[:2]
    is_large = height == width and (height or 0) >= _SMALLEST_IMAGE
    return len(to.shape) == 3 or is_large


def _scaled(array: np.ndarray, what: str, pixels: str) -> np.ndarray:
    """Returns pixels in the range that a model takes."""
    if array.dtype != np.uint8 and not (
        array.dtype.kind in "biuf" and np.isin(array, np.arange(256)).all()
    ):
        raise ValueError(
            f"{what} holds no pixels of 8 bits, which --pixels is for: whole numbers "
            "from 0 to 255."
        )
    scale, offset = PIXELS[pixels]
    return array.astype("float32") * np.float32(scale) + np.float32(offset)


def _batch(array: np.ndarray, shape: tuple[int | None, ...]) -> np.ndarray:
    """Returns examples that may lack their own axis, and a last one of length 1."""

    def fits(found: tuple[int, ...], wanted: tuple[int | None, ...]) -> bool:
        return len(found) == len(wanted) and all(
            n is None or n == length for n, length in zip(wanted, found, strict=True)
        )

    if fits(array.shape, shape):
        return array[None]
    if shape[-1:] == (1,):
        if fits(array.shape, shape[:-1]):
            return array[None, ..., None]
        if fits(array.shape[1:], shape[:-1]):
            return array[..., None]
    return array


def pixels_of(program: Program, number: int = 0) -> str:
    """Returns between what a model takes pixels, as its first operations tell.

    Args:
        program: What it computes.
        number: That of the input. Defaults to 0.

    Returns:
        `"0..255"` if it takes integers, or rescales or normalizes pixels of 8 bits
        itself, else `"0..1"`.
    """
    if "float" not in program.inputs[number].dtype:
        return "0..255"
    constants = {}
    at = number  # what the pixels are by now
    for made, operation in enumerate(program.operations, len(program.inputs)):
        if operation.kind == "constant":
            constants[made] = np.abs(np.asarray(operation["array"], float))
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
        at = made
    return "0..1"


# ---- Files


def _npy(path: Path, _: tuple[Input, ...]) -> list[np.ndarray]:
    return [_loaded(path)]


def _npz(path: Path, inputs: tuple[Input, ...]) -> list[np.ndarray]:
    arrays = _loaded(path)
    names = [each.name for each in inputs] if len(inputs) > 1 else list(arrays)[:1]
    if not names or set(names) != set(arrays):
        wanted = ", ".join(map(repr, names)) if len(inputs) > 1 else "one"
        raise ValueError(
            f"The model takes {wanted}. {str(path)!r} holds "
            f"{', '.join(map(repr, arrays)) or 'none'}."
        )
    return [arrays[name] for name in names]


def _loaded(path: Path) -> Any:
    try:
        loaded = np.load(path)
        if isinstance(loaded, np.ndarray):
            return loaded if path.suffix.lower() == ".npy" else {path.stem: loaded}
        with loaded:
            return {name: loaded[name] for name in loaded.files}
    except (ValueError, EOFError, zipfile.BadZipFile) as error:
        raise ValueError(
            f"{str(path)!r} holds no arrays of numbers that can be read: {error}"
        ) from None


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"{str(path)!r} is no text in UTF-8: {error}") from None


def _txt(path: Path, _: tuple[Input, ...]) -> list[np.ndarray]:
    return [np.array(_text(path).splitlines(), object)]


def _csv(path: Path, inputs: tuple[Input, ...]) -> list[np.ndarray]:
    """Returns what a table gives to each input: an example a row."""
    rows, shapes = _rows(path), [each.shape for each in inputs]
    if sum(shape.count(None) for shape in shapes) > (len(inputs) == 1):
        raise ValueError("The model takes inputs of any length, which needs a .npz.")
    sizes = [prod(n or 1 for n in shape) for shape in shapes]
    n_columns, n = rows.shape[1], sum(sizes)
    if n_columns % n if None in shapes[0] else n_columns != n:
        raise ValueError(
            f"The model takes {n:,} numbers for each example. {str(path)!r} has "
            f"{n_columns:,} in each row."
        )
    columns = np.split(rows, np.cumsum(sizes)[:-1], axis=1)
    return [
        each.reshape(len(rows), *(-1 if n is None else n for n in shape))
        for each, shape in zip(columns, shapes, strict=True)
    ]


def _rows(path: Path) -> np.ndarray:
    """Returns the numbers of a table, without a heading."""
    rows: list[list[float]] = []
    delimiter = None  # spaces
    is_first = True
    for number, line in enumerate(_text(path).splitlines(), 1):
        if not line.strip():
            continue
        if is_first:
            delimiter = next((each for each in _DELIMITERS if each in line), None)
        cells = (
            next(csv.reader([line], delimiter=delimiter)) if delimiter else line.split()
        )
        numbers = [*map(_number, cells)]
        is_heading = is_first and all(each is None for each in numbers)
        is_first = False
        if is_heading:
            continue
        where = f"{str(path)!r}, line {number}:"
        if None in numbers:
            raise ValueError(f"{where} {cells[numbers.index(None)]!r} is no number.")
        if rows and len(numbers) != len(rows[0]):
            raise ValueError(
                f"{where} there are {len(numbers)} numbers, and {len(rows[0])} above."
            )
        rows.append([each for each in numbers if each is not None])
    if not rows:
        raise ValueError(f"{str(path)!r} holds no numbers.")
    return np.array(rows)


def _number(cell: str) -> float | None:
    try:
        return float(cell)
    except ValueError:
        return None


def _picture(path: Path, inputs: tuple[Input, ...]) -> list[np.ndarray]:
    """Returns a picture in the size of a model, and with its channels."""
    try:
        from PIL import Image, UnidentifiedImageError  # noqa: PLC0415  (an extra)
    except ImportError:
        raise ImportError(
            f"To read {str(path)!r}, Pillow is needed: pip install pillow"
        ) from None
    (to,) = inputs
    if not is_image(to.shape):
        raise ValueError(
            f"The model takes arrays of shape {to.shape}, and no pictures. Give "
            f"{str(path)!r} as .npy, .npz, .csv or .txt."
        )
    n_channels = to.shape[2] if len(to.shape) == 3 else 1
    try:
        with Image.open(path) as opened:
            image = opened.convert("L" if n_channels == 1 else "RGB")
    except UnidentifiedImageError:
        raise ValueError(
            f"{str(path)!r} is no picture, and no .npy, .npz, .csv or .txt."
        ) from None
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise ValueError(f"The picture {str(path)!r} cannot be read: {error}") from None
    height, width = to.shape[0] or image.height, to.shape[1] or image.width
    if image.size != (width, height):
        say(
            "note",
            f"{str(path)!r} was resized from {image.width} x {image.height} to {width} "
            f"x {height}.",
        )
        image = image.resize((width, height), Image.Resampling.BILINEAR)
    return [np.asarray(image).reshape(height, width, *to.shape[2:])]


_READERS = {".npy": _npy, ".npz": _npz, ".csv": _csv, ".txt": _txt}
