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
    cells = [layer.cell]
    if isinstance(layer.cell, L.StackedRNNCells):
        cells = list(layer.cell.cells)
        if initial_state is not None or layer.return_state:
            raise CannotRunError("its stacked cells are given states, or return them")
    states = [] if initial_state is None else keras.tree.flatten(initial_state)
    y = [x.number]
    for place, cell in enumerate(cells):
        is_last = place == len(cells) - 1
        y = _cell(tracer, layer, cell, y[0], states, mask, is_last, place == 0)
    return y


def _cell(
    tracer: "Tracer",
    layer: Any,
    cell: Any,
    x: int,
    states: list[Any],
    mask: Value | None,
    is_last: bool,
    is_first: bool,
) -> list[int]:
    kind = _KINDS.get(type(cell))
    if kind is None:
        raise CannotRunError(f"its cell is of class {type(cell).__name__!r}")
    b = tracer.builder
    settings: dict[str, Any] = {
        "activation": name_of(cell.activation),
        "return_sequences": int(layer.return_sequences or not is_last),
        "return_state": int(layer.return_state),
        "go_backwards": int(layer.go_backwards and is_first),
        "has_mask": int(mask is not None),
        "zero_output_for_mask": int(bool(getattr(layer, "zero_output_for_mask", False))),
    }
    if kind != "simple_rnn":
        settings["recurrent_activation"] = name_of(cell.recurrent_activation)
    if kind == "gru":
        settings["reset_after"] = int(cell.reset_after)
    inputs = [x]
    if mask is not None:
        backwards = layer.go_backwards and not is_first
        inputs.append(
            b.add("flip", mask.number, axes=(1,)) if backwards else mask.number
        )
    inputs += [b.number(state) for state in states]
    n_outputs = 1 + (_N_STATES[kind] if layer.return_state else 0)
    weights = (cell.kernel, cell.recurrent_kernel, cell.bias)
    return b.add_many(n_outputs, kind, *inputs, weights=weights, **settings)


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
        found = found if isinstance(found, list) else [found]
        made.append([int(getattr(each, "number", each)) for each in found])
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
