"""Which stored weight belongs to which variable of a model."""

from collections.abc import Collection

from deepcompress.network.variables import NamedVariable


def match(
    stored: Collection[str], variables: list[NamedVariable]
) -> list[tuple[str, NamedVariable]]:
    """Returns the stored name of every variable.

    By name, where the numbers that Keras gives to layers may differ, or in order.

    Args:
        stored: The names in the file, in its order.
        variables: The variables of the model.

    Raises:
        ValueError: There are more or fewer weights than variables.
    """
    names, wanted = list(stored), [named.name for named in variables]
    counted = dict(zip(_renumbered(names), names, strict=True))
    if set(names) == set(wanted):
        return list(zip(wanted, variables, strict=True))
    if set(counted) == set(_renumbered(wanted)):
        found = [counted[name] for name in _renumbered(wanted)]
        return list(zip(found, variables, strict=True))
    if len(names) == len(wanted):
        return list(zip(names, variables, strict=True))
    raise ValueError(
        f"The file holds {len(names)} weights, the model has {len(wanted)}. "
        f"Only in the file: {_first(set(names) - set(wanted))}; only in the "
        f"model: {_first(set(wanted) - set(names))}."
    )


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
