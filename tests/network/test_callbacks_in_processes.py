"""Trainings that are killed and go on, and trainings of several replicas."""

import os
import socket
import subprocess

import numpy as np
import pytest
from helpers.fitting import fit_with_backup
from helpers.nets import BACKEND
from helpers.running import command, run_program


@pytest.mark.long
def test_a_killed_training_resumes_where_the_schedule_was(tmp_path):
    sparsity, n_zeros = fit_with_backup(tmp_path / "whole")
    assert len(sparsity) == 5
    assert n_zeros == [180, 54]
    for epoch in (0, 2):
        folder = tmp_path / str(epoch)
        killed = run_program("die_in_training", folder, epoch)
        assert killed.returncode == 9, killed.stderr
        resumed, n_zeros_resumed = fit_with_backup(folder)
        assert n_zeros_resumed == n_zeros
        # The epoch was saved before the process died.
        assert len(resumed) == 4 - epoch
        np.testing.assert_allclose(resumed, sparsity[epoch + 1 :], rtol=0, atol=5e-4)


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
    outputs, told = [], []
    for worker in workers:
        output, errors = worker.communicate(timeout=300)
        assert worker.returncode == 0, errors
        told.append([line for line in output.splitlines() if "[Gloo]" not in line])
        lines = [line.split() for line in output.splitlines()]
        outputs.append([line for line in lines if len(line) == 3])
    assert outputs[0] == outputs[1]
    assert [line[0] for line in outputs[0]] == ["160", "48", "160", "48"]
    assert [line[1] for line in outputs[0][2:]] == ["8", "8"]
    assert told[0] == told[1]
    *_, measured, loaded, compressed, split = told[0]
    assert measured.startswith("measured: {'baseline': {'loss': 0")
    assert loaded == "loaded: True"
    assert compressed.startswith("refused: 'sequential' is trained by 2 processes")
    assert split.startswith("refused: 'hidden/kernel' is split over devices of several")


@pytest.mark.long
@pytest.mark.skipif(BACKEND != "tensorflow", reason="a strategy of TensorFlow's")
def test_a_mirrored_strategy():
    trained = run_program("train_mirrored")
    assert trained.returncode == 0, trained.stderr
    hidden, out, table, refused = trained.stdout.splitlines()
    assert (hidden, out, table) == ("160 8", "48 8", "table 8")
    assert refused.startswith("refused:")
    assert "several replicas" in refused
