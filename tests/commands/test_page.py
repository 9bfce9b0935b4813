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
    words = ["--title", "Zero & <one>", "--labels", "zero, one", "--input", "image"]
    assert main(["page", "net.dcz", "out/web", *words, "--pixels=-1..1"]) == 0
    text = (folder / "out" / "web" / "index.html").read_text(encoding="utf-8")
    config = config_of(text)
    assert base64.b64decode(config.pop("model")) == LENET.read_bytes()
    assert config == {
        "name": "net.dcz",
        "title": "Zero & <one>",
        "labels": ["zero", "one"],
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


@pytest.mark.parametrize(
    ("parts", "says"),
    [
        ({}, "without an architecture"),
        ({"program": Program(refusal="'LSTM' is stateful").encode()}, "stateful"),
    ],
)
def test_what_cannot_be_run_gets_no_page(folder, capsys, parts, says):
    dc.write("a.dcz", {"kernel": np.ones(3)}, parts=parts)
    assert main(["page", "a.dcz", "out"]) == 1
    assert says in capsys.readouterr().err
    assert not (folder / "out").exists()


def test_a_file_that_a_page_is_no_place_for(folder, capsys, monkeypatch):
    monkeypatch.setattr("deepcompress.commands.page.writing._LARGEST", 1000)
    assert main(["page", "net.dcz", "out"]) == 1
    assert "at most 1,000" in capsys.readouterr().err
    assert main(["page", "none.dcz", "out"]) == 1


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--columns", "a,b"], "784 numbers; --columns names 2"),
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
