"""Stage 3: a Keras model as a Huffman-coded file, and back."""

import io
import os
import warnings
from collections.abc import Iterator, Mapping
from typing import Any

import keras
import numpy as np

from deepcompress._checks import one_of
from deepcompress._display import settings
from deepcompress.dcz import container
from deepcompress.dcz.container import CODERS, Container
from deepcompress.dcz.report import CompressionReport
from deepcompress.dcz.writing import write
from deepcompress.network import assets, internals
from deepcompress.network.variables import finalize, named_variables
from deepcompress.runtime.program import PART
from deepcompress.saving.building import assign, build
from deepcompress.saving.describing import describe
from deepcompress.saving.lowering.lower import lower


class HuffmanSerializer:
    """Writes a model as a small `.dcz` file, and reads it back bit for bit.

    Nothing is lost: whatever the weights are, `load` gives each of them back with
    the same bits. Shared values and zeros, which pruning and weight sharing have
    made, are what makes the file small.

    The file holds every weight of the model, what its layers keep besides weights,
    such as a vocabulary, and, unless that is left out, its architecture with the
    arguments of `compile`. It does not hold the state of the optimizer.

    Huffman codes are the third stage of the paper, and what the class is named after;
    `coder` chooses another in their place.

    Args:
        include_architecture: Whether the file holds the architecture, so that it
            loads by itself. Without it, it loads into a model that is given.
            Defaults to `True`.
        include_program: Whether a file with an architecture also holds the program, by
            which `CompressedModel` runs it without Keras: some ten bytes and a few for
            each layer. Defaults to `True`.
        coder: The entropy coder: `"huffman"`, or `"context"`, which learns the
            probability of every bit from its neighbours: files of heavily pruned nets
            are smaller by 15 to 20 %, and take longer to write and to read. Files of
            either load alike. Defaults to `"huffman"`.

    Raises:
        ValueError: `coder` is not known.

    References:
        Han, Mao, Dally 2016, "Deep Compression", sections 2 and 4.

    Example:

    >>> import keras, numpy as np, tempfile
    >>> from pathlib import Path
    >>> model = keras.Sequential([keras.Input((8,)), keras.layers.Dense(4)])
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, "model.dcz")
    ...     report = HuffmanSerializer().save(model, path)
    ...     loaded = HuffmanSerializer().load(path)
    >>> np.array_equal(loaded.get_weights()[0], model.get_weights()[0])
    True
    """

    def __init__(
        self,
        *,
        include_architecture: bool = True,
        include_program: bool = True,
        coder: str = "huffman",
    ) -> None:
        self.include_architecture = include_architecture
        self.include_program = include_program
        self.coder = one_of("coder", coder, CODERS)

    def __repr__(self) -> str:
        return settings(self)

    def save(
        self, model: keras.Model, path: str | os.PathLike[str]
    ) -> CompressionReport:
        """Writes a model to a file.

        The file takes its name only once it is complete: after an error, a full
        disk or a kill, an older file of that name is what it was.

        Args:
            model: A built model.
            path: The file, usually with the suffix `.dcz`.

        Returns:
            The paper's per-layer table of the file.

        Raises:
            ValueError: The model has not been built, or its architecture, or what a
                layer keeps besides weights, cannot be stored.
            OSError: The file cannot be written.
        """
        return self._write(model, path)

    def dumps(self, model: keras.Model) -> bytes:
        """Returns what `save` writes.

        Args:
            model: A built model.
        """
        file = io.BytesIO()
        self._write(model, file)
        return file.getvalue()

    def load(
        self,
        path: str | os.PathLike[str],
        model: keras.Model | None = None,
        *,
        custom_objects: Mapping[str, Any] | None = None,
        compile: bool = True,
        safe_mode: bool = True,
    ) -> keras.Model:
        """Reads a model from a file.

        Args:
            path: A `.dcz` file.
            model: A built model to load the weights into, needed where the file has
                no architecture. Weights are matched by name, where the numbers that
                Keras gives to layers may differ (`dense_1`, `dense_4`), or in order
                where the names differ and all shapes agree. The weights of a model that
                `shrink` has made also load into the model it was made from. Defaults to
                `None`.
            custom_objects: Classes and functions of the architecture that Keras
                does not know, by name. Defaults to `None`.
            compile: Whether a new model is compiled as the saved one was, with a
                fresh optimizer. Defaults to `True`.
            safe_mode: Whether code in the architecture (`Lambda` layers) is refused.
                Defaults to `True`.

        Returns:
            The model: the one given, or a new one.

        Raises:
            FileNotFoundError: There is no such file.
            CorruptFileError: The file is damaged, or no `.dcz` file. A model that
                was given has not been changed.
            ValueError: The file has no architecture and no model was given, or the
                weights, or what layers keep besides, are not those of the model.
        """
        with container.read(path) as weights:
            return _load(weights, model, custom_objects, compile, safe_mode)

    def loads(
        self,
        data: bytes,
        model: keras.Model | None = None,
        *,
        custom_objects: Mapping[str, Any] | None = None,
        compile: bool = True,
        safe_mode: bool = True,
    ) -> keras.Model:
        """Returns the model that `dumps` has written.

        Args:
            data: The bytes.
            model: As in `load`.
            custom_objects: As in `load`.
            compile: As in `load`.
            safe_mode: As in `load`.
        """
        if not isinstance(data, bytes | bytearray | memoryview):
            raise TypeError(
                f"`loads` takes bytes; for a file use `load`. Received: {data!r}"
            )
        with container.read(bytes(data)) as weights:
            return _load(weights, model, custom_objects, compile, safe_mode)

    def _write(
        self, model: keras.Model, file: str | os.PathLike[str] | io.BytesIO
    ) -> CompressionReport:
        weights = _Weights(model)
        architecture = describe(model) if self.include_architecture else None
        kept = assets.collect(model)
        parts = {}
        if self.include_architecture and self.include_program:
            program = lower(model, kept)
            if program.refusal:
                _warn_once(program.refusal)
            parts[PART] = program.encode()
        return write(
            file,
            weights,
            architecture=architecture,
            coder=self.coder,
            assets=kept,
            parts=parts,
        )


