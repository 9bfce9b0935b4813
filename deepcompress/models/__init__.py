"""The networks of the paper and its successors, untrained, as Keras models."""

from deepcompress.models.alexnet import alexnet
from deepcompress.models.lenet import lenet5, lenet_300_100
from deepcompress.models.mnist_cnn import mnist_cnn, mnist_student
from deepcompress.models.squeezenet import squeezenet
from deepcompress.models.vgg import vgg16

__all__ = [
    "alexnet",
    "lenet5",
    "lenet_300_100",
    "mnist_cnn",
    "mnist_student",
    "squeezenet",
    "vgg16",
]
