"""What kernels and normalizations are given, and what is made of it, in sums."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from deepcompress.calibration.kernel import Sums
from deepcompress.calibration.matrices import Form
from deepcompress.calibration.passage import Start
from deepcompress.calibration.recording import Recorder
from deepcompress.calibration.statistics import add_statistics

# Parts of the inputs, of which each is looked at by itself.
_N_PARTS = 16
# Rows that a kernel is judged by: so many for each input, at least and at most, and
# the elements that they may have together.
_ROWS_AN_INPUT = 16
_LEAST_ROWS, MOST_ROWS = 8192, 60_000
_MOST_ELEMENTS = 1 << 25


class Observer:
    """Sums over what kernels and normalizations are given.

    Of more rows than a kernel is judged by it takes some, the same ones each time.

    Args:
        recorder: Shows what layers are given.
        n_batches: Of the inputs.
    """

    def __init__(self, recorder: Recorder, n_batches: int) -> None:
        self._recorder = recorder
        self._n_batches = n_batches

    def made(
        self, layers: Sequence[tuple[Any, Sequence[tuple[Form, np.ndarray]]]], at: Start
    ) -> dict[int, Sums]:
        """Returns what kernels make, by the identity of their variables.

        And what normalizations, which have none, are given, by their own identity.

        Args:
            layers: Layers, each with its kernels.
            at: Where runs of the model begin.
        """
        kernels = {id(layer): own for layer, own in layers}
        found = {id(form.variable): Sums() for _, own in layers for form, _ in own}
        found |= {id(layer): Sums() for layer, own in layers if not own}

        def see(number: int, layer: Any, inputs: np.ndarray, is_reverse: bool) -> None:
            if not kernels[id(layer)]:
                add_statistics(found[id(layer)], layer, inputs)
            for form, kernel in kernels[id(layer)]:
                if form.is_lookup or form.is_reverse != is_reverse:
                    continue
                sums, layout = found[id(form.variable)], form.layout
                rows = layout.rows(form.rows(inputs, self._chooser(form, number)))
                matrices = layout.matrices(kernel.astype(np.float32))
                made = np.einsum("rgi,gio->rgo", rows, matrices, optimize=True)
                made = made.reshape(len(rows), -1, layout.n_blocks, made.shape[-1])
                made = made.sum(2)
                sums.n += len(rows)
                sums.wanted_mean = sums.wanted_mean + made.sum(0, dtype=np.float64)
                sums.outputs.append(made)

        self._recorder.record([layer for layer, _ in layers], see, at)
        return found

    def given(
        self, layer: Any, form: Form, at: Start, wanted: Sums | None = None
    ) -> Sums:
        """Returns sums over what a kernel is given.

        Args:
            layer: Its layer.
            form: How it is a matrix.
            at: Where runs of the model begin.
            wanted: What it made of these rows, in the model as it was. Defaults to
                `None`: what it makes of them now.
        """
        sums = Sums(-(-_N_PARTS // self._n_batches))
        layout = form.layout
        outputs = None if wanted is None else iter(wanted.outputs)
        if wanted is not None:
            sums.wanted_mean = wanted.wanted_mean
        if form.is_lookup:
            sums.moments = np.zeros(form.variable.shape[0])

        def see(number: int, layer: Any, inputs: np.ndarray, is_reverse: bool) -> None:
            if form.is_reverse != is_reverse:
                return
            if form.is_lookup:
                indices = inputs.astype(np.int64).ravel()
                sums.moments += np.bincount(indices, minlength=len(sums.moments))
                return
            rows = layout.rows(form.rows(inputs, self._chooser(form, number)))
            made = None
            if outputs is not None and layout.n_blocks == 1:
                made = next(outputs)
            sums.add(rows, made)

        self._recorder.record([layer], see, at)
        sums.end()
        return sums

    def statistics(self, layer: Any, at: Start) -> Sums:
        """Returns sums over what a normalization is given, channel by channel.

        Args:
            layer: The normalization.
            at: Where runs of the model begin.
        """
        return self.made([(layer, ())], at)[id(layer)]

    def _chooser(self, form: Form, number: int) -> Callable[[int], np.ndarray]:
        """Returns what chooses rows, the same ones whenever it is made anew."""
        layout = form.layout
        n_inputs = layout.n_inputs * layout.n_blocks
        most = min(max(_LEAST_ROWS, _ROWS_AN_INPUT * n_inputs), MOST_ROWS)
        most = min(most, _MOST_ELEMENTS // (n_inputs * layout.n_groups))
        most = max(1, -(-most // self._n_batches))
        generator = np.random.default_rng(number)

        def choose(n: int) -> np.ndarray:
            if n <= most:
                return np.arange(n)
            return np.sort(generator.choice(n, most, replace=False))

        return choose