def _warn_once(refusal: str) -> None:
    """Says why a model cannot be run compressed, once for each reason."""
    if refusal not in _WARNED:
        _WARNED.add(refusal)
        warnings.warn(
            f"`CompressedModel` cannot run this model: {refusal}. The file is whole, "
            "and `load_model` loads it. `include_program=False` saves without asking.",
            stacklevel=5,
        )


_WARNED: set[str] = set()


class _Weights(Mapping[str, np.ndarray]):
    """The weights of a model by name, each copied when it is asked for."""

    def __init__(self, model: keras.Model) -> None:
        self._variables = {
            named.name: named.variable for named in named_variables(model)
        }

    def __getitem__(self, name: str) -> np.ndarray:
        value: np.ndarray = self._variables[name].numpy()
        return value

    def __iter__(self) -> Iterator[str]:
        return iter(self._variables)

    def __len__(self) -> int:
        return len(self._variables)


def load_model(
    path: str | os.PathLike[str],
    *,
    custom_objects: Mapping[str, Any] | None = None,
    compile: bool = True,
    safe_mode: bool = True,
) -> keras.Model:
    """Returns the model of a `.dcz` file, every weight as it was saved.

    Args:
        path: A `.dcz` file with its architecture.
        custom_objects: Classes and functions of the architecture that Keras does
            not know, by name. Defaults to `None`.
        compile: Whether the model is compiled as the saved one was, with a fresh
            optimizer. Defaults to `True`.
        safe_mode: Whether code in the architecture (`Lambda` layers) is refused.
            Defaults to `True`.

    Raises:
        FileNotFoundError: There is no such file.
        CorruptFileError: The file is damaged, or no `.dcz` file.
        ValueError: The file has no architecture.

    Example:

    >>> import keras, tempfile
    >>> from pathlib import Path
    >>> model = keras.Sequential([keras.Input((8,)), keras.layers.Dense(4)])
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, "model.dcz")
    ...     report = HuffmanSerializer().save(model, path)
    ...     load_model(path).count_params()
    36
    """
    return HuffmanSerializer().load(
        path, custom_objects=custom_objects, compile=compile, safe_mode=safe_mode
    )


def _load(
    weights: Container,
    model: keras.Model | None,
    custom_objects: Mapping[str, Any] | None,
    compile: bool,
    safe_mode: bool,
) -> keras.Model:
    kept = weights.assets
    if model is not None:
        # Before anything is assigned, so that the model is left alone after an error.
        pairs = assets.match(kept, model)
        assign(model, weights)
    elif weights.architecture is not None:
        model = build(weights, dict(custom_objects or {}), compile, safe_mode)
        pairs = assets.match(kept, model)
    else:
        raise ValueError(
            "The file holds weights without an architecture. Pass a model of the "
            "same shapes: `HuffmanSerializer().load(path, model=model)`."
        )
    assets.give_back(pairs)
    finalize(model)
    layers = internals.flatten_layers(model)
    if pairs or any(hasattr(layer, "finalize_state") for layer in layers):
        internals.forget_traces(model)
    return model
