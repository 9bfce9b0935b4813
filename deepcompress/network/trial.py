"""What a model would be with some of its variables changed, and the model as it was."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, Generic, TypeVar

import keras
import numpy as np

from deepcompress.network.distribution import give, values_of
from deepcompress.network.internals import flatten_layers
from deepcompress.network.variables import attributes, every_variable

T = TypeVar("T")


class Trial(Generic[T]):
    """Measures a model with some of its variables changed, and puts everything back.

    Every variable of the model is put back after each measurement, and so are those
    that only measuring has changed, such as the states of a stateful RNN and of random
    seeds: each measurement begins with the same model. It is put back also after an
    error, and after Ctrl-C. The metrics, which Keras resets before it evaluates, are
    left alone. The values are copied once, when the trial is made.

    Args:
        model: A built model.
        measure: Measures the model as it is.

    Example:

    >>> import keras, numpy as np
    >>> model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    >>> kernel = model.layers[0].kernel
    >>> before = kernel.numpy()
    >>> trial = Trial(model, lambda: float(model(np.ones((1, 2)))[0, 0]))
    >>> trial([(kernel, np.full((2, 1), 0.5))])
    1.0
    >>> np.array_equal(kernel.numpy(), before)
    True
    """

    def __init__(self, model: keras.Model, measure: Callable[[], T]) -> None:
        self._measure = measure
        self._values = [
            (variable, values_of(variable)) for variable in every_variable(model)
        ]

    def __call__(self, changes: Iterable[tuple[Any, np.ndarray]] = ()) -> T:
        """Returns what is measured with the changes made.

        Args:
            changes: Variables of the model with the values to give them. Defaults to
                none: the model as it is.
        """
        try:
            for variable, value in changes:
                variable.assign(value)
            return self._measure()
        finally:
            self._put_back()

    def _put_back(self) -> None:
        try:
            for variable, values in self._values:
                give(variable, values)
        except KeyboardInterrupt:
            # A second one, or the first at this very moment.
            self._put_back()
            raise


@contextmanager
def states_kept(model: keras.Model) -> Iterator[None]:
    """Puts back what running a model has changed, such as states of an RNN.

    So each run begins with the same states, and with the same random numbers.

    Args:
        model: A built model, whose weights are not changed meanwhile.
    """
    weights = {id(weight) for weight in model.weights}
    states = [
        (variable, values_of(variable))
        for variable in every_variable(model)
        if id(variable) not in weights
    ]
    try:
        yield
    finally:
        for variable, values in states:
            give(variable, values)


@contextmanager
def begun_anew(model: keras.Model) -> Iterator[None]:
    """Lets a model have no states yet, and random numbers that any copy has too.

    What is measured of two models then differs by what they are alone.

    Args:
        model: A built model, whose states are put back.
    """
    n_generators = 0
    with states_kept(model):
        for layer in flatten_layers(model):
            if getattr(layer, "stateful", False) and hasattr(layer, "reset_state"):
                layer.reset_state()
            for each in attributes(layer):
                if isinstance(each, keras.random.SeedGenerator):
                    each.state.assign([n_generators, 0])
                    n_generators += 1
        yield
