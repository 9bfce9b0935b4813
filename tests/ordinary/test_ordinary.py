"""Every verb on ordinary models: it works, or is refused with words to be expected."""

import json
from pathlib import Path

import pytest
from helpers.nets import BACKEND

from ordinary.families import ORDINARY
from ordinary.verbs import VERBS, attempt


def parameters():
    """All pairs; those of quick models are there with `--long`, too."""
    for name, entry in ORDINARY.items():
        for verb in VERBS:
            mark = pytest.mark.long if entry.is_fast else pytest.mark.slow
            yield pytest.param(name, verb, marks=mark, id=f"{name}-{verb}")


@pytest.mark.parametrize(("name", "verb"), list(parameters()))
def test_it_works_or_is_refused_with_words(name, verb):
    if BACKEND not in ORDINARY[name].backends:
        pytest.skip(f"Keras does not train {name} on {BACKEND}")
    attempt(name, verb)


RESULTS = Path(__file__).parents[2] / "docs" / "results"


@pytest.mark.parametrize(
    ("backend", "part"), [("tensorflow", 1.0), ("jax", 0.33), ("torch", 0.33)]
)
def test_the_page_tells_of_the_models_that_there_are(backend, part):
    found = json.loads((RESULTS / f"ordinary_{backend}.json").read_text())
    names = [name for name, each in ORDINARY.items() if backend in each.backends]
    assert len(found.keys() & set(names)) >= part * len(names)
    for name in found.keys() & set(names):
        assert list(found[name]) == list(VERBS)
        for verb, cell in found[name].items():
            words = ORDINARY[name].refusal(verb)
            assert cell == "works" if words is None else words in cell, (name, verb)
