"""The distribution `deepcompress-runtime`: the part of the package that runs files.

Its modules are copies of those of `deepcompress-keras` under the same import, in a
folder of their own that a `.pth` file puts at the end of Python's path. So no file
belongs to both distributions, whichever is removed leaves the other whole, and while
both are there the larger one is imported.
"""

import runpy
import shutil
import sys
from pathlib import Path

from setuptools import Extension, setup
from setuptools.command.build_py import build_py

TREE = Path("..")
FOLDER = Path("_deepcompress_runtime")
PACKAGE = FOLDER / "deepcompress"
ROOMS = ["_native", "dcz", "runtime"]
MODULES = ["_checks", "_display", "_files", "_lazy", "_plain", "_threads", "_version"]
FILES = ["__init__.py", "errors.py", "_native.pyi", "py.typed"]


def copy_package() -> None:
    """Copies the part of the tree that this distribution consists of."""
    shutil.rmtree(FOLDER, ignore_errors=True)
    for room in ROOMS:
        shutil.copytree(
            TREE / "deepcompress" / room,
            PACKAGE / room,
            ignore=shutil.ignore_patterns("__pycache__", "*.so", "*.pyd"),
        )
    for file in [*FILES, *(f"{module}.py" for module in MODULES)]:
        shutil.copy(TREE / "deepcompress" / file, PACKAGE / file)
    shutil.copy(TREE / "LICENSE", "LICENSE")


class BuildWithPath(build_py):
    """Adds the file that puts the folder at the end of Python's path."""

    def run(self) -> None:
        """Builds as ever, and adds it."""
        super().run()
        Path(self.build_lib, f"{FOLDER}.pth").write_text(f"{FOLDER}\n")


def named(path: Path) -> str:
    """Returns the dotted name of a folder."""
    return ".".join(path.parts)


# A source distribution has no tree beside it, and holds the copy.
if (TREE / "deepcompress" / "_version.py").exists():
    copy_package()

setup(
    version=runpy.run_path(str(PACKAGE / "_version.py"))["__version__"],
    packages=sorted(named(path.parent) for path in PACKAGE.rglob("__init__.py")),
    package_data={
        named(PACKAGE): ["_native.pyi", "py.typed"],
        named(PACKAGE / "dcz"): ["*.dictionary"],
    },
    ext_modules=[
        Extension(
            named(PACKAGE / "_native"),
            sorted(path.as_posix() for path in PACKAGE.rglob("*.c")),
            include_dirs=[(PACKAGE / "_native").as_posix()],
            define_macros=[("Py_LIMITED_API", "0x030b0000")],
            extra_compile_args=["/std:c11"] if sys.platform == "win32" else ["-g0"],
            py_limited_api=True,
        )
    ],
    cmdclass={"build_py": BuildWithPath},
    options={"bdist_wheel": {"py_limited_api": "cp311"}},
)
