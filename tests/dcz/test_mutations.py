"""Files that are almost golden ones are refused by a rule, or read."""

from collections import Counter

import pytest
from helpers.golden import REFUSED
from helpers.mutations import CORPUS, run, take_apart

# What the writer would not choose comes together otherwise.
EXACT = [
    pytest.param(path, id=f"{path.parent.name}-{path.stem}")
    for path in CORPUS
    if path.parent != REFUSED and path.stem != "forced-v2"
]


@pytest.mark.parametrize("path", EXACT)
def test_what_is_taken_apart_comes_together(path):
    data = path.read_bytes()
    taken = take_apart(data)
    assert taken.together() == data
    for index, piece in enumerate(taken.pieces):
        assert taken.with_piece(index, piece).together() == data


def test_mutated_files_are_refused_by_a_rule_or_read():
    said = sum((run(path, 25, seed=0) for path in CORPUS), Counter())
    # Most of them get past the checksums.
    assert said["read"] > said.total() / 20
    assert len(said) > 20
    assert said["checksum-of-directory"] < said.total() / 4
