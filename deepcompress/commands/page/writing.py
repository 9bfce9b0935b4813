"""Writes a page for a model."""

import argparse
import base64
import json
import re
from importlib.resources import files
from pathlib import Path
from typing import Any

from deepcompress._files import atomic_writer
from deepcompress.commands.running import PIXELS
from deepcompress.dcz.container import read
from deepcompress.runtime.opening import program_of
from deepcompress.runtime.program import PART

WORDS: dict[str, Any] = {
    "help": "write a web page that holds a .dcz file and runs it",
    "description": "Writes one HTML file that holds a model, its decoder and what runs "
    "it, and needs no server: open it, or put it on any host of files.",
}

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
        default="0..1",
        help="between what pixels are given to the model (default: 0..1)",
    )
    command.set_defaults(run=run)


def run(options: argparse.Namespace) -> None:
    """Runs the command.

    Raises:
        ValueError: The file holds no model that can be run, or is too large for a page.
    """
    path = Path(options.file)
    with read(path) as opened:
        if opened.architecture is not None and PART not in opened.parts:
            raise ValueError(
                f"{options.file!r} does not say how the model computes. Save it with "
                "`HuffmanSerializer(include_program=True)`."
            )
        program_of(opened)
    data = path.read_bytes()
    if len(data) > _LARGEST:
        raise ValueError(
            f"{options.file!r} has {len(data):,} bytes; a page holds at most "
            f"{_LARGEST:,}."
        )
    names = ["title", "lead", "labels", "columns", "input", "pixels"]
    given = {name: getattr(options, name) for name in names}
    text = page(data, path.name, **{name: v for name, v in given.items() if v})
    target = Path(options.output)
    if target.suffix not in {".html", ".htm"}:
        target.mkdir(parents=True, exist_ok=True)
        target /= "index.html"
    with atomic_writer(target) as written:
        written.write(text.encode())


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
