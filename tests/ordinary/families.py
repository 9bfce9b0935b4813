"""All ordinary models, by name: each family registers its own when it is imported."""

from ordinary import images, layers, sequences
from ordinary.cases import REGISTRY as ORDINARY

FAMILIES = (images, layers, sequences)
__all__ = ["FAMILIES", "ORDINARY"]
