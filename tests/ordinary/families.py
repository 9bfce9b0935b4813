"""All ordinary models, by name: each family registers its own when it is imported."""

from ordinary import hub, images, layers, recurrent, sequences, transformers, vision
from ordinary.cases import REGISTRY as ORDINARY

FAMILIES = (images, vision, sequences, recurrent, transformers, hub, layers)
__all__ = ["FAMILIES", "ORDINARY"]
