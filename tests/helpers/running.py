"""Programs that tests run in a process of their own."""

import subprocess
import sys
from pathlib import Path

PROGRAMS = Path(__file__).parent / "programs"


def command(name, *arguments):
    """What starts one of the programs beside this file."""
    return [sys.executable, str(PROGRAMS / f"{name}.py"), *map(str, arguments)]


def run_program(name, *arguments):
    """How a program has ended, and what it wrote."""
    return subprocess.run(
        command(name, *arguments), capture_output=True, text=True, check=False
    )
