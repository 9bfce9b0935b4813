"""Models as files for other runtimes, each tried beside Keras where that can be."""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import textwrap
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from deepcompress._files import write_npz
from deepcompress.commands import answers, chatter, converting, own_code
from deepcompress.commands.saying import reason, say

if TYPE_CHECKING:
    import keras

_N_EXAMPLES = 8
# By so large a part of the largest output a file may differ whose weights are those of
# the model. Sums in another order differ by some 1e-6.
_EXACT = 1e-3
_LONGEST_REASON = 300


def export(options: argparse.Namespace) -> None:
    """Writes the model of a file for another runtime, and says what that gave.

    Raises:
        ImportError: A package is missing, with the command that installs it.
        ValueError: The model cannot be exported so, or what was made is wrong.
    """
    target = _TARGETS[Path(options.output).suffix]
    target.refuse(options)
    to_quantize = target.needs_to_quantize if options.quantize else {}
    for module, package in {**target.needs, **to_quantize}.items():
        if find_spec(module) is None:
            raise ImportError(f"This needs {module}: pip install {package}")
    folder = Path(options.output).parent
    if not folder.is_dir():
        raise FileNotFoundError(f"The folder of {options.output!r} does not exist.")
    with chatter.filtered(), tempfile.TemporaryDirectory(dir=folder) as scratch:
        model = _model(options)
        path = Path(scratch, f"model{target.suffix}")
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of NumPy's and TensorFlow's own
                found = target.write(model, path, options)
        except (ImportError, OSError):
            raise
        except Exception as error:  # converters raise any, of many lines
            raise ValueError(
                f"{target.name} cannot express this model. ({_short(reason(error))})"
            ) from error
        checked = found or _check(target, model, path, options.quantize is None)
        size = _size(path)
        _put_in_place(path, Path(options.output))
    before = Path(options.file).stat().st_size
    say(
        "note",
        f"{options.output!r}: {size:,} bytes, {size / before:.1f} times the "
        f"{before:,} of {options.file!r}. {checked}",
    )


def _model(options: argparse.Namespace) -> "keras.Model":
    """Returns the model as a graph with a list of inputs, for batches of 1."""
    import keras  # noqa: PLC0415  (Keras is slow)

    from deepcompress.network import internals  # noqa: PLC0415
    from deepcompress.saving.serializer import load_model  # noqa: PLC0415

    if keras.backend.backend() != "tensorflow":
        raise ValueError(
            f"Models are exported by TensorFlow, and Keras runs on "
            f"{keras.backend.backend()} here: set KERAS_BACKEND=tensorflow."
        )
    model = load_model(
        options.file,
        custom_objects=own_code.objects(options.custom_objects),
        compile=False,
        safe_mode=options.safe_mode,
    )
    graph = internals.graph_of(model)
    if graph is None:
        raise ValueError(
            f"{options.file!r} holds a model that is a class of its own, which does "
            "not tell its graph. Build it by `keras.Model(inputs, outputs)`."
        )
    inputs = list(graph.inputs)
    for each in inputs:
        if None in each.shape[1:] or each.dtype == "string":
            raise ValueError(
                f"The input {each.name!r} has the shape {tuple(each.shape[1:])} and "
                f"the dtype {each.dtype}. Other runtimes take numbers, and lengths "
                "that are fixed when a model is exported."
            )
    return keras.Model(inputs if len(inputs) > 1 else inputs[0], graph.output)


# ---- Checking ----------------------------------------------------------------


def _check(target: "_Target", model: "keras.Model", path: Path, is_exact: bool) -> str:
    """Says how far what a file computes is from what the model computes.

    Raises:
        ValueError: The runtime cannot run it, or computes something else.
    """
    assert target.runtime is not None
    module, package = target.runtime
    if find_spec(module) is None:
        return f"Not checked: pip install {package}"
    import keras  # noqa: PLC0415

    rng = np.random.default_rng(0)
    given = {
        each.name: _some(rng, (_N_EXAMPLES, *each.shape[1:]), each.dtype)
        for each in model.inputs
    }
    arrays = list(given.values())
    made = model.predict(arrays if len(arrays) > 1 else arrays[0], 1, verbose=0)
    expected = [np.asarray(each) for each in keras.tree.flatten(made)]
    found = _answers(target, path, given)
    label = f"{target.name} {version(package)}"
    if [each.shape for each in found] != [each.shape for each in expected]:
        raise ValueError(
            f"{label} gives outputs of other shapes than Keras: "
            f"{[each.shape[1:] for each in found]}."
        )
    largest = max(float(np.abs(each).max(initial=0)) for each in expected) or 1.0
    away = max(
        float(np.abs(one.astype(float) - other).max(initial=0))
        for one, other in zip(found, expected, strict=True)
    )
    if not away <= (_EXACT if is_exact else 1) * largest:  # it may be NaN
        raise ValueError(
            f"{label} computes something else than Keras: outputs differ by "
            f"{away:.2g}, and the largest is {largest:.2g}. Nothing was written."
        )
    return (
        f"Checked in {label}: of {_N_EXAMPLES} random inputs, outputs differ from "
        f"Keras' by at most {away / largest:.1e} of the largest."
    )


