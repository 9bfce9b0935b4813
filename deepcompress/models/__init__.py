"""The networks of the paper, untrained, as Keras models."""

from deepcompress.models.alexnet import alexnet
from deepcompress.models.lenet import lenet5, lenet_300_100
from deepcompress.models.vgg import vgg16

__all__ = ["alexnet", "lenet5", "lenet_300_100", "vgg16"]
