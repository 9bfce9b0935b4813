"""What TensorFlow's native code logs is kept from the standard error, and nothing else.

Some of it is written before any level of logging counts, so that no setting keeps it
away. This file is also the program that reads along: a process of its own, since one
that dies says why with its last words.
"""

import logging
import os
import re
import signal
import subprocess
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress

# `I0000 00:00:1795665221.253060 16896 port.cc:153] ...`, and as it was before absl:
# `2024-05-01 10:00:00.123456: I tensorflow/core/util/port.cc:113] ...`. Of errors only
# those that several copies of one CUDA library give as they are loaded.
_CHATTER = re.compile(
    rb"WARNING: All log messages before absl::InitializeLog\(\)"
    rb"|To enable the following instructions: "
    rb"|([IW]\d{4} [\d:.]+ +\d+ |\d{4}-\d\d-\d\d [\d:.]+: [IW] )\S+:\d+\] "
    rb"|(E\d{4} [\d:.]+ +\d+ |\d{4}-\d\d-\d\d [\d:.]+: E )"
    rb"\S*cuda_\w+\.cc:\d+\] Unable to register "
)


@contextmanager
def filtered() -> Iterator[None]:
    """Filters what native code writes to the standard error.

    Warnings of Python, errors and whatever else is written there go through.

    Example:

    >>> with filtered():
    ...     import keras
    """
    # Read by TensorFlow as it is imported.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    for name in ("tensorflow", "absl"):
        logging.getLogger(name).setLevel(logging.ERROR)
    with _through_filter(), warnings.catch_warnings():
        # No state of an optimizer is kept, so none is missed.
        warnings.filterwarnings("ignore", "Skipping variable loading for optimizer")
        yield


@contextmanager
def _through_filter() -> Iterator[None]:
    sys.stderr.flush()
    try:
        kept = os.dup(2)
    except OSError:  # which is closed
        yield
        return
    # -I, -S: nothing of the current folder, and no packages.
    command = [sys.executable, "-I", "-S", __file__]
    reader = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
    assert reader.stdin is not None
    os.dup2(reader.stdin.fileno(), 2)
    reader.stdin.close()
    try:
        yield
    finally:
        sys.stderr.flush()
        os.dup2(kept, 2)
        os.close(kept)
        # A process that was started meanwhile may hold the other end open.
        with suppress(subprocess.TimeoutExpired):
            reader.wait(timeout=2)


def is_chatter(line: bytes) -> bool:
    """Whether TensorFlow's native code has logged a line that says nothing of weight.

    Example:

    >>> is_chatter(b"I0000 00:00:17956.25  16896 port.cc:153] oneDNN custom ...")
    True
    >>> is_chatter(b"UserWarning: the vocabulary of 'words' is left out")
    False
    """
    return _CHATTER.match(line) is not None


def main() -> None:
    """Passes lines on from the standard input to the standard error."""
    # Ctrl-C ends the process that is read, and its words are to be heard.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    for line in sys.stdin.buffer:
        if not is_chatter(line):
            sys.stderr.buffer.write(line)
            sys.stderr.buffer.flush()


if __name__ == "__main__":
    main()
