"""Weights that other tools wrote.

Files of Caffe, of the authors of Deep Compression and of Keras come in; their weights
go into a model, or into a `.dcz` file. The names are imported when they are first
used: `compress_h5` needs no Keras.
"""

from deepcompress import _lazy

TYPE_CHECKING = False  # `typing` would take most of the time of this import
if TYPE_CHECKING:
    from deepcompress.importers.caffemodel import load_caffemodel as load_caffemodel
    from deepcompress.importers.han import load_han as load_han
    from deepcompress.importers.keras_h5 import compress_h5 as compress_h5

__getattr__, __dir__, __all__ = _lazy.attach(
    __name__,
    {
        "caffemodel": ["load_caffemodel"],
        "han": ["load_han"],
        "keras_h5": ["compress_h5"],
    },
)
