"""How Keras' layers that go over time become operations."""

from typing import TYPE_CHECKING, Any

import keras

from deepcompress.saving.lowering.activations import name_of
from deepcompress.saving.lowering.builder import CannotRunError, Rule, Value
from deepcompress.saving.lowering.weighted import check_plain

if TYPE_CHECKING:
    from deepcompress.saving.lowering.tracing import Tracer

L = keras.layers
_KINDS = {L.LSTMCell: "lstm", L.GRUCell: "gru", L.SimpleRNNCell: "simple_rnn"}
_N_STATES = {"lstm": 2, "gru": 1, "simple_rnn": 1}


def _recurrent(
    tracer: "Tracer",
    layer: Any,
    x: Value,
    initial_state: Any = None,
    mask: Value | None = None,
    **_: Any,
) -> list[int]:
    if layer.stateful:
        raise CannotRunError("it is stateful: what it computes depends on calls before")
    check_plain(layer)
    b, states = tracer.builder, []
    if initial_state is not None:
        states = [b.number(state) for state in keras.tree.flatten(initial_state)]
    cells = [layer.cell]
    if isinstance(layer.cell, L.StackedRNNCells):
        cells = list(layer.cell.cells)
        if states or layer.return_state:
            raise CannotRunError("its stacked cells are given states, or return them")
    number = None if mask is None else mask.number
    settings: dict[str, Any] = {
        "return_state": int(layer.return_state),
        "has_mask": int(mask is not None),
        "zero_output_for_mask": int(
            bool(getattr(layer, "zero_output_for_mask", False))
        ),
    }
    made = [x.number]
    for place, cell in enumerate(cells):
        is_last = place == len(cells) - 1
        settings["return_sequences"] = int(layer.return_sequences or not is_last)
        settings["go_backwards"] = int(layer.go_backwards and place == 0)
        if layer.go_backwards and place == 1 and number is not None:
            number = b.add("flip", number, axes=(1,))  # as the first has left the rest
        values = [made[0], *([] if number is None else [number]), *states]
        made = _cell(tracer, cell, values, settings)
    return made


def _cell(
    tracer: "Tracer", cell: Any, values: list[int], settings: dict[str, Any]
) -> list[int]:
    kind = _KINDS.get(type(cell))
    if kind is None:
        raise CannotRunError(f"its cell is of class {type(cell).__name__!r}")
    settings = {**settings, "activation": name_of(cell.activation)}
    if kind != "simple_rnn":
        settings["recurrent_activation"] = name_of(cell.recurrent_activation)
    if kind == "gru":
        settings["reset_after"] = int(cell.reset_after)
    n_outputs = 1 + (_N_STATES[kind] if settings["return_state"] else 0)
    weights = (cell.kernel, cell.recurrent_kernel, cell.bias)
    return tracer.builder.add_many(
        n_outputs, kind, *values, weights=weights, **settings
    )


def _bidirectional(
    tracer: "Tracer",
    layer: Any,
    x: Value,
    initial_state: Any = None,
    mask: Value | None = None,
    **_: Any,
) -> list[int]:
    b = tracer.builder
    states: list[Any] = [None, None]
    if initial_state is not None:
        flat = keras.tree.flatten(initial_state)
        half = len(flat) // 2
        states = [flat[:half], flat[half:]]
    made = []
    for inner, state in zip(
        (layer.forward_layer, layer.backward_layer), states, strict=True
    ):
        with tracer.inside(inner):
            found = tracer.call(inner, x, initial_state=state, mask=mask)
        numbers: list[int] = [getattr(each, "number", each) for each in found]
        made.append(numbers)
    one, other = made[0][0], made[1][0]
    if layer.return_sequences:
        other = b.add("flip", other, axes=(1,))
    mode = layer.merge_mode
    if mode is None:
        merged = [one, other]
    elif mode == "concat":
        merged = [b.add("concatenate", one, other)]
    else:
        function = "multiply" if mode == "mul" else "add"
        both = b.add("binary", one, other, function=function)
        if mode == "ave":
            both = b.add("binary", both, b.constant(0.5), function="multiply")
        merged = [both]
    return [*merged, *made[0][1:], *made[1][1:]] if layer.return_state else merged


def _time_distributed(
    tracer: "Tracer", layer: Any, x: Value, mask: Value | None = None, **_: Any
) -> int:
    b, inner = tracer.builder, layer.layer
    merged = Value(b.add("merge_axes", x.number), (None, *x.shape[2:]), x.dtype)
    with tracer.inside(inner):
        made = tracer.call(inner, merged)
    if isinstance(made, list):
        if len(made) != 1:
            raise CannotRunError("the layer in it makes several values")
        (made,) = made
    number = int(getattr(made, "number", made))
    del mask  # it says which steps count, and changes none of them
    return b.add("split_axis", number, x.number)


LAYERS: dict[type, Rule] = {
    L.RNN: _recurrent,
    L.LSTM: _recurrent,
    L.GRU: _recurrent,
    L.SimpleRNN: _recurrent,
    L.Bidirectional: _bidirectional,
    L.TimeDistributed: _time_distributed,
}
