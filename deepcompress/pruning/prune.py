"""Pruning in one shot: by magnitude, or with a few inputs in view."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, get_args

import keras
import numpy as np

from deepcompress import _checks
from deepcompress.calibration.calibrate import Calibration
from deepcompress.calibration.kernel import Kernel
from deepcompress.network.variables import NamedVariable, choose, compressible
from deepcompress.pruning.criteria import Magnitude
from deepcompress.pruning.groups import Chosen, Group, Scope, entries_of, groups_of
from deepcompress.pruning.masks import Structure, Tensor, check_structure, masks
from deepcompress.pruning.schedules import ConstantSparsity, PolynomialDecay


def prune(
    model: keras.Model,
    sparsity: float | Mapping[str, float],
    *,
    layers: str | Iterable[str] | None = None,
    scope: Scope = "layer",
    structure: Structure = None,
    data: Any = None,
    verbose: int = 0,
) -> None:
    """Prunes a model in one shot, in place and without training.

    With some inputs as `data` the weights that are left make up for those that go:
    layer by layer, what comes out stays as near as can be to what came out of the
    model before, and the weights are chosen by that. Biases and the statistics of batch
    normalization follow. Some hundred inputs are enough; labels are not needed.

    Args:
        model: A built model.
        sparsity: The share of weights to set to zero, in [0, 1), or a mapping from
            patterns to such shares; patterns as in `PruningCallback`.
        layers: A pattern or several; other layers are left alone. Defaults to
            `None`: every layer.
        scope: `"layer"` or `"global"`, as in `PruningCallback`. Defaults to
            `"layer"`.
        structure: `None`, `(n, m)` or `"channel"`, as in `PruningCallback`. Defaults
            to `None`.
        data: Inputs as `predict` takes them: arrays, a dict or a list of them, a
            dataset or a generator; labels that a dataset brings are left out. At most
            1,024 samples are looked at, of large ones fewer, but 128: of arrays such as
            are chosen by chance, of datasets the first ones. With `scope="global"` they
            also tell what the weights of each layer count. `"synthetic"` makes images
            up, for a model that takes images and none are at hand. Defaults to `None`:
            by magnitude.
        verbose: `1` shows a bar while `data` are gone through. Defaults to `0`.

    Raises:
        ValueError: A sparsity is outside [0, 1), a pattern matches no layer, a
            weight is not finite, the model has not been built, or the data do not fit
            it. The model is as it was then.

    References:
        Hassibi, Stork 1993, "Second order derivatives for network pruning: optimal
        brain surgeon"; Frantar, Alistarh 2022, "Optimal brain compression", section 4.

    Example:

    >>> import keras
    >>> model = keras.Sequential([keras.Input((8,)), keras.layers.Dense(4)])
    >>> prune(model, 0.75)
    >>> int((model.get_weights()[0] == 0).sum())
    24
    """
    _checks.one_of("scope", scope, get_args(Scope))
    check_structure(structure)
    chosen: Chosen = choose(model, entries_of(sparsity), layers)
    groups = groups_of(chosen, scope, structure)
    if data is None:
        for variable, value in _pruned(groups):
            variable.assign(value)
    else:
        calibration = Calibration(model, data, verbose=verbose)
        _prune_calibrated(calibration, groups)
    for group in groups:
        group.check_count()


def pruned(
    variables: Iterable[NamedVariable], sparsity: float
) -> Iterator[tuple[Any, np.ndarray]]:
    """Yields variables with their values pruned in one shot, and changes none.

    Args:
        variables: Exactly the ones to prune, each by itself.
        sparsity: The share of weights to set to zero, in [0, 1).
    """
    entry = entries_of(sparsity)["*"]
    yield from _pruned(groups_of([(v, entry) for v in variables], "layer", None))


def _pruned(groups: list[Group]) -> Iterator[tuple[Any, np.ndarray]]:
    """Yields the variables of groups with what `prune` makes of them."""
    pruned: list[tuple[NamedVariable, np.ndarray]] = []
    for group in groups:
        group.advance(group.schedule.sparsity_at(1.0))
        pruned += zip(group.variables, group.masks(Magnitude()), strict=True)
    while pruned:  # each mask is let go of before the next tensor needs memory
        named, mask = pruned.pop()
        value = named.variable.numpy()
        value[~mask] = 0
        yield named.variable, value


def prune_globally(
    calibration: Calibration, n_weights: int, *, by_magnitude: bool
) -> None:
    """Prunes a model to so many weights, shared out among its layers.

    Args:
        calibration: What is known of the model; what it finds out is kept for another
            call, as long as the model is the same again.
        n_weights: Weights to leave.
        by_magnitude: Whether the magnitudes of the weights tell how many each layer
            keeps, instead of what its weights count at the outputs.
    """
    variables = compressible(calibration.model)
    schedule = PolynomialDecay(n_weights=n_weights)
    group = Group(variables, schedule, None)
    if not by_magnitude:
        _prune_calibrated(calibration, [group])
        return
    group.advance(1 - n_weights / group.size)
    own = [
        Group([named], ConstantSparsity(1 - max(1, mask.sum()) / mask.size), None)
        for named, mask in zip(variables, group.masks(Magnitude()), strict=True)
    ]
    _prune_calibrated(calibration, own)


def _prune_calibrated(calibration: Calibration, groups: list[Group]) -> None:
    """Prunes the variables of groups with a few inputs in view."""
    n_kept: dict[int, int] = {}
    structures: dict[int, Structure] = {}
    for group in groups:
        group.advance(group.schedule.sparsity_at(1.0))
        n_kept |= calibration.shared_out(group.variables, group.n_left)
        structures |= {id(each.variable): group.structure for each in group.variables}

    def treat(named: NamedVariable, kernel: Kernel) -> None:
        def choose(scores: np.ndarray, n_left: int) -> np.ndarray:
            structure = structures[id(named.variable)]
            return masks([Tensor(named, scores)], scores.size - n_left, structure)[0]

        kernel.prune(n_kept[id(named.variable)], choose)

    calibration.change([v for group in groups for v in group.variables], treat)
