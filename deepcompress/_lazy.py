"""Packages whose names are imported when they are first used."""

from __future__ import annotations

import sys
from importlib import import_module
from types import ModuleType

TYPE_CHECKING = False  # `typing` would take most of the time of importing a package
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from typing import Any

# What to install where Keras, or what it computes with, is missing.
_INSTALL = {
    "keras": "deepcompress-keras[tensorflow]",
    "tensorflow": "deepcompress-keras[tensorflow]",
    "jax": "deepcompress-keras[jax]",
    "torch": "deepcompress-keras[torch]",
    "sklearn": "scikit-learn",
}


class Advice:
    """Says what to install where an import inside fails for want of a framework.

    Raises:
        ModuleNotFoundError: A module is missing, with the command that installs it.

    Example:

    >>> with Advice():
    ...     raise ModuleNotFoundError("No module named 'jax'", name="jax")
    Traceback (most recent call last):
    ModuleNotFoundError: jax is not installed: pip install 'deepcompress-keras[jax]'
    """

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: object, traceback: object) -> None:
        if not isinstance(error, ModuleNotFoundError):
            return
        name = error.name or ""
        # deepcompress-runtime has some of the rooms.
        own = "deepcompress-keras" if name.startswith("deepcompress.") else None
        if package := _INSTALL.get(name, own):
            raise ModuleNotFoundError(
                f"{name} is not installed: pip install '{package}'", name=name
            ) from None


def attach(
    package: str, names: Mapping[str, Iterable[str]], submodules: Iterable[str] = ()
) -> tuple[Callable[[str], Any], Callable[[], list[str]], list[str]]:
    """Returns the `__getattr__`, `__dir__` and `__all__` of a package.

    Args:
        package: The package's `__name__`.
        names: The public names of each module, which is named within the package.
        submodules: Submodules that are public themselves. Defaults to none.

    Example:

    >>> find, _, public = attach("email", {"message": ["Message"]}, ["charset"])
    >>> public, find("Message").__name__
    (['Message', 'charset'], 'Message')
    """
    modules = {name: module for module, its in names.items() for name in its}
    public = sorted([*modules, *submodules])
    this = sys.modules[package]

    class Package(ModuleType):
        def __setattr__(self, name: str, value: Any) -> None:
            # Importing a submodule sets it in its package, where it would hide a
            # function that has the same name.
            if name == modules.get(name) and isinstance(value, ModuleType):
                value = getattr(value, name)
            super().__setattr__(name, value)

    this.__class__ = Package

    def find(name: str) -> Any:
        if name not in modules and name not in submodules:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        with Advice():
            if name in submodules:
                return import_module(f"{package}.{name}")
            value = getattr(import_module(f"{package}.{modules[name]}"), name)
        setattr(this, name, value)
        return value

    return find, lambda: sorted({*vars(this), *public}), public
