"""`CompressedModel`: a model that computes from its file, without Keras."""

import os
from types import TracebackType
from typing import Any, Self

import numpy as np

from deepcompress._checks import integer_in
from deepcompress.dcz.container import read
from deepcompress.runtime.arrays import Arrays
from deepcompress.runtime.chain import Chain, chained
from deepcompress.runtime.feeding import feed
from deepcompress.runtime.opening import file_of, fold, place, program_of, run
from deepcompress.runtime.program import Program
from deepcompress.runtime.tables import ModelProfile, ModelSummary, profiled, summarized

_BATCH_SIZE = 32


class CompressedModel:
    """A model that computes from its compressed weights: no Keras, no TensorFlow.

    The weights stay in memory as codes, codebooks and positions, and are multiplied
    so. What is computed is what the Keras model computes at inference, in float32.
    One object may be called from many threads at once, can be pickled, and needs its
    file only while it is opened.

    Args:
        file: A `.dcz` file: its path, or its bytes. Or a built Keras model, where Keras
            is installed.
        n_threads: How many threads large layers are computed by. Defaults to `None`:
            one for each processor.

    Attributes:
        input_names: The names of the inputs.
        output_names: The names of the outputs, empty where they have none.
        nbytes: Bytes of memory that the weights take.

    Raises:
        FileNotFoundError: There is no such file.
        CorruptFileError: The file is damaged, or its program and its arrays contradict
            each other.
        ValueError: The model has a layer that cannot be run, which is named, or the
            file has no program and Keras is not there to make one.

    References:
        Han, Mao, Dally 2016, "Deep Compression", section 6.2; Han et al. 2016, "EIE:
        Efficient Inference Engine on Compressed Deep Neural Network".

    Example:

    >>> import deepcompress as dc, keras, numpy as np
    >>> model = keras.Sequential([keras.Input((8,)), keras.layers.Dense(4)])
    >>> net = dc.CompressedModel(dc.HuffmanSerializer().dumps(model))
    >>> net.predict(np.ones((2, 8), "float32")).shape
    (2, 4)
    """

    def __init__(self, file: Any, *, n_threads: int | None = None) -> None:
        if not isinstance(file, str | os.PathLike | bytes | bytearray | memoryview):
            file = file_of(file)
        with read(file) as opened:
            self._program = program_of(opened)
            self._weights = Arrays(opened, n_threads=n_threads)
            try:
                self._prepare()
            finally:
                self._weights.close()

    def _prepare(self) -> None:
        program = self._program
        steps = place(program, self._weights)
        n_values = len(program.inputs) + sum(len(step.outputs) for step in steps)
        self._values: list[Any] = [None] * n_values
        self._steps = fold(steps, self._values, set(program.outputs))
        self._running = chained(self._steps, program.outputs)
        # Where one chain is all, a call needs nothing else.
        self._whole: Chain | None = None
        if len(self._running) == 1 and program.is_one and not program.names:
            only = self._running[0]
            is_whole = only.inputs == (0,) and only.outputs == program.outputs
            if isinstance(only, Chain) and is_whole:
                self._whole = only

    def __getstate__(self) -> dict[str, Any]:
        return {"_program": self._program, "_weights": self._weights}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._prepare()

    def __repr__(self) -> str:
        return f"<CompressedModel: {len(self._steps)} steps, {self.nbytes:,} bytes>"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        pass

    @property
    def input_names(self) -> list[str]:
        """The names of the inputs."""
        return [each.name for each in self._program.inputs]

    @property
    def output_names(self) -> list[str]:
        """The names of the outputs, empty where they have none."""
        return list(self._program.names)

    @property
    def nbytes(self) -> int:
        """Bytes of memory that the weights take."""
        return self._weights.nbytes

    @property
    def program(self) -> Program:
        """What the model computes, as the file holds it."""
        return self._program

    def __call__(self, x: Any) -> Any:
        """Returns what the model makes of some inputs, all at once.

        Args:
            x: As in `predict`.
        """
        if self._whole is not None and type(x) is np.ndarray:
            made = self._whole.quickly(x)
            if made is not None:
                return made
        return self._packed(self._run(feed(self._program, x)))

    def predict(self, x: Any, batch_size: int | None = None) -> Any:
        """Returns what the model makes of some inputs, some at a time.

        Args:
            x: An array of shape `(n, ...)`, as Keras' `predict` takes it: floats, or
                integers for an embedding, or texts. For several inputs a list of
                arrays, or a mapping by name.
            batch_size: How many examples are computed at a time. Defaults to 32.

        Returns:
            An array of shape `(n, ...)`; for several outputs a list of them, or a
            mapping by name where the Keras model gives one.

        Raises:
            TypeError: An input has a dtype that the model does not take.
            ValueError: An input has another shape than the model takes, or there is
                another number of them.
        """
        size = _BATCH_SIZE if batch_size is None else batch_size
        integer_in("batch_size", size, 1)
        inputs = feed(self._program, x)
        parts = [
            self._run([array[begin : begin + size] for array in inputs])
            for begin in range(0, max(len(inputs[0]), 1), size)
        ]
        if len(parts) == 1:
            return self._packed(parts[0])
        together = [np.concatenate(arrays) for arrays in zip(*parts, strict=True)]
        return self._packed(together)

    def summary(self, x: Any = None) -> ModelSummary:
        """Returns a table of the steps: form, multiply-adds, bytes.

        Args:
            x: Inputs to count for, of which one example is enough; needed where the
                model takes inputs of any length. Defaults to `None`: zeros.
        """
        return summarized(self._program, self._steps, self._values, x)

    def profile(self, x: Any, repeats: int = 20) -> ModelProfile:
        """Returns a table of the time that each step takes.

        Args:
            x: Inputs, as in `predict`; all are computed at once.
            repeats: How often they are computed; the median counts. Defaults to 20.
        """
        integer_in("repeats", repeats, 1)
        inputs = feed(self._program, x)
        return profiled(self._steps, self._values, inputs, repeats)

    def _run(self, inputs: list[np.ndarray]) -> list[np.ndarray]:
        n = len(inputs[0]) if inputs else 0
        if inputs and n == 0:
            # Shapes of no example cannot be told from those of none at all.
            ones = [np.zeros((1, *a.shape[1:]), a.dtype) for a in inputs]
            return [output[:0] for output in self._run(ones)]
        values = self._values.copy()
        values[: len(inputs)] = inputs
        run(self._running, values)
        return [np.asarray(values[number]) for number in self._program.outputs]

    def _packed(self, outputs: list[np.ndarray]) -> Any:
        if self._program.names:
            return dict(zip(self._program.names, outputs, strict=True))
        return outputs[0] if self._program.is_one else outputs
