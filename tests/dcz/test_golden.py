"""The golden files: what every release reads for ever, or refuses for ever."""

import io
import json
import zlib

import pytest
from helpers import second_decoder
from helpers.arrays import assorted, kept, parted
from helpers.golden import GOLDEN, MANIFEST, REFUSED, TESTS, described, features, made

from deepcompress.dcz import container, directory, version2
from deepcompress.dcz.directory import DTYPES
from deepcompress.dcz.parts import Part
from deepcompress.errors import CorruptFileError

HELD = json.loads(MANIFEST.read_text(encoding="utf-8"))
PATHS = {name: TESTS / "dcz" / name for name in HELD}
READ = sorted(path for path in PATHS.values() if GOLDEN in path.parents)
# Those whose exact bytes are what the writer still makes.
CONTENTS = {"": (assorted, {}), "parted": (parted, {}), "assets": (assorted, kept())}
EXACT = [
    pytest.param(GOLDEN / folder / f"v{number}.dcz", *contents, id=f"{folder}-{number}")
    for folder, contents in CONTENTS.items()
    for number in container.VERSIONS
]
VERSION_1 = """
architecture; part assets; an unknown part; few sections; several sections;
every element, raw; every element, codebook; every element, planes; gaps, raw;
gaps, codebook; gaps, planes; reversed; escapes; background, raw; background, codebook;
background, planes; signs; raw plane; coded plane; planes of float16; planes of float32;
planes of float64; planes of bfloat16; planes of complex64; planes of complex128;
planes of int32; planes of uint16; wide codes; long codes; lone symbol; several streams;
no elements; 0 axes; 1 axes; 2 axes; 3 axes; 4 axes; 8 axes; 64 axes"""
VERSION_2 = """
architecture; part assets; an unknown part; few sections; several sections;
method 0; method 1; method 2; method 3; method 4; background, method 0;
background, method 1; background, method 2; geometry 0; geometry 1; geometry 2;
geometry 3; rarity 0; rarity 12; shift 0; shift 23;
version 1 inside: every element, raw;
version 1 inside: every element, planes; version 1 inside: gaps, planes;
version 1 inside: reversed; no elements; 0 axes; 1 axes; 2 axes; 3 axes; 4 axes; 8 axes;
64 axes"""


def named(paths):
    return pytest.mark.parametrize(
        "path", paths, ids=lambda path: path.relative_to(TESTS / "dcz").as_posix()
    )


@named(PATHS.values())
def test_a_golden_file_holds_for_ever_what_it_held(path):
    name = path.relative_to(TESTS / "dcz").as_posix()
    assert described(path.read_bytes()) == HELD[name]


def test_the_manifest_lists_all_files_and_the_script_makes_them():
    found = {*GOLDEN.rglob("*.dcz"), *REFUSED.rglob("*.dcz")}
    assert set(PATHS.values()) == found == {path for path, _ in made()}
    refused = {path for name, path in PATHS.items() if "breaks" in HELD[name]}
    assert refused == {path for path in found if path.parent == REFUSED}


@named(READ)
def test_the_second_decoder_reads_a_golden_file(path):
    data = path.read_bytes()
    tables = directory.DICTIONARY, version2.LISTINGS
    architecture, arrays, assets, parts = second_decoder.read_all(data, *tables)
    with container.read(data) as weights:
        assert (architecture or b"").decode() == (weights.architecture or "")
        assert (assets, parts) == (weights.assets, dict(weights.parts))
        assert list(arrays) == list(weights)
        for name, (dtype, shape, content) in arrays.items():
            assert (dtype, shape) == (weights.dtype(name).name, weights.shape(name))
            assert content == weights[name].tobytes()


@named(sorted(set(PATHS.values()) - set(READ)))
def test_the_second_decoder_refuses_what_must_be(path):
    with pytest.raises(AssertionError):
        second_decoder.read(path.read_bytes(), directory.DICTIONARY, version2.LISTINGS)


@pytest.mark.parametrize(("number", "listed"), [(1, VERSION_1), (2, VERSION_2)])
def test_every_feature_of_the_format_is_in_a_golden_file(number, listed):
    found = {feature for path in READ for feature in features(path.read_bytes())}
    wanted = {f"{number}: {' '.join(name.split())}" for name in listed.split(";")}
    wanted |= {f"{number}: {dtype}" for dtype in DTYPES}
    assert wanted - found == set()


@pytest.mark.parametrize(("path", "contents", "assets"), EXACT)
def test_the_writer_still_makes_these_bytes(path, contents, assets):
    golden = path.read_bytes()
    listed = container.read_directory(io.BytesIO(golden), len(golden))

    def cut(section):
        return golden[section.offset : section.offset + section.size]

    # Another zlib or liblzma may pack otherwise.
    body = io.BytesIO()
    written = container.VERSIONS[listed.version].write(
        contents(),
        directory.PackedArchitecture(cut(listed.architecture), listed.plain_size),
        [Part(name, cut(section)) for name, section in listed.parts.items()],
        body,
    )
    begin = container.header(listed.version, written.header)
    assert begin + body.getvalue() == golden
    with container.read(golden) as weights:
        assert weights.assets == assets
        arrays = contents()
        assert {name: array.tobytes() for name, array in weights.items()} == {
            name: array.tobytes() for name, array in arrays.items()
        }


def test_the_dictionaries_never_change():
    assert zlib.crc32(directory.DICTIONARY) == 0xBCA71448
    assert zlib.crc32(version2.LISTINGS) == 0xE394C127


def test_what_is_needed_and_unknown_is_refused_by_its_name():
    for path in sorted(REFUSED.glob("needed-part-*.dcz")):
        with pytest.raises(CorruptFileError, match="'x-needed'") as caught:
            container.read(path)
        assert caught.value.rule == "part-known"
