"""Files are what their contents are."""

import zipfile

import pytest
from helpers.nets import dense_net
from helpers.saying import one_line_of_error

import deepcompress as dc
from deepcompress.commands.cli import main
from deepcompress.dcz import container


@pytest.fixture
def model():
    model = dense_net()
    dc.prune(model, 0.8)
    return model


@pytest.mark.parametrize(
    ("written", "named"),
    [
        ("keras", "h5"),
        ("keras", "zip"),
        ("h5", "keras"),
        ("weights.h5", "h5"),
        ("weights.h5", "keras"),
        ("weights.h5", "model"),
    ],
)
@pytest.mark.filterwarnings("ignore:You are saving:UserWarning")
def test_contents_count_and_not_suffixes(written, named, model, tmp_path, capsys):
    (tmp_path / "written").mkdir()
    file, out = tmp_path / "written" / f"a.{written}", tmp_path / "out.dcz"
    model.save_weights(file) if written == "weights.h5" else model.save(file)
    file = file.rename(tmp_path / f"model.{named}")
    assert main(["compress", str(file), str(out)]) == 0
    with container.read(out) as weights:
        assert (weights.architecture is None) == (written != "keras")
    loaded = dc.HuffmanSerializer().load(out, model=dense_net())
    for weight, expected in zip(loaded.get_weights(), model.get_weights(), strict=True):
        assert weight.tobytes() == expected.tobytes()
    noted = "the architecture was left out" in capsys.readouterr().err
    assert noted == (written == "h5")


STRAYS = {
    "is a pointer of Git LFS": b"version https://git-lfs.github.com/spec/v1\noid x\n",
    "is a web page": b"\n<!DOCTYPE html><html></html>",
    "is empty": b"",
    "is a pickle": b"\x80\x04\x95",
    "is a damaged archive": b"PK\3\4 cut off",
}


@pytest.mark.parametrize("command", ["inspect", "compress", "extract"])
@pytest.mark.parametrize("what", STRAYS)
def test_strays_are_named_for_what_they_are(command, what, capsys, tmp_path):
    file = tmp_path / "model.keras"
    file.write_bytes(STRAYS[what])
    outputs = {"inspect": [], "compress": ["a.dcz"], "extract": ["a.npz"]}[command]
    error = one_line_of_error(capsys, command, file, *outputs)
    assert f"model.keras' {what}" in error


def test_other_archives_are_packed_as_they_are(capsys, tmp_path):
    file, out = tmp_path / "a.zip", tmp_path / "a.dcz"
    for content, kind in [("a.npy", "npz"), ("a/data.pkl", "pt"), ("a.txt", "zip")]:
        with zipfile.ZipFile(file, "w") as archive:
            archive.writestr(content, b"")
        assert main(["compress", "--quiet", str(file), str(out)]) == 0
        assert f"a.zip: {kind}, packed" in capsys.readouterr().err
        restored = tmp_path / "restored.zip"
        assert main(["extract", str(out), str(restored)]) == 0
        assert restored.read_bytes() == file.read_bytes()


def test_folders_are_named(capsys, tmp_path):
    (tmp_path / "saved").mkdir()
    out = tmp_path / "a.dcz"
    error = one_line_of_error(capsys, "compress", tmp_path / "saved", out)
    assert "saved' is a folder" in error
    (tmp_path / "saved" / "saved_model.pb").touch()
    error = one_line_of_error(capsys, "compress", tmp_path / "saved", out)
    assert "saved' is a SavedModel of TensorFlow" in error
