import numpy as np
import pytest
from helpers.arrays import dumps, lenet5_like
from helpers.running import run_program
from helpers.saying import one_line_of_error

from deepcompress.commands.cli import main
from deepcompress.dcz import container


@pytest.fixture(params=container.CODERS)
def path(request, tmp_path):
    arrays = lenet5_like(np.random.default_rng(1))
    data = dumps(arrays, architecture="{}", coder=request.param)
    (tmp_path / "model.dcz").write_bytes(data)
    return tmp_path / "model.dcz"


def test_an_intact_file_is_said_to_be_so(path, capsys):
    assert main(["inspect", "--verify", str(path)]) == 0
    assert "every rule holds" in capsys.readouterr().out
    assert main(["inspect", "--verify", "--quiet", str(path)]) == 0
    assert capsys.readouterr().out == ""


def test_a_changed_byte_is_one_line_with_rule_and_place(path, capsys):
    data = bytearray(path.read_bytes())
    data[-9] ^= 4
    path.write_bytes(data)
    said = one_line_of_error(capsys, "inspect", "--verify", path)
    assert str(path) in said
    assert ", byte " in said
    assert "(rule checksum-of-" in said


def test_verifying_needs_no_framework(path):
    ended = run_program("command_without_keras", "inspect", "--verify", path)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert "every rule holds" in ended.stdout
