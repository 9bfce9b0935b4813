"""What an argument must be, said in one way: Keras' own "Received: ..."."""

from collections.abc import Iterable
from numbers import Integral, Real
from typing import Any, TypeVar

T = TypeVar("T")


def one_of(name: str, value: T, known: Iterable[Any]) -> T:
    """Returns a value that is one of those known.

    Args:
        name: The argument's name.
        value: What was given.
        known: What there is to choose from.

    Raises:
        ValueError: The value is none of them.

    Example:

    >>> one_of("scope", "layer", ("layer", "global"))
    'layer'
    """
    known = tuple(known)
    if value not in known:
        raise ValueError(f"`{name}` must be one of {known}. Received: {name}={value!r}")
    return value


def integer_in(name: str, value: Any, least: int, most: int | None = None) -> int:
    """Returns an integer within bounds, as a Python `int`.

    Args:
        name: The argument's name.
        value: What was given.
        least: The least value allowed.
        most: The greatest. Defaults to `None`: no bound.

    Raises:
        TypeError: The value is no integer.
        ValueError: It is out of bounds.

    Example:

    >>> integer_in("bits", 5, 1, 16)
    5
    """
    wanted = f"at least {least:,}" if most is None else f"in {least:,} to {most:,}"
    if isinstance(value, bool) or not isinstance(value, Integral):
        raise TypeError(
            f"`{name}` must be an integer {wanted}. Received: {name}={value!r}"
        )
    number = int(value)
    if number < least or (most is not None and number > most):
        raise ValueError(f"`{name}` must be {wanted}. Received: {name}={value!r}")
    return number


def number_in(name: str, value: Any, interval: str) -> float:
    """Returns a real number within an interval, as a Python `float`.

    Args:
        name: The argument's name.
        value: What was given.
        interval: As in a textbook: `"[0, 1)"` holds 0 and not 1, `"(0, inf)"` every
            positive number. NaN is in none.

    Raises:
        TypeError: The value is no real number.
        ValueError: It is outside the interval.

    Example:

    >>> number_in("power", 3, "(0, inf)")
    3.0
    """
    message = f"`{name}` must be a number in {interval}. Received: {name}={value!r}"
    if isinstance(value, bool) or not isinstance(value, Real):
        raise TypeError(message)
    least, most = map(float, interval[1:-1].split(","))
    number = float(value)
    is_above = number >= least if interval[0] == "[" else number > least
    is_below = number <= most if interval[-1] == "]" else number < most
    if not (is_above and is_below):
        raise ValueError(message)
    return number


def sparsity(name: str, value: Any) -> float:
    """Returns a sparsity: a share of weights in [0, 1).

    Args:
        name: The argument's name.
        value: What was given.

    Raises:
        TypeError: The value is no number.
        ValueError: It is outside [0, 1).

    Example:

    >>> sparsity("final_sparsity", 0.9)
    0.9
    """
    if isinstance(value, bool) or not isinstance(value, Real):
        raise TypeError(
            f"`{name}` must be a number in [0, 1), a PruningSchedule, or a mapping "
            f"from patterns to these. Received: {name}={value!r}"
        )
    number = float(value)
    if not 0 <= number < 1:
        raise ValueError(
            f"`{name}` must be in [0, 1): the share of weights to set to zero, 0.9 for "
            f"90 %. Received: {name}={value!r}"
        )
    return number
