"""All ordinary models, by name: each family registers its own when it is imported."""

from ordinary import (
    autoencoders,
    galleries,
    generative,
    hub,
    images,
    layers,
    own_code,
    own_objects,
    recurrent,
    sequences,
    sketches,
    tabular,
    transformers,
    tutorials,
    unusual,
    vision,
    workbench,
    workshop,
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
    workshop,
    workbench,
    tutorials,
    galleries,
    sketches,
)
__all__ = ["FAMILIES", "ORDINARY"]
