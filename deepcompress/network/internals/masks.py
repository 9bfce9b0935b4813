"""Masks, which Keras ties to tensors."""

from collections.abc import Iterable
from typing import Any

import keras
from keras.src import backend


def masks_of(tensors: Any) -> list[Any]:
    """Returns the masks of tensors in any structure, flat, `None` where there is none.

    `get_keras_mask`: what a layer computes goes on with its mask without being told.
    """
    return [backend.get_keras_mask(tensor) for tensor in keras.tree.flatten(tensors)]


def give_masks(tensors: Any, masks: Iterable[Any]) -> None:
    """Ties masks to tensors again.

    `set_keras_mask`: attention takes them off the tensors that it reads.
    """
    for tensor, mask in zip(keras.tree.flatten(tensors), masks, strict=True):
        backend.set_keras_mask(tensor, mask)
