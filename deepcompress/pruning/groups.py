"""Variables whose weights compete, and how many of them go."""

import warnings
from collections.abc import Mapping
from typing import Literal, NamedTuple

import numpy as np

from deepcompress import _checks
from deepcompress.network.variables import NamedVariable
from deepcompress.pruning.criteria import Criterion
from deepcompress.pruning.masks import Structure, Tensor, masks
from deepcompress.pruning.schedules import ConstantSparsity, PruningSchedule

Scope = Literal["layer", "global"]


class Entry(NamedTuple):
    """One entry of a mapping of schedules: the layers that share it may compete."""

    pattern: str
    schedule: PruningSchedule


Chosen = list[tuple[NamedVariable, Entry]]


def entries_of(
    settings: float | PruningSchedule | Mapping[str, float | PruningSchedule],
) -> Mapping[str, Entry]:
    """Returns a schedule, or schedules by pattern, as entries by pattern."""
    settings = settings if isinstance(settings, Mapping) else {"*": settings}
    return {
        pattern: Entry(
            pattern,
            setting
            if isinstance(setting, PruningSchedule)
            else ConstantSparsity(_checks.sparsity("sparsity", setting)),
        )
        for pattern, setting in settings.items()
    }


class Group:
    """Variables whose weights compete, and how many of them are pruned."""

    def __init__(
        self,
        variables: list[NamedVariable],
        schedule: PruningSchedule,
        structure: Structure,
    ) -> None:
        values = [named.numpy() for named in variables]
        self.variables = variables
        self.structure = structure
        self.size = sum(value.size for value in values)
        n_nonzero = sum(int(np.count_nonzero(value)) for value in values)
        self.schedule = schedule.of(self.size, n_nonzero)
        self._zeros_before = sum(map(_zeros_to_keep, values))
        self._is_new = [not value.any() for value in values]
        self._n_zeros = -1
        self._n_kept: list[int] = []

    @property
    def n_left(self) -> int:
        """Weights that pruning leaves, once the group has been advanced."""
        return self.size - self._n_zeros

    def advance(self, sparsity: float) -> bool:
        """Sets the sparsity, and returns whether the masks change with it."""
        # One weight at least is kept, and what was pruned before stays so.
        n_zeros = min(round(sparsity * self.size), self.size - 1)
        n_zeros = max(n_zeros, self._zeros_before)
        is_new = n_zeros != self._n_zeros
        self._n_zeros = n_zeros
        return is_new

    def masks(self, criterion: Criterion) -> list[np.ndarray]:
        """Returns what is kept of each variable."""
        tensors = [
            Tensor(named, _zeros_first(criterion.scores(named), named.variable.numpy()))
            for named in self.variables
        ]
        found = masks(tensors, self._n_zeros, self.structure)
        self._n_kept = [int(np.count_nonzero(mask)) for mask in found]
        return found

    def check_count(self) -> None:
        """Warns where fewer weights are left than were asked for."""
        variables = [named.variable for named in self.variables]
        n_left = [int(np.count_nonzero(variable.numpy())) for variable in variables]
        # A constraint of the user's own may make as many zeros as it likes, and a
        # tensor that was all zero, and still is, has lost none.
        is_meant = any(variable.constraint is not None for variable in variables)
        is_new = (True, 0) in zip(self._is_new, n_left, strict=True)
        if not self._n_kept or is_meant or is_new:
            return
        asked = self.size - self._n_zeros
        slack = 0
        if self.structure == "channel":
            slack = max(map(_filter_size, self.variables)) // 2
        if sum(n_left) >= asked - slack:
            return
        paths = [named.layer for named in self.variables]
        fewer = zip(paths, n_left, self._n_kept, strict=True)
        names = dict.fromkeys(path for path, left, kept in fewer if left < kept)
        warnings.warn(
            f"{', '.join(map(repr, names or dict.fromkeys(paths)))}: {sum(n_left):,} "
            f"weights are left where {asked:,} were asked for. The others are zero "
            "without having been pruned: units have died, or groups of which "
            "`structure` keeps some weights had fewer.",
            stacklevel=3,
        )


def groups_of(
    chosen: Chosen,
    scope: Scope,
    structure: Structure,
) -> list[Group]:
    """Returns the variables that compete with each other, and their schedules."""
    if scope == "layer":
        return [Group([named], entry.schedule, structure) for named, entry in chosen]
    together: dict[str, list[NamedVariable]] = {}
    for named, entry in chosen:
        together.setdefault(entry.pattern, []).append(named)
    schedules = {entry.pattern: entry.schedule for _, entry in chosen}
    return [
        Group(variables, schedules[pattern], structure)
        for pattern, variables in together.items()
    ]


def _zeros_to_keep(value: np.ndarray) -> int:
    """Returns the zeros of a pruned tensor; one that is all zero is only new."""
    zeros = int(value.size - np.count_nonzero(value))
    return 0 if zeros == value.size else zeros


def _zeros_first(scores: np.ndarray, value: np.ndarray) -> np.ndarray:
    """Gives the zeros of a pruned tensor the score -1; one all zero is only new."""
    is_zero = value == 0
    if not is_zero.all():
        scores[is_zero] = -1
    return scores


def _filter_size(named: NamedVariable) -> int:
    shape = named.variable.shape
    return int(np.prod(shape)) // int(np.prod([shape[at] for at in named.output_axes]))
