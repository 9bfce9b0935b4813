"""Classes and functions that a model needs, named on the command line."""

import argparse
import importlib
import os
import sys
from collections.abc import Sequence
from typing import Any


def add_options(command: argparse.ArgumentParser) -> None:
    """Adds what says which code a model needs, and may run."""
    command.add_argument(
        "--custom-objects",
        metavar="MODULE:NAME",
        action="append",
        default=[],
        type=module_and_name,
        help="a class or function that the model needs, such as nets.layers:Scale; "
        "may be given again",
    )
    command.add_argument(
        "--no-safe-mode",
        dest="safe_mode",
        action="store_false",
        help="run the Python code in the file, such as that of Lambda layers; only "
        "if you trust who wrote it",
    )


def module_and_name(text: str) -> tuple[str, str]:
    """Returns both halves of `MODULE:NAME`."""
    module, _, name = text.partition(":")
    if not module or not name:
        raise argparse.ArgumentTypeError(f"{text!r} is not of the form MODULE:NAME")
    return module, name


def objects(named: Sequence[tuple[str, str]]) -> dict[str, Any]:
    """Returns the classes and functions that were named, by their own names."""
    if named:
        sys.path.insert(0, os.getcwd())  # as `python -m` has it
    found: dict[str, Any] = {}
    for module, name in named:
        try:
            value: Any = importlib.import_module(module)
            for part in name.split("."):
                value = getattr(value, part)
        except (ImportError, AttributeError) as error:
            raise ValueError(
                f"There is no {module}:{name} for --custom-objects: {error}"
            ) from error
        found[name.rpartition(".")[2]] = value
        # Keras knows what a function has made by the name that it had inside.
        found.setdefault(getattr(value, "__name__", name), value)
    return found
