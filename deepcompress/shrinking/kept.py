"""Which units of a model stay, and in which order."""

import numpy as np

from deepcompress.network.distribution import n_parts
from deepcompress.shrinking.channels import Channels
from deepcompress.shrinking.graph import Graph


class Kept:
    """Which units stay, and in which order.

    Args:
        graph: The graph that the units run through.
        is_kept: For each unit whether it stays; one of each layer does in any case.
        sort: Whether those with the fewest weights come first. Defaults to `False`.
        evenly: Whether more stay where devices share an axis, until each has as many.
            Defaults to `False`.

    Attributes:
        is_kept: Whether each unit stays.
    """

    def __init__(
        self,
        graph: Graph,
        is_kept: np.ndarray,
        sort: bool = False,
        evenly: bool = False,
    ) -> None:
        # No layer can do without units.
        for maker in graph.makers:
            if not is_kept[maker.made()].any():
                is_kept[maker.made()[:1]] = True
        self.is_kept = is_kept
        if evenly:
            self._even_out(graph)
        weights = np.zeros(len(is_kept))
        for maker in graph.makers if sort else []:
            np.add.at(weights, maker.made(), maker.fan_in())
        weights[graph.is_pinned] = 0
        self._weights = weights

    def __call__(self, channels: Channels) -> np.ndarray:
        """Returns the positions of the channels that stay, in their new order."""
        at = np.flatnonzero(self.is_kept[channels.units])
        units = channels.units[at]
        order = np.lexsort((units, self._weights[units], channels.blocks[at]))
        return at[order]

    def _even_out(self, graph: Graph) -> None:
        shared = [
            (channels.units, parts)
            for rule in graph.weighted
            for variable in rule.weights
            for axis, channels in rule.axes(variable).items()
            if (parts := n_parts(variable)[axis]) > 1
        ]
        # A unit more in one place may be one more in others.
        while odd := [u for u, parts in shared if self.is_kept[u].sum() % parts]:
            self.is_kept[odd[0][~self.is_kept[odd[0]]][0]] = True
