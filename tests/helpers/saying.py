"""What the command says."""

from deepcompress.commands.cli import main


def one_line_of_error(capsys, *arguments, status=1):
    assert main([str(argument) for argument in arguments]) == status
    captured = capsys.readouterr()
    assert captured.err.startswith("deepcompress: error: ")
    assert captured.err.count("\n") == 1
    assert captured.out == ""
    return captured.err
