"""Every verb on ordinary models: it works, or is refused with words to be expected."""

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
