"""The networks of the paper and its successors; some of them trained and compressed.

A name comes in, a Keras model goes out: new, or with the weights of a file of the zoo,
which ships in the package.
"""

from deepcompress.models.alexnet import alexnet
from deepcompress.models.lenet import lenet5, lenet_300_100
from deepcompress.models.mnist_cnn import mnist_cnn, mnist_student
from deepcompress.models.squeezenet import squeezenet
from deepcompress.models.vgg import vgg16
from deepcompress.models.zoo import load

__all__ = [
    "alexnet",
    "lenet5",
    "lenet_300_100",
    "load",
    "mnist_cnn",
    "mnist_student",
    "squeezenet",
    "vgg16",
]
