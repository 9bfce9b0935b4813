import doctest
import importlib
import pkgutil

import pytest

import deepcompress

MODULES = [
    module.name
    for module in pkgutil.walk_packages(deepcompress.__path__, "deepcompress.")
    if not module.name.endswith("._native")
]


@pytest.mark.parametrize("name", MODULES)
def test_the_examples_in_the_docstrings_run(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = doctest.testmod(
        importlib.import_module(name),
        optionflags=doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE,
    )
    assert result.failed == 0
