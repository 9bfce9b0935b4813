"""Kernels changed one after the other, so that what comes out of them stays near."""

import warnings
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import keras
import numpy as np
from rich.console import Console

from deepcompress._display import in_short
from deepcompress._progress import Bar, Bars
from deepcompress.calibration import solving
from deepcompress.calibration.allocation import DENSITIES, allocate
from deepcompress.calibration.kernel import Kernel, Sums, problem_of
from deepcompress.calibration.matrices import Form, Layout, forms
from deepcompress.calibration.observing import MOST_ROWS, Observer
from deepcompress.calibration.passage import Start
from deepcompress.calibration.recording import Recorder, batches_for
from deepcompress.calibration.solving import Problem
from deepcompress.calibration.statistics import (
    mean_and_variance,
    moved,
    scale_for,
    statistics,
    statistics_of,
)
from deepcompress.network.normalization import batch_normalizations
from deepcompress.network.trial import Trial
from deepcompress.network.variables import NamedVariable, walk

# Bytes of outputs that are kept while the layers that they are wanted of are changed.
_MOST_BYTES = 1 << 29

# Changes a kernel.
Treat = Callable[[NamedVariable, Kernel], None]


class Calibration:
    """A model whose kernels are changed with a few inputs in view.

    Layer by layer, in the order of the data, a kernel is changed for the inputs that
    the layers before it, already changed, produce; and so that it makes of them what
    the model as it was made of its own. Biases and the statistics of batch
    normalization follow.

    Args:
        model: A built model.
        data: Inputs in a form that `predict` takes, or `"synthetic"`.
        verbose: `1` shows a bar. Defaults to `0`.
    """

    def __init__(self, model: keras.Model, data: Any, *, verbose: int = 0) -> None:
        self._is_synthetic = isinstance(data, str)
        batches = batches_for(model, data)
        self.model = model
        self._verbose = verbose
        self._losses: dict[int, tuple[np.ndarray, list[float]]] = {}
        self._n_batches = len(batches)
        # Where runs of the model as it was, and of the model now, can begin.
        self._start_before = self._start = Start()
        self._originals: dict[int, tuple[Any, np.ndarray]] = {}
        normalized = batch_normalizations(model)
        known = [layer for _, layer in walk(model) if forms(layer)]
        layers = {id(layer): layer for layer in [*known, *normalized]}
        self._normalized = {id(layer) for layer in normalized}
        try:
            self._look_at(batches, list(layers.values()))
            scale = self._scale()
            if scale != 1:
                scaled = [
                    keras.tree.map_structure(lambda array: scale * array, batch)
                    for batch in batches
                ]
                self._look_at(scaled, list(layers.values()))
        except Exception as error:
            raise ValueError(
                f"The model {model.name!r} cannot be called on the data; does their "
                f"shape fit? ({type(error).__name__}: {in_short(error)})"
            ) from error
        self._owners = {
            id(form.variable): (layer, form)
            for layer in self._order
            for form in forms(layer, is_reversed=self._recorder.is_reversed(layer))
            if np.prod(form.variable.shape)  # a group of columns may have none
        }

    def _look_at(self, batches: list[Any], layers: list[Any]) -> None:
        self._recorder = Recorder(self.model, batches)
        self._order = self._recorder.order(layers)
        self._observer = Observer(self._recorder, self._n_batches)

    def _scale(self) -> np.float32:
        """Returns how many times larger what is made up has to be."""
        normalized = [layer for layer in self._order if id(layer) in self._normalized]
        if not (self._is_synthetic and normalized):
            return np.float32(1)
        return scale_for(normalized[0], self._recorder.record)

    def knows(self, named: NamedVariable) -> bool:
        """Whether anything can be seen of what a kernel is given."""
        return id(named.variable) in self._owners

    def change(self, variables: Sequence[NamedVariable], treat: Treat) -> None:
        """Changes kernels, in place; if that fails, the model is as it was.

        Args:
            variables: The kernels.
            treat: Changes each.
        """
        by_layer: dict[int, list[NamedVariable]] = {}
        unknown = []
        for named in variables:
            if not np.prod(named.variable.shape):
                continue
            if self.knows(named):
                owner, _ = self._owners[id(named.variable)]
                by_layer.setdefault(id(owner), []).append(named)
            else:
                unknown.append(named)
        if unknown:
            names = ", ".join(repr(named.name) for named in unknown)
            warnings.warn(
                f"Changed without a look at the inputs: {names}. They are of layers "
                "that the data do not reach, or of a kind of which it is not known "
                "what their weights are multiplied by.",
                stacklevel=4,
            )
        quiet = np.errstate(over="ignore", invalid="ignore")
        with self._bars() as bars, quiet, self._own_statistics():
            self._change_all(by_layer, unknown, treat, bars.add("", len(variables)))

    def _change_all(
        self,
        by_layer: Mapping[int, list[NamedVariable]],
        unknown: list[NamedVariable],
        treat: Treat,
        bar: Bar,
    ) -> None:
        done = 0
        self._start_before = self._start = Start()
        try:
            for named in unknown:
                bar.move(done, named.name)
                self._change_unseen(named, treat)
                done += 1
            wanted: dict[int, Sums] = {}
            for at, layer in enumerate(self._order):
                if id(layer) in self._normalized and self._originals:
                    self._come_nearer(layer)
                    if id(layer) not in wanted:
                        wanted = self._wanted(at, by_layer)
                    self._renormalize(layer, wanted.pop(id(layer)))
                for named in by_layer.get(id(layer), ()):
                    bar.move(done, named.name)
                    self._come_nearer(layer)
                    key = id(named.variable)
                    if key not in wanted:
                        wanted = self._wanted(at, by_layer)
                    self._change(named, treat, wanted.pop(key))
                    done += 1
            bar.move(done)
        except BaseException:
            for variable, value in self._originals.values():
                variable.assign(value)
            raise
        finally:
            self._originals.clear()
            self._start_before = self._start = Start()

    def n_multiplications(self) -> float:
        """Returns about how many multiplications it takes to prune all kernels."""
        total = 0.0
        for _, form in self._owners.values():
            if not form.is_lookup:
                size = float(np.prod(form.variable.shape))
                total += size * form.layout.n_inputs**2 / 4
        return total

    def shared_out(
        self, variables: Sequence[NamedVariable], n_kept: int
    ) -> dict[int, int]:
        """Returns how many weights each of some kernels keeps, by its identity.

        Args:
            variables: The kernels.
            n_kept: Weights that all together keep.
        """
        if len(variables) == 1:
            return {id(variables[0].variable): n_kept}
        values = {id(named.variable): named.numpy() for named in variables}
        sizes = {
            key: min(value.size, max(1, int(np.count_nonzero(value))))
            for key, value in values.items()
        }
        part = n_kept / max(1, sum(sizes.values()))
        kept = {
            key: min(size, max(1, round(part * size))) for key, size in sizes.items()
        }
        known = [v for v in variables if self.knows(v)]
        keys = [id(named.variable) for named in known]
        n_left = n_kept - sum(n for key, n in kept.items() if key not in keys)
        with self._own_statistics():
            losses = self._measured(known)
        numbers = allocate([sizes[key] for key in keys], losses, n_left)
        return kept | dict(zip(keys, numbers, strict=True))

    def _measured(self, variables: Sequence[NamedVariable]) -> list[list[float]]:
        """Returns what the outputs lose by each kernel at `DENSITIES`."""
        self._start_before = self._start = Start()
        outputs = Trial(self.model, lambda: self._recorder.outputs(self._start))
        as_it_is: list[np.ndarray] = []
        places = {id(layer): place for place, layer in enumerate(self._order)}
        in_order = sorted(
            variables, key=lambda v: places[id(self._owners[id(v.variable)][0])]
        )
        with self._bars() as bars, np.errstate(over="ignore", invalid="ignore"):
            bar = bars.add("scores", len(variables))
            for done, named in enumerate(in_order):
                bar.move(done, named.name)
                key, value = id(named.variable), named.numpy()
                if key in self._losses and np.array_equal(self._losses[key][0], value):
                    continue
                as_it_is = as_it_is or outputs()
                layer, form = self._owners[key]
                self._come_nearer(layer)
                kernel = form.layout.matrices(value).astype(np.float64)
                given = self._observer.given(layer, form, self._start)
                own = problem_of(form, kernel, given)
                distances, probe = solving.losses(own, DENSITIES)
                probed = Kernel(value, form.layout, probe).value
                apart = _distance(outputs([(named.variable, probed)]), as_it_is)
                gain = apart / max(probe.distance(), 1e-30)
                self._losses[key] = value, [gain * distance for distance in distances]
        self._start_before = self._start = Start()
        return [self._losses[id(named.variable)][1] for named in variables]

    def _come_nearer(self, layer: Any) -> None:
        """Lets runs of the model now begin nearer to a layer."""
        is_as_it_was = self._start is self._start_before
        self._start = self._recorder.nearer(self._start, layer)
        if is_as_it_was and not self._originals:
            self._start_before = self._start

    def _own_statistics(self) -> AbstractContextManager[None]:
        """Lets the model have the statistics of inputs that are made up."""
        if not self._is_synthetic:
            return nullcontext()
        layers = [layer for layer in self._order if id(layer) in self._normalized]
        return statistics_of(layers, self._recorder.record)

    def _bars(self) -> Bars:
        return Bars(Console(quiet=not self._verbose), unit="layers")

    def _assign(self, variable: Any, value: np.ndarray) -> None:
        self._originals.setdefault(id(variable), (variable, variable.numpy().copy()))
        variable.assign(value.astype(variable.dtype))

    def _change_unseen(self, named: NamedVariable, treat: Treat) -> None:
        value = named.numpy()
        kernel = value.reshape(1, -1, 1).astype(np.float64)
        unseen = Problem(kernel, kernel, np.ones((1, value.size)))
        changed = Kernel(value, Layout((value.size, 1), is_whole=True), unseen)
        treat(named, changed)
        self._assign(named.variable, changed.value)

    def _change(self, named: NamedVariable, treat: Treat, wanted: Sums) -> None:
        layer, form = self._owners[id(named.variable)]
        value = named.numpy()
        layout = form.layout
        kernel = layout.matrices(value).astype(np.float64)
        sums = self._observer.given(layer, form, self._start, wanted)
        own = problem_of(form, kernel, sums)
        changed = Kernel(value, layout, own)
        treat(named, changed)
        self._assign(named.variable, changed.value)
        if form.bias is not None and not form.is_lookup:
            made = np.einsum("gi,gio->go", sums.mean / sums.n, own.kernel)
            made = made.reshape(-1, layout.n_blocks, made.shape[-1]).sum(1)
            missing = sums.wanted_mean / sums.n - made
            original = self._original(form.bias).astype(np.float64)
            self._assign(form.bias, original + missing.reshape(original.shape))

    def _wanted(
        self, begin: int, by_layer: Mapping[int, list[NamedVariable]]
    ) -> dict[int, Sums]:
        """Returns what the model as it was makes at the next layers.

        Args:
            begin: The first of them.
            by_layer: The kernels that will be changed.
        """
        layers: list[tuple[Any, list[tuple[Form, np.ndarray]]]] = []
        n_bytes = 0
        for layer in self._order[begin:]:
            variables = [named.variable for named in by_layer.get(id(layer), ())]
            own = [self._owners[id(variable)][1] for variable in variables]
            n_bytes += sum(4 * MOST_ROWS * form.layout.n_outputs for form in own)
            if layers and n_bytes > _MOST_BYTES:
                break
            if own or id(layer) in self._normalized:
                kernels = [(form, self._original(form.variable)) for form in own]
                layers.append((layer, kernels))
        now = [(v, v.numpy().copy()) for v, _ in self._originals.values()]
        try:
            for variable, value in self._originals.values():
                variable.assign(value)
            self._start_before = self._recorder.nearer(
                self._start_before, self._order[begin]
            )
            return self._observer.made(layers, self._start_before)
        finally:
            for variable, value in now:
                variable.assign(value)

    def _original(self, variable: Any) -> np.ndarray:
        kept = self._originals.get(id(variable))
        value: np.ndarray = variable.numpy() if kept is None else kept[1]
        return value

    def _renormalize(self, layer: Any, wanted: Sums) -> None:
        """Moves the statistics of a normalization as its inputs have moved."""
        now = self._observer.statistics(layer, self._start)
        mean, variance = moved(
            layer,
            statistics(layer),
            mean_and_variance(wanted),
            mean_and_variance(now),
        )
        self._assign(layer.moving_mean, mean)
        self._assign(layer.moving_variance, variance)


def _distance(outputs: list[np.ndarray], others: list[np.ndarray]) -> float:
    """Returns the mean squared distance of outputs, in parts of their variance."""
    parts = []
    for own, other in zip(outputs, others, strict=True):
        variance = np.var(other, dtype=np.float64) or 1.0
        parts.append(np.mean(np.square(own - other, dtype=np.float64)) / variance)
    return float(np.mean(parts))
