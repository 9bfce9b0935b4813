"""How the two LeNets are trained, pruned and shared: every setting in one place.

The settings were chosen on training images that were held back, never on test
images.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import keras

from deepcompress.models import Digits, ShiftedImages, lenet5, lenet_300_100
from deepcompress.pruning.callback import PruningCallback
from deepcompress.pruning.schedules import PolynomialDecay
from deepcompress.sharing import WeightSharingQuantizer


@dataclass(frozen=True)
class DemoSettings:
    """The three trainings that lead to a compressed LeNet.

    Attributes:
        name: The net, `"lenet_300_100"` or `"lenet5"`.
        batch_size: Images in a batch.
        dense_epochs: Epochs of the dense net.
        pruning_epochs: Epochs of pruning and retraining.
        sharing_epochs: Epochs of training the centroids.
        sparsity: The share of weights that pruning leaves at zero.
        bits: Bits of a code.
    """

    name: str
    batch_size: int
    dense_epochs: int
    pruning_epochs: int
    sharing_epochs: int
    sparsity: float
    bits: int

    def build(self) -> keras.Model:
        """Returns the untrained net."""
        return {"lenet_300_100": lenet_300_100, "lenet5": lenet5}[self.name]()

    def train(
        self, model: keras.Model, digits: Digits, callbacks: Sequence[Any] = ()
    ) -> None:
        """Trains the dense net on images moved by up to a pixel."""
        self._fit(model, digits, self.dense_epochs, callbacks)

    def prune(
        self, model: keras.Model, digits: Digits, callbacks: Sequence[Any] = ()
    ) -> None:
        """Prunes the smallest weights of the whole net, then retrains the others."""
        pruning = PruningCallback(
            PolynomialDecay(self.sparsity, initial_sparsity=0.5, end=0.7),
            scope="global",
        )
        self._fit(model, digits, self.pruning_epochs, [pruning, *callbacks])

    def share(
        self, model: keras.Model, digits: Digits, callbacks: Sequence[Any] = ()
    ) -> None:
        """Clusters the weights of each layer, then trains the centroids."""
        sharing = WeightSharingQuantizer(bits=self.bits)
        self._fit(model, digits, self.sharing_epochs, [sharing, *callbacks])

    def _fit(
        self, model: keras.Model, digits: Digits, epochs: int, callbacks: Sequence[Any]
    ) -> None:
        batches = ShiftedImages(*digits.train, self.batch_size)
        rate = keras.optimizers.schedules.CosineDecay(
            1e-3, epochs * len(batches), alpha=0.02
        )
        model.compile(
            keras.optimizers.Adam(rate),
            keras.losses.SparseCategoricalCrossentropy(from_logits=True),
            metrics=["accuracy"],
        )
        model.fit(
            batches,
            epochs=epochs,
            validation_data=digits.validation,
            callbacks=list(callbacks),
            verbose=0,
        )


SETTINGS = {
    settings.name: settings
    for settings in (
        DemoSettings("lenet_300_100", 128, 14, 22, 5, sparsity=0.955, bits=4),
        DemoSettings("lenet5", 64, 10, 14, 4, sparsity=0.97, bits=4),
    )
}
