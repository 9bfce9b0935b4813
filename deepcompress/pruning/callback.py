"""Stage 1: pruning, gradually in the course of a training."""

import warnings
from collections.abc import Iterable, Mapping
from itertools import chain
from typing import Any, get_args

import numpy as np

from deepcompress import _checks
from deepcompress._display import settings
from deepcompress._progress import say
from deepcompress.network.ties import MaskTie, TieSet, TyingCallback
from deepcompress.network.variables import choose, patterns
from deepcompress.pruning.criteria import CRITERIA, CriterionName
from deepcompress.pruning.groups import Chosen, Scope, entries_of, groups_of
from deepcompress.pruning.masks import Structure, check_structure
from deepcompress.pruning.schedules import PruningSchedule


class PruningCallback(TyingCallback):
    """Prunes the weights that matter least in the course of a training.

    Kernels and embeddings are pruned; biases, normalization parameters and what is
    not trainable are left alone. A pruned weight is a weight that is 0.0 and stays
    so: the model keeps its layers, and nothing has to be stripped afterwards.
    Weights that are zero when the training begins count as pruned, so a second fit
    never loses the sparsity of the first. Where fewer weights are left in the end than
    were asked for, as units have died, a warning names the layer and the two counts.

    The share of zeros is written to the epoch's logs as `"sparsity"`.

    Args:
        schedule: The target: a sparsity in [0, 1), a `PruningSchedule`, or a mapping
            from patterns to either. A pattern is `fnmatch` on a layer's path
            (`"block1/conv*"`), or on that of a layer around it; the most specific
            one counts; layers that match none are left alone.
        layers: A pattern or several; other layers are left alone. Defaults to
            `None`: every layer.
        scope: `"layer"` prunes every tensor to the sparsity by itself; `"global"`
            compares the weights of all tensors, so that the sparsity holds for all
            of them together. Defaults to `"layer"`.
        structure: `None` prunes single weights. `(n, m)` keeps the n largest of
            every m neighbours along the input axis, `(2, 4)` for example, which the
            final sparsity must match: 1 - n/m. `"channel"` prunes whole filters, or
            units, by their mean magnitude. Defaults to `None`.
        criterion: What a weight is worth: its `"magnitude"`, or its `"saliency"`, the
            square of the weight times the running second moment of its gradient,
            which estimates how far the loss would rise without it. Adam and its kin
            keep these moments; for other optimizers the callback does, and for those
            that a model with its own `train_step` holds as attributes. Pruning by
            saliency begins once the gradients of some steps have been seen, and
            leaves far fewer weights at the same accuracy. Defaults to `"magnitude"`.
        verbose: `1` prints the sparsity after every epoch. Defaults to `0`.

    Raises:
        ValueError: A sparsity is outside [0, 1); `scope`, `structure` or `criterion`
            is not known; or, when the training begins, a pattern matches no layer, a
            weight is not finite, the structure does not fit a layer, or fractions of
            the fit are asked for where its length is not known.

    References:
        Han, Mao, Dally 2016, "Deep Compression", section 2; Zhu and Gupta 2017,
        "To prune, or not to prune", section 3; LeCun, Denker, Solla 1990, "Optimal
        brain damage", section 2, for the saliency.

    Example:

    >>> import keras, numpy as np
    >>> model = keras.Sequential([keras.Input((8,)), keras.layers.Dense(4)])
    >>> model.compile("adam", "mse")
    >>> x, y = np.random.rand(64, 8), np.random.rand(64, 4)
    >>> history = model.fit(x, y, verbose=0, callbacks=[PruningCallback(0.75)])
    >>> int((model.get_weights()[0] == 0).sum())
    24
    """

    def __init__(
        self,
        schedule: float | PruningSchedule | Mapping[str, float | PruningSchedule],
        *,
        layers: str | Iterable[str] | None = None,
        scope: Scope = "layer",
        structure: Structure = None,
        criterion: CriterionName = "magnitude",
        verbose: int = 0,
    ) -> None:
        super().__init__()
        entries_of(schedule)
        self.schedule = schedule
        self.layers = patterns(layers)
        self.scope = _checks.one_of("scope", scope, get_args(Scope))
        self.structure = check_structure(structure)
        self.criterion = _checks.one_of("criterion", criterion, CRITERIA)
        self.verbose = verbose

    def tie(self, ties: TieSet) -> None:
        """Takes hold of the weights; what is due at the start is pruned then."""
        chosen: Chosen = choose(self.model, entries_of(self.schedule), self.layers)
        self._epochs = self.params.get("epochs") or 1
        self._steps_per_epoch = self.params.get("steps")
        self._step = self._first_step = 0
        self._was_known: bool | None = None
        self._check_length([entry.schedule for _, entry in chosen])
        self._groups = groups_of(chosen, self.scope, self.structure)
        variables = [named for named, _ in chosen]
        self._scoring = CRITERIA[self.criterion](self.model, ties, variables)
        self._is_overdue = False
        # A list for each group, in its order.
        self._masks: list[list[Any]] = []
        for group in self._groups:
            self._masks.append([])
            for named in group.variables:
                mask = ties.state(np.ones_like(named.variable.numpy()), named.variable)
                self._masks[-1].append(mask)
                ties.attach(named.variable, MaskTie(mask, ties.inner(named.variable)))

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Finds the step that the epoch begins at, also after a resumption."""
        if self._steps_per_epoch is not None:
            self._step = epoch * self._steps_per_epoch
        self._first_step = self._step
        # At the start, and once the data has told its length in the first epoch.
        is_known = self._steps_per_epoch is not None
        if self._was_known is not is_known:
            self._was_known = is_known
            self._update()

    def on_train_batch_end(
        self, batch: int, logs: dict[str, Any] | None = None
    ) -> None:
        """Updates the masks where they are due."""
        self.check()
        last, self._step = self._step, self._first_step + batch + 1
        # One call may stand for several steps (`steps_per_execution`).
        self._scoring.count(self._step - last)
        if self._is_overdue or any(
            group.schedule.is_due(step, self._total_steps)
            for group in self._groups
            for step in range(last + 1, self._step + 1)
        ):
            self._update()

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Writes the sparsity to the logs."""
        if self._steps_per_epoch is None:
            self._steps_per_epoch = self._step - self._first_step
        sparsity = self._sparsity()
        if logs is not None:
            logs["sparsity"] = sparsity
        if self.verbose:
            say(f"Epoch {epoch + 1}: sparsity {sparsity:.2%}")

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        """Lets go of the weights; the zeros stay."""
        was_tied = self._ties is not None
        if was_tied and self._is_overdue:
            self._update(is_last=True)
        super().on_train_end(logs)
        if was_tied:
            for group in self._groups:
                group.check_count()

    def __repr__(self) -> str:
        return settings(self)

    @property
    def _total_steps(self) -> int | None:
        if self._steps_per_epoch is None:
            return None
        return int(self._epochs * self._steps_per_epoch)

    def _check_length(self, schedules: list[PruningSchedule]) -> None:
        """Refuses fractions of a fit whose length becomes known too late."""
        if (
            self._steps_per_epoch is None
            and self._epochs == 1
            and any(schedule.needs_total for schedule in schedules)
        ):
            raise ValueError(
                "The data does not say how many batches it has, so fractions of this "
                "fit of one epoch mean nothing. Give `begin` and `end` in steps, or "
                "pass `steps_per_epoch` to `fit`."
            )
        total = self._total_steps
        for schedule in schedules:
            if total is not None and schedule.span(total)[1] > total:
                warnings.warn(
                    f"The fit has {total:,} steps, {schedule} ends only after "
                    f"{schedule.span(total)[1]:,}: its sparsity will not be reached.",
                    stacklevel=2,
                )

    def _update(self, *, is_last: bool = False) -> None:
        """Brings every group to the sparsity of its schedule."""
        self._is_overdue = not (is_last or self._scoring.is_known(self._total_steps))
        if self._is_overdue:
            return
        ties, is_changed = self.check(), False
        for group, held in zip(self._groups, self._masks, strict=True):
            sparsity = group.schedule.sparsity(self._step, self._total_steps)
            if not group.advance(sparsity or 0.0):
                continue
            if not is_changed:
                ties.synchronise()
                is_changed = True
            for state, mask in zip(held, group.masks(self._scoring), strict=True):
                state.assign(mask)
        if is_changed:
            ties.project()

    def _sparsity(self) -> float:
        """Returns the share of zeros that the masks hold."""
        kept = size = 0
        for mask in chain(*self._masks):
            value: np.ndarray = mask.numpy()
            kept += int(np.count_nonzero(value))
            size += value.size
        return 1.0 - kept / size
