"""Runs the command where no framework is installed.

python command_without_keras.py ARGUMENT...
"""

import sys

for name in ("tensorflow", "keras", "jax", "torch"):
    sys.modules[name] = None

from deepcompress.commands.cli import main

sys.exit(main(sys.argv[1:]))
