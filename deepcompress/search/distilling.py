"""Training a net to output what a teacher does, with Keras' own `Distiller`."""

from collections.abc import Callable
from typing import Any

import keras
from keras import ops
from keras.distillation import Distiller, LogitsDistillation

_TEMPERATURE = 3.0
_LABELS_COUNT = 0.3
_LOSSES = {
    "binary_crossentropy": keras.losses.BinaryCrossentropy,
    "categorical_crossentropy": keras.losses.CategoricalCrossentropy,
    "sparse_categorical_crossentropy": keras.losses.SparseCategoricalCrossentropy,
}


class OutputDistillation(LogitsDistillation):
    """Distils from logits, or from outputs that logits can be made of.

    Args:
        to_logits: Makes logits of outputs.
        temperature: What the logits are divided by. Defaults to `3.0`.

    References:
        Hinton, Vinyals, Dean 2015, "Distilling the knowledge in a neural network",
        section 2.

    Example:

    >>> import numpy as np
    >>> loss = OutputDistillation(log_probabilities)
    >>> outputs = np.array([[0.9, 0.1]], "float32")
    >>> float(loss.compute_loss(outputs, outputs))
    0.0
    """

    def __init__(
        self, to_logits: Callable[[Any], Any], temperature: float = _TEMPERATURE
    ) -> None:
        # Keras takes a loss that is named of the logits themselves, without softmax.
        super().__init__(temperature=temperature, loss=keras.losses.KLDivergence())
        self._to_logits = to_logits

    def compute_loss(
        self, teacher_outputs: Any, student_outputs: Any, **kwargs: Any
    ) -> Any:
        """Returns the divergence of the softened outputs."""
        return super().compute_loss(
            self._to_logits(teacher_outputs), self._to_logits(student_outputs)
        )


def log_probabilities(outputs: Any) -> Any:
    """Returns the logits of what a softmax has put out."""
    return ops.log(ops.maximum(outputs, 1e-7))


def of_two_classes(logits: Any) -> Any:
    """Returns two logits for each that a sigmoid would take."""
    return ops.stack([logits, ops.zeros_like(logits)], axis=-1)


def log_probabilities_of_two(outputs: Any) -> Any:
    """Returns the two logits of each output of a sigmoid."""
    return log_probabilities(ops.stack([outputs, 1.0 - outputs], axis=-1))


def distiller(
    teacher: keras.Model, student: keras.Model, loss: Any
) -> tuple[keras.Model, Any] | None:
    """Returns what trains the student, and the loss to compile it with.

    Args:
        teacher: The model whose outputs are learnt.
        student: The model that is trained.
        loss: The loss that the student was compiled with.

    Returns:
        A `Distiller` and a loss that it takes; or `None` where the outputs are no
        classes, or there are several outputs.
    """
    if callable(loss) and not isinstance(loss, keras.losses.Loss):
        loss = getattr(loss, "__name__", None)
    if isinstance(loss, str):
        named = getattr(keras.losses.get(loss), "__name__", "")
        loss = _LOSSES[named]() if named in _LOSSES else None
    kinds = tuple(_LOSSES.values())
    if not isinstance(loss, kinds) or len(getattr(student, "outputs", None) or []) != 1:
        return None
    config = loss.get_config()
    if config.get("axis", -1) != -1:
        return None
    return (
        Distiller(
            teacher,
            student,
            _distillation(loss, config["from_logits"]),
            student_loss_weight=_LABELS_COUNT,
        ),
        loss,
    )


def _distillation(loss: Any, is_logits: bool) -> LogitsDistillation:
    if isinstance(loss, keras.losses.BinaryCrossentropy):
        return OutputDistillation(
            of_two_classes if is_logits else log_probabilities_of_two
        )
    if is_logits:
        return OutputDistillation(ops.convert_to_tensor)
    return OutputDistillation(log_probabilities)
