"""Trainings that are killed and go on, and trainings of several replicas."""

import json
import os
import socket
import subprocess

import pytest
from helpers.nets import BACKEND
from helpers.running import command, run_program

NEVER = 99


def test_a_killed_training_resumes_where_the_schedule_was(tmp_path):
    for epoch in (0, 2):
        killed = run_program("train_with_backup", epoch, tmp_path / str(epoch))
        assert killed.returncode == 9
    folders = [tmp_path / name for name in ("whole", "0", "2")]
    trained = run_program("train_with_backup", NEVER, *folders)
    assert trained.returncode == 0, trained.stderr
    whole, *resumed = map(json.loads, trained.stdout.splitlines())
    assert len(whole["sparsity"]) == 5
    assert len(resumed) == 2
    for each in resumed:
        assert each["zeros"] == whole["zeros"] == [180, 54]
        # BackupAndRestore repeats the epoch that was not saved yet.
        assert each["sparsity"] == whole["sparsity"][-len(each["sparsity"]) :]


@pytest.mark.skipif(BACKEND != "jax", reason="Keras distributes so on JAX alone")
def test_data_parallel_in_two_processes():
    with socket.socket() as free:
        free.bind(("localhost", 0))
        port = free.getsockname()[1]
    workers = [
        subprocess.Popen(
            command("train_data_parallel", port, rank),
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            env={**os.environ, "JAX_PLATFORMS": "cpu"},
        )
        for rank in range(2)
    ]  # fmt: skip
    outputs = []
    for worker in workers:
        output, errors = worker.communicate(timeout=300)
        assert worker.returncode == 0, errors
        lines = [line.split() for line in output.splitlines()]
        outputs.append([line for line in lines if len(line) == 3])
    assert outputs[0] == outputs[1]
    assert [line[0] for line in outputs[0]] == ["160", "48", "160", "48"]
    assert [line[1] for line in outputs[0][2:]] == ["8", "8"]


@pytest.mark.skipif(BACKEND != "tensorflow", reason="a strategy of TensorFlow's")
def test_a_mirrored_strategy():
    trained = run_program("train_mirrored")
    assert trained.returncode == 0, trained.stderr
    hidden, out, refused = trained.stdout.splitlines()
    assert (hidden, out) == ("160 8", "48 8")
    assert refused.startswith("refused:")
    assert "several replicas" in refused