def _some(
    rng: np.random.Generator, shape: tuple[int, ...], dtype: str
) -> np.ndarray[Any, Any]:
    """Returns numbers in [0, 1), or 0 and 1 where they are whole."""
    kind = np.dtype(dtype)
    if kind.kind == "f":
        return rng.random(shape).astype(kind)
    return rng.integers(0, 2, shape).astype(kind)


def _answers(
    target: "_Target", path: Path, given: Mapping[str, np.ndarray[Any, Any]]
) -> list[np.ndarray[Any, Any]]:
    """Returns what a file makes of inputs, in a process that may die of it."""
    inputs, outputs = path.with_name("inputs.npz"), path.with_name("outputs.npz")
    write_npz(inputs, given)
    ended = subprocess.run(
        [sys.executable, "-P", answers.__file__, path, inputs, outputs],
        capture_output=True,
        text=True,
        check=False,
    )
    if ended.returncode:
        said = ended.stderr.strip().splitlines() or ["nothing was said"]
        how = said[-1] if ended.returncode > 0 else f"signal {-ended.returncode}"
        raise ValueError(f"{target.name} cannot run what was made. ({_short(how)})")
    with np.load(outputs) as opened:
        return [opened[f"arr_{number}"] for number in range(len(opened.files))]


def _short(text: str) -> str:
    return textwrap.shorten(text, _LONGEST_REASON, placeholder=" ...")


# ---- Files -------------------------------------------------------------------


def _size(path: Path) -> int:
    """Returns the bytes of a file, or of those in a folder."""
    files = [path, *path.rglob("*")] if path.is_dir() else [path]
    return sum(each.stat().st_size for each in files if each.is_file())


def _put_in_place(path: Path, target: Path) -> None:
    """Gives what is complete its name. Core ML's files are folders."""
    if target.is_dir():
        if path.is_file() or not (target / "Manifest.json").exists():
            raise IsADirectoryError(f"{str(target)!r} is a folder; name a file.")
        os.replace(target, path.with_name("old"))
    if path.is_dir():
        shutil.move(path, target)
    else:
        os.replace(path, target)


@dataclass(frozen=True)
class _Target:
    """A runtime, and what writes for it.

    Attributes:
        name: What people call it.
        suffix: Of its files.
        write: Writes a model; returns what was checked, if it has checked already.
        needs: The packages that this takes, by their modules.
        needs_to_quantize: Those that it takes besides to round weights.
        runtime: The module that runs such a file, and its package; `None` where it
            cannot be had.
        takes: What it can be told.
        because: Why it cannot be told the rest.
    """

    name: str
    suffix: str
    write: Callable[["keras.Model", Path, argparse.Namespace], str | None]
    needs: Mapping[str, str]
    needs_to_quantize: Mapping[str, str]
    runtime: tuple[str, str] | None
    takes: Sequence[str]
    because: str

    def refuse(self, options: argparse.Namespace) -> None:
        """Refuses what is known not to work.

        Raises:
            ValueError: It is asked for.
        """
        asked = [name for name in [options.quantize] if name]
        asked += ["sparse"] * options.sparse
        if "+".join(asked) not in ("", *self.takes):
            raise ValueError(
                f"{self.name} gets no file that is {' and '.join(asked)}: "
                f"{self.because}"
            )


_TARGETS = {
    target.suffix: target
    for target in [
        _Target(
            "LiteRT",
            ".tflite",
            converting.litert,
            {"tensorflow": "tensorflow"},
            {},
            ("ai_edge_litert", "ai-edge-litert"),
            ("int8", "float16", "sparse"),
            "it does not load sparse int8, and of sparse float16 it makes NaN.",
        ),
        _Target(
            "ONNX Runtime",
            ".onnx",
            converting.onnx,
            {"tf2onnx": "tf2onnx"},
            {"onnxruntime": "onnxruntime"},
            ("onnxruntime", "onnxruntime"),
            ("int8",),
            "it makes dense float32 of sparse and of float16 weights.",
        ),
        _Target(
            "Core ML",
            ".mlpackage",
            converting.coreml,
            {"coremltools": "coremltools"},
            {},
            None,
            ("float16",),
            "its files are sparse by themselves, and shared weights a palette, without "
            "a loss.",
        ),
    ]
}
