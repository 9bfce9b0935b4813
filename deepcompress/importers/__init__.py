"""Weights that other tools wrote.

The names are imported when they are first used: `compress_h5` needs no Keras.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from deepcompress.importers.caffemodel import load_caffemodel
    from deepcompress.importers.han import load_han
    from deepcompress.importers.keras_h5 import compress_h5

__all__ = ["compress_h5", "load_caffemodel", "load_han"]

_MODULES = {
    "compress_h5": "keras_h5",
    "load_caffemodel": "caffemodel",
    "load_han": "han",
}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
