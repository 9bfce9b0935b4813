"""The networks of the paper and its successors; some of them trained and compressed.

A name comes in, a Keras model goes out: new, or with the weights of a file of the zoo,
which ships in the package. The digits that LeNets are trained on are here too.
"""

from deepcompress import _lazy

TYPE_CHECKING = False  # `typing` would take most of the time of this import
if TYPE_CHECKING:
    from deepcompress.models.alexnet import alexnet as alexnet
    from deepcompress.models.digits import Digits as Digits
    from deepcompress.models.digits import ShiftedImages as ShiftedImages
    from deepcompress.models.digits import load_digits as load_digits
    from deepcompress.models.lenet import lenet5 as lenet5
    from deepcompress.models.lenet import lenet_300_100 as lenet_300_100
    from deepcompress.models.mnist_cnn import mnist_cnn as mnist_cnn
    from deepcompress.models.mnist_cnn import mnist_student as mnist_student
    from deepcompress.models.squeezenet import squeezenet as squeezenet
    from deepcompress.models.vgg import vgg16 as vgg16
    from deepcompress.models.zoo import load as load

__getattr__, __dir__, __all__ = _lazy.attach(
    __name__,
    {
        "alexnet": ["alexnet"],
        "digits": ["Digits", "ShiftedImages", "load_digits"],
        "lenet": ["lenet5", "lenet_300_100"],
        "mnist_cnn": ["mnist_cnn", "mnist_student"],
        "squeezenet": ["squeezenet"],
        "vgg": ["vgg16"],
        "zoo": ["load"],
    },
)
