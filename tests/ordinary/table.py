"""Makes the page of ordinary models: every verb on each, on the backend that is set.

Run it with:

    python tests/ordinary/table.py --docs docs
    KERAS_BACKEND=jax python tests/ordinary/table.py --docs docs

It takes an hour on two cores; the cells of some models, or of some verbs, which are
named, replace those that the page has. The exit status is 1 where a cell holds a fault.
"""

import argparse
import json
import re
import subprocess
import sys
import traceback
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

import keras

from ordinary.families import ORDINARY
from ordinary.verbs import VERBS, attempt

BACKEND = keras.backend.backend()
# The models of a process.
N_TOGETHER = 5
BACKENDS = {"tensorflow": "TensorFlow", "jax": "JAX", "torch": "PyTorch"}
HEAD = """# Ordinary models

What people have, and what they do with it: each model of `tests/ordinary/`, against
each verb. A cell is `+`, it works as `tests/ordinary/verbs.py` says, or it is refused,
with one line that says why. `python tests/ordinary/table.py --docs docs` makes this.

Thirty of them were written when all others worked, ten at a time, after tutorials,
reports and papers: of the first ten 8 did in every cell at the first try, of the second
ten 8, of the third all ten.

| Verb | What a person may expect |
|---|---|
{verbs}
"""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("names", nargs="*", help="models; default: all")
    parser.add_argument("--verb", action="append", choices=list(VERBS))
    parser.add_argument("--docs", type=Path, help="where the page is made anew")
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
    path = (options.docs or Path()) / "results" / f"ordinary_{BACKEND}.json"
    is_part = bool(options.docs and (options.names or options.verb) and path.exists())
    found = json.loads(path.read_text()) if is_part else {}
    parts = [names[i : i + N_TOGETHER] for i in range(0, len(names), N_TOGETHER)]
    with ThreadPoolExecutor(options.jobs) as pool:
        for rows in pool.map(lambda part: in_child(part, verbs), parts):
            for name, row in rows.items():
                own = found.get(name, {}) | row
                found[name] = {verb: own[verb] for verb in VERBS if verb in own}
                signs = " ".join(cell.partition(":")[0] for cell in row.values())
                print(f"{name}: {signs}", flush=True)
            if options.docs:
                known = {name: found[name] for name in ORDINARY if name in found}
                path.write_text(json.dumps(known, indent=1) + "\n")
                write_page(options.docs)
    print(count(found))
    return 1 if n_of(found, "fault") else 0


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
            row[verb] = "works" if refusal is None else f"refused: {lasting(refusal)}"
    return row


def lasting(sentence: str) -> str:
    """Returns a sentence without what is another in each process."""
    sentence = re.sub(r" object at 0x[0-9a-f]+", " object", sentence)
    return re.sub(r"'[^']*/(model\.[a-z0-9.]+)'", r"'\1'", sentence)


def in_child(names: list[str], verbs: list[str]) -> dict[str, dict[str, str]]:
    """The rows of some models, made by a process that ends with them."""
    words = [sys.executable, __file__, "--here", *names]
    for verb in verbs:
        words += ["--verb", verb]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    rows = {name: dict.fromkeys(verbs, f"fault: {done.returncode}") for name in names}
    for line in done.stdout.splitlines():
        if line.startswith("{"):
            rows.update(json.loads(line))
    if any("fault" in cell for row in rows.values() for cell in row.values()):
        print(done.stderr, file=sys.stderr)
    return rows


def n_of(found: dict[str, dict[str, str]], kind: str) -> int:
    """The cells of one kind: "works", "refused" or "fault"."""
    return sum(cell.startswith(kind) for row in found.values() for cell in row.values())


def count(found: dict[str, dict[str, str]]) -> str:
    """Says how many cells there are of each kind."""
    return (
        f"{len(found)} models, {sum(map(len, found.values()))} cells: "
        f"{n_of(found, 'works')} work, {n_of(found, 'refused')} are refused, "
        f"{n_of(found, 'fault')} are faults"
    )


def write_page(docs: Path) -> None:
    """Writes the page from what was found on each backend."""
    told = [f"| {verb} | {done.__doc__} |" for verb, done in VERBS.items()]
    parts = [HEAD.format(verbs="\n".join(told))]
    for backend, title in BACKENDS.items():
        path = docs / "results" / f"ordinary_{backend}.json"
        if path.exists():
            found = json.loads(path.read_text())
            parts += [f"## On {title}", "", f"{count(found)}.", "", *grid(found), ""]
    (docs / "ordinary.md").write_text("\n".join(parts))


def grid(found: dict[str, dict[str, str]]) -> list[str]:
    """The table of one backend, and what its refusals say."""
    reasons: list[str] = []
    verbs = [verb for verb in VERBS if any(verb in row for row in found.values())]
    lines = ["| Model | " + " | ".join(verbs) + " |", "|---" * (1 + len(verbs)) + "|"]
    for name, row in found.items():
        cells = []
        for verb in verbs:
            kind, _, sentence = row.get(verb, "").partition(": ")
            if kind == "refused" and sentence not in reasons:
                reasons.append(sentence)
            number = f" {reasons.index(sentence) + 1}" if sentence in reasons else ""
            sign = {"works": "+", "refused": "refused", "fault": "FAULT", "": "-"}[kind]
            cells.append(sign + number)
        lines.append(f"| {ORDINARY[name].family}: {name} | " + " | ".join(cells) + " |")
    lines += ["", "What is refused, and the line that says so:", ""] if reasons else []
    return lines + [f"{i}. {reason}" for i, reason in enumerate(reasons, 1)]


if __name__ == "__main__":
    sys.exit(main())
