"""What the command says on the standard error: one line for whatever goes wrong."""

import os
import sys
from typing import Any

from deepcompress.errors import CorruptFileError


def say(kind: str, text: str) -> None:
    """Writes one line to the standard error."""
    line = " ".join(part.strip() for part in text.splitlines())
    print(f"deepcompress: {kind}: {line}", file=sys.stderr)


def wording(error: BaseException) -> str:
    """Returns an error in the words for whoever runs the command.

    Example:

    >>> wording(PermissionError(13, "Permission denied", "model.dcz"))
    "'model.dcz': Permission denied."
    """
    if isinstance(error, OSError) and error.strerror:
        name = "" if error.filename is None else f"{error.filename!r}: "
        return f"{name}{error.strerror}."
    text = str(error) or type(error).__name__
    if isinstance(error, CorruptFileError) and error.rule:
        text += f" (rule {error.rule})"
    return text


def reason(error: BaseException) -> str:
    """Returns the first line of what went wrong, innermost where Keras nests it."""
    innermost = str(error).rpartition("Exception encountered: ")[2]
    return innermost.strip().partition("\n")[0]


def show_warning(message: Warning | str, *_: Any, **__: Any) -> None:
    """Says a warning of Python's; takes what `warnings.showwarning` does."""
    say("warning", str(message))


def close_output() -> None:
    """Sends what is still buffered for the standard output nowhere."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.close(nowhere)
