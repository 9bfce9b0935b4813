"""Deep Compression for Keras 3: prune, share weights, Huffman-code, load back.

The names below are imported when they are first used, so that `import deepcompress`
costs no import of TensorFlow or Keras.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from deepcompress._version import __version__

if TYPE_CHECKING:
    from deepcompress import importers, models
    from deepcompress.clustering.entropy import entropy_kmeans1d
    from deepcompress.clustering.kmeans import KMeans1D, kmeans1d
    from deepcompress.dcz.container import Container, read
    from deepcompress.dcz.report import CompressionReport
    from deepcompress.errors import CorruptFileError
    from deepcompress.pruning.callback import PruningCallback, prune
    from deepcompress.pruning.schedules import (
        ConstantSparsity,
        PolynomialDecay,
        PruningSchedule,
    )
    from deepcompress.saving.serializer import HuffmanSerializer, load_model
    from deepcompress.search.compress import compress
    from deepcompress.search.result import CompressionPoint, CompressionResult
    from deepcompress.sensitivity import Sensitivity, sensitivity
    from deepcompress.sharing import WeightSharingQuantizer
    from deepcompress.shrinking.shrink import shrink

__all__ = [
    "CompressionPoint",
    "CompressionReport",
    "CompressionResult",
    "ConstantSparsity",
    "Container",
    "CorruptFileError",
    "HuffmanSerializer",
    "KMeans1D",
    "PolynomialDecay",
    "PruningCallback",
    "PruningSchedule",
    "Sensitivity",
    "WeightSharingQuantizer",
    "__version__",
    "compress",
    "entropy_kmeans1d",
    "importers",
    "kmeans1d",
    "load_model",
    "models",
    "prune",
    "read",
    "sensitivity",
    "shrink",
]

_MODULES = {
    "CompressionPoint": "search.result",
    "CompressionReport": "dcz.report",
    "CompressionResult": "search.result",
    "ConstantSparsity": "pruning.schedules",
    "Container": "dcz.container",
    "CorruptFileError": "errors",
    "HuffmanSerializer": "saving.serializer",
    "KMeans1D": "clustering.kmeans",
    "PolynomialDecay": "pruning.schedules",
    "PruningCallback": "pruning.callback",
    "PruningSchedule": "pruning.schedules",
    "Sensitivity": "sensitivity",
    "WeightSharingQuantizer": "sharing",
    "compress": "search.compress",
    "entropy_kmeans1d": "clustering.entropy",
    "importers": "importers",
    "kmeans1d": "clustering.kmeans",
    "load_model": "saving.serializer",
    "models": "models",
    "prune": "pruning.callback",
    "read": "dcz.container",
    "sensitivity": "sensitivity",
    "shrink": "shrinking.shrink",
}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = import_module(f"{__name__}.{_MODULES[name]}")
    value = module if name == _MODULES[name] else getattr(module, name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
