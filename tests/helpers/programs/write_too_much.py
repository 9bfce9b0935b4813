"""Writes more than there is room for, and prints the number of the error.

python write_too_much.py FILE
"""

import resource
import signal
import sys

from deepcompress._files import atomic_writer

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
try:
    with atomic_writer(sys.argv[1]) as file:
        file.write(b"new" * 10_000)
except OSError as error:
    print(error.errno)
