"""Searches without labels: what the model itself says is right."""

from collections.abc import Callable
from typing import Any, Literal, get_args

import keras
import numpy as np

from deepcompress._checks import one_of
from deepcompress.network.inputs import (
    batch_size_of,
    n_elements_of,
    some_inputs,
    within,
)
from deepcompress.network.internals import compiled_with
from deepcompress.network.outputs import (
    decisions,
    distance,
    likely_decisions,
    outputs_of,
)
from deepcompress.search.copying import Copier
from deepcompress.search.state import Budget
from deepcompress.search.stepping import Stepping
from deepcompress.search.trainer import Trainer

MeasureName = Literal["decisions", "distance"]
# Takes the outputs of the model before and after, and returns how far they have moved.
Measure = Callable[[Any, Any], float]

#: Inputs that are looked at; of large ones fewer, of so many elements together.
N_INPUTS = (512, 4096)
_ELEMENTS_OF_INPUTS = 1 << 27
_HELD_BACK = 0.25
_LEAST_HELD_BACK = 8
# Of the inputs in view, so many are counted too.
_N_SHOWN = 512
# A net that is to give the outputs that it gave needs but small steps.
_PART_OF_RATE = 0.3


def without_labels(
    model: keras.Model,
    inputs: Any,
    validation_data: Any,
    *,
    measure: Measure | MeasureName | None,
    max_change: float,
    target_ratio: float | None,
    batch_size: int | None,
    copier: Copier,
    stepping: Stepping,
) -> tuple[Trainer, Budget]:
    """Returns what trains and measures without labels, and what a file must keep to.

    Args:
        model: The model, which says what is right.
        inputs: Inputs in a form that `predict` takes.
        validation_data: Others to measure with, or `None`: a part of the inputs.
        measure: What a change is.
        max_change: How much of it is allowed.
        target_ratio: How many times smaller the file is to be, if it matters.
        batch_size: Samples of a batch, or `None`.
        copier: Compiles nets as the user's was.
        stepping: What nets are trained with.

    Raises:
        ValueError: There are too few inputs, or they are not of one shape.
    """
    size = batch_size_of(model) or 1
    n_inputs = within(N_INPUTS, _ELEMENTS_OF_INPUTS // (n_elements_of(model) or 1))
    x = _inputs(inputs, "train", size, n_inputs)
    if validation_data is None:
        x, held = _split(x, size)
    else:
        held = _inputs(validation_data, "validation_data", size, n_inputs)
    x, held = _fed(x), _fed(held)
    y, right = outputs_of(model, x), outputs_of(model, held)
    if not all(np.isfinite(each).all() for each in keras.tree.flatten([y, right])):
        raise ValueError(
            f"The outputs of {model.name!r} hold NaN or infinity, so nothing can be "
            "held against them. Are the inputs such as the model was trained with?"
        )
    name = None if callable(measure) else _named(measure, model, held, right)
    changed: Measure = measure if callable(measure) else distance
    shown = keras.tree.map_structure(lambda a: a[: _N_SHOWN // size * size], x)

    def judge(net: keras.Model) -> dict[str, float]:
        after = outputs_of(net, held)
        if name != "decisions":
            return {"change": float(changed(right, after))}
        # Those that are in view change less often; where they do not, it is too many.
        counted = decisions(
            _together(
                right,
                keras.tree.map_structure(lambda a: a[: _N_SHOWN // size * size], y),
            ),
            _together(after, outputs_of(net, shown)),
        )
        return {"change": max(likely_decisions(right, after, y), counted)}

    kind, config, rate, note = stepping
    trainer = Trainer(
        model,
        (x, y),
        (held, right),
        batch_size=batch_size,
        teacher=None,
        copier=copier,
        stepping=Stepping(kind, config, _PART_OF_RATE * rate, note),
        loss="kl_divergence" if _are_probabilities(right) else "mse",
        judge=judge,
    )
    budget = Budget("change", 0.0, max_change, target_ratio, is_less_better=True)
    return trainer, budget


def _together(first: Any, second: Any) -> Any:
    return keras.tree.map_structure(lambda *own: np.concatenate(own), first, second)


def _named(measure: Any, model: keras.Model, inputs: Any, outputs: Any) -> str:
    """Returns the name of the measure that is asked for, or fits the outputs."""
    if measure is not None:
        return str(one_of("measure", measure, get_args(MeasureName)))
    loss = keras.tree.flatten(compiled_with(model).get("loss"))
    names = [each if isinstance(each, str) else type(each).__name__ for each in loss]
    names += [getattr(each, "__name__", "") for each in loss]
    names = [name.lower() for name in names if "crossentropy" in name.lower()]
    shapes = {tuple(each.shape) for each in keras.tree.flatten(inputs)}
    is_back = any(tuple(each.shape) in shapes for each in keras.tree.flatten(outputs))
    # What gives its input back decides nothing, though its loss may be a crossentropy.
    if names and not (is_back and all("binary" in name for name in names)):
        return "decisions"
    return "decisions" if _are_probabilities(outputs) else "distance"


def _are_probabilities(outputs: Any) -> bool:
    return all(
        each.ndim > 1
        and each.shape[-1] > 1
        and (each >= 0).all()
        and np.allclose(each.sum(-1), 1, atol=1e-2)
        for each in keras.tree.flatten(outputs)
    )


def _inputs(data: Any, name: str, size: int, n_inputs: int) -> Any:
    """Returns some of the inputs, a multiple of the size of a batch."""
    batches = some_inputs(data, n_inputs, name=name)
    try:
        joined = keras.tree.map_structure(lambda *own: np.concatenate(own), *batches)
    except ValueError as error:
        raise ValueError(
            f"The batches of `{name}` are not of one shape. Pad them to one, or pass "
            f"arrays. ({error})"
        ) from None
    n_samples = len(keras.tree.flatten(joined)[0])
    if n_samples < size:
        raise ValueError(
            f"The model takes batches of {size} samples, and `{name}` holds "
            f"{n_samples}."
        )
    return keras.tree.map_structure(lambda a: a[: n_samples // size * size], joined)


def _fed(inputs: Any) -> Any:
    """Returns inputs as `fit` and `predict` take them, which take texts as tensors."""
    return keras.tree.map_structure(
        lambda a: keras.ops.convert_to_tensor(a) if a.dtype.kind in "OSU" else a, inputs
    )


def _split(inputs: Any, size: int) -> tuple[Any, Any]:
    """Returns most of the inputs, and some that are held back, by chance.

    Args:
        inputs: Arrays.
        size: Samples of a batch, of which either is a multiple.
    """
    n_samples = len(keras.tree.flatten(inputs)[0])
    n_held = max(1, round(_HELD_BACK * n_samples / size)) * size
    n_held *= n_held < n_samples
    if n_held < _LEAST_HELD_BACK:
        raise ValueError(
            f"{n_samples} inputs are too few to hold some back: at least "
            f"{round(_LEAST_HELD_BACK / _HELD_BACK)} are needed, and some hundred are "
            "better. Or pass others as `validation_data`."
        )
    order = np.random.default_rng(0).permutation(n_samples)
    parts = np.sort(order[n_held:]), np.sort(order[:n_held])
    most, held = (
        keras.tree.map_structure(lambda array: array[part], inputs)  # noqa: B023
        for part in parts
    )
    return most, held
