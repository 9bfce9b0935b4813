"""Models on several devices, and what is made of them there, by real programs."""

import os
import socket
import subprocess

import pytest
from helpers.nets import BACKEND
from helpers.running import command, run_program


def free_ports(n):
    """Ports that are free now."""
    sockets = [socket.socket() for _ in range(n)]
    try:
        for each in sockets:
            each.bind(("localhost", 0))
        return [each.getsockname()[1] for each in sockets]
    finally:
        for each in sockets:
            each.close()


@pytest.mark.long
@pytest.mark.skipif(BACKEND != "tensorflow", reason="a strategy of TensorFlow's")
def test_what_is_made_of_a_mirrored_model_is_mirrored():
    told = run_program("compress_mirrored")
    assert told.returncode == 0, told.stderr
    assert told.stdout.splitlines() == [
        "measured: True",
        "compressed: True True",
        "copied: True True []",
        "shrunk: 7 True",
        "loaded: True True True",
        "at once: True",
    ]


@pytest.mark.long
@pytest.mark.skipif(BACKEND != "tensorflow", reason="a strategy of TensorFlow's")
def test_two_workers_do_the_same(tmp_path):
    ports, file = free_ports(2), tmp_path / "model.dcz"
    workers = [
        subprocess.Popen(
            command("train_multi_worker", ports, rank, file),
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )
        for rank in range(2)
    ]  # fmt: skip
    told = []
    for worker in workers:
        output, errors = worker.communicate(timeout=300)
        assert worker.returncode == 0, errors
        told.append(output.splitlines())
    assert told[0] == told[1]
    *kernels, sensitivity, compress = told[0]
    counts = [" ".join(line.split()[:-1]) for line in kernels]
    assert counts[:2] == ["hidden: (10, 20) 160 41", "out: (20, 3) 48 13"]
    assert counts[2:4] == ["hidden: (10, 20) 160 8", "out: (20, 3) 48 8"]
    assert kernels[4:6] == kernels[2:4]  # from the file that both have written
    assert len(kernels) == 8
    assert "Keras cannot evaluate it there" in sensitivity
    assert "goes by the clock" in compress
    for line in (sensitivity, compress):
        assert line.startswith("refused: 'sequential' is trained by 2 processes")
        assert line.endswith("load the file in one process alone, and call it there.")


@pytest.mark.skipif(BACKEND != "jax", reason="Keras distributes so on JAX alone")
def test_what_is_made_of_a_split_model_is_split():
    devices = "--xla_force_host_platform_device_count=4"
    told = run_program(
        "split_model", env={**os.environ, "XLA_FLAGS": devices, "JAX_PLATFORMS": "cpu"}
    )
    assert told.returncode == 0, told.stderr
    assert told.stdout.splitlines() == [
        "split: [[None, 'model'], ['model', None]]",
        "tied: (100, 8) (40, 8)",
        "shrunk: 8",
        "copied: True 8 []",
        "compressed: True True",
        # The same net, of which each device has all.
        "split: [[None, None], [None, None]]",
        "tied: (100, 8) (40, 8)",
        "shrunk: 7",
        "copied: True 7 []",
        "compressed: True True",
    ]
