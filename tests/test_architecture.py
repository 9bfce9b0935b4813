"""The code keeps to the tree: imports run downward, and the wall holds."""

import ast
import shutil
import subprocess
import sys
from graphlib import CycleError, TopologicalSorter
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import pytest

import deepcompress

PACKAGE = Path(deepcompress.__file__).parent

# From the top down. A room imports itself and what stands below it; rooms of one line
# do not import each other.
FLOORS = [
    ["commands"],
    ["search"],
    ["sensitivity", "models", "importers"],
    ["saving"],
    ["shrinking", "pruning", "sharing"],
    ["calibration"],
    ["network"],
    # ------------------------------------------------------------ the wall
    ["runtime"],
    ["dcz", "clustering"],
    ["dcz.coding"],
    ["_native"],
    ["_checks", "_threads", "_files", "_display", "_progress", "errors"],
    ["_lazy", "_plain", "_version"],
]
WALL = FLOORS.index(["runtime"])
FRAMEWORKS = {"keras", "tensorflow", "jax", "torch"}
# The package itself imports its public names when they are first used.
LAZY = {"__init__", "importers.__init__"}


class Import(NamedTuple):
    """One name that a file imports."""

    file: str
    line: int
    name: str


def modules(package):
    """Returns the dotted name of every module, within the package, and its syntax."""
    return {
        ".".join(path.relative_to(package).with_suffix("").parts): ast.parse(
            path.read_text(encoding="utf-8")
        )
        for path in sorted(package.rglob("*.py"))
    }


def imports(package):
    """Yields what every module imports, but for what only type checkers see."""
    for module, tree in modules(package).items():
        for node in _run(tree):
            if isinstance(node, ast.Import):
                for alias in node.names:
                    yield Import(module, node.lineno, alias.name)
            elif isinstance(node, ast.ImportFrom):
                for alias in node.names:
                    yield Import(module, node.lineno, f"{node.module}.{alias.name}")


def _run(tree):
    """Yields the nodes that run."""
    if isinstance(tree, ast.If) and ast.unparse(tree.test) == "TYPE_CHECKING":
        return
    yield tree
    for child in ast.iter_child_nodes(tree):
        yield from _run(child)


def room_of(name):
    """Returns the room that a dotted name within the package belongs to."""
    rooms = [room for floor in FLOORS for room in floor]
    inside = [room for room in rooms if f"{name}.".startswith(f"{room}.")]
    return max(inside, key=len, default=None)


def floor_of(room):
    return next(i for i, floor in enumerate(FLOORS) if room in floor)


def _within(name):
    """Returns a name within the package, `None` for what is not of the package."""
    package, _, rest = name.partition(".")
    return rest if package == "deepcompress" else None


def rooms_off_the_tree(package):
    for module in modules(package):
        if module != "__init__" and room_of(module) is None:
            yield f"{module}: no room of the tree"


def upward_imports(package):
    for file, line, name in imports(package):
        inner = _within(name)
        if inner is None or file in LAZY:
            continue
        room, other = room_of(file), room_of(inner)
        if other is None:
            yield f"{file}:{line}: {name} is of no room of the tree"
        elif other != room and floor_of(other) <= floor_of(room):
            yield f"{file}:{line}: {name} stands above or beside {room}"


def circles(package):
    known = modules(package)
    lines = {
        (file, module): line
        for file, line, name in imports(package)
        for module in (_within(name), (_within(name) or "").rpartition(".")[0])
        if module in known and module != file and file not in LAZY
    }
    graph = {module: {b for a, b in lines if a == module} for module in known}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        circle = error.args[1][::-1]
        steps = [f"{a}:{lines[a, b]}" for a, b in pairwise(circle)]
        yield f"imports run in a circle: {', '.join(steps)}"


def frameworks_below_the_wall(package):
    for file, line, name in imports(package):
        room = room_of(file)
        if room is None or floor_of(room) < WALL:
            continue
        if name.split(".")[0] in FRAMEWORKS:
            yield f"{file}:{line}: {name} is imported below the wall"


