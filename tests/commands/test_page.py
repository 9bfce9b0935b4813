"""`deepcompress page`: what it writes, and what it refuses."""

import base64
import json
import re
from pathlib import Path

import numpy as np
import pytest
from helpers.runnable import Net

import deepcompress as dc
from deepcompress.commands.cli import main
from deepcompress.commands.page.writing import page
from deepcompress.runtime.program import Program

ROOT = Path(__file__).parents[2]
LENET = ROOT / "deepcompress" / "models" / "zoo" / "lenet5.dcz"


def config_of(text):
    found = re.search(
        r'<script type="application/json" id="config">(.*?)</script>', text
    )
    return json.loads(found[1])


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "net.dcz").write_bytes(LENET.read_bytes())
    return tmp_path


def test_the_page_holds_the_file_and_what_was_asked_for(folder):
    labels = [*"abcdefghi", "the last one"]
    words = ["--title", "Zero & <one>", "--labels", ", ".join(labels)]
    words += ["--input", "image"]
    assert main(["page", "net.dcz", "out/web", *words, "--pixels=-1..1"]) == 0
    text = (folder / "out" / "web" / "index.html").read_text(encoding="utf-8")
    config = config_of(text)
    assert base64.b64decode(config.pop("model")) == LENET.read_bytes()
    assert config == {
        "name": "net.dcz",
        "title": "Zero & <one>",
        "labels": labels,
        "input": "image",
        "pixels": "-1..1",
    }
    assert "<title>Zero &amp; &lt;one></title>" in text
    assert "{{" not in text.partition("<script")[0]


def test_words_do_not_end_the_script(folder):
    assert main(["page", "net.dcz", "a.html", "--lead", "</script><b>"]) == 0
    text = (folder / "a.html").read_text(encoding="utf-8")
    assert config_of(text)["lead"] == "</script><b>"
    assert "</script><b>" not in text


def test_the_page_asks_nobody_for_anything(folder):
    text = page(LENET.read_bytes(), "lenet5.dcz")
    for word in ("http:", "https:", "src=", "@import", "url("):
        assert word not in text.replace("http://www.w3.org/2000/svg", ""), word


def test_the_example_is_what_the_command_writes():
    path = ROOT / "examples" / "web" / "index.html"
    if not path.exists():
        pytest.skip("this is no checkout of the project: it has no folder examples/")
    assert path.read_text(encoding="utf-8") == page(
        LENET.read_bytes(), "lenet5.dcz", pixels="0..1"
    )


REFUSED = Program(refusal="'LSTM' is stateful").encode()
LSTM = Net((3, 4)).add("lstm", (4, 8), (2, 8), (8,)).program().encode()


@pytest.mark.parametrize(
    ("parts", "says"),
    [
        ({}, "does not hold what its model computes"),
        ({"program": REFUSED}, "'LSTM' is stateful"),
        ({"program": LSTM}, "lstm"),
    ],
)
def test_what_cannot_be_run_is_shown_and_a_line_says_why(folder, capsys, parts, says):
    dc.write("a.dcz", {f"k{i}": np.ones(3, "float32") for i in range(3)}, parts=parts)
    assert main(["page", "a.dcz", "out"]) == 0
    said = capsys.readouterr().err.splitlines()
    assert "cannot run the model: " in said[0]
    assert said[0].endswith(f"{says}.")
    config = config_of((folder / "out" / "index.html").read_text(encoding="utf-8"))
    assert base64.b64decode(config.pop("model")) == Path("a.dcz").read_bytes()
    assert config == {"name": "a.dcz"}
    assert main(["page", "a.dcz", "no", "--labels", "a,b"]) == 1
    said = capsys.readouterr().err
    assert "--labels is of no use" in said
    assert says in said
    assert not (folder / "no").exists()


@pytest.mark.parametrize(("labels", "is_right"), [("a,b", False), ("a,b,c", True)])
def test_labels_are_as_many_as_outputs(folder, capsys, labels, is_right):
    net = Net((6,)).add("dense", (6, 5)).add("dense", (6, 3), of=(0,))
    program = net.program((1, 2), names=("all", "some")).encode()
    (folder / "two.dcz").write_bytes(net.file(program=program))
    assert main(["page", "two.dcz", "out.html", "--labels", labels]) == 1 - is_right
    said = "gives 5 and 3 numbers; --labels names 2" in capsys.readouterr().err
    assert said != is_right
    assert (folder / "out.html").exists() == is_right


def test_a_file_that_a_page_is_no_place_for(folder, capsys, monkeypatch):
    monkeypatch.setattr("deepcompress.commands.page.writing._LARGEST", 1000)
    assert main(["page", "net.dcz", "out"]) == 1
    assert "at most 1,000" in capsys.readouterr().err
    assert main(["page", "none.dcz", "out"]) == 1


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--columns", "a,b"], "784 numbers; --columns names 2"),
        (["--labels", "a,b"], "gives 10 numbers; --labels names 2"),
        (["--input", "digit"], "no digits"),
        (["--input", "image"], "no image"),
    ],
)
def test_what_does_not_fit_the_model_is_refused(folder, capsys, words, message):
    path = "net.dcz"
    if "--input" in words:
        net = Net((6,)).add("dense", (6, 5))
        (folder / "rows.dcz").write_bytes(net.file())
        path = "rows.dcz"
    assert main(["page", path, "out.html", *words]) == 1
    assert message in capsys.readouterr().err
    assert not (folder / "out.html").exists()
