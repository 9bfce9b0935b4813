"""What an architecture names that Keras does not know, and what to do about it."""

import re
from collections.abc import Iterator
from typing import Any, NamedTuple

from deepcompress.network import internals

_INTO = "load the weights into a model that you build: `load(path, model=model)`"
_FAILED = re.compile(r"<class '([^']+)'> could not be deserialized")


class Entry(NamedTuple):
    """The config of one object in an architecture.

    Attributes:
        config: What Keras makes the object from.
        path: The names of the layers around it, its own included, the model first.
        is_compiled: Whether it belongs to what a model was compiled with.
    """

    config: dict[str, Any]
    path: tuple[str, ...]
    is_compiled: bool

    @property
    def key(self) -> str:
        """The name by which Keras looks for it among `custom_objects`."""
        config = self.config
        is_function = config["class_name"] == "function"
        name = config["config"] if is_function else config.get("registered_name")
        return str(name or config["class_name"])

    @property
    def place(self) -> str:
        """Where it stands, in words."""
        layer = "/".join(self.path[1:])
        if self.is_compiled:
            return f"that the model {layer or self.path[0]!r} was compiled with"
        return f"of the layer {layer!r}" if layer else f"of the model {self.path[0]!r}"


def first_line(error: BaseException) -> str:
    """Returns the first paragraph of an error's message, as one line."""
    text = " ".join(str(error).strip().split("\n\n")[0].split())
    return text.rstrip(".: ") or type(error).__name__


def entries(
    config: Any, path: tuple[str, ...] = (), is_compiled: bool = False
) -> Iterator[Entry]:
    """Yields the configs of all objects in an architecture, outer ones first.

    Args:
        config: The architecture, or a part of it.
        path: The names of the layers around the part.
        is_compiled: Whether the part belongs to what a model was compiled with.
    """
    if isinstance(config, list):
        for each in config:
            yield from entries(each, path, is_compiled)
    elif isinstance(config, dict):
        if isinstance(config.get("class_name"), str) and "config" in config:
            name = _name(config) or ("" if path else config["class_name"])
            if name and not is_compiled:
                path = (*path, name)
            yield Entry(config, path, is_compiled)
        for key, value in config.items():
            yield from entries(value, path, is_compiled or key == "compile_config")


def explain(
    error: Exception,
    config: dict[str, Any],
    custom_objects: dict[str, Any],
    safe_mode: bool,
) -> str | None:
    """Returns in one line why Keras cannot build an architecture.

    Args:
        error: What Keras has raised.
        config: The architecture.
        custom_objects: As in `HuffmanSerializer.load`.
        safe_mode: As in `HuffmanSerializer.load`.

    Returns:
        The line; `None` where the error is one of a layer itself.
    """
    found = list(entries(config))
    lambdas = [each for each in found if each.config["class_name"] == "__lambda__"]
    unknown = [
        each
        for each in found
        if not each.config["class_name"].startswith("__")
        and internals.known(each.config, custom_objects) is None
    ]
    lines = [_of_lost(*each) for each in lost_lambdas(config)]
    if unknown:
        lines.append(_of_unknown(unknown))
    if lambdas and safe_mode:
        lines.append(_of_lambdas(lambdas))
    if not lines and isinstance(error, TypeError):
        lines.append(_of_failed(error, found))
    return " ".join(lines) or None


def lost_lambdas(config: dict[str, Any]) -> Iterator[tuple[Entry, str]]:
    """Yields the layers with an activation that is a lambda, and what it is to them.

    Keras stores such a one as a dictionary that it cannot read again.

    Args:
        config: The architecture.
    """
    for entry in entries(config):
        inner = entry.config["config"]
        for key, value in inner.items() if isinstance(inner, dict) else ():
            code = value.get("value") if isinstance(value, dict) else None
            if isinstance(code, list) and len(value) == 1 and len(code) == 3:
                yield entry, key


def _of_lost(entry: Entry, key: str) -> str:
    return (
        f"The layer {entry.path[-1]!r} has a lambda as its `{key}`, which Keras cannot "
        "read again. Make it a function with a name, and save the model again."
    )


def _of_unknown(unknown: list[Entry]) -> str:
    kinds = {
        f"the {_kind(each)} {each.key!r} {each.place}": each.key for each in unknown
    }
    objects = dict.fromkeys(kinds.values())
    passed = ", ".join(f"{key!r}: {key.split('>')[-1]}" for key in objects)
    leave = ", leave it out with `compile=False`"
    is_needless = all(each.is_compiled for each in unknown)
    return (
        f"Keras does not know {_listed(list(kinds))}. Pass "
        f"`custom_objects={{{passed}}}`{leave if is_needless else ''}, or {_INTO}."
    )


def _of_lambdas(lambdas: list[Entry]) -> str:
    places = list(dict.fromkeys(each.place for each in lambdas))
    leave = " Or leave it out with `compile=False`."
    is_needless = all(each.is_compiled for each in lambdas)
    return (
        f"The file holds Python code: the lambda {_listed(places)}. Pass "
        "`safe_mode=False` if you trust who wrote it."
        f"{leave if is_needless else ''}"
    )


def _of_failed(error: Exception, found: list[Entry]) -> str:
    """Says which object Keras could not make from its config."""
    cause: BaseException = error
    while cause.__context__ is not None:
        cause = cause.__context__
    classes = [name.rpartition(".")[-1] for name in _FAILED.findall(str(error))]
    failed = [each for each in found if each.config["class_name"] in classes[-1:]]
    what, leave = "the architecture in the file", ""
    if failed:
        what = f"the {_kind(failed[0])} {failed[0].key!r} {failed[0].place}"
    if failed and failed[0].is_compiled:
        leave = "leave it out with `compile=False`, "
    return (
        f"Keras cannot build {what} from its config: {first_line(cause)}. Mend its "
        f"`get_config` or `from_config`, {leave}pass another class in "
        f"`custom_objects`, or {_INTO}."
    )


def _kind(entry: Entry) -> str:
    return "function" if entry.config["class_name"] == "function" else "class"


def _listed(parts: list[str]) -> str:
    return ", ".join(parts[:5]) + (", ..." if len(parts) > 5 else "")


def _name(config: dict[str, Any]) -> str | None:
    """Returns the name of a layer; other objects have none of their own."""
    inner = config["config"]
    name = config.get("name")
    if name is None and isinstance(inner, dict):
        name = inner.get("name")
    is_layer = isinstance(name, str) and "DTypePolicy" not in config["class_name"]
    return name if is_layer else None
