"""Each rule of docs/format.md is broken by a file, and by that alone."""

import ast
import re
from pathlib import Path

import pytest
from helpers.broken_files import FILES, main

import deepcompress as dc
from deepcompress import _native
from deepcompress.dcz.coding.rules import Rule
from deepcompress.errors import CorruptFileError

PACKAGE = Path(dc.__file__).parent / "dcz"


BROKEN = [
    pytest.param(rule, data, id=f"{rule}: {what}")
    for rule, files in FILES.items()
    for what, data in files.items()
]


@pytest.mark.parametrize(("rule", "data"), BROKEN)
def test_a_file_that_breaks_a_rule_is_refused_by_its_name(rule, data):
    with pytest.raises(CorruptFileError) as caught, dc.read(data) as weights:
        weights.verify()
    assert caught.value.rule == rule
    assert str(caught.value).startswith("The data")
    if rule != Rule.MEMORY:
        assert 0 <= caught.value.offset <= len(data)


def test_every_rule_is_broken_by_a_file():
    assert list(FILES) == list(Rule)
    assert all(FILES.values())


def test_the_files_are_written_for_other_readers(tmp_path):
    main(tmp_path)
    assert len(list(tmp_path.iterdir())) == len(BROKEN)
    for path in tmp_path.iterdir():
        with pytest.raises(CorruptFileError) as caught, dc.read(path) as weights:
            weights.verify()
        assert caught.value.rule == path.stem.rpartition("-")[0]


def raised_in(path):
    """The names of rules that a module raises, and calls without any."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "CorruptFileError":
            yield (
                ast.unparse(node.args[1])
                if len(node.args) > 1
                else f"line {node.lineno}"
            )


def test_every_error_says_a_rule_and_every_rule_is_enforced():
    passed_on = {"rule", "error.rule", "self._rule"}
    # What is in assets, and in files of other tools, is no matter of the format.
    paths = [p for p in PACKAGE.rglob("*.py") if p.parent.name != "foreign"]
    said = {r for path in paths for r in raised_in(path)}
    names = {f"Rule.{rule.name}" for rule in Rule}
    assert said - names == passed_on
    in_python = {path.read_text(encoding="utf-8") for path in PACKAGE.rglob("*.py")}
    used = set(re.findall(r"Rule\.[A-Z_0-9]+", " ".join(in_python)))
    in_c = {f"Rule.{Rule(name).name}" for name in _native.DC_RULES}
    assert used | in_c == names
