"""What an ordinary model is for a test: it, its data, and what a person expects."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import FunctionType
from typing import Any

import keras
import numpy as np

from deepcompress.network import internals

N_TRAIN, N_VALIDATION = 48, 16
# The verbs that make a model smaller, which there may be nothing in it for.
CHANGES = "prune in fit,share in fit,prune,quantize,sensitivity,compress".split(",")


@dataclass
class Case:
    """A compiled model with data, as a person has it when they begin to compress.

    Args:
        model: Compiled, built, trained for a moment.
        train: What `fit` takes, as `dc.compress` takes it: arrays as a tuple, or what
            yields batches; a function that returns it, where it can be read but once.
        validation: What `evaluate` takes, in the same form.
        monitor: Arguments of `dc.compress` that a person would give.
        inputs: What `predict` takes. Defaults to the inputs of `validation`.
        predict: What the model computes, where that isn't what `predict` gives.
    """

    model: keras.Model
    train: Any
    validation: Any
    monitor: Mapping[str, Any] = field(default_factory=dict)
    inputs: Any = None
    predict: Callable[[keras.Model, Any], Any] | None = None

    def fit(self, *callbacks: keras.callbacks.Callback) -> None:
        """Trains the model for one epoch."""
        self.model.fit(
            **self.arguments(self.train),
            verbose=0,
            callbacks=[*callbacks],
            shuffle=False,
        )

    def evaluate(self, model: keras.Model) -> dict[str, float]:
        """Measures a model on the validation data."""
        begin_anew(model)
        found = model.evaluate(
            **self.arguments(self.validation), verbose=0, return_dict=True
        )
        return {name: float(value) for name, value in found.items()}

    def arguments(self, data: Any) -> dict[str, Any]:
        """Returns data as arguments of `fit` and `evaluate`."""
        data = given(data)
        if not isinstance(data, tuple):
            return {"x": data}
        parts = dict(zip(("x", "y", "sample_weight"), data, strict=False))
        return {**parts, "batch_size": self.batch_size}

    @property
    def batch_size(self) -> int | None:
        """The only size of batches that the model takes, `None` if it takes any."""
        inputs = keras.tree.flatten(getattr(self.model, "inputs", None) or [])
        return next((each.shape[0] for each in inputs), None)

    def computed(self, model: keras.Model) -> list[np.ndarray]:
        """Returns what a model makes of the inputs."""
        inputs = self.inputs
        if inputs is None:
            inputs = self.arguments(self.validation)["x"]
        begin_anew(model)
        if self.predict is None:
            outputs = model.predict(inputs, self.batch_size, verbose=0)
        else:
            outputs = self.predict(model, inputs)
        return [
            keras.ops.convert_to_numpy(keras.ops.cast(each, "float32"))
            for each in keras.tree.flatten(outputs)
        ]


@dataclass(frozen=True)
class Entry:
    """What is known of an ordinary model before it is made.

    Args:
        make: Returns the `Case`, or a model that `case_of` finds data for.
        own: Classes and functions that a file of the model needs, each reachable in its
            module by its qualified name.
        refuses: For a verb, or `"*"` for all but those that `works` names, words of the
            sentence that refuses it.
        works: The verbs that `"*"` does not speak of.
        backends: The backends on which Keras itself can train the model.
        is_fast: Whether the suite tries it each time.
    """

    make: Callable[[], Any]
    own: Sequence[Any] = ()
    refuses: Mapping[str, str] = field(default_factory=dict)
    works: Sequence[str] = ()
    backends: Sequence[str] = ("tensorflow", "jax", "torch")
    is_fast: bool = False

    @property
    def family(self) -> str:
        """The module that the model stands in."""
        return self.make.__module__.rpartition(".")[2]

    def refusal(self, verb: str) -> str | None:
        """Returns words of the sentence that refuses a verb, `None` where it works."""
        if verb == "with inputs" and verb not in self.refuses:
            verb = "prune"  # what is refused at all is refused with inputs in view
        usual = None if verb in self.works else self.refuses.get("*")
        return self.refuses.get(verb, usual)

    def custom_objects(self) -> dict[str, Any]:
        """Returns what a loader is given for the model."""
        return {each.__name__: each for each in self.own}


REGISTRY: dict[str, Entry] = {}


def ordinary(**known: Any) -> Callable[[Callable[[], Any]], Callable[[], Any]]:
    """Registers a function as that of an ordinary model; `known` is of `Entry`."""

    def register(make: Callable[[], Any]) -> Callable[[], Any]:
        assert make.__name__ not in REGISTRY
        REGISTRY[make.__name__] = Entry(make, **known)
        return make

    return register


def case_of(name: str) -> Case:
    """Makes a registered model, the same each time."""
    keras.utils.clear_session()
    keras.utils.set_random_seed(0)
    made = REGISTRY[name].make()
    case = made if isinstance(made, Case) else of_model(made)
    if case.model.compiled:
        case.fit()
        begin_anew(case.model)
    return case


def begin_anew(model: keras.Model) -> None:
    """Lets a stateful model forget what it has seen."""
    for layer in internals.flatten_layers(model):
        if getattr(layer, "stateful", False):
            layer.reset_state()


def of_model(model: keras.Model) -> Case:
    """Finds data for a functional model, and compiles it where that has not been."""
    x = data_of(model, N_TRAIN + N_VALIDATION)
    rng = np.random.default_rng(1)
    outputs = model.predict(_first(x, 4), verbose=0)  # as many as `stateful` takes
    n = N_TRAIN + N_VALIDATION
    y = keras.tree.map_structure(
        lambda each: rng.normal(size=(n, *each.shape[1:])).astype("float32"), outputs
    )
    if not model.compiled:
        model.compile("adam", "mse")
    return arrays(model, x, y)


def arrays(model: keras.Model, *data: Any, **more: Any) -> Case:
    """Returns a case with a part of the arrays held back."""
    train = tuple(_first(each, N_TRAIN) for each in data)
    held_back = tuple(
        keras.tree.map_structure(lambda a: a[N_TRAIN:], each) for each in data
    )
    return Case(model, train, held_back, **more)


def batches(model: keras.Model, *data: Any, size: int = 8, **more: Any) -> Case:
    """Returns a case with data that yields batches: PyTorch's on it, else a dataset."""
    case = arrays(model, *data, **more)
    if keras.backend.backend() == "torch":
        from torch.utils.data import DataLoader

        def yielding(part: Any) -> Any:
            n = len(keras.tree.flatten(part)[0])
            rows = [keras.tree.map_structure(lambda a: a[i], part) for i in range(n)]  # noqa: B023
            return DataLoader(rows, batch_size=size)  # type: ignore[arg-type]
    else:
        import tensorflow as tf

        def yielding(part: Any) -> Any:
            return tf.data.Dataset.from_tensor_slices(part).batch(size)

    return Case(
        model,
        yielding(case.train),
        yielding(case.validation),
        **{"inputs": case.validation[0], **more},
    )


