"""Shared by all tests: a quiet TensorFlow, workers, hypothesis' profile, --slow."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("MPLBACKEND", "Agg")
# The processes that tests start import what is installed, not the folder they are in.
os.environ["PYTHONSAFEPATH"] = "1"
os.environ["PYTHONPATH"] = os.pathsep.join(
    [str(Path(__file__).parent), *filter(None, [os.environ.get("PYTHONPATH")])]
)

import numpy as np
import pytest
from hypothesis import settings

from deepcompress._threads import n_processors

# What a worker costs is TensorFlow: some seconds and half a GiB.
MAX_WORKERS = 4

settings.register_profile("deepcompress", deadline=None, print_blob=True)
settings.load_profile("deepcompress")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--long", action="store_true", help="also run what takes many seconds"
    )
    parser.addoption(
        "--slow", action="store_true", help="also run what takes minutes, and --long"
    )


@pytest.hookimpl(tryfirst=True)
def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """A worker for each core; none for one file, which is sooner done than they start.

    `pytest -n 0` runs all the tests in this process.
    """
    files = {argument.partition("::")[0] for argument in config.args}
    if len(files) == 1 and files.pop().endswith(".py"):
        return 0
    return min(n_processors(), MAX_WORKERS)


def pytest_collection_modifyitems(
    config: pytest.Config, items: list[pytest.Item]
) -> None:
    is_slow = config.getoption("--slow")
    skips = {}
    if not is_slow:
        skips["slow"] = pytest.mark.skip(reason="takes minutes; give --slow to run it")
    if not (is_slow or config.getoption("--long")):
        skips["long"] = pytest.mark.skip(reason="takes long; give --long to run it")
    for item in items:
        for name, skip in skips.items():
            if name in item.keywords:
                item.add_marker(skip)


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)


@pytest.fixture(autouse=True, scope="module")
def _forgotten() -> Iterator[None]:
    """Frees the graphs of a file, each of which TensorFlow keeps for a gradient in it.

    A thousand tests later they would be gigabytes, and every test would take longer.
    """
    yield
    if "tensorflow" in sys.modules:
        from tensorflow.python.framework import ops

        gradients = ops._gradient_registry._registry
        for name in [each for each in gradients if each.startswith("CustomGradient-")]:
            del gradients[name]
