"""All ordinary models, by name: each family registers its own when it is imported."""

from ordinary import (
    autoencoders,
    generative,
    hub,
    images,
    layers,
    own_code,
    own_objects,
    recurrent,
    sequences,
    tabular,
    transformers,
    unusual,
    vision,
)
from ordinary.cases import REGISTRY as ORDINARY

FAMILIES = (
    images,
    vision,
    sequences,
    recurrent,
    transformers,
    hub,
    tabular,
    generative,
    autoencoders,
    layers,
    own_code,
    own_objects,
    unusual,
)
__all__ = ["FAMILIES", "ORDINARY"]
