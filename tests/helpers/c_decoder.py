"""The decoder of c/, compiled, and what it says of files."""

import importlib.util
import shutil
import subprocess
from pathlib import Path

import pytest

FOLDER = Path(__file__).resolve().parents[2] / "c"


def module(name):
    """A module in Python that lies in c/."""
    spec = importlib.util.spec_from_file_location(name, FOLDER / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class Program:
    """A program of c/, compiled into a folder with the compiler at hand."""

    def __init__(self, folder, name, *sources, options=()):
        if not FOLDER.exists():
            pytest.skip("this is no checkout of the project: it has no folder c/")
        compiler = next(filter(shutil.which, ["cc", "gcc", "clang"]), None)
        if compiler is None:
            pytest.skip("there is no C compiler")
        self.folder, self.path, self.compiler = folder, folder / name, compiler
        paths = [FOLDER / source for source in ("dcz.c", *sources)]
        self.compile("-O1", f"-I{FOLDER}", *options, *paths, "-o", self.path)

    def compile(self, *arguments):
        subprocess.run([self.compiler, "-std=c99", *arguments], check=True)

    def finished(self, *arguments, given=b""):
        """The process, once it is over."""
        result = subprocess.run(
            [self.path, *arguments], input=given, capture_output=True, check=False
        )
        assert result.returncode >= 0, result.stderr  # it was not killed by a signal
        assert b"Sanitizer" not in result.stderr, result.stderr
        assert b"runtime error" not in result.stderr, result.stderr
        return result

    def run(self, *arguments, given=b""):
        """The exit status, and what it writes."""
        result = self.finished(*arguments, given=given)
        return result.returncode, result.stdout


class Lister(Program):
    """What c/check.c says of the bytes of a file: its lines, or why it refuses it."""

    def __init__(self, folder):
        more = ("dcz_run.c", "fuzz/walk.c", "fuzz/repair.c")
        super().__init__(folder, "check", "check.c", *more)

    def __call__(self, data):
        path = self.folder / "file.dcz"
        path.write_bytes(data)
        status, said = self.run("list", path)
        lines = said.decode().removesuffix("\n").split("\n")[1:]
        return lines if status == 0 else lines[-1].strip()
