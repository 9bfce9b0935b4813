"""The state of a search in a folder, so that a killed one goes on."""

import json
import os
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from deepcompress._files import atomic_writer
from deepcompress.search.result import CompressionPoint

_STATE = "state.json"


@dataclass
class State:
    """All that a search knows.

    Attributes:
        net: The file of the sparsest net that was within the budget, not shared.
        n_good: Its weights.
        n_bad: The most weights that were too few, or `None`.
        used: Which part of the budget that net takes once it is shared.
        curve: The points measured.
        best: The index of the best point.
        data: Its file.
        bits: Bits by the path of the layer, as last chosen.
        n_levels: Levels that were tried.
        seconds: Seconds spent.
        overhead: Seconds of a level that are no training, as last measured.
        rate_factor: The share of the learning rate that is left after trainings that
            diverged.
    """

    net: bytes
    n_good: int
    n_bad: int | None = None
    used: float = 0.0
    curve: list[CompressionPoint] = field(default_factory=list)
    best: int = 0
    data: bytes = b""
    bits: dict[str, int] = field(default_factory=dict)
    n_levels: int = 0
    seconds: float = 0.0
    overhead: float = 0.0
    rate_factor: float = 1.0


class Checkpoint:
    """Keeps a `State` in a folder.

    A state is one JSON file, which replaces the one before it when all that it names
    has been written.

    Args:
        folder: The folder, which is made if need be; `None` keeps nothing.
        settings: What the search was asked for, as JSON has it. A folder of another
            search is refused.

    Raises:
        ValueError: The folder holds another search.

    Example:

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     Checkpoint(folder, {"seed": 0}).save(State(b"net", 100))
    ...     Checkpoint(folder, {"seed": 0}).load().n_good
    100
    """

    def __init__(
        self, folder: str | os.PathLike[str] | None, settings: dict[str, Any]
    ) -> None:
        self._folder = None if folder is None else Path(folder)
        self._settings = json.loads(json.dumps(settings))
        if self._folder is None:
            return
        self._folder.mkdir(parents=True, exist_ok=True)
        found = self._read()
        if found is None:
            return
        stored = found["settings"]
        differing = [
            f"{name}: {stored.get(name)!r} there, {value!r} now"
            for name, value in self._settings.items()
            if stored.get(name) != value
        ]
        if differing:
            raise ValueError(
                f"The checkpoint {os.fspath(self._folder)!r} is of a call with other "
                f"arguments ({'; '.join(differing)}). Give it another folder, or the "
                "arguments from before; the model from before is in its `dense.dcz`."
            )

    def load(self) -> State | None:
        """Returns the state in the folder, or `None` where there is none."""
        found = None if self._folder is None else self._read()
        if found is None or self._folder is None:
            return None
        files = {
            name: (self._folder / file).read_bytes()
            for name, file in found["files"].items()
        }
        curve = [CompressionPoint(**point) for point in found["state"].pop("curve")]
        return State(**found["state"], curve=curve, **files)

    def save(self, state: State) -> None:
        """Writes a state."""
        if self._folder is None:
            return
        files = {
            "net": f"net-{state.n_levels}.dcz",
            "data": f"best-{state.n_levels}.dcz",
        }
        for name, file in files.items():
            self.write(file, getattr(state, name))
        plain = asdict(state)
        for name in files:
            del plain[name]
        content = {"settings": self._settings, "files": files, "state": plain}
        self.write(_STATE, json.dumps(content, indent=1).encode())
        for old in [*self._folder.glob("net-*.dcz"), *self._folder.glob("best-*.dcz")]:
            if old.name not in files.values():
                old.unlink()

    def write(self, name: str, data: bytes) -> None:
        """Writes a file of the folder."""
        if self._folder is not None:
            with atomic_writer(self._folder / name) as file:
                file.write(data)

    def _read(self) -> dict[str, Any] | None:
        assert self._folder is not None
        path = self._folder / _STATE
        return json.loads(path.read_text("utf-8")) if path.exists() else None
