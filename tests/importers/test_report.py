"""The files that the original report published load and compress."""

from pathlib import Path

import h5py
import keras
import numpy as np
import pytest
from helpers.nets import bits
from keras import layers

import deepcompress as dc
from deepcompress import models
from deepcompress.commands.cli import main
from deepcompress.importers import compress_h5, load_caffemodel

ROOT = Path(__file__).parents[2]
REPORT = ROOT.parent / "shared/report"
LENET = REPORT / "lenet_iter_10000.caffemodel"
STUDENT = REPORT / "student_weights_6_0.2dopout.h5"

pytestmark = pytest.mark.skipif(
    not REPORT.exists(), reason="the published files are not here"
)


def test_the_lenet_is_as_good_as_the_report_says(tmp_path):
    model = load_caffemodel(models.lenet5(), LENET)
    assert model.count_params() == 431_080
    report = dc.HuffmanSerializer().save(model, tmp_path / "a.dcz")
    assert report.size <= LENET.stat().st_size
    assert bits(dc.load_model(tmp_path / "a.dcz")) == bits(model)
    digits = models.load_digits()
    if digits.source != "MNIST":
        pytest.skip("MNIST is not here")
    model.compile(
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    loss, accuracy = model.evaluate(*digits.test, verbose=0)
    # What the report logs of it.
    assert accuracy >= 0.9900
    assert loss <= 0.0277


def test_the_student_keeps_every_weight(tmp_path):
    report = compress_h5(STUDENT, tmp_path / "a.dcz")
    assert report.size <= STUDENT.stat().st_size
    model = keras.Sequential(
        [keras.Input((9216,)), layers.Dense(6), layers.Dropout(0.2), layers.Dense(10)]
    )
    dc.HuffmanSerializer().load(tmp_path / "a.dcz", model=model)
    with h5py.File(STUDENT) as file:
        stored = [
            file[f"dense_{number}/dense_{number}_{leaf}:0"][()]
            for number in (3, 4)
            for leaf in "Wb"
        ]
    for weight, expected in zip(model.get_weights(), stored, strict=True):
        np.testing.assert_array_equal(weight, expected, strict=True)


def test_the_command_compresses_the_student(tmp_path, capsys):
    out = tmp_path / "a.dcz"
    assert main(["compress", str(STUDENT), str(out)]) == 0
    assert f"{out.stat().st_size:,}" in capsys.readouterr().out
