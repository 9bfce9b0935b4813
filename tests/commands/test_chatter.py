import os
import subprocess
import sys

import pytest

from deepcompress.commands import chatter

CHATTER = [
    "WARNING: All log messages before absl::InitializeLog() is called are written to "
    "STDERR",
    "I0000 00:00:1795665221.253060   16896 port.cc:153] oneDNN custom operations on",
    "W0000 00:00:1795665221.253060   16896 gpu_device.cc:2344] Cannot dlopen some GPUs",
    "2024-05-01 10:00:00.123456: I tensorflow/core/util/port.cc:113] oneDNN",
    "E0000 00:00:1731.1 9 cuda_fft.cc:477] Unable to register cuFFT factory: twice",
    "To enable the following instructions: AVX2, rebuild TensorFlow",
]
WORDS = [
    "W of a user's own",
    "E0000 00:00:1795665221.253060   16896 bfc_allocator.cc:467] out of memory",
    "F0000 00:00:1795665221.253060   16896 port.cc:1] Check failed",
    "2024-05-01 10:00:00.123456: E tensorflow/core/util/port.cc:113] damaged",
    "own.py:3: UserWarning: the vocabulary is left out",
    "",
]


@pytest.mark.parametrize("line", CHATTER)
def test_what_tensorflow_logs_is_chatter(line):
    assert chatter.is_chatter(line.encode())


@pytest.mark.parametrize("line", WORDS)
def test_everything_else_is_not(line):
    assert not chatter.is_chatter(line.encode())


def run(code):
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False
    )


def test_native_words_go_through_and_chatter_does_not():
    lines = [line for pair in zip(CHATTER, WORDS, strict=True) for line in pair]
    text = "".join(f"{line}\n" for line in lines).encode()
    ended = run(f"""
import os
from deepcompress.commands import chatter
with chatter.filtered():
    os.write(2, {text!r})
    os.write(2, b"no end of line")
os.write(2, b". The end")
""")
    expected = "".join(f"{line}\n" for line in WORDS) + "no end of line. The end"
    assert ended.stderr == expected


def test_the_last_words_of_a_process_that_dies_are_heard():
    ended = run("""
import os
from deepcompress.commands import chatter
with chatter.filtered():
    os.write(2, b"F0000 Check failed\\n" * 9999)
    os.abort()
""")
    assert ended.returncode != 0
    assert ended.stderr == "F0000 Check failed\n" * 9999


def test_a_closed_standard_error_is_left_alone():
    ended = run("""
import os
from deepcompress.commands import chatter
os.close(2)
with chatter.filtered():
    print("done")
""")
    assert (ended.returncode, ended.stdout) == (0, "done\n")


def test_an_error_puts_the_standard_error_back():
    before = os.fstat(2)
    with pytest.raises(ValueError, match="wrong"), chatter.filtered():
        raise ValueError("wrong")
    assert os.path.samestat(before, os.fstat(2))
