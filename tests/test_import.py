import os
import subprocess
import sys
import zipfile
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path

import pytest

import deepcompress

GOLDEN = Path(__file__).parent / "dcz" / "golden"
ZOO = files("deepcompress.models") / "zoo"


# First of the finders: to it, none of some modules is there.
BLOCKER = """
import sys
class Blocker:
    def find_spec(name, path, target):
        if name in {modules!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)
sys.meta_path.insert(0, Blocker)
"""


def run_without(modules, code, **environment):
    """Runs code in a process that cannot import some modules."""
    return subprocess.run(
        [sys.executable, "-c", BLOCKER.format(modules=modules) + code],
        check=False,
        capture_output=True,
        text=True,
        env=os.environ | environment,
    )


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


@pytest.mark.parametrize("file", sorted(GOLDEN.glob("*.dcz")), ids=lambda f: f.stem)
def test_files_need_no_framework(file, tmp_path):
    code = f"""
import deepcompress as dc
from deepcompress.commands.cli import main
with dc.read({str(file)!r}) as weights:
    assert [weights[name] for name in weights]
assert dc.CompressionReport.from_file({str(file)!r}).rows
assert dc.kmeans1d([0.0, 1.0, 2.0, 3.0], 2).inertia == 1.0
assert dc.importers.compress_h5
assert main(["inspect", {str(file)!r}]) == 0
assert main(["extract", {str(ZOO / "lenet5.dcz")!r}, {str(tmp_path / "a.npz")!r}]) == 0
"""
    result = run_without(["keras", "tensorflow", "sklearn"], code)
    assert result.stderr == ""
    assert (tmp_path / "a.npz").exists()


@pytest.mark.parametrize(
    ("missing", "backend", "code", "package"),
    [
        ("keras", "tensorflow", "dc.compress", "deepcompress-keras[tensorflow]"),
        ("jax", "jax", "from deepcompress import prune", "deepcompress-keras[jax]"),
        ("torch", "torch", "dc.models.load", "deepcompress-keras[torch]"),
        ("sklearn", "tensorflow", "dc.KMeans1D", "scikit-learn"),
    ],
)
def test_what_needs_a_framework_says_what_to_install(missing, backend, code, package):
    code = f"import deepcompress as dc\n{code}\n"
    result = run_without([missing], code, KERAS_BACKEND=backend)
    assert result.stderr.splitlines()[-1] == (
        f"ModuleNotFoundError: {missing} is not installed: pip install '{package}'"
    )


@pytest.mark.parametrize(
    "words",
    [
        ["demo"],
        ["compress", "model.keras", "model.dcz"],
        ["extract", str(GOLDEN / "v1.dcz"), "model.keras"],
    ],
)
def test_the_command_says_what_to_install(words, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    # The command looks into a file before it asks for Keras.
    with zipfile.ZipFile("model.keras", "w") as archive:
        archive.writestr("config.json", "{}")
    code = f"from deepcompress.commands.cli import main\nsys.exit(main({words}))\n"
    result = run_without(["keras"], code)
    assert result.returncode == 1
    assert result.stderr == (
        "deepcompress: error: keras is not installed: pip install "
        "'deepcompress-keras[tensorflow]'\n"
    )


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
