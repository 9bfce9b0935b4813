"""Examples and benchmarks use what users may: public names, and commands that are."""

import ast
import json
import re
import shutil
from pathlib import Path

import pytest

import deepcompress as dc

ROOT = Path(__file__).parents[1]
FILES = [
    path
    for folder in ("examples", "benchmarks")
    for path in sorted((ROOT / folder).rglob("*"))
    if path.suffix in {".py", ".ipynb"} and ".ipynb_checkpoints" not in path.parts
]
PUBLIC = {
    "deepcompress": dc.__all__,
    "deepcompress.importers": dc.importers.__all__,
    "deepcompress.models": dc.models.__all__,
    # The kernels of the runtime by themselves, each with every instruction set.
    "deepcompress.runtime.matrix": ["matrix_of"],
    "deepcompress.runtime.isa": ["available"],
}


def is_public(name):
    module, _, last = name.rpartition(".")
    return name in PUBLIC or last in PUBLIC.get(module, ())


def sources(path):
    """Yields what stands in a file: for a notebook, cell by cell."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".py":
        yield path.name, text
        return
    for number, cell in enumerate(json.loads(text)["cells"]):
        if cell["cell_type"] == "code":
            yield f"{path.name}[{number}]", "".join(cell["source"])


def faults(path):
    """Yields each use of what is not public, and each change of `sys.path`."""
    known = {}  # a notebook's cells share what they import
    for where, source in sources(path):
        for node in ast.walk(ast.parse(source)):
            for name in used_names(node, known):
                is_inside = name.startswith("deepcompress.")
                if name == "sys.path" or (is_inside and not is_public(name)):
                    yield f"{where}:{node.lineno}: {name}"


def used_names(node, known):
    """Returns the dotted names that a node imports or looks up in a module."""
    names = []
    if isinstance(node, ast.Import):
        for alias in node.names:
            names.append(alias.name)
            bound = alias.name if alias.asname else alias.name.partition(".")[0]
            known[alias.asname or bound] = bound
    elif isinstance(node, ast.ImportFrom) and not node.level:
        for alias in node.names:
            names.append(f"{node.module}.{alias.name}")
            known[alias.asname or alias.name] = names[-1]
    elif isinstance(node, ast.Attribute):
        module = known.get(ast.unparse(node.value).partition(".")[0])
        rest = ast.unparse(node.value).partition(".")[2]
        module = f"{module}.{rest}" if module and rest else module
        if module == "sys" or module in PUBLIC:
            names.append(f"{module}.{node.attr}")
    elif isinstance(node, ast.Constant):
        # What `import_module` might be given.
        names += re.findall(r"^deepcompress(?:\.\w+)+$", str(node.value))
    return names


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_only_public_names_are_used(path):
    assert list(faults(path)) == []


@pytest.mark.parametrize("file", ["lenet_mnist.py", "lenet_walk.ipynb"])
@pytest.mark.parametrize(
    ("line", "name"),
    [
        (
            "from deepcompress.dcz.container import read",
            "deepcompress.dcz.container.read",
        ),
        ("from deepcompress.models.digits import x", "deepcompress.models.digits.x"),
        ("from deepcompress import _native", "deepcompress._native"),
        ("import deepcompress.commands.cli", "deepcompress.commands.cli"),
        ("import deepcompress.network as n", "deepcompress.network"),
        ("dc.saving.serializer.load_model('a')", "deepcompress.saving"),
        ("dc.models.zoo", "deepcompress.models.zoo"),
        ("import_module('deepcompress.dcz')", "deepcompress.dcz"),
        ("import sys as s; s.path.append('a')", "sys.path"),
        ("from sys import path", "sys.path"),
    ],
)
def test_a_name_that_is_not_public_is_found(file, line, name, tmp_path):
    path = tmp_path / file
    shutil.copy(ROOT / "examples" / file, path)
    if file.endswith(".py"):
        where = f"{file}:{len(path.read_text().splitlines()) + 1}"
        path.write_text(f"{path.read_text()}{line}\n")
    else:
        notebook = json.loads(path.read_text())
        where = f"{file}[{len(notebook['cells'])}]:1"
        notebook["cells"].append({"cell_type": "code", "source": [line]})
        path.write_text(json.dumps(notebook))
    assert list(faults(path)) == [f"{where}: {name}"]


COMMANDS = {
    match
    for path in [
        ROOT / "README.md",
        ROOT / ".ci" / "run",
        *(ROOT / "docs").rglob("*.md"),
        *(ROOT / "docs" / "results").glob("*.*"),
        *(ROOT / "deepcompress" / "models" / "zoo").glob("*.json"),
        *FILES,
    ]
    if path.suffix not in {".png", ".ipynb"}
    for match in re.findall(
        r"python (\w+(?:/\w+)+\.py)\b([^`\n\",]*)", path.read_text(encoding="utf-8")
    )
}


@pytest.mark.parametrize(("script", "arguments"), sorted(COMMANDS))
def test_a_command_that_is_named_can_be_given(script, arguments):
    path = ROOT / script
    assert path.is_file()
    its_source = path.read_text(encoding="utf-8")
    if "from record import" in its_source:
        its_source += (path.parent / "record" / "run.py").read_text(encoding="utf-8")
    for option in re.findall(r"--\w+", arguments):
        assert f'add_argument("{option}"' in re.sub(r"\(\s+", "(", its_source)
