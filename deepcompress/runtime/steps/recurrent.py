"""Steps that go over time: LSTM, GRU and the simple RNN."""

from collections.abc import Callable

import numpy as np

from deepcompress.runtime.arrays import Arrays, given
from deepcompress.runtime.program import NO_WEIGHT, Operation
from deepcompress.runtime.steps.functions import Unary
from deepcompress.runtime.steps.room import contradiction, in_float32, room_for
from deepcompress.runtime.steps.step import Builder, Step, activation_of

# Of a step in time: its part of the product of inputs and kernel, the product of its
# state and the recurrent kernel, and its states; returns the new states.
Cell = Callable[[np.ndarray, np.ndarray, list[np.ndarray]], list[np.ndarray]]


def _lstm_cell(inner: Unary, gate: Unary, _bias: np.ndarray | None) -> Cell:
    def cell(
        z: np.ndarray, r: np.ndarray, states: list[np.ndarray]
    ) -> list[np.ndarray]:
        i, f, c, o = np.split(z + r, 4, axis=1)
        carry = gate(f) * states[1] + gate(i) * inner(c)
        return [gate(o) * inner(carry), carry]

    return cell


def _simple_cell(inner: Unary, _gate: Unary, _bias: np.ndarray | None) -> Cell:
    return lambda z, r, states: [inner(z + r)]


def _gru_cell(inner: Unary, gate: Unary, bias: np.ndarray | None) -> Cell:
    def cell(
        z: np.ndarray, r: np.ndarray, states: list[np.ndarray]
    ) -> list[np.ndarray]:
        if bias is not None:
            r = r + bias
        (zz, zr, zh), (rz, rr, rh) = np.split(z, 3, axis=1), np.split(r, 3, axis=1)
        update = gate(zz + rz)
        new = inner(zh + gate(zr + rr) * rh)
        return [update * states[0] + (1 - update) * new]

    return cell


def _recurrent(
    n_gates: int, n_states: int, make: Callable[[Unary, Unary, np.ndarray | None], Cell]
) -> Builder:
    def build(operation: Operation, weights: Arrays) -> Step:
        kernel, recurrent, bias_number = given(operation, 3)
        (n_in, wide), shape = _two(weights, kernel), _two(weights, recurrent)
        units = shape[0]
        if wide != n_gates * units or shape[1] != wide:
            raise contradiction(
                f"{weights.name(kernel)!r} and {weights.name(recurrent)!r} do not fit"
            )
        is_gru, resets_after = operation.kind == "gru", bool(operation["reset_after"])
        bias = None if bias_number == NO_WEIGHT else weights.array(bias_number)
        inner_bias = None
        if bias is not None and is_gru and resets_after:
            if bias.shape != (2, wide):
                raise contradiction(f"a bias of shape {bias.shape} for {wide} gates")
            bias, inner_bias = bias
        if bias is not None and bias.shape != (wide,):
            raise contradiction(f"a bias of shape {bias.shape} for {wide} gates")
        n_values = 1 + bool(operation["has_mask"])
        if len(operation.inputs) not in (n_values, n_values + n_states):
            raise contradiction("a recurrent layer with another number of states")
        inner, gate = (
            activation_of(operation, name)
            for name in ("activation", "recurrent_activation")
        )
        by_inputs = weights.matrix(kernel, (n_in, wide))
        by_state = weights.matrix(recurrent, shape)
        cell = make(inner, gate, inner_bias)
        if is_gru and not resets_after:
            dense = weights.array(recurrent)
            cell = _early_gru(inner, gate, dense[:, 2 * units :])

        def run(x: np.ndarray, *more: np.ndarray) -> object:
            if x.ndim != 3 or x.shape[2] != n_in:
                raise ValueError(
                    f"{weights.name(kernel)!r} takes arrays of shape (batch, time, "
                    f"{n_in}). Received an array of shape {x.shape}"
                )
            rest = list(more)
            mask = rest.pop(0).astype(bool) if operation["has_mask"] else None
            room_for((*x.shape[:2], wide))
            if operation["go_backwards"]:
                x = x[:, ::-1]
                mask = None if mask is None else mask[:, ::-1]
            n, times = x.shape[:2]
            z = by_inputs.multiply(in_float32(x).reshape(n * times, n_in))
            if bias is not None:
                z += bias
            z = z.reshape(n, times, wide)
            states = [in_float32(state) for state in rest] or [
                np.zeros((n, units), np.float32) for _ in range(n_states)
            ]

            def step(part: np.ndarray, now: list[np.ndarray]) -> list[np.ndarray]:
                return cell(part, by_state.multiply(in_float32(now[0])), now)

            return _over_time(operation, z, mask, states, step)

        return Step(run, (by_inputs, by_state))

    return build


def _over_time(
    operation: Operation,
    z: np.ndarray,
    mask: np.ndarray | None,
    states: list[np.ndarray],
    step: Callable[[np.ndarray, list[np.ndarray]], list[np.ndarray]],
) -> object:
    n, times = z.shape[:2]
    output = np.zeros_like(states[0])
    every = operation["return_sequences"]
    outputs = np.empty((n, times, states[0].shape[1]), np.float32) if every else None
    for time in range(times):
        new = step(z[:, time], states)
        made = new[0]
        if mask is not None:
            is_there = mask[:, time, None]
            other = np.float32(0) if operation["zero_output_for_mask"] else output
            made = np.where(is_there, made, other)
            new = [np.where(is_there, a, b) for a, b in zip(new, states, strict=True)]
        output, states = made, new
        if outputs is not None:
            outputs[:, time] = output
    given_back = output if outputs is None else outputs
    return (given_back, *states) if operation["return_state"] else given_back


def _early_gru(inner: Unary, gate: Unary, for_new: np.ndarray) -> Cell:
    """Returns the GRU that resets the state before it is multiplied."""
    units = len(for_new)

    def cell(
        z: np.ndarray, r: np.ndarray, states: list[np.ndarray]
    ) -> list[np.ndarray]:
        update = gate(z[:, :units] + r[:, :units])
        reset = gate(z[:, units : 2 * units] + r[:, units : 2 * units])
        new = inner(z[:, 2 * units :] + (reset * states[0]) @ for_new)
        return [update * states[0] + (1 - update) * new]

    return cell


def _two(weights: Arrays, number: int) -> tuple[int, int]:
    shape = weights.shape(number)
    if len(shape) != 2:
        raise contradiction(f"{weights.name(number)!r} has {len(shape)} axes")
    return shape[0], shape[1]


BUILDERS: dict[str, Builder] = {
    "lstm": _recurrent(4, 2, _lstm_cell),
    "gru": _recurrent(3, 1, _gru_cell),
    "simple_rnn": _recurrent(1, 1, _simple_cell),
}
