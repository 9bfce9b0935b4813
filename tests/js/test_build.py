"""What js/build.py has made is that of the sources as they are."""

from importlib.metadata import PackageNotFoundError, version

import pytest
from helpers.node import build

STALE = "run js/build.py, and write examples/web anew"


@pytest.fixture(scope="module")
def building():
    return build()


def test_module_and_template_are_those_of_the_sources(building):
    assert building.checksum(building.C_FILES) in building.WASM.read_text(), STALE
    template = building.TEMPLATE.read_text(encoding="utf-8")
    assert f"deepcompress {building.checksum(building.PAGE_FILES)}" in template, STALE


def test_the_module_is_what_the_compiler_makes(building):
    try:
        found = version("ziglang")
    except PackageNotFoundError:
        pytest.skip("there is no ziglang")
    if found != building.ZIGLANG:
        pytest.skip(f"ziglang is {found}, not {building.ZIGLANG}")
    assert building.unpacked(building.WASM.read_text()) == building.module(), STALE


def test_the_template_is_what_terser_makes(building):
    if not building.TERSER.exists():
        pytest.skip("there is no terser: npm install --prefix js")
    assert building.TEMPLATE.read_text(encoding="utf-8") == building.template(), STALE


def test_the_module_is_small_and_asks_for_nothing(building):
    module = building.unpacked(building.WASM.read_text())
    assert len(module) < 60_000
    sections, at = {}, 8
    while at < len(module):
        number, at = module[at], at + 1
        size = shift = 0
        while True:
            byte, at = module[at], at + 1
            size |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                break
        sections[number], at = size, at + size
    assert 2 not in sections  # imports
    assert 0 not in sections  # names, and other custom ones
