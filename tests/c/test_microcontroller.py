"""A Cortex-M4 decides as the package does, with what room the goals give it."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from helpers.c_decoder import Program
from sklearn.datasets import load_digits

import deepcompress as dc
from deepcompress.commands.cli import main

ROOT = Path(__file__).resolve().parents[2]
ZOO = Path(dc.__file__).parent / "models" / "zoo"
TOOLS = ("make", "arm-none-eabi-gcc", "qemu-system-arm", "deepcompress")

MOST_CODE = 8192
MOST_MEMORY = 4096  # besides activations
MOST_FLASH = 16384  # with LeNet-300-100


def build(target, folder, net, *words, succeeds=True):
    """What `make` says of a net in examples/mcu."""
    if not (ROOT / "examples" / "mcu").exists():
        pytest.skip("this is no checkout of the project: it has no examples")
    for tool in TOOLS:
        if shutil.which(tool) is None:
            pytest.skip(f"there is no {tool}")
    command = ["make", "-s", "-C", ROOT / "examples" / "mcu", target, f"NET={net}"]
    command += [f"BUILD={folder}", f"PYTHON={sys.executable}", *words]
    ran = subprocess.run(command, check=False, capture_output=True, text=True)
    assert (ran.returncode == 0) is succeeds, ran.stdout + ran.stderr
    return ran.stdout + ran.stderr  # QEMU writes to the latter


def images(n):
    """Handwritten digits in MNIST's size, as bytes."""
    enlarged = np.kron(load_digits().images[:n], np.ones((3, 3))) * (255 / 16)
    return np.pad(enlarged, ((0, 0), (2, 2), (2, 2))).astype("uint8")


@pytest.mark.parametrize(
    ("net", "mode", "n"),
    [
        ("lenet_300_100", "STREAMED", 100),
        ("lenet_300_100", "HELD", 100),
        ("lenet5", "STREAMED", 20),
    ],
)
def test_it_decides_as_the_package_does(net, mode, n, tmp_path):
    x = images(n)
    np.savez(tmp_path / "digits.npz", x_test=x)
    words = (f"MODE={mode}", f"MNIST={tmp_path / 'digits.npz'}", f"COUNT={n}")
    said = build("run", tmp_path, net, *words)
    rows = [line.split() for line in re.findall(r"^\d+(?: [0-9a-f]{8})+$", said, re.M)]
    bits = np.array([[int(word, 16) for word in row[1:]] for row in rows], "uint32")
    expected = dc.CompressedModel(ZOO / f"{net}.dcz")(x[..., None] / np.float32(255))
    assert len(set(expected.argmax(1))) == 10
    assert [int(row[0]) for row in rows] == expected.argmax(1).tolist()
    most = 1e-5 * np.abs(expected).max()
    np.testing.assert_allclose(bits.view("float32"), expected, rtol=0, atol=most)
    if mode == "HELD":
        return
    told = {what: int(n) for what, n in re.findall(r"^(\D+): (\d+)$", said, re.M)}
    memory = told["memory"] - told["of it activations"] + told["stack"]
    assert 0 < memory <= MOST_MEMORY
    sizes = build("sizes", tmp_path, net, *words)
    flash = {name: int(n) for name, n in re.findall(r"^\.(\w+) +(\d+)", sizes, re.M)}
    assert 0 < flash["library"] <= MOST_CODE
    assert flash["model"] < MOST_CODE
    if net == "lenet_300_100":
        assert flash["library"] + flash["model"] <= MOST_FLASH


def test_a_damaged_model_is_refused(tmp_path):
    np.savez(tmp_path / "digits.npz", x_test=images(1))
    words = (f"MNIST={tmp_path / 'digits.npz'}",)
    assert "instructions: " in build("run", tmp_path, "lenet_300_100", *words)
    header = tmp_path / "model.h"
    # The last bytes are the program; the checksum of it is another then.
    text, last, end = re.split(r"(0x\w\w)(?=,\n\};)", header.read_text())
    header.write_text(f"{text}{int(last, 16) ^ 1:#04x}{end}")
    said = build("run", tmp_path, "lenet_300_100", *words, succeeds=False)
    assert "dcz_run_open: 7\n" in said
    assert "instructions" not in said


OURS = """
#include <stdio.h>
#include <stdlib.h>

void read_sensor(float *input);
void act(const float *output);

void read_sensor(float *input)
{
    if (fread(input, sizeof(float), 784, stdin) != 784)
        exit(0);
}

void act(const float *output)
{
    fwrite(output, sizeof(float), 10, stdout);
}
"""


def test_the_loop_of_the_page_runs(tmp_path):
    page = (ROOT / "docs" / "mcu.md").read_text(encoding="utf-8")
    source, ours = tmp_path / "loop.c", tmp_path / "ours.c"
    # Where pointers have 64 bits, what is kept of the file takes more.
    loop = page.partition("```c\n")[2].partition("```")[0]
    source.write_text(re.sub(r"memory\[\d+\]", "memory[4096]", loop))
    ours.write_text(OURS)
    path = str(ZOO / "lenet_300_100.dcz")
    assert main(["export", path, str(tmp_path / "model.h")]) == 0
    options = ["-DDCZ_SMALL", f"-I{tmp_path}", "-Wall", "-Wextra", "-Werror"]
    program = Program(
        tmp_path, "loop", "dcz_run_small.c", source, ours, options=options
    )
    x = images(10)[..., None] / np.float32(255)
    status, said = program.run(given=x.tobytes())
    expected = dc.CompressedModel(path)(x)
    most = 1e-5 * np.abs(expected).max()
    found = np.frombuffer(said, "float32").reshape(10, 10)
    assert status == 0
    np.testing.assert_allclose(found, expected, rtol=0, atol=most)


def test_the_page_says_what_was_measured():
    page = (ROOT / "docs" / "mcu.md").read_text(encoding="utf-8")
    results = json.loads((ROOT / "docs" / "results" / "mcu.json").read_text())
    tables = re.findall(r"(?:^\|.*\n)+", page, re.M)
    assert len(tables) == len(results)
    for table, rows in zip(tables, results.values(), strict=True):
        names, _, *lines = (
            [*map(str.strip, line.split("|"))][1:-1] for line in table.splitlines()
        )
        measured = [[row[name] for name in names] for row in rows]
        assert lines == [
            [each if isinstance(each, str) else f"{each:,}" for each in row]
            for row in measured
        ]
    lenet = results["deepcompress"][0]
    assert f"memory[{lenet['lent']}]" in page
