"""Which stored weight belongs to which variable of a model."""

from collections.abc import Collection
from typing import Any

import keras

from deepcompress.network.variables import NamedVariable, named_variables, walk


def match(
    stored: Collection[str], model: keras.Model
) -> list[tuple[str, NamedVariable]]:
    """Returns the stored name of every variable.

    By name, where the numbers that Keras gives to layers may differ; by any of its
    places in the model, and there by its name or the number under which Keras saves it
    (`"norm/0"`); by the layer, where each has as many weights as in the file; or in
    order.

    Args:
        stored: The names in the file, in its order.
        model: The model.

    Raises:
        ValueError: There are more or fewer weights than variables, or the file has
            numbers of other layers than those of the model.
    """
    variables = named_variables(model)
    names, wanted = list(stored), [named.name for named in variables]
    counted = dict(zip(_renumbered(names), names, strict=True))
    if set(names) == set(wanted):
        return list(zip(wanted, variables, strict=True))
    if set(counted) == set(_renumbered(wanted)):
        found = [counted[name] for name in _renumbered(wanted)]
        return list(zip(found, variables, strict=True))
    has_numbers = any(name.rpartition("/")[2].isdecimal() for name in names)
    placed, unused, missing = _by_place(counted, variables, model, has_numbers)
    if not unused and not missing:
        return placed
    if has_numbers:
        # Such a file is in the order of Keras' groups, which is not that of the model.
        raise ValueError(
            "The file has numbers in place of names, and its layers are not those of "
            f"the model. Only in the file: {_first(unused)}; only in the model: "
            f"{_first(missing)}. Give the layers the names that they have in the file."
        )
    if len(names) == len(wanted):
        return _by_layer(counted, variables) or list(zip(names, variables, strict=True))
    raise ValueError(
        f"The file holds {len(names)} weights, the model has {len(wanted)}. "
        f"Only in the file: {_first(set(names) - set(wanted))}; only in the "
        f"model: {_first(set(wanted) - set(names))}."
    )


def _by_place(
    counted: dict[str, str],
    variables: list[NamedVariable],
    model: keras.Model,
    has_numbers: bool,
) -> tuple[list[tuple[str, NamedVariable]], set[str], set[str]]:
    """Matches names, or numbers, with all that a variable may be called.

    A layer may stand in several places of a model, and a layer may hold the variable of
    another: such a variable stands in the file once, or several times with one value.

    Returns:
        The stored names with their variables, the names that only the file has, and
        those that only the model has.
    """
    layers: dict[str, Any] = {"": model, **dict(walk(model))}
    places: dict[int, list[str]] = {}
    for path, layer in layers.items():
        places.setdefault(id(layer), []).append(path)
    ways = [
        (f"{path}/{named.name.removeprefix(f'{named.layer}/')}", named)
        for named in variables
        for path in places[id(layers[named.layer])]
    ]
    own = {id(named.variable): named for named in variables}
    for path, layer in layers.items() if has_numbers else ():
        saved: dict[str, Any] = {}
        layer.save_own_variables(saved)
        ways += [
            (f"{path}/{key}", own[id(value)])
            for key, value in saved.items()
            if id(value) in own
        ]
    ways = [(way.lstrip("/"), named) for way, named in ways]
    keys = _renumbered([way for way, _ in ways])
    found: dict[str, NamedVariable] = {}
    for key, (_, named) in zip(keys, ways, strict=True):
        if key in counted and found.setdefault(counted[key], named) is not named:
            return [], {counted[key]}, {named.name}
    missing = {named.name for named in variables}
    missing -= {named.name for named in found.values()}
    return list(found.items()), set(counted.values()) - set(found), missing


def _by_layer(
    counted: dict[str, str], variables: list[NamedVariable]
) -> list[tuple[str, NamedVariable]]:
    """Matches the weights of each layer in order; none if the layers differ."""
    stored: dict[str, list[str]] = {}
    for way, name in counted.items():
        stored.setdefault(way.rpartition("/")[0], []).append(name)
    found = []
    ways = _renumbered([named.name for named in variables])
    for way, named in zip(ways, variables, strict=True):
        its = stored.get(way.rpartition("/")[0])
        if not its:
            return []
        found.append((its.pop(0), named))
    return found


def _renumbered(names: list[str]) -> list[str]:
    """Returns names in which Keras' numbers begin anew: dense_7, dense_9 as 0 and 1.

    Keras counts the layers of all models in a process.
    """

    def split(part: str) -> tuple[str, int]:
        base, _, number = part.rpartition("_")
        is_counted = bool(base) and number.isdecimal()
        return (base, int(number)) if is_counted else (part, 0)

    siblings: dict[tuple[str, str], set[tuple[int, str]]] = {}
    for name in names:
        *parts, _ = name.split("/")
        for depth, part in enumerate(parts):
            base, number = split(part)
            key = "/".join(parts[:depth]), base
            siblings.setdefault(key, set()).add((number, part))
    ranks = {
        (parent, part): f"{base}_{rank}"
        for (parent, base), its in siblings.items()
        for rank, (_, part) in enumerate(sorted(its))
    }
    renumbered = []
    for name in names:
        *parts, leaf = name.split("/")
        counted = [
            ranks["/".join(parts[:depth]), part] for depth, part in enumerate(parts)
        ]
        renumbered.append("/".join([*counted, leaf]))
    return renumbered


def _first(names: set[str]) -> str:
    shown = sorted(names)
    return ", ".join(map(repr, shown[:5])) + (", ..." if len(shown) > 5 else "") or "-"