def classes(shape: tuple[int, ...] = (6,), n: int = 3) -> tuple[np.ndarray, np.ndarray]:
    """Returns inputs and the classes that they are of."""
    x = np.random.default_rng(0).normal(size=(N_TRAIN + N_VALIDATION, *shape))
    y = x.reshape(len(x), -1)[:, :n].argmax(-1)
    return x.astype("float32"), y.astype("int32")


def data_of(model: keras.Model, n: int = 4, seed: int = 0) -> Any:
    """Returns inputs for a functional model, in the form in which it takes them."""
    rng = np.random.default_rng(seed)
    embeds = any("embedding" in weight.path for weight in model.weights)

    def one(tensor: Any) -> Any:
        shape = [n, *(7 if size is None else size for size in tensor.shape[1:])]
        if tensor.dtype == "string":
            words = ["red a", "b", "zzz", "c"]
            return keras.ops.convert_to_tensor([[words[i % 4]] for i in range(n)])
        if tensor.dtype == "bool":
            return rng.random(shape) < 0.7
        if "int" in tensor.dtype or (embeds and len(shape) == 2):
            return rng.integers(0, 9, shape).astype(tensor.dtype)
        x = rng.standard_normal(shape).astype(tensor.dtype)
        x[0, shape[1] // 2 :] = 0  # what `Masking` masks
        return x

    return keras.tree.map_structure(one, internals.graph_of(model).input)


def given(data: Any) -> Any:
    """Returns the data of a case, new where it can be read but once."""
    return data() if isinstance(data, FunctionType) else data


def _first(data: Any, n: int) -> Any:
    return keras.tree.map_structure(lambda each: each[:n], data)
