"""Files are written and read an array at a time."""

import io
import tempfile
import weakref
from collections.abc import Mapping

import numpy as np
import pytest

import deepcompress as dc
from deepcompress.dcz import container, version1
from deepcompress.dcz.directory import PackedArchitecture

N, SIDE = 8, 100


class Made(Mapping):
    """Arrays that are made when they are asked for; `most` are there at a time."""

    def __init__(self):
        self.alive = self.most = 0

    def __getitem__(self, name):
        rng = np.random.default_rng(int(name.removeprefix("w")))
        array = rng.standard_normal((SIDE, SIDE)).astype("float32")
        self.alive += 1
        self.most = max(self.most, self.alive)
        weakref.finalize(array, self.died)
        return array

    def died(self):
        self.alive -= 1

    def __iter__(self):
        return (f"w{i}" for i in range(N))

    def __len__(self):
        return N


@pytest.mark.parametrize("version", [1, 2])
def test_large_arrays_are_there_one_at_a_time(version, monkeypatch):
    module, options = container.VERSIONS[version], {}
    monkeypatch.setattr(module, "LARGE", SIDE * SIDE)
    if version == 2:
        options["max_elements"] = SIDE * SIDE
    made, body = Made(), io.BytesIO()
    written = module.write(made, PackedArchitecture(), [], body, **options)
    # The next is made while the one before is written; the first of a file in version
    # 2 waits for the listing.
    assert made.most <= version + 1
    data = container.header(version, written.header) + body.getvalue()
    with dc.read(data) as arrays:
        for name, array in made.items():
            np.testing.assert_array_equal(arrays[name], array)


def test_a_layer_of_large_arrays_has_several_sections(monkeypatch):
    file, made = io.BytesIO(), Made()
    monkeypatch.setattr(version1, "_SMALL", 0)
    for full, n_sections in [(1 << 24, 1), (8 * SIDE * SIDE, 4), (1, N)]:
        monkeypatch.setattr(version1, "_FULL", full)
        file = io.BytesIO()
        dc.write(file, made)
        data = file.getvalue()
        listed = container.read_directory(io.BytesIO(data), len(data))
        assert len(listed.sections) == n_sections
        with dc.read(data) as arrays:
            assert list(arrays) == list(made)
            assert arrays.to_dict().keys() == dict(made).keys()


def test_the_body_waits_beside_the_file(tmp_path, monkeypatch):
    folders, spooled = [], tempfile.SpooledTemporaryFile
    monkeypatch.setattr(
        tempfile,
        "SpooledTemporaryFile",
        lambda size, dir: folders.append(dir) or spooled(8, dir=dir),
    )
    report = dc.write(tmp_path / "a.dcz", Made())
    assert folders == [str(tmp_path)]
    assert [p.name for p in tmp_path.iterdir()] == ["a.dcz"]
    assert report.size == (tmp_path / "a.dcz").stat().st_size
    with dc.read(tmp_path / "a.dcz") as arrays:
        assert len(arrays.to_dict()) == N


def test_items_are_taken_one_by_one_where_they_are_large():
    from deepcompress._threads import each_in_order

    taken, given = [], []

    def items():
        for item in range(9):
            taken.append(item)
            yield item

    for result in each_in_order(lambda x: x * x, items(), lambda x: x % 3 == 0, 2):
        given.append(result)
        # None is taken before a large one is given.
        assert len(taken) <= len(given) + 3
    assert given == [i * i for i in range(9)]
    assert list(each_in_order(str, [], bool)) == []
