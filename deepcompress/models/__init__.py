"""The networks of the paper and its successors; some of them trained and compressed.

A name comes in, a Keras model goes out: new, or with the weights of a file of the zoo,
which ships in the package. The digits that LeNets are trained on are here too.
"""

from deepcompress.models.alexnet import alexnet
from deepcompress.models.digits import Digits, ShiftedImages, load_digits
from deepcompress.models.lenet import lenet5, lenet_300_100
from deepcompress.models.mnist_cnn import mnist_cnn, mnist_student
from deepcompress.models.squeezenet import squeezenet
from deepcompress.models.vgg import vgg16
from deepcompress.models.zoo import load

__all__ = [
    "Digits",
    "ShiftedImages",
    "alexnet",
    "lenet5",
    "lenet_300_100",
    "load",
    "load_digits",
    "mnist_cnn",
    "mnist_student",
    "squeezenet",
    "vgg16",
]