def private_attributes_of_others(package):
    """Yields uses of underscored attributes that the package has not defined.

    An object's own may come from a base class in another module; those of another
    object must be of the same module.
    """
    known = modules(package)
    defined = {module: set(_defined(tree)) for module, tree in known.items()}
    everywhere = set().union(*defined.values())
    for module, tree in known.items():
        if module in ("network.internals.__init__", "network.internals.symbols"):
            continue
        for node, owner, name in _attributes(tree):
            own = everywhere if owner in {"self", "cls"} else defined[module]
            if name.startswith("_") and not name.startswith("__") and name not in own:
                yield f"{module}:{node.lineno}: {name} is not the package's own"


def _attributes(tree):
    """Yields every attribute that is read or set: the node, of what, and its name."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute):
            yield node, ast.unparse(node.value), node.attr
        elif isinstance(node, ast.Call) and len(node.args) > 1:
            by_name = {"getattr", "setattr", "hasattr", "delattr"}
            if getattr(node.func, "id", "") in by_name and isinstance(
                getattr(node.args[1], "value", None), str
            ):
                yield node, ast.unparse(node.args[0]), node.args[1].value


def _defined(tree):
    """Yields what a module defines or imports: functions, classes, attributes."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            yield node.name
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id
        elif (
            isinstance(node, ast.Attribute)
            and isinstance(node.ctx, ast.Store)
            and ast.unparse(node.value) in {"self", "cls"}
        ):
            yield node.attr


RULES = [
    rooms_off_the_tree,
    upward_imports,
    circles,
    frameworks_below_the_wall,
    private_attributes_of_others,
]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_the_code_keeps_to_the_tree(rule):
    assert list(rule(PACKAGE)) == []


@pytest.mark.parametrize(
    ("rule", "file", "line", "says"),
    [
        (upward_imports, "network/variables.py",
         "from deepcompress.pruning.prune import prune", "stands above"),
        (circles, "clustering/kmeans.py",
         "from deepcompress.clustering.estimator import KMeans1D", "in a circle"),
        (frameworks_below_the_wall, "dcz/container.py",
         "import keras.ops", "below the wall"),
        (frameworks_below_the_wall, "clustering/kmeans.py",
         "def late():\n    from tensorflow import constant", "below the wall"),
        (upward_imports, "dcz/report.py",
         "from deepcompress.network import variables", "stands above"),
        (private_attributes_of_others, "pruning/callback.py",
         "velocities = keras.optimizers.Adam()._velocities", "package's own"),
        (private_attributes_of_others, "sharing.py",
         "mask = getattr(keras.Input((1,)), '_keras_mask')", "package's own"),
        (rooms_off_the_tree, "attic.py", "", "no room of the tree"),
    ],
    ids=["upward", "circle", "framework", "framework-late", "wall", "private",
         "private-by-name", "attic"],
)  # fmt: skip
def test_a_broken_rule_is_told_with_its_line(rule, file, line, says, tmp_path):
    copy = tmp_path / "deepcompress"
    shutil.copytree(PACKAGE, copy, ignore=shutil.ignore_patterns("*.so", "*.dcz"))
    path = copy / file
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    path.write_text(f"{text}\n{line}\n", encoding="utf-8")
    told = list(rule(copy))
    assert len(told) == 1, told
    assert says in told[0]
    module = file.removesuffix(".py").replace("/", ".")
    at = f":{text.count(chr(10)) + 2 + line.count(chr(10))}" if line else ""
    assert f"{module}{at}" in told[0]


def test_a_room_says_what_it_is_for():
    for folder in sorted(path.parent for path in PACKAGE.rglob("*.py")):
        text = ast.get_docstring(ast.parse((folder / "__init__.py").read_text()))
        assert text, folder
        assert 3 <= len(text.split("\n")) <= 10, folder


def test_no_file_is_longer_than_a_reader_likes():
    tests = Path(__file__).parent
    for folder in (PACKAGE, tests):
        for path in folder.rglob("*.*"):
            if path.suffix in {".py", ".c", ".h", ".pyi"}:
                n_lines = path.read_text(encoding="utf-8").count("\n")
                assert n_lines <= 450, f"{path.name} has {n_lines} lines"


@pytest.mark.parametrize("rooms", ["dcz, deepcompress.clustering", "commands.cli"])
def test_what_stands_below_the_wall_loads_no_framework(rooms):
    code = (
        f"import sys, deepcompress.{rooms}\n"
        "print(sorted({'keras', 'tensorflow', 'jax', 'torch'} & set(sys.modules)))\n"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert result.stdout == "[]\n"
