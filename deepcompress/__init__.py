"""Deep Compression for Keras 3."""

from deepcompress._version import __version__

__all__ = ["__version__"]
