"""Which units of a model stay, and in which order."""

import numpy as np

from deepcompress.shrinking.channels import Channels
from deepcompress.shrinking.graph import Graph


class Kept:
    """Which units stay, and in which order.

    Args:
        graph: The graph that the units run through.
        is_kept: For each unit whether it stays; one of each layer does in any case.
        sort: Whether those with the fewest weights come first. Defaults to `False`.

    Attributes:
        is_kept: Whether each unit stays.
    """

    def __init__(self, graph: Graph, is_kept: np.ndarray, sort: bool = False) -> None:
        # No layer can do without units.
        for maker in graph.makers:
            if not is_kept[maker.made()].any():
                is_kept[maker.made()[:1]] = True
        self.is_kept = is_kept
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
