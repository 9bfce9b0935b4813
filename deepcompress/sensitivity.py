"""How much accuracy each layer loses to pruning and to weight sharing, by itself."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import keras
from rich.table import Table

from deepcompress._display import Shown, new_figure, new_table
from deepcompress._progress import say
from deepcompress.clustering.clusters import Init
from deepcompress.network import internals
from deepcompress.network.distribution import check_one_process
from deepcompress.network.evaluating import evaluate, read_again
from deepcompress.network.inputs import is_arrays
from deepcompress.network.outputs import distance
from deepcompress.network.trial import Trial
from deepcompress.network.variables import NamedVariable, choose
from deepcompress.pruning.prune import pruned
from deepcompress.sharing import shared


@dataclass(frozen=True)
class SensitivityPoint:
    """One measurement: a layer changed, all others as they were.

    Attributes:
        layer: Path of the layer.
        kind: `"sparsity"` or `"bits"`.
        setting: The sparsity, or the bits.
        metrics: What `model.evaluate` returned, by name.

    Example:

    >>> SensitivityPoint("conv1", "bits", 4, {"accuracy": 0.97}).metrics["accuracy"]
    0.97
    """

    layer: str
    kind: str
    setting: float
    metrics: dict[str, float]


class Sensitivity(Shown):
    """The measurements of `sensitivity`, as a table and a plot.

    Args:
        baseline: The metrics of the model as it is, by name.
        points: The measurements.

    Example:

    >>> point = SensitivityPoint("ip1", "sparsity", 0.9, {"accuracy": 0.97})
    >>> print(Sensitivity({"accuracy": 0.98}, [point]))  # doctest: +ELLIPSIS
    accuracy 0.9800 as it is
    ...
    """

    def __init__(
        self, baseline: dict[str, float], points: Sequence[SensitivityPoint]
    ) -> None:
        self.baseline = baseline
        self.points = list(points)
        names = [name for name in baseline if name != "loss"]
        #: The metric that the table and the plot show: the first besides the loss.
        self.metric = names[0] if names else "loss"

    def to_dict(self) -> dict[str, Any]:
        """Returns all figures as plain numbers, for JSON or a data frame."""
        points = [
            {"layer": p.layer, "kind": p.kind, "setting": p.setting, **p.metrics}
            for p in self.points
        ]
        return {"baseline": self.baseline, "points": points}

    def to_table(self) -> Table:
        """Returns the table for a `rich` console: layers down, settings across."""
        settings = list(dict.fromkeys((p.kind, p.setting) for p in self.points))
        values = {
            (p.layer, p.kind, p.setting): p.metrics[self.metric] for p in self.points
        }
        labels = [
            f"{setting:.0%}\nzero" if kind == "sparsity" else f"{setting}\nbits"
            for kind, setting in settings
        ]
        title = f"{self.metric} {self.baseline[self.metric]:.4f} as it is"
        table = new_table(title, ["Layer", *labels])
        for layer in dict.fromkeys(p.layer for p in self.points):
            cells = [values.get((layer, *setting)) for setting in settings]
            table.add_row(layer, *("-" if v is None else f"{v:.4f}" for v in cells))
        return table

    def plot(self, figsize: tuple[float, float] = (10, 4)) -> Any:
        """Draws the metric over sparsity and over bits, a line for each layer.

        Needs matplotlib: `pip install "deepcompress-keras[plot]"`.

        Args:
            figsize: Width and height in inches. Defaults to `(10, 4)`.

        Returns:
            A `matplotlib.figure.Figure`, which can be shown or saved.

        Raises:
            ImportError: Matplotlib is not installed.
        """
        figure = new_figure(figsize)
        for axes, kind in zip(
            figure.subplots(1, 2, sharey=True), ("sparsity", "bits"), strict=True
        ):
            for layer in dict.fromkeys(p.layer for p in self.points if p.kind == kind):
                own = [p for p in self.points if (p.layer, p.kind) == (layer, kind)]
                axes.plot(
                    [p.setting for p in own],
                    [p.metrics[self.metric] for p in own],
                    marker="o",
                    label=layer,
                )
            axes.axhline(self.baseline[self.metric], color="gray", linestyle=":")
            axes.set_xlabel(kind)
        figure.axes[0].set_ylabel(self.metric)
        figure.axes[0].legend(loc="lower left")
        return figure


def sensitivity(
    model: keras.Model,
    x: Any,
    y: Any = None,
    *,
    sparsities: Iterable[float] = (0.5, 0.7, 0.8, 0.9, 0.95),
    bits: Iterable[int] = (1, 2, 3, 4, 5),
    init: Init = "linear",
    layers: str | Iterable[str] | None = None,
    sample_weight: Any = None,
    batch_size: int | None = None,
    verbose: int = 0,
) -> Sensitivity:
    """Measures each layer's sensitivity to pruning and to weight sharing.

    One layer at a time is pruned, or shared, in one shot and without retraining,
    and the model is evaluated; then everything is put back. Layers that lose little
    bear a higher sparsity, or fewer bits. Without targets it is measured how far the
    outputs move, as `"distance"`: less is better. A layer with a kernel of its own and
    layers inside it is measured apart from these. Measure on data that is held back
    from the training, and not on the test data.

    Args:
        model: A compiled model; without targets it need not be. Its weights, states and
            seeds are the same afterwards, also after an error and after Ctrl-C.
        x: Inputs, in any form that `model.evaluate` takes and that can be read again
            and again.
        y: Targets. Defaults to `None`: the inputs bring their own, or there are none.
        sparsities: The sparsities to try, each in [0, 1). Defaults to
            `(0.5, 0.7, 0.8, 0.9, 0.95)`.
        bits: The bits of a code to try, each 1 to 16. Defaults to
            `(1, 2, 3, 4, 5)`.
        init: How `WeightSharingQuantizer` finds the centroids. Defaults to
            `"linear"`.
        layers: A pattern or several; other layers are left out. Defaults to `None`:
            every layer.
        sample_weight: What each sample counts in the loss and in weighted metrics, as
            `model.evaluate` takes it. Defaults to `None`: all count the same.
        batch_size: Samples of a batch. Defaults to `None`: what Keras takes.
        verbose: `1` prints every measurement. Defaults to `0`.

    Returns:
        A `Sensitivity`, with the table and the plot.

    Raises:
        ValueError: The model is not compiled and there are targets, or cannot be
            evaluated; the data can be read but once; a pattern matches no layer; a
            weight is not finite; or several workers of a strategy train the model
            together.

    References:
        Han, Pool, Tran, Dally 2015, "Learning both weights and connections",
        section 4 and figure 6; Han, Mao, Dally 2016, "Deep Compression", figure 6.

    Example:

    >>> import keras, numpy as np
    >>> model = keras.Sequential([keras.Input((8,)), keras.layers.Dense(4, name="d")])
    >>> model.compile("adam", "mse")
    >>> x, y = np.random.rand(32, 8), np.random.rand(32, 4)
    >>> result = sensitivity(model, x, y, sparsities=[0.5], bits=[2])
    >>> [(point.layer, point.kind, point.setting) for point in result.points]
    [('d', 'sparsity', 0.5), ('d', 'bits', 2)]
    """
    read_again("x", x)
    if not internals.is_jax():
        check_one_process(model, "Keras cannot evaluate it there.")
    if _has_no_targets(model, x, y):
        measure = _distances(model, x, batch_size)
    else:
        if not model.compiled:
            raise ValueError(
                f"The model {model.name!r} is not compiled. Call `model.compile` with "
                "the loss and the metrics to measure first, or pass inputs alone."
            )
        data = {"y": y, "sample_weight": sample_weight, "batch_size": batch_size}

        def measure() -> dict[str, float]:
            return evaluate(model, x=x, **data)

    trial = Trial(model, measure)
    variables = [named for named, _ in choose(model, None, layers)]
    baseline = trial()
    return Sensitivity(
        baseline,
        list(
            points_of(
                model,
                variables,
                trial,
                sparsities=sparsities,
                bits=bits,
                init=init,
                verbose=verbose,
            )
        ),
    )


def points_of(
    model: keras.Model,
    variables: Sequence[NamedVariable],
    trial: Trial[dict[str, float]],
    *,
    sparsities: Iterable[float] = (),
    bits: Iterable[int] = (),
    init: Init = "linear",
    verbose: int = 0,
) -> Iterator[SensitivityPoint]:
    """Yields a measurement for each layer and setting.

    Args:
        model: The model.
        variables: What is pruned or shared, layer by layer.
        trial: Measures the model with changes made.
        sparsities: The sparsities to try. Defaults to none.
        bits: The bits of a code to try. Defaults to none.
        init: How `WeightSharingQuantizer` finds the centroids. Defaults to
            `"linear"`.
        verbose: `1` prints every measurement. Defaults to `0`.
    """
    by_layer: dict[str, list[NamedVariable]] = {}
    for named in variables:
        by_layer.setdefault(named.layer, []).append(named)
    settings = [("sparsity", s) for s in sparsities] + [("bits", b) for b in bits]
    for layer, own in by_layer.items():
        for kind, setting in settings:
            if kind == "sparsity":
                changes = pruned(own, setting)
            else:
                changes = shared(model, own, int(setting), init)
            point = SensitivityPoint(layer, kind, setting, trial(changes))
            yield point
            if verbose:
                say(str(point))


def _has_no_targets(model: keras.Model, x: Any, y: Any) -> bool:
    """Whether there is nothing to hold the outputs against but themselves."""
    if y is not None or not is_arrays(x):
        return False
    # A model without a loss of its compilation brings its own.
    return not model.compiled or internals.compiled_with(model)["loss"] is not None


def _distances(
    model: keras.Model, x: Any, batch_size: int | None
) -> Callable[[], dict[str, float]]:
    def outputs() -> Any:
        return model.predict(x, batch_size=batch_size, verbose=0)

    before = Trial(model, outputs)()
    return lambda: {"distance": distance(before, outputs())}
