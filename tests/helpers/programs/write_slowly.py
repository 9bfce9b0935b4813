"""Writes half of a file and waits to be killed.

python write_slowly.py FILE
"""

import sys
import time

from deepcompress._files import atomic_writer

with atomic_writer(sys.argv[1]) as file:
    file.write(b"new" * 1000)
    file.flush()
    print("half way", flush=True)
    time.sleep(60)
