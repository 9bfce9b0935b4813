"""The package in js/, run by Node, and what builds it."""

import importlib.util
import shutil
import subprocess
from pathlib import Path

import pytest

FOLDER = Path(__file__).resolve().parents[2] / "js"


def build():
    """The module that builds the package and the page."""
    path = FOLDER / "build.py"
    if not path.exists():
        pytest.skip("this is no checkout of the project: it has no folder js/")
    spec = importlib.util.spec_from_file_location("build_js", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def node(*arguments, given=None, program="node"):
    """What Node prints."""
    if not FOLDER.exists():
        pytest.skip("this is no checkout of the project: it has no folder js/")
    path = shutil.which(program)
    if path is None:
        pytest.skip(f"there is no {program}")
    result = subprocess.run(
        [path, *map(str, arguments)],
        cwd=FOLDER,
        input=given,
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout
