"""Runs the command where no file can have more than so many bytes.

python command_with_little_room.py BYTES ARGUMENT...
"""

import resource
import signal
import sys

from deepcompress.commands.cli import main

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
limit = int(sys.argv[1])
resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
sys.exit(main(sys.argv[2:]))
