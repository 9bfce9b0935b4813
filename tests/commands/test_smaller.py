"""`deepcompress compress` where it is allowed to change weights."""

import keras
import numpy as np
import pytest
from helpers.saying import one_line_of_error
from helpers.searches import blobs, classifier

import deepcompress as dc
from deepcompress.commands.cli import main


@pytest.fixture
def files(tmp_path):
    model = classifier("softmax")
    model.save(tmp_path / "model.keras")
    np.save(tmp_path / "x.npy", blobs()[0])
    np.savez(tmp_path / "x.npz", x=blobs()[0])
    return model, tmp_path


def words_of(folder, *words):
    files = (".keras", ".dcz", ".npy", ".npz", ".h5")
    return [
        "compress",
        *(str(folder / word) if word.endswith(files) else word for word in words),
    ]


def command(folder, *words):
    return main(words_of(folder, *words))


def error(capsys, folder, *words, status):
    return one_line_of_error(capsys, *words_of(folder, *words), status=status)


@pytest.mark.parametrize("data", [[], ["--data", "x.npy"], ["--data", "x.npz"]])
def test_bits_and_sparsity_change_the_weights(files, data, capsys):
    model, folder = files
    words = ["model.keras", "small.dcz", "--bits", "3", "--sparsity", "0.5", *data]
    assert command(folder, *words) == 0
    loaded = dc.load_model(folder / "small.dcz")
    n_all = dc.count_weights(model)
    assert dc.count_weights(loaded) == n_all - round(0.5 * n_all)
    for kernel in loaded.trainable_variables[::2]:
        assert len(np.unique(kernel.numpy())) <= 8
    assert "wide" in capsys.readouterr().out


def test_images_are_made_up_where_there_are_none(tmp_path, capsys):
    model = dc.models.lenet5()
    model.save(tmp_path / "model.keras")
    words = ["--bits", "3", "--sparsity", "0.5", "--data", "synthetic", "--quiet"]
    assert command(tmp_path, "model.keras", "made.dcz", *words) == 0
    dc.prune(model, 0.5, scope="global", data="synthetic")
    dc.WeightSharingQuantizer(3, init="optimal").quantize(model, data="synthetic")
    loaded = dc.load_model(tmp_path / "made.dcz")
    for ours, theirs in zip(model.get_weights(), loaded.get_weights(), strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-5)


def test_max_change_finds_a_file_by_itself(files, capsys):
    model, folder = files
    words = ["model.keras", "small.dcz", "--data", "x.npy", "--max-change", "0.05"]
    assert command(folder, *words, "--quiet") == 0
    assert capsys.readouterr().out == ""
    loaded, (x, _) = dc.load_model(folder / "small.dcz"), blobs(1000, seed=2)
    changed = model.predict(x, verbose=0).argmax(-1) != loaded.predict(
        x, verbose=0
    ).argmax(-1)
    assert changed.mean() < 0.15
    dense = sum(weight.nbytes for weight in model.get_weights())
    assert (folder / "small.dcz").stat().st_size < dense / 4


@pytest.mark.parametrize(
    ("words", "status", "said"),
    [
        (["--max-change", "0.1"], 2, "--max-change needs real inputs"),
        (
            ["--max-change", "0.1", "--data", "synthetic"],
            2,
            "--max-change needs real inputs",
        ),
        (["--bits", "4", "--data", "synthetic"], 1, "not an image of a known size"),
        (
            ["--max-change", "0.1", "--data", "x.npy", "--bits", "4"],
            2,
            "sparsity itself",
        ),
        (["--data", "x.npy"], 2, "is of use with"),
        (["--bits", "99"], 1, "bits"),
        (["--sparsity", "1.5"], 1, "sparsity"),
        (["--bits", "4", "--data", "missing.npy"], 1, "missing.npy"),
        (["--bits", "4", "--data", "model.keras"], 1, "neither .npy nor .npz"),
    ],
)
def test_what_makes_no_sense_is_one_line(files, words, status, said, capsys):
    _, folder = files
    line = error(capsys, folder, "model.keras", "small.dcz", *words, status=status)
    assert said in line
    assert not (folder / "small.dcz").exists()


def test_weights_alone_cannot_be_changed(files, capsys):
    model, folder = files
    model.save_weights(folder / "weights.weights.h5")
    words = ["weights.weights.h5", "small.dcz", "--bits", "4"]
    assert "in a .keras file" in error(capsys, folder, *words, status=2)


def test_data_of_another_shape_is_one_line(files, capsys):
    _, folder = files
    np.save(folder / "x.npy", np.zeros((40, 5), "float32"))
    words = ["model.keras", "small.dcz", "--bits", "4", "--data", "x.npy"]
    line = error(capsys, folder, *words, status=1)
    assert "cannot be called on the data" in line


def test_model_is_loaded_once_more_bit_by_bit(files):
    _, folder = files
    assert command(folder, "model.keras", "small.dcz", "--bits", "5", "--quiet") == 0
    keras.utils.set_random_seed(0)
    model = keras.models.load_model(folder / "model.keras")
    dc.WeightSharingQuantizer(5, init="optimal").quantize(model)
    loaded = dc.load_model(folder / "small.dcz")
    for ours, theirs in zip(model.get_weights(), loaded.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)
