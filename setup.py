"""What pyproject.toml cannot say: what is needed depends on how the package is built.

`DEEPCOMPRESS_FRAMEWORK=none pip install .` leaves Keras and its backends out. What is
left reads and writes files, and clusters.
"""

import os
import tomllib
from pathlib import Path

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext

PROJECT = tomllib.loads(Path("pyproject.toml").read_text(encoding="utf-8"))["project"]


def needs_of(extra: str) -> list[str]:
    """Returns what an extra needs, without this package itself."""
    needs = PROJECT["optional-dependencies"][extra]
    return [each for each in needs if not each.startswith(PROJECT["name"])]


class BuildAsC11(build_ext):
    """Tells the one compiler that has to be told what C the sources are."""

    def build_extension(self, ext: Extension) -> None:
        """Builds as ever."""
        if self.compiler.compiler_type == "msvc":
            ext.extra_compile_args.append("/std:c11")
        super().build_extension(ext)


FILES = ["h5py>=3.11", "ml_dtypes>=0.4", "numpy>=2.0", "rich>=13.7"]
FRAMEWORKS = {"none": [], "tensorflow": [*needs_of("keras"), *needs_of("tensorflow")]}

framework = os.environ.get("DEEPCOMPRESS_FRAMEWORK", "tensorflow")
if framework not in FRAMEWORKS:
    raise SystemExit(
        f"DEEPCOMPRESS_FRAMEWORK must be one of {tuple(FRAMEWORKS)}. "
        f"Received: {framework!r}"
    )
setup(
    install_requires=[*FILES, *FRAMEWORKS[framework]],
    cmdclass={"build_ext": BuildAsC11},
)
