import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import deepcompress as dc

ROOT = Path(__file__).parents[1]
RUN = Path(__file__).parent / "helpers" / "programs" / "run_digit.py"
MOST_BYTES = 400_000
LIST = """
from importlib.metadata import distributions
print(*(each.metadata["Name"] for each in distributions()))
"""

pytestmark = pytest.mark.long


def call(*words, **environment):
    """Runs a command that does not see the package here; returns what it prints."""
    clean = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")}
    result = subprocess.run(
        [str(word) for word in words],
        check=False,
        capture_output=True,
        text=True,
        env=clean | environment,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


@pytest.fixture(scope="module")
def wheels(tmp_path_factory):
    """Both distributions, built from a copy of the tree, by their names."""
    tree, out = tmp_path_factory.mktemp("tree"), tmp_path_factory.mktemp("wheels")
    ignored = shutil.ignore_patterns("__pycache__", "*.so", "_deepcompress_runtime")
    for folder in ("deepcompress", "runtime_wheel"):
        shutil.copytree(ROOT / folder, tree / folder, ignore=ignored)
    for file in ("LICENSE", "README.md", "pyproject.toml", "setup.cfg", "setup.py"):
        shutil.copy(ROOT / file, tree / file)
    build = (sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "-w", out)
    call(*build, tree / "runtime_wheel")
    call(*build, tree, DEEPCOMPRESS_FRAMEWORK="none")
    return {path.name.partition("-")[0]: path for path in out.glob("*.whl")}


@pytest.fixture(scope="module")
def python(wheels, tmp_path_factory):
    """An environment with the runtime and NumPy, and nothing else."""
    folder = tmp_path_factory.mktemp("empty")
    call(sys.executable, "-m", "venv", folder)
    python = folder / ("Scripts" if os.name == "nt" else "bin") / "python"
    numpy = f"numpy=={np.__version__}"  # whose sums run in the same order
    pip(python, "install", wheels["deepcompress_runtime"], numpy)
    return python


def pip(python, *words):
    call(python, "-m", "pip", "--quiet", "--disable-pip-version-check", *words)


@pytest.fixture(scope="module")
def digit(tmp_path_factory):
    """A real image, a file that computes from it, and what the whole package makes."""
    datasets = pytest.importorskip("sklearn.datasets")
    images = datasets.load_digits().images[:1].astype("float32") / 16
    x = np.pad(images.repeat(3, 1).repeat(3, 2), ((0, 0), (2, 2), (2, 2)))[..., None]
    folder = tmp_path_factory.mktemp("digit")
    model = dc.models.load("lenet5")
    dc.HuffmanSerializer().save(model, folder / "lenet5.dcz")
    np.save(folder / "x.npy", x)
    expected = dc.CompressedModel(folder / "lenet5.dcz").predict(x)
    np.testing.assert_allclose(expected, model.predict(x, verbose=0), atol=1e-5)
    return folder, expected


def runs_from(python, digit):
    """Computes, checks the result, and returns the package that it came from."""
    folder, expected = digit
    output = folder / "output.npy"
    file = call(python, RUN, folder / "lenet5.dcz", folder / "x.npy", output)
    np.testing.assert_array_equal(np.load(output), expected)
    output.unlink()
    return Path(file.strip()).parent.parent.name


# One test, so that however many processes there are, the wheels are built once.
def test_the_runtime_stands_alone_and_beside_the_whole(wheels, python, digit):
    small, large = wheels["deepcompress_runtime"], wheels["deepcompress_keras"]
    assert small.stat().st_size <= MOST_BYTES
    names = set(call(python, "-P", "-c", LIST).split())
    assert names - {"pip", "setuptools"} == {"deepcompress-runtime", "numpy"}
    assert runs_from(python, digit) == "_deepcompress_runtime"
    assert int(np.argmax(digit[1])) == 0

    code = "import deepcompress as dc\ntry: dc.{}\nexcept ImportError as e: print(e)"
    for name in ("compress", "models", "kmeans1d", "HuffmanSerializer", "shrink"):
        said = call(python, "-P", "-c", code.format(name))
        assert said.endswith(" is not installed: pip install 'deepcompress-keras'\n")

    # In either order, and then one of them removed.
    steps = [
        ("install", large, "site-packages"),
        ("uninstall", "deepcompress-keras", "_deepcompress_runtime"),
        ("install", large, "site-packages"),
        ("uninstall", "deepcompress-runtime", "site-packages"),
        ("install", small, "site-packages"),
        ("uninstall", "deepcompress-runtime", "site-packages"),
        ("install", small, "site-packages"),
        ("uninstall", "deepcompress-keras", "_deepcompress_runtime"),
    ]
    for step, what, expected in steps:
        pip(python, step, "--no-deps" if step == "install" else "-y", what)
        assert runs_from(python, digit) == expected, (step, what)
