"""What a program is given: arrays brought into its shapes and dtypes, or refused."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from deepcompress.runtime.program import Input, Program


def paths(structure: Any) -> list[str]:
    """Returns the names of what is packed in mappings, lists in them by number.

    Example:

    >>> one = np.zeros(3)
    >>> paths({"b": one, "a": {"y": one, "x": [one, one]}})
    ['a/x/0', 'a/x/1', 'a/y', 'b']
    """
    return list(_flat(structure))


def _flat(structure: Any, path: str = "") -> dict[str, Any]:
    """Returns what is packed in mappings by its path, in the order of names."""
    if isinstance(structure, Mapping):
        items = [(str(name), structure[name]) for name in sorted(structure)]
    elif isinstance(structure, list | tuple) and not _is_array(structure):
        items = [(str(number), each) for number, each in enumerate(structure)]
    else:
        return {path: structure}
    found: dict[str, Any] = {}
    for name, each in items:
        found.update(_flat(each, f"{path}/{name}" if path else name))
    return found


def _is_array(structure: Any) -> bool:
    """Whether a list is an array written out, and not one of arrays."""
    return not structure or not hasattr(structure[0], "shape")


def feed(program: Program, x: Any) -> list[np.ndarray]:
    """Returns an array for each input of a program.

    Args:
        program: The program.
        x: One array where it takes one; else a list of them, or a mapping by name.

    Raises:
        TypeError: An array has a dtype that the input cannot take.
        ValueError: There are too few or too many, or one has another shape.
    """
    if len(program.inputs) == 1 and type(x) is np.ndarray:
        return [_fit(x, program.inputs[0])]
    names = [each.name for each in program.inputs]
    if isinstance(x, Mapping):
        x = _flat(x)
        missing = [name for name in names if name not in x]
        if missing and not (len(names) == len(x) == 1):
            raise ValueError(f"The model takes {names}. There is no {missing[0]!r}")
        given = [x[name] for name in names] if not missing else list(x.values())
    elif len(names) == 1 and not (isinstance(x, tuple) and len(x) == 1):
        given = [x]
    else:
        given = list(x)
    if len(given) != len(names):
        raise ValueError(f"The model takes {names}. Received: {len(given)} arrays")
    arrays = [_fit(a, each) for a, each in zip(given, program.inputs, strict=True)]
    sizes = {len(array) for array in arrays}
    if len(sizes) > 1:
        raise ValueError(f"The inputs have unlike numbers of examples: {sizes}")
    return arrays


def _fit(given: Any, to: Input) -> np.ndarray:
    array = np.asarray(given)
    is_float32 = array.dtype == np.float32 and to.dtype == "float32"
    if is_float32 and array.ndim and array.shape[1:] == to.shape:
        return array
    label = f"the input {to.name!r}" if to.name else "the input"
    if to.dtype == "string":
        if array.dtype.kind not in "USOT":
            raise TypeError(f"Pass texts for {label}. Received: {array.dtype}")
    else:
        if array.dtype.kind not in "biufV" or (
            array.dtype.kind == "V" and array.dtype.name != "bfloat16"
        ):
            raise TypeError(f"Pass numbers for {label}. Received: {array.dtype}")
        is_float = "float" in to.dtype
        array = array.astype("float32" if is_float else to.dtype, copy=False)
    if array.ndim == len(to.shape) and to.shape and to.shape[-1] == 1:
        array = array[..., None]  # as Keras does
    fits = array.ndim == len(to.shape) + 1 and all(
        n is None or n == length
        for n, length in zip(to.shape, array.shape[1:], strict=True)
    )
    if not fits:
        shape = ", ".join("any" if n is None else str(n) for n in to.shape)
        raise ValueError(
            f"Pass an array of shape (batch, {shape}) for {label}. Received an array "
            f"of shape {array.shape}"
        )
    return array


def examples(program: Program, n: int = 1) -> list[np.ndarray] | None:
    """Returns inputs of zeros, `None` where an axis may have any length."""
    if any(None in each.shape for each in program.inputs):
        return None
    made = []
    for each in program.inputs:
        shape = (n, *(length or 0 for length in each.shape))
        if each.dtype == "string":
            made.append(np.full(shape, "", object))
        else:
            is_float = "float" in each.dtype
            made.append(np.zeros(shape, "float32" if is_float else each.dtype))
    return made
