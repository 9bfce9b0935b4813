"""How each of Keras' layers becomes operations; those not here are traced into."""

from deepcompress.saving.lowering import plain, preprocessing, recurrent, weighted
from deepcompress.saving.lowering.builder import Rule

LAYERS: dict[type, Rule] = {
    **plain.LAYERS,
    **weighted.LAYERS,
    **recurrent.LAYERS,
    **preprocessing.LAYERS,
}
