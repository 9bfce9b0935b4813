"""What a net was on its way to few weights, where it did not bear to have so few."""

from typing import Any

import keras
import numpy as np

from deepcompress.network import internals
from deepcompress.network.variables import count_weights

# Weights are averaged over about the last ten readings: the noise of steps goes, as at
# the end of a training.
_FREQUENCY = 10
_NEWEST = 0.1


class Milestones(keras.callbacks.Callback):
    """Keeps the weights of a net each time that pruning has taken a part of them.

    Args:
        net: The net that is trained, perhaps inside of another.
        part: The part that is left from one to the next. Defaults to `0.75`.

    References:
        Izmailov et al. 2018, "Averaging weights leads to wider optima and better
        generalization", section 3.

    Example:

    >>> import deepcompress as dc
    >>> net = keras.Sequential([keras.Input((8,)), keras.layers.Dense(8)])
    >>> net.compile("sgd", "mse")
    >>> milestones = Milestones(net)
    >>> pruning = dc.PruningCallback(dc.PolynomialDecay(0.5))
    >>> x = np.ones((20, 8))
    >>> history = net.fit(
    ...     x, x, batch_size=1, verbose=0, callbacks=[pruning, milestones]
    ... )
    >>> [int(np.count_nonzero(kernel)) <= 48 for kernel, _ in milestones.weights]
    [True]
    """

    def __init__(self, net: keras.Model, *, part: float = 0.75) -> None:
        super().__init__()
        #: The weights at each, the latest last.
        self.weights: list[list[np.ndarray]] = []
        self._net = net
        self._part = part
        self._n_last = count_weights(net)
        self._n_done = 0
        self._average: list[np.ndarray] = []

    def on_train_batch_end(
        self, batch: int, logs: dict[str, Any] | None = None
    ) -> None:
        """Reads the weights, and keeps them where enough of them are gone."""
        self._n_done += 1
        if self._n_done % _FREQUENCY:
            return
        internals.synchronise(self.model)
        now = self._net.get_weights()
        if not self._average:
            self._average = [np.array(weight) for weight in now]
        for i, weight in enumerate(now):
            if np.issubdtype(weight.dtype, np.floating):
                self._average[i] += _NEWEST * (weight - self._average[i])
            else:
                self._average[i] = weight
        n_weights = count_weights(self._net)
        if n_weights <= self._part * self._n_last:
            self._n_last = n_weights
            pairs = zip(now, self._average, strict=True)
            # What is pruned by now is zero, whatever it was.
            self.weights.append([np.where(w != 0, mean, w) for w, mean in pairs])
