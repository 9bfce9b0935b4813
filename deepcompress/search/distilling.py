"""Training a net to output what a teacher does, with Keras' own `Distiller`."""

from collections.abc import Callable
from itertools import takewhile
from types import FunctionType
from typing import Any

import keras
from keras import ops
from keras.distillation import Distiller, LogitsDistillation

from deepcompress.network import internals
from deepcompress.network.internals import flatten_layers

_TEMPERATURE = 3.0
_LABELS_COUNT = 0.3
# Keras' losses of classes, by the names of its functions.
_LOSSES = {
    "binary_crossentropy": keras.losses.BinaryCrossentropy,
    "categorical_crossentropy": keras.losses.CategoricalCrossentropy,
    "sparse_categorical_crossentropy": keras.losses.SparseCategoricalCrossentropy,
}
# The functions themselves: one of the user's own may have such a name.
_FUNCTIONS = [getattr(keras.losses, name) for name in _LOSSES]
_AUGMENTATIONS = tuple(
    kind
    for name, kind in vars(keras.layers).items()
    if name.startswith(("Random", "RandAugment", "AugMix"))
)
# Which of them is meant is known when there are labels.
_BY_SHAPE = ("crossentropy", "ce")


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
            *(
                _of_samples(self._to_logits(outputs))
                for outputs in (teacher_outputs, student_outputs)
            )
        )


class AlikeDistiller(Distiller):
    """Shows the teacher what the student sees: each input with the same augmentation.

    A teacher that sees other inputs than its student teaches it wrong: a small ResNet
    lost two points by it.

    Args:
        teacher: What follows the augmentation in the teacher.
        student: What follows it in the student.
        augmentation: What stands before it in the student.
        **options: Those of Keras' `Distiller`.

    Example:

    >>> net = keras.Sequential(
    ...     [
    ...         keras.Input((8, 8, 3)),
    ...         keras.layers.RandomFlip(),
    ...         keras.layers.Flatten(),
    ...         keras.layers.Dense(2),
    ...     ]
    ... )
    >>> teacher = keras.models.clone_model(net)
    >>> made, _ = distiller(teacher, net, _LOSSES["categorical_crossentropy"](True))
    >>> type(made).__name__, [type(each).__name__ for each in made.student.layers]
    ('AlikeDistiller', ['InputLayer', 'Flatten', 'Dense'])
    """

    def __init__(
        self,
        teacher: keras.Model,
        student: keras.Model,
        augmentation: keras.Model,
        **options: Any,
    ) -> None:
        super().__init__(teacher, student, **options)
        self.augmentation = augmentation

    def call(self, inputs: Any, training: bool | None = None, **options: Any) -> Any:
        """Returns what the student makes of the inputs."""
        # Keras computes the loss right after it, of the same batch.
        self._augmented = self.augmentation(inputs, training=training)
        return super().call(self._augmented, training=training, **options)

    def compute_loss(
        self,
        x: Any = None,
        y: Any = None,
        y_pred: Any = None,
        sample_weight: Any = None,
        training: bool = True,
    ) -> Any:
        """Returns the loss, of which the teacher's part is of augmented inputs."""
        return super().compute_loss(
            self._augmented, y, y_pred, sample_weight, training=training
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


def _of_samples(logits: Any) -> Any:
    """Returns logits as a matrix: TensorFlow's softmax takes five axes at most."""
    return (
        ops.reshape(logits, (-1, logits.shape[-1])) if len(logits.shape) > 2 else logits
    )


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
        classes, there are several outputs, the model adds to its loss or trains in a
        way of its own, of which a `Distiller` knows nothing, or it augments its inputs
        in its midst, where the teacher cannot be shown the same.
    """
    if isinstance(loss, str) and loss.lower() not in _BY_SHAPE:
        loss = keras.losses.get(loss)
    if loss in _FUNCTIONS:
        loss = _LOSSES[loss.__name__]()
    if type(loss) not in _LOSSES.values() or trains_in_its_own_way(student):
        return None
    if len(getattr(student, "outputs", None) or []) != 1:
        return None
    config = loss.get_config()
    if config.get("axis", -1) != -1:
        return None
    options = {
        "distillation_losses": _distillation(loss, config["from_logits"]),
        "student_loss_weight": _LABELS_COUNT,
    }
    try:
        parts = _parts(student)
        if parts is None:
            return Distiller(teacher, student, **options), loss
        augmentation, student = parts
        _, teacher = _parts(teacher) or (None, teacher)
        return AlikeDistiller(teacher, student, augmentation, **options), loss
    except ValueError:
        return None  # Keras takes no such outputs, or the parts hang together otherwise


def trains_in_its_own_way(model: keras.Model) -> bool:
    """Whether there is more to the loss of a model than what `compile` was given.

    Args:
        model: The model.
    """
    is_own = any(
        getattr(type(model), name) is not getattr(keras.Model, name)
        for name in ("train_step", "compute_loss")
    )
    return is_own or any(_adds_loss(layer) for layer in flatten_layers(model))


def _parts(model: keras.Model) -> tuple[keras.Model, keras.Model] | None:
    """Returns a model up to its last augmentation and what follows, `None` without one.

    Raises:
        ValueError: It cannot be parted so, as weights come before the augmentation.
    """
    graph = internals.graph_of(model)
    nodes = [] if graph is None else internals.nodes(graph)
    first = takewhile(lambda node: not _learns(node.operation), nodes)
    varied = [node for node in first if _augments(node.operation)]
    parts, rest = None, model
    if graph is not None and varied:
        (tensor,) = varied[-1].outputs
        rest = keras.Model(tensor, graph.outputs[0])
        parts = keras.Model(graph.inputs, tensor), rest
    if any(isinstance(layer, _AUGMENTATIONS) for layer in flatten_layers(rest)):
        raise ValueError(f"The model {model.name!r} augments in its midst.")
    return parts


def _learns(operation: Any) -> bool:
    return bool(getattr(operation, "trainable_variables", None))


def _augments(layer: Any) -> bool:
    """Whether an operation varies its inputs by chance, such as a flip of images."""
    if not isinstance(layer, keras.layers.Layer):
        return False
    inside = list(flatten_layers(layer))
    # One of the user's own draws by chance, and has nothing to learn.
    is_own = not type(layer).__module__.startswith("keras.")
    names = [variable.name for each in inside for variable in each.variables]
    return any(isinstance(each, _AUGMENTATIONS) for each in inside) or (
        is_own and names == ["seed_generator_state"]
    )


def _adds_loss(layer: Any) -> bool:
    own = [
        code
        for kind in type(layer).__mro__
        if not kind.__module__.startswith("keras.")
        for code in vars(kind).values()
    ]
    return getattr(layer, "activity_regularizer", None) is not None or any(
        "add_loss" in each.__code__.co_names
        for each in own
        if isinstance(each, FunctionType)
    )


def _distillation(loss: Any, is_logits: bool) -> LogitsDistillation:
    if isinstance(loss, keras.losses.BinaryCrossentropy):
        return OutputDistillation(
            of_two_classes if is_logits else log_probabilities_of_two
        )
    if is_logits:
        return OutputDistillation(ops.convert_to_tensor)
    return OutputDistillation(log_probabilities)
