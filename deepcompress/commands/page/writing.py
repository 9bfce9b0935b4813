"""Writes a page for a model."""

import argparse
import base64
import json
import re
from importlib.resources import files
from math import prod
from pathlib import Path
from typing import Any

from deepcompress._files import atomic_writer
from deepcompress.commands.given import PIXELS, pixels_of
from deepcompress.commands.in_c import refusal
from deepcompress.commands.saying import say
from deepcompress.dcz.container import read
from deepcompress.runtime.compressed_model import CompressedModel
from deepcompress.runtime.feeding import examples
from deepcompress.runtime.program import PART, Program

WORDS: dict[str, Any] = {
    "help": "write a web page that holds a .dcz file and runs it",
    "description": "Writes one HTML file that holds a model, its decoder and what runs "
    "it, and needs no server: open it, or put it on any host of files.",
}

# The options that say something of a model that runs.
_OF_MODELS = ("labels", "columns", "input", "pixels")
_DIGIT = 28 * 28
_LARGEST = 16 << 20  # bytes of a file that a page is still pleasant with


def add_options(command: argparse.ArgumentParser) -> None:
    """Adds the words of the command."""
    command.add_argument("file", metavar="FILE.dcz")
    command.add_argument(
        "output", metavar="OUT", help="the folder for index.html, or a .html file"
    )
    command.add_argument("--title", help="the heading")
    command.add_argument("--lead", help="the sentence below it")
    command.add_argument(
        "--labels",
        metavar="A,B,...",
        type=_words,
        help="what the outputs are called; of a classifier, the classes",
    )
    command.add_argument(
        "--columns",
        metavar="A,B,...",
        type=_words,
        help="what the inputs are called, where they are numbers",
    )
    command.add_argument(
        "--input",
        choices=["digit", "image", "numbers"],
        help="what is given to the model (default: as the shape of its input says)",
    )
    command.add_argument(
        "--pixels",
        choices=list(PIXELS),
        help="between what pixels are given to the model (default: 0..255 if it "
        "rescales them itself, else 0..1)",
    )
    command.set_defaults(run=run)


def run(options: argparse.Namespace) -> None:
    """Runs the command.

    Raises:
        ValueError: The file is too large for a page, or an option does not fit its
            model.
    """
    path = Path(options.file)
    data = path.read_bytes()
    if len(data) > _LARGEST:
        raise ValueError(
            f"{options.file!r} has {len(data):,} bytes; a page holds at most "
            f"{_LARGEST:,}."
        )
    given = {name: getattr(options, name) for name in ("title", "lead", *_OF_MODELS)}
    with read(path) as opened:
        why_not = refusal(opened)
        if not why_not:
            program = Program.decode(opened.parts[PART])
            given["pixels"] = options.pixels or pixels_of(program)
            _check(options, program, data)
    if why_not:
        useless = [name for name in _OF_MODELS if given[name]]
        if useless:
            raise ValueError(
                f"The page cannot run the model, so that --{useless[0]} is of no use: "
                f"{why_not}."
            )
        say("note", f"The page shows the file, and cannot run the model: {why_not}.")
    text = page(data, path.name, **{name: v for name, v in given.items() if v})
    target = Path(options.output)
    if target.suffix not in {".html", ".htm"}:
        target.mkdir(parents=True, exist_ok=True)
        target /= "index.html"
    with atomic_writer(target) as written:
        written.write(text.encode())
    say("note", f"{str(target)!r} has {target.stat().st_size:,} bytes.")


def _check(options: argparse.Namespace, program: Program, data: bytes) -> None:
    """Raises an error if an option does not fit what a model takes."""
    shapes = [each.shape for each in program.inputs]
    sizes = [prod(n or 0 for n in shape) for shape in shapes]
    if options.columns and len(options.columns) != sum(sizes):
        raise ValueError(
            f"The model takes {sum(sizes)} numbers; --columns names "
            f"{len(options.columns)}."
        )
    if options.labels:
        made = CompressedModel(data)(tuple(examples(program) or ()))
        arrays = made.values() if isinstance(made, dict) else made
        n_elements = [array[0].size for array in ([made] if program.is_one else arrays)]
        if len(options.labels) not in n_elements:
            raise ValueError(
                f"The model gives {' and '.join(map(str, n_elements))} numbers; "
                f"--labels names {len(options.labels)}."
            )
    is_one = len(shapes) == 1
    if options.input == "digit" and not (is_one and sizes == [_DIGIT]):
        raise ValueError(
            f"The model takes arrays of the shapes {shapes}, and no digits of 28 x 28."
        )
    if options.input == "image" and not (
        is_one and (len(shapes[0]) == 2 or shapes[0][2:] in ((1,), (3,)))
    ):
        raise ValueError(
            f"The model takes arrays of the shapes {shapes}, and no image."
        )


def page(data: bytes, name: str, **settings: object) -> str:
    """Returns a page for the bytes of a `.dcz` file.

    Args:
        data: The bytes.
        name: What the file is called.
        **settings: What the options of the command say.
    """
    config = {"name": name, **settings, "model": base64.b64encode(data).decode()}
    pieces = {
        "title": _escaped(str(settings.get("title", name))),
        "config": json.dumps(config, separators=(",", ":")).replace("<", r"\u003c"),
    }
    template = files(__package__).joinpath("template.html").read_text(encoding="utf-8")
    return re.sub(r"\{\{(\w+)\}\}", lambda match: pieces[match[1]], template)


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;")


def _words(text: str) -> list[str]:
    return [word.strip() for word in text.split(",")]
