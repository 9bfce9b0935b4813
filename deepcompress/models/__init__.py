"""The networks of the paper, untrained, as Keras models."""

from deepcompress.models.lenet import lenet5, lenet_300_100

__all__ = ["lenet5", "lenet_300_100"]
