"""Makes the page of ordinary models: every verb on each, on the backend that is set.

Run it with:

    python tests/ordinary/table.py --output docs/results
    KERAS_BACKEND=jax python tests/ordinary/table.py --output docs/results

It takes half an hour on two cores. The exit status is 1 where a cell holds a fault.
"""

import argparse
import json
import subprocess
import sys
import time
import traceback
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

import keras

from ordinary.families import ORDINARY
from ordinary.verbs import VERBS, attempt

BACKEND = keras.backend.backend()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("names", nargs="*", help="models; default: all")
    parser.add_argument("--verb", action="append", choices=list(VERBS))
    parser.add_argument("--output", type=Path, help="folder for ordinary_BACKEND.json")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--here", action="store_true", help="in this process, as JSON")
    options = parser.parse_args()
    names = options.names or [
        name for name, entry in ORDINARY.items() if BACKEND in entry.backends
    ]
    verbs = options.verb or list(VERBS)
    if options.here:
        for name in names:
            print(json.dumps({name: cells(name, verbs)}), flush=True)
        return 0
    found: dict[str, dict[str, str]] = {}
    with ThreadPoolExecutor(options.jobs) as pool:
        for number, row in enumerate(pool.map(lambda n: in_child(n, verbs), names), 1):
            found.update(row)
            say_row(number, len(names), row)
    if options.output:
        path = options.output / f"ordinary_{BACKEND}.json"
        path.write_text(json.dumps(found, indent=1) + "\n")
    faults = sum(
        cell.startswith("fault") for row in found.values() for cell in row.values()
    )
    n_refused = sum(
        cell.startswith("refused") for row in found.values() for cell in row.values()
    )
    n_cells = sum(map(len, found.values()))
    print(f"{len(found)} models, {n_cells} cells: {n_refused} refused, {faults} faults")
    return 1 if faults else 0


def cells(name: str, verbs: list[str]) -> dict[str, str]:
    """Does to one model all that the verbs say, each to a new one."""
    row = {}
    for verb in verbs:
        try:
            refusal = attempt(name, verb)
        except Exception as error:
            traceback.print_exc()
            row[verb] = f"fault: {type(error).__name__}: {error}"[:500]
        else:
            row[verb] = "works" if refusal is None else f"refused: {refusal}"
    return row


def in_child(name: str, verbs: list[str]) -> dict[str, dict[str, str]]:
    """The row of a model, made by a process of its own: none is slowed by others."""
    begin = time.perf_counter()
    words = [sys.executable, __file__, "--here", name]
    for verb in verbs:
        words += ["--verb", verb]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    seconds = time.perf_counter() - begin
    if done.returncode:
        print(done.stderr, file=sys.stderr)
        return {name: dict.fromkeys(verbs, f"fault: status {done.returncode}")}
    row = json.loads(done.stdout.splitlines()[-1])
    if any(cell.startswith("fault") for cell in row[name].values()):
        print(done.stderr, file=sys.stderr)
    print(f"{seconds:6.1f} s ", end="")
    return dict(row)


def say_row(number: int, n: int, row: dict[str, dict[str, str]]) -> None:
    """Prints what came of one model."""
    for name, found in row.items():
        signs = " ".join(cell.partition(":")[0] for cell in found.values())
        print(f"[{number}/{n}] {name}: {signs}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
