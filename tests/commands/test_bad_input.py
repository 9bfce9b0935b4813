"""Whatever is wrong with a file is one clear line, and nothing is lost."""

import os
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from helpers.arrays import dumps, kept, lenet5_like
from helpers.nets import dense_net
from helpers.running import run_program
from helpers.saying import one_line_of_error

import deepcompress as dc
from deepcompress.commands.cli import main
from deepcompress.dcz import container

WORDS = [["inspect"], ["inspect", "--verify"], ["extract", "out.npz"]]
commands = pytest.mark.parametrize("words", WORDS, ids=" ".join)


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(params=container.CODERS)
def data(request):
    arrays = lenet5_like(np.random.default_rng(1))
    return dumps(arrays, architecture="{}", coder=request.param)


def error_of(capsys, words, file="model.dcz"):
    """What the command says of a file; what was there stays, and nothing comes."""
    before = sorted(os.listdir())
    command, *rest = words
    options = [word for word in rest if word.startswith("-")]
    outputs = [word for word in rest if word not in options]
    said = one_line_of_error(capsys, command, *options, file, *outputs)
    assert sorted(os.listdir()) == before
    return said


@commands
@pytest.mark.parametrize("left", [1, 3, 4, 5, 20, 0.5, -1])
def test_a_file_that_is_cut_off(words, left, data, capsys):
    end = int(left * len(data)) if isinstance(left, float) else left
    Path("model.dcz").write_bytes(data[:end])
    said = error_of(capsys, words)
    assert "'model.dcz', byte " in said
    if 0 < end < len(container.MAGIC):
        assert "(rule magic)" in said
    else:
        assert "cut off" in said or "early" in said


@commands
@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b"", "is empty"),
        (b'{"class_name": "Sequential"}', "not a .dcz file"),
        (b"\x89HDF\r\n\x1a\n" + bytes(99), "model.load_weights"),
        (b"PK\3\4 cut off", "damaged archive"),
    ],
)
def test_a_file_of_another_kind_under_the_name(words, content, what, capsys):
    Path("model.dcz").write_bytes(content)
    assert what in error_of(capsys, words)


@commands
def test_another_name_does_not_matter(words, data, capsys):
    command, *rest = words
    for name in ("model.keras", "model"):
        Path(name).write_bytes(data)
        assert main([command, name, *rest]) == 0
    assert capsys.readouterr().err == ""


def test_an_output_with_a_wrong_suffix(data, capsys):
    Path("model.dcz").write_bytes(data)
    for output in ("out.dcz", "out", "out.npz.gz"):
        said = one_line_of_error(capsys, "extract", "model.dcz", output, status=2)
        assert repr(output) in said
    assert os.listdir() == ["model.dcz"]


@commands
def test_two_files_in_one(words, data, capsys):
    Path("model.dcz").write_bytes(data + data)
    said = error_of(capsys, words)
    assert f"byte {len(data)}: it goes on" in said
    assert "(rule size-of-file)" in said


def test_a_file_inside_a_file(data, capsys):
    dc.write("model.dcz", {}, assets={**kept(), "inner.dcz": data}, parts={"x": data})
    assert main(["inspect", "--verify", "model.dcz"]) == 0
    with dc.read("model.dcz") as outer, dc.read(outer.assets["inner.dcz"]) as inner:
        inner.verify()
        assert outer.parts["x"] == outer.assets["inner.dcz"]


def test_a_file_that_is_compressed_already(data, capsys):
    Path("model.dcz").write_bytes(data)
    said = one_line_of_error(capsys, "compress", "model.dcz", "out.dcz")
    assert "is a .dcz file already" in said
    assert os.listdir() == ["model.dcz"]


@commands
def test_a_folder_and_what_is_no_file(words, capsys):
    Path("model.dcz").mkdir()
    os.mkfifo("pipe.dcz")
    Path("link.dcz").symlink_to("nowhere")
    assert "is a folder" in error_of(capsys, words)
    assert "not a regular file" in error_of(capsys, words, "pipe.dcz")
    assert "no file 'link.dcz'" in error_of(capsys, words, "link.dcz")
    assert "no file 'none.dcz'" in error_of(capsys, words, "none.dcz")


@contextmanager
def as_nobody():
    """Without the rights of root, who may do anything."""
    is_root = os.geteuid() == 0
    if is_root:
        os.seteuid(65534)
    try:
        yield
    finally:
        if is_root:
            os.seteuid(0)


@commands
def test_a_file_that_must_not_be_read(words, data, capsys, folder):
    Path("model.dcz").write_bytes(data)
    Path("model.dcz").chmod(0)
    with as_nobody():
        said = one_line_of_error(capsys, words[0], "model.dcz", *words[1:])
    assert "'model.dcz': Permission denied." in said


def test_a_folder_that_must_not_be_written_to(data, capsys, folder):
    for above in [folder, *folder.parents][:4]:
        if above.stat().st_uid == os.geteuid():
            above.chmod(0o755)
    Path("model.dcz").write_bytes(data)
    closed = Path("closed")
    closed.mkdir()
    Path("closed/out.npz").write_text("old")
    closed.chmod(0o555)
    with as_nobody():
        said = one_line_of_error(capsys, "extract", "model.dcz", "closed/out.npz")
    assert "'closed/out.npz': Permission denied." in said
    assert Path("closed/out.npz").read_text() == "old"


def test_a_full_disk(folder):
    model = dense_net()
    dc.WeightSharingQuantizer(bits=2).quantize(model)
    dc.HuffmanSerializer().save(model, "model.dcz")
    model.save_weights("model.weights.h5")
    for words in (
        ["extract", "model.dcz", "out.npz"],
        ["extract", "model.dcz", "out.weights.h5"],
        ["compress", "model.weights.h5", "out.dcz"],
        ["inspect", "--plot", "out.png", "model.dcz"],
    ):
        output = next(word for word in words if word.startswith("out"))
        Path(output).write_text("old")
        before = sorted(os.listdir())
        ended = run_program("command_with_little_room", 100, *words)
        assert ended.returncode == 1, (words, ended.stderr)
        assert ended.stderr == f"deepcompress: error: '{output}': File too large.\n"
        assert Path(output).read_text() == "old"
        assert sorted(os.listdir()) == before
