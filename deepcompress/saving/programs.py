"""The program of a model, as files hold it: what `CompressedModel` asks Keras for."""

import keras

from deepcompress.dcz.container import Container
from deepcompress.network import assets
from deepcompress.saving.building import build
from deepcompress.saving.lowering.lower import lower
from deepcompress.saving.serializer import HuffmanSerializer


def lowered(file: Container) -> bytes:
    """Returns the program of a file that has an architecture and no program."""
    model = build(file, {}, False, True)
    assets.give_back(assets.match(file.assets, model))
    return lower(model, file.assets).encode()


def dumped(model: keras.Model) -> bytes:
    """Returns the file of a model."""
    if not isinstance(model, keras.Model):
        raise TypeError(
            "A compressed model is made of a `.dcz` file, by its path or its bytes, or "
            f"of a Keras model. Received: {model!r}"
        )
    return HuffmanSerializer().dumps(model)
