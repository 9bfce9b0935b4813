import subprocess
import sys
from importlib.metadata import version

import pytest

import deepcompress


def test_importing_costs_no_framework():
    code = (
        "import sys, deepcompress\n"
        "import deepcompress.dcz.container, deepcompress.dcz.coding.huffman_tensor\n"
        "import deepcompress.clustering.kmeans, deepcompress.dcz.report\n"
        "import deepcompress.commands.cli\n"
        "print(sorted({'tensorflow', 'keras', 'jax', 'torch'} & set(sys.modules)))\n"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert result.stdout == "[]\n"


@pytest.mark.parametrize("name", deepcompress.__all__)
def test_every_public_name_is_there(name):
    assert name in dir(deepcompress)
    assert getattr(deepcompress, name) is not None


def test_a_submodule_hides_no_function_of_its_name():
    code = (
        "import deepcompress.sensitivity\n"
        "import deepcompress as dc\n"
        "print(dc.sensitivity.__name__, callable(dc.sensitivity))\n"
        "from deepcompress.sensitivity import Sensitivity\n"
        "print(dc.Sensitivity is Sensitivity)\n"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert result.stdout == "sensitivity True\nTrue\n"


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'compres'"):
        _ = deepcompress.compres


def test_the_version_is_that_of_the_distribution():
    assert deepcompress.__version__ == version("deepcompress-keras")


def test_the_extension_uses_the_limited_api():
    from deepcompress import _native

    if sys.platform == "linux":
        assert _native.__file__.endswith(".abi3.so")
