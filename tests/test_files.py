import errno
import os
import signal
import subprocess

import numpy as np
import pytest
from helpers.running import command, run_program

from deepcompress._files import atomic_writer, check_room, write_npz


@pytest.fixture
def target(tmp_path):
    path = tmp_path / "model.dcz"
    path.write_bytes(b"old")
    return path


def test_the_new_file_replaces_the_old(target):
    with atomic_writer(target) as file:
        file.write(b"new")
        assert target.read_bytes() == b"old"
    assert target.read_bytes() == b"new"
    assert list(target.parent.iterdir()) == [target]


def test_an_error_leaves_the_old_file_alone(target):
    with pytest.raises(ZeroDivisionError), atomic_writer(target) as file:
        file.write(b"new")
        raise ZeroDivisionError
    assert target.read_bytes() == b"old"
    assert list(target.parent.iterdir()) == [target]


def test_a_kill_leaves_the_old_file_alone(target):
    process = subprocess.Popen(command("write_slowly", target), stdout=subprocess.PIPE)
    assert process.stdout.readline() == b"half way\n"
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()
    assert target.read_bytes() == b"old"


def test_a_full_disk_leaves_the_old_file_alone(target):
    ended = run_program("write_too_much", target)
    assert ended.returncode == 0, ended.stderr
    assert int(ended.stdout) == errno.EFBIG
    assert target.read_bytes() == b"old"
    assert list(target.parent.iterdir()) == [target]


def test_room_is_asked_for_and_given_back(tmp_path):
    check_room(tmp_path / "a", 10**6)
    check_room(tmp_path / "a", 0)
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(OSError, match="/a'"):
        check_room(tmp_path / "a", 1 << 60)
    with pytest.raises(FileNotFoundError, match="/b'"):
        check_room(tmp_path / "a" / "b", 1)


def test_a_missing_folder_is_named(tmp_path):
    with (
        pytest.raises(FileNotFoundError, match="create it first"),
        atomic_writer(tmp_path / "no" / "model.dcz"),
    ):
        pass


@pytest.mark.parametrize("name", ["", "folder", "new/"])
def test_a_folder_is_no_file(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder").mkdir()
    with pytest.raises(IsADirectoryError, match="name a file"), atomic_writer(name):
        pass
    assert [path.name for path in tmp_path.iterdir()] == ["folder"]


def test_what_is_no_regular_file_is_not_replaced(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with pytest.raises(OSError, match="not a regular file"), atomic_writer(pipe):
        pass
    assert pipe.is_fifo()


def test_the_mode_of_a_file_that_is_replaced_stays(target):
    target.chmod(0o600)
    with atomic_writer(target):
        pass
    assert target.stat().st_mode & 0o777 == 0o600


def test_the_mode_is_that_of_any_new_file(tmp_path):
    plain, atomic = tmp_path / "plain", tmp_path / "atomic"
    plain.write_bytes(b"")
    with atomic_writer(atomic):
        pass
    assert atomic.stat().st_mode == plain.stat().st_mode


def test_a_link_keeps_pointing_at_its_file(target, tmp_path):
    link = tmp_path / "link"
    link.symlink_to(target)
    with atomic_writer(link) as file:
        file.write(b"new")
    assert link.is_symlink()
    assert target.read_bytes() == b"new"


# Those that `numpy.savez` takes, or makes, itself; and those that a path might spoil.
NAMES = [
    "file",
    "args",
    "kwds",
    "allow_pickle",
    "arr_0",
    "a/b",
    "../c",
    "d.npy",
    "e f",
    "ü",
]


def test_an_npz_file_holds_arrays_of_any_name(tmp_path):
    arrays = {name: np.full((2, 3), i, "int16") for i, name in enumerate(NAMES)}
    arrays["none"], arrays["one"] = np.zeros((0, 4)), np.array(-0.0)
    write_npz(tmp_path / "a.npz", arrays)
    with np.load(tmp_path / "a.npz") as archive:
        assert archive.files == list(arrays)
        for name, array in arrays.items():
            assert archive[name].dtype == array.dtype
            assert archive[name].shape == array.shape
            assert archive[name].tobytes() == array.tobytes()


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["a", "b\0c"], "cannot hold an array named"),
        (["a" * (1 << 16)], "cannot hold an array named 'aaa"),
        (["ü" * (1 << 15)], "cannot hold an array named 'üüü"),
        (["a", "a.npy"], "an array named 'a' from one named 'a.npy'"),
    ],
)
def test_a_name_that_an_npz_file_cannot_hold_is_refused(names, message, target):
    with pytest.raises(ValueError, match=message):
        write_npz(target, {name: np.zeros(1) for name in names})
    assert target.read_bytes() == b"old"
    assert list(target.parent.iterdir()) == [target]


def test_an_error_in_an_array_leaves_the_old_file_alone(target):
    with pytest.raises(ValueError, match="Object arrays cannot be saved"):
        write_npz(target, {"a": np.zeros(1), "b": np.array([None])})
    assert target.read_bytes() == b"old"
    assert list(target.parent.iterdir()) == [target]
