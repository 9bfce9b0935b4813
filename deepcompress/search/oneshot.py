"""Nets pruned and shared without training, with inputs in view where that can be."""

from collections.abc import Callable, Mapping
from typing import Any

import keras

from deepcompress.calibration.calibrate import Calibration
from deepcompress.network.normalization import batch_normalizations
from deepcompress.network.variables import count_weights
from deepcompress.pruning.prune import prune, prune_globally
from deepcompress.search.trainer import Trainer
from deepcompress.sharing import WeightSharingQuantizer
from deepcompress.shrinking.folding import fold_biases

# More centroids are there to be more exact: for what bits a price is meant, and that it
# falls beyond as the squared distance between centroids does.
PRICED_BITS = 4
# Multiplications in a second, of matrices of some hundred rows; for a rough guess.
_SPEED = 1e10


class OneShot:
    """Prunes and shares nets, and says once where it has to do without the inputs.

    Args:
        inputs: Inputs in a form that `predict` takes.
        seconds: What pruning a net may take.
        note: Is told what the user should know.
    """

    def __init__(
        self, inputs: Any, seconds: float, note: Callable[[str], None]
    ) -> None:
        self._inputs = inputs
        self._seconds = seconds
        self._note = note
        self._last: Calibration | None = None
        #: Whether the inputs could be seen, the last time.
        self.is_calibrated = False

    def prune(self, net: keras.Model, n_weights: int) -> None:
        """Leaves so many weights of a net: by the inputs, else by magnitude.

        Args:
            net: The net, which is changed.
            n_weights: Weights to leave.
        """
        if not self.is_pruned(net, n_weights):
            sparsity = 1 - n_weights / count_weights(net, zeros=True)
            prune(net, sparsity, scope="global")

    def is_pruned(self, net: keras.Model, n_weights: int) -> bool:
        """Leaves so many weights of a net, if the inputs can tell which.

        Args:
            net: The net, which is changed if they can.
            n_weights: Weights to leave.
        """
        # What is normalized afterwards may be of any scale: there magnitude tells as
        # well what a layer bears, and better what it bears once it is trained.
        by_magnitude = bool(batch_normalizations(net))

        def calibrated(calibration: Calibration) -> None:
            prune_globally(calibration, n_weights, by_magnitude=by_magnitude)

        return self._tried(net, calibrated)

    def share(
        self, net: keras.Model, bits: Any, *, price: float = 0.0, **settings: Any
    ) -> None:
        """Lets the weights of a net share few values, biases once they are folded.

        Args:
            net: The net, which is changed.
            bits: Bits of all layers, or by pattern.
            price: What a bit of a file costs, with inputs in view and 4 bits or fewer,
                as an `entropy_weight`. Defaults to `0.0`.
            settings: Others of `WeightSharingQuantizer`.
        """
        own = {**settings, "bias_bits": None}

        def calibrated(calibration: Calibration) -> None:
            most = max(bits.values()) if isinstance(bits, Mapping) else bits
            own_price = price * 4.0 ** min(0, PRICED_BITS - most)
            quantizer = WeightSharingQuantizer(bits, entropy_weight=own_price, **own)
            quantizer.quantize(net, data=self._inputs)

        self._tried(net, calibrated)
        # Biases make up for what kernels have lost, wherever they are added.
        fold_biases(net)
        # Kernels that share their weights already stay as they are.
        WeightSharingQuantizer(bits, **settings).quantize(net)

    def _tried(
        self, net: keras.Model, calibrated: Callable[[Calibration], None]
    ) -> bool:
        """Whether it could be done with the inputs in view."""
        self.is_calibrated = False
        try:
            if self._last is None or self._last.model is not net:
                self._last = Calibration(net, self._inputs)
            if self._last.n_multiplications() > _SPEED * self._seconds:
                raise ValueError("it would take too long")
            calibrated(self._last)
        except Exception as error:
            self._note(
                "Pruned and shared without training by magnitude alone, without a look "
                f"at the inputs: {error}"
            )
        else:
            self.is_calibrated = True
        return self.is_calibrated


def is_pruned_at_once(
    net: keras.Model, trainer: Trainer, note: Callable[[str], None]
) -> bool:
    """Whether a level prunes before it trains: by magnitude and a look at the inputs.

    Saliency that is seen while training finds far more, but where it is not known or is
    no good guide.

    Args:
        net: The net.
        trainer: What trains it, and has trained some steps.
        note: Is told what the user should know.
    """
    # What is normalized afterwards may be of any scale, and its gradient is of the
    # inverse. On a ResNet magnitude left 0.8 points more, at a quarter of weights.
    # And a net that gives the outputs it shall give has no gradient at all.
    if batch_normalizations(net) or not trainer.has_labels:
        return True
    if trainer.is_stepping_seen:
        return False
    note(
        "Pruned by magnitude: the model steps with optimizers of its own, of which the "
        "saliency of a weight is not known."
    )
    return True
