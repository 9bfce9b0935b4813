"""Programs that tests run in a process of their own."""

import subprocess
import sys
from pathlib import Path

PROGRAMS = Path(__file__).parent / "programs"


def command(name, *arguments, options=()):
    """What starts one of the programs beside this file, with options of Python's."""
    program = str(PROGRAMS / f"{name}.py")
    return [sys.executable, *options, program, *map(str, arguments)]


def run_program(name, *arguments, options=(), env=None):
    """How a program has ended, and what it wrote."""
    return subprocess.run(
        command(name, *arguments, options=options),
        capture_output=True,
        text=True,
        check=False,
        env=env,
    )
