"""A search in a folder, so that a killed one goes on."""

import hashlib
import json
import os
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

import keras
import numpy as np

from deepcompress._files import atomic_writer
from deepcompress.dcz.container import read
from deepcompress.saving.serializer import HuffmanSerializer
from deepcompress.search.state import CompressionPoint, State

_STATE = "state.json"
_DENSE = "dense.dcz"


class Kept(NamedTuple):
    """What a search goes on from.

    Args:
        state: What it knows.
        net: The sparsest net that was within the budget, not shared.
        data: The best file; empty before the first one.
        failed: The net that is trained on next although it was not within the budget,
            if there is one. Defaults to `None`.
    """

    state: State
    net: keras.Model
    data: bytes
    failed: keras.Model | None = None


class Checkpoint:
    """Keeps a search in a folder.

    A state is one JSON file, which replaces the one before it when all that it names
    has been written.

    Args:
        folder: The folder, which is made if need be; `None` keeps nothing.
        model: The model that is compressed.
        settings: What the search was asked for, as JSON has it. A folder of another
            search is refused.
        dumps: Makes a file of a model. Defaults to `None`: with its architecture.

    Raises:
        ValueError: The folder holds another search, or one of another model.

    Example:

    >>> import keras, tempfile
    >>> from deepcompress.saving.serializer import HuffmanSerializer
    >>> net = keras.Sequential([keras.Input((8,)), keras.layers.Dense(4)])
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     Checkpoint(folder, net, {"seed": 0}).save(Kept(State(32), net, b""))
    ...     kept = Checkpoint(folder, net, {"seed": 0}).load(HuffmanSerializer().loads)
    >>> kept.state.n_good
    32
    """

    def __init__(
        self,
        folder: str | os.PathLike[str] | None,
        model: keras.Model,
        settings: dict[str, Any],
        dumps: Callable[[keras.Model], bytes] | None = None,
    ) -> None:
        self._folder = None if folder is None else Path(folder)
        self._paths: dict[str, str] | None = None
        if self._folder is None:
            return
        self._folder.mkdir(parents=True, exist_ok=True)
        self._dumps = dumps or HuffmanSerializer().dumps
        self._dense = self._dumps(model)
        settings = {"model": hashlib.sha256(self._dense).hexdigest(), **settings}
        self._settings = json.loads(json.dumps(settings))
        found = self._read()
        if found is None:
            return
        stored = found["settings"]
        # Keras' names of layers may differ in another process; the weights do not.
        self._paths = self._renamed()
        if self._paths is not None:
            stored["model"] = self._settings["model"]
        differing = [
            f"{name}: {stored.get(name)!r} there, {value!r} now"
            for name, value in self._settings.items()
            if stored.get(name) != value
        ]
        if differing:
            raise ValueError(
                f"The checkpoint {os.fspath(self._folder)!r} is of a call with other "
                f"arguments ({'; '.join(differing)}). Give it another folder, or the "
                f"arguments from before; the model from before is in its `{_DENSE}`."
            )

    def load(self, read: Callable[[bytes], keras.Model]) -> Kept | None:
        """Returns what the folder holds, or `None` where that is nothing.

        Args:
            read: Makes a model of the bytes of its file.
        """
        found = None if self._folder is None else self._read()
        if found is None or self._folder is None:
            return None
        paths = self._paths or {}
        for known in [found["state"], *found["state"]["curve"]]:
            known["bits"] = {paths.get(k, k): v for k, v in known["bits"].items()}
        files = {
            name: (self._folder / file).read_bytes()
            for name, file in found["files"].items()
        }
        curve = [CompressionPoint(**point) for point in found["state"].pop("curve")]
        return Kept(
            State(**found["state"], curve=curve),
            read(files["net"]),
            files["data"],
            read(files["failed"]) if "failed" in files else None,
        )

    def save(self, kept: Kept) -> None:
        """Writes what a search goes on from."""
        if self._folder is None:
            return
        # The model comes first: a state without it could not say what it is of.
        if not (self._folder / _STATE).exists():
            self._write(_DENSE, self._dense)
        number = kept.state.n_levels
        files = {"net": f"net-{number}.dcz", "data": f"best-{number}.dcz"}
        self._write(files["net"], self._dumps(kept.net))
        self._write(files["data"], kept.data)
        if kept.failed is not None:
            files["failed"] = f"failed-{number}.dcz"
            self._write(files["failed"], self._dumps(kept.failed))
        content = {
            "settings": self._settings,
            "files": files,
            "state": asdict(kept.state),
        }
        self._write(_STATE, json.dumps(content, indent=1).encode())
        for kind in ("net", "best", "failed"):
            for old in self._folder.glob(f"{kind}-*.dcz"):
                if old.name not in files.values():
                    old.unlink()

    def _renamed(self) -> dict[str, str] | None:
        """Returns the paths of the layers now by those of the model in the folder.

        `None` where that is another model: its weights differ.
        """
        assert self._folder is not None
        if not (self._folder / _DENSE).exists():
            return None
        with (
            read((self._folder / _DENSE).read_bytes()) as there,
            read(self._dense) as here,
        ):
            old, new = (list(map(_bits, f.to_dict().values())) for f in (there, here))
            if old != new:
                return None
            return {
                before.rpartition("/")[0]: now.rpartition("/")[0]
                for before, now in zip(there, here, strict=True)
            }

    def _write(self, name: str, data: bytes) -> None:
        assert self._folder is not None
        with atomic_writer(self._folder / name) as file:
            file.write(data)

    def _read(self) -> dict[str, Any] | None:
        assert self._folder is not None
        path = self._folder / _STATE
        return json.loads(path.read_text("utf-8")) if path.exists() else None


def _bits(array: np.ndarray) -> tuple[tuple[int, ...], str, bytes]:
    return array.shape, array.dtype.name, array.tobytes()
