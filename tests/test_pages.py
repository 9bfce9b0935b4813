"""What the pages for those who write a reader say is so, and tables of results."""

import importlib.util
import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from helpers import program_page, rules_page, second_decoder
from helpers.golden import GOLDEN
from helpers.trace import PAGE, data, example, page

from deepcompress.dcz import container, directory, version2
from deepcompress.dcz.coding.rules import Rule

FORMAT = PAGE.with_name("format.md").read_text(encoding="utf-8")
MAGIC = re.search(r"```text\n(0\tstring\t.*?)```", FORMAT, re.DOTALL)[1]


def test_the_trace_is_that_of_the_second_decoder():
    assert PAGE.read_text(encoding="utf-8") == page(), "run tests/helpers/trace.py"


def test_the_page_lists_the_rules_of_the_package():
    assert rules_page.listed() == list(Rule)


def test_the_table_of_rules_and_tests_is_that_of_the_files():
    table = rules_page.PAGE.read_text(encoding="utf-8")
    assert table == rules_page.page(), "run tests/helpers/rules_page.py"


def test_the_page_of_the_program_is_that_of_its_tables():
    text = program_page.PAGE.read_text(encoding="utf-8")
    assert text == program_page.page(), "run tests/helpers/program_page.py"


def test_the_bytes_of_the_example_in_version_2():
    text = PAGE.read_text(encoding="utf-8")
    (block,) = re.findall(r"```text\n([0-9a-f\s]+)```", text)
    assert bytes.fromhex(block) == data()
    assert f"in version 2, {len(data())} bytes" in text
    tables = directory.DICTIONARY, version2.LISTINGS
    _, arrays = second_decoder.read(data(), *tables)
    for name, array in example().items():
        assert arrays[name] == (array.dtype.name, array.shape, array.tobytes())


def test_the_files_that_the_page_names_are_there():
    names = re.findall(r"`(?:golden/features/)?([\w-]+\.dcz)`", PAGE.read_text("utf-8"))
    assert len(names) > 9
    for name in names:
        assert (GOLDEN / "features" / name).exists(), name


def test_the_line_for_file_has_the_magic():
    magic = MAGIC.split("\t")[2].encode("latin-1").decode("unicode_escape")
    assert magic.encode("latin-1") == container.MAGIC


def test_the_table_of_where_a_model_goes_is_that_of_the_results():
    root = Path(__file__).parents[1]
    path = root / "benchmarks" / "deploy.py"
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    results = root / "docs" / "results" / "deploy.json"
    rows = json.loads(results.read_text(encoding="utf-8"))
    page = (root / "docs" / "deploy.md").read_text(encoding="utf-8")
    assert module.table(rows) in page
    text = " ".join(page.split())
    for form in (".tflite", ".tflite, int8"):
        for what in ("bytes", "deflated"):
            assert module.times(rows, form, what) in text
    assert module.times(rows, ".mlpackage", "bytes") in text
    bytes_of = {row["form"]: row["bytes"] for row in rows if row["net"] == "lenet5"}
    runs = json.loads(results.with_name("run_nets.json").read_text(encoding="utf-8"))
    us = {
        run["method"]: run["us"]
        for run in runs
        if (run["net"], run["batch"]) == ("lenet5", 1)
    }
    for door, form, method in [
        ("Python, to compute", ".dcz", "deepcompress"),
        ("A microcontroller", ".dcz, as a C array", None),
        ("LiteRT, int8", ".tflite, int8", "LiteRT int8"),
        ("LiteRT, float32", ".tflite", "LiteRT f32"),
    ]:
        (line,) = re.findall(rf"^\| {door} .*$", page, re.MULTILINE)
        assert f"| {bytes_of[form]:,} |" in line
        assert method is None or f"| {us[method]} |" in line


@pytest.mark.skipif(not shutil.which("file"), reason="there is no file(1)")
def test_file_tells_what_a_file_is(tmp_path):
    lines = tmp_path / "dcz.magic"
    lines.write_text(MAGIC, encoding="utf-8")

    def told(path, *options):
        command = ["file", "--brief", "-m", str(lines), *options, str(path)]
        return subprocess.run(
            command, capture_output=True, text=True, check=True
        ).stdout.strip()

    for number in container.VERSIONS:
        path = GOLDEN / f"v{number}.dcz"
        assert told(path) == f"Deep Compression arrays, version {number}"
        assert told(path, "--mime-type") == "application/vnd.deepcompress"
        assert told(path, "--extension") == "dcz"
    assert "Deep" not in told(Path(__file__))
