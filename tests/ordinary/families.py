"""All ordinary models, by name: each family registers its own when it is imported."""

from ordinary import (
    autoencoders,
    generative,
    images,
    layers,
    own_code,
    own_objects,
    sequences,
    tabular,
    unusual,
)
from ordinary.cases import REGISTRY as ORDINARY

FAMILIES = (
    images,
    layers,
    sequences,
    tabular,
    generative,
    autoencoders,
    own_code,
    own_objects,
    unusual,
)
__all__ = ["FAMILIES", "ORDINARY"]
