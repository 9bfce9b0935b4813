"""The decoder in C reads what the package writes, and refuses what it refuses."""

import io
import random
import shutil
import subprocess

import numpy as np
import pytest
from helpers.arrays import dumps, kept, large_tensors, parted, tensors
from helpers.broken_files import FILES
from helpers.c_decoder import FOLDER, Lister, Program, module
from helpers.golden import REFUSED
from helpers.mutations import CORPUS, mutated, take_apart
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import deepcompress as dc
from deepcompress.dcz import container, version2
from deepcompress.dcz.coding.bytestream import ByteWriter, varint
from deepcompress.dcz.coding.context_tensor import ContextTensor
from deepcompress.dcz.coding.huffman_tensor import HuffmanTensor
from deepcompress.dcz.coding.rules import Rule
from deepcompress.dcz.directory import DTYPES, dtype_of, encode_entry, seal
from deepcompress.dcz.parts import Part
from deepcompress.errors import CorruptFileError

LIMIT = 1 << 26  # that of c/check.c
EXACT = [path for path in CORPUS if path.parent != REFUSED and path.stem != "forced-v2"]
N_MUTATIONS = 8  # of each
TOO_LARGE = "too large"

coders = pytest.mark.parametrize("coder", container.CODERS)
few = settings(
    max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@pytest.fixture(scope="module")
def lister(tmp_path_factory):
    return Lister(tmp_path_factory.mktemp("c"))


@pytest.fixture(scope="module")
def expected():
    return module("golden").listing


def test_the_golden_list_is_what_the_package_reads():
    assert module("golden").golden() == (FOLDER / "golden.txt").read_text(
        encoding="utf-8"
    )


def test_golden_files_and_the_zoo(lister, expected):
    for path in module("golden").golden_files():
        data = (FOLDER.parent / path).read_bytes()
        assert lister(data) == expected(data), path


@coders
def test_every_dtype(lister, expected, coder):
    rng = np.random.default_rng(3)
    arrays = {
        f"{i}/{name}": (rng.random((40, 31)) * 9).astype(dtype_of(i)) * (i % 2)
        if i
        else rng.random((40, 31)) < 0.5
        for i, name in enumerate(DTYPES)
    }
    data = dumps(arrays, coder=coder)
    assert lister(data) == expected(data)


@coders
@few
@given(st.lists(tensors() | large_tensors(), max_size=4))
def test_any_arrays(lister, expected, coder, arrays):
    named = {f"layer{i // 2}/{i}": array for i, array in enumerate(arrays)}
    data = dumps(named, coder=coder)
    assert lister(data) == expected(data)


def test_several_streams_and_a_reversed_scan(lister, expected):
    rng = np.random.default_rng(5)
    wide = np.zeros((3, 700, 400), "float32")
    wide[:, :, ::50] = rng.integers(1, 9, (3, 700, 8))
    few_codes = rng.integers(0, 5, (300, 400)).astype("float64")
    half = rng.standard_normal((500, 300)).astype("float16")
    pairs = rng.standard_normal((300, 150)) * (1 + 2j)
    data = dumps({"wide": wide, "codes": few_codes, "half": half, "pairs": pairs})
    assert lister(data) == expected(data)


def test_sections_of_version_2_that_follow_the_head(lister, expected):
    arrays = {f"layer{i}/kernel": parted()["dense/half"][:, : 9 + i] for i in range(5)}
    body = io.BytesIO()
    written = version2.write(arrays, (b"", 0), [], body, max_elements=900)
    data = container.header(2, written.header) + body.getvalue()
    assert len(container.read(data)._directory.sections) > 3
    assert lister(data) == expected(data)


@coders
def test_assets_and_parts(lister, expected, coder):
    rng = np.random.default_rng(9)
    words = [bytes(rng.integers(97, 110, 6, "uint8")) for _ in range(9)]
    text = b" ".join(words[i] for i in rng.integers(0, 9, 40_000))
    assets = {**kept(), "text": text, "noise": rng.bytes(70_000)}
    file = io.BytesIO()
    dc.write(file, {}, coder=coder, assets=assets, parts={"x-notes": b"by hand"})
    assert lister(file.getvalue()) == expected(file.getvalue())


def test_a_part_that_is_needed_and_not_known_is_refused(lister):
    data = dumps({}, parts=[Part("program", b"1", is_needed=True)])
    assert lister(data) == "needs a newer decoder"


@pytest.mark.parametrize("name", ["", "a" * 33, "A", "assets\0\0", "a\x7fb", "a_b"])
@pytest.mark.parametrize("is_needed", [0, 1, 2])
def test_names_of_parts_are_held_to_their_letters(lister, expected, name, is_needed):
    data = dumps({}, parts=[Part(name, b"1", is_needed=is_needed)])
    assert isinstance(lister(data), str)
    agree(lister, expected, data)


BROKEN = [
    pytest.param(data, id=f"{rule}: {what}")
    for rule, files in FILES.items()
    for what, data in files.items()
    if rule not in {Rule.MEMORY, Rule.ARCHITECTURE}  # which are the caller's business
]


@pytest.mark.parametrize("data", BROKEN)
def test_a_file_that_breaks_a_rule_is_refused(lister, data):
    assert isinstance(lister(data), str)


def agree(lister, expected, data):
    """Both read a file, and the same in it, or neither does."""
    said, lines, why = lister(data), None, ""
    try:
        with container.read(data, max_bytes=LIMIT):
            lines = expected(data)
    except CorruptFileError as error:
        why = str(error)
    if lines is None:
        assert isinstance(said, str) or "max_bytes" in why, (said, why)
    elif said != TOO_LARGE:
        assert "\n".join(said) == "\n".join(lines)  # names may hold such


def damaged(draw, data):
    """Bytes of which a few are others."""
    data = bytearray(data)
    for _ in range(draw(st.integers(0, 3))):
        data[draw(st.integers(0, len(data) - 1))] = draw(st.integers(0, 255))
    return bytes(data)


@few
@given(st.data())
def test_both_refuse_the_same_of_version_1(lister, expected, data):
    array = data.draw(tensors() | large_tensors())
    writer = ByteWriter()
    HuffmanTensor.encode(array, writer)
    section = damaged(data.draw, writer.end())
    entry = encode_entry("kernel", array.dtype, array.shape)
    listing = b"\0\1\1a\1" + seal(section) + entry
    header = b"\x89DCZ\1" + varint(len(listing)) + listing
    agree(lister, expected, header + seal(header)[-4:] + section)


@few
@given(st.data())
def test_both_refuse_the_same_of_version_2(lister, expected, data):
    array = data.draw(tensors() | large_tensors())
    lengths = version2.lengths_of(array.shape, ())
    entry = encode_entry("kernel", array.dtype, lengths)
    coder = version2.begin_head(b"\0" + version2.list_section([("a", [entry])], None))
    begin = coder.n_bits // 8
    ContextTensor.encode(array, coder)
    head = coder.end()
    if len(head) > begin + 2:
        head = head[: begin + 2] + damaged(data.draw, head[begin + 2 :])
    agree(lister, expected, container.header(2, [head, b""]))


@pytest.mark.parametrize("path", EXACT)
def test_both_refuse_the_same_of_files_that_are_almost_golden(lister, expected, path):
    rng = random.Random(path.stem)
    taken = take_apart(path.read_bytes())
    for _ in range(N_MUTATIONS):
        agree(lister, expected, mutated(taken, [taken.listing], rng))


@few
@given(st.binary(max_size=60), st.binary(max_size=40))
def test_both_refuse_the_same_directories(lister, expected, listing, rest):
    header = b"\x89DCZ\1" + varint(len(listing)) + listing
    agree(lister, expected, header + seal(header)[-4:] + rest)


@few
@given(st.binary(max_size=12) | st.text(max_size=5).map(str.encode))
def test_both_take_the_same_names(lister, expected, name):
    entry = b"\0" + varint(len(name)) + name + bytes([2 << 3])
    listing = b"\0\1" + varint(len(name)) + name + b"\2" + seal(b"\0\7\0\7")
    listing += entry + b"\1" + bytes([2 << 3])
    header = b"\x89DCZ\1" + varint(len(listing)) + listing
    data = header + seal(header)[-4:] + b"\0\7\0\7"
    agree(lister, expected, data)


@pytest.mark.parametrize("name", "/a a/ a//b ../a a/.. . a\\b a\0".split(" "))
def test_names_of_assets_that_lead_out_are_refused(lister, name, monkeypatch):
    monkeypatch.setattr("deepcompress.dcz.assets.check_name", lambda name: None)
    file = io.BytesIO()
    dc.write(file, {}, assets={name: b"1", ".a/..b/c.": b"2"})
    assert lister(file.getvalue()) == "corrupt"


def test_the_example_lists_and_extracts(tmp_path):
    program = Program(tmp_path, "dczcat", "examples/dczcat.c")
    data = dumps({"a/kernel": np.arange(6, dtype="int16").reshape(2, 3)})
    path = tmp_path / "a.dcz"
    dc.write(path, dict(dc.read(data)), assets={"words": b"red green"})
    assert program.run(path) == (0, b"a/kernel int16 2 x 3\nwords: 9 bytes\n")
    native = np.arange(6, dtype="=i2").tobytes()
    assert program.run(path, "a/kernel") == (0, native)
    assert program.run(path, "words") == (0, b"red green")
    assert program.run(path, "b")[0] == 1
    assert program.run(tmp_path / "b.dcz")[0] == 1


def test_the_example_of_the_page_runs(tmp_path):
    page = (FOLDER.parent / "docs" / "c.md").read_text(encoding="utf-8")
    source = tmp_path / "example.c"
    source.write_text(page.partition("```c\n")[2].partition("```")[0])
    program = Program(tmp_path, "example", source)
    kernel = np.arange(12, dtype="float32").reshape(3, 4)
    for coder in container.CODERS:
        data = dumps({"dense/bias": kernel[0], "dense/kernel": kernel}, coder=coder)
        assert program.run(given=data) == (0, b"3 x 4, the last one is 11\n")
    assert program.run(given=dumps({"dense/kernel": kernel[0]}))[0] == 1
    assert program.run(given=b"")[0] == 1


def test_the_dictionary_is_that_of_the_package():
    listings = module("listings")
    source = (FOLDER / "dcz.c").read_text()
    assert listings.literal(listings.packed()) + ";" in source
    assert f"N_LISTINGS = {len(version2.LISTINGS)} " in source


def test_nothing_of_a_c_library_is_needed_but_memcpy_and_memset(tmp_path):
    program = Program(tmp_path, "dczcat", "examples/dczcat.c")
    if shutil.which("nm") is None:
        pytest.skip("there is no nm")
    out = tmp_path / "dcz.o"
    program.compile("-O2", "-ffreestanding", "-c", FOLDER / "dcz.c", "-o", out)
    command = ["nm", "-u", out]
    undefined = subprocess.run(command, capture_output=True, text=True, check=True)
    names = {line.split()[-1].lstrip("_") for line in undefined.stdout.splitlines()}
    assert names - {"GLOBAL_OFFSET_TABLE_", "stack_chk_fail"} <= {"memcpy", "memset"}
